//! Assertions by which a client proves who it is: `private_key_jwt` (RFC 7521 §4.2, RFC 7523 §2.2 and §3, OpenID
//! Connect Core §9).

use std::fmt;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::client::{ClientId, ClientKeys};
use super::commit::ClaimOnce;
use super::error::AssertionReason;
use super::issuer::Issuer;
use super::jwk::KeySet;
use super::jws::Jws;
use super::time::Timestamp;

/// The only `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const MAX_BYTES: usize = 8 * 1024;
const MAX_ID_BYTES: usize = 256;
/// How far the client's clock may be from ours (RFC 7523 §3: "subject to allowable clock skew").
const SKEW: Duration = Duration::from_mins(1);
/// RFC 7523 §3: "The authorization server may reject JWTs with an "exp" claim value that is unreasonably far in the
/// future". Each is remembered for so long.
const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// The names by which an assertion may call this server.
#[derive(Debug, Clone, Copy)]
pub struct Audience<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
    /// The path of the token endpoint on the issuer's origin.
    pub token_path: &'a str,
}

impl Audience<'_> {
    /// draft-ietf-oauth-rfc7523bis: the issuer, as the sole value. Some libraries write it with the slash of a URL's
    /// root, or without that of the issuer.
    fn is_issuer(&self, name: &str) -> bool {
        name.trim_end_matches('/') == self.issuer.as_str().trim_end_matches('/')
            && name.len().abs_diff(self.issuer.as_str().len()) <= 1
    }

    /// RFC 7523 §3: "The token endpoint URL of the authorization server MAY be used". A hostile server can give its
    /// clients our token endpoint for its own and so get assertions that are good here.
    fn is_token_endpoint(&self, name: &str) -> bool {
        name.strip_prefix(self.issuer.origin()) == Some(self.token_path)
    }
}

/// An assertion as it was sent. Nothing of it is proven.
pub struct ClientAssertion {
    jws: Jws,
    client: ClientId,
    id: String,
    audience: String,
    expires_at: Timestamp,
    good_from: Timestamp,
}

// Until it was used, whoever has it passes for the client.
impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAssertion").field("client", &self.client).finish_non_exhaustive()
    }
}

impl ClientAssertion {
    /// Reads an assertion: a signed JWT with all claims that it must have.
    ///
    /// # Errors
    /// See [`AssertionReason`].
    pub fn read(text: &str) -> Result<Self, AssertionReason> {
        if text.len() > MAX_BYTES {
            return Err(AssertionReason::TooLarge);
        }
        let (jws, claims) = Jws::read(text)?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        // RFC 7523 §3: for client authentication "the subject MUST be the "client_id"", and Core §9 has the same of
        // the issuer
        let (issuer, subject) = (text("iss"), text("sub").ok_or(AssertionReason::Malformed)?);
        if issuer != Some(subject) {
            return Err(AssertionReason::TwoNames);
        }
        let id = text("jti").filter(|id| (1..=MAX_ID_BYTES).contains(&id.len())).ok_or(AssertionReason::NoId)?;
        let starts = [date(&claims, "nbf")?, date(&claims, "iat")?];
        Ok(Self {
            client: ClientId::parse(subject).map_err(|_| AssertionReason::Malformed)?,
            id: id.to_owned(),
            audience: sole_audience(&claims)?.to_owned(),
            expires_at: date(&claims, "exp")?.ok_or(AssertionReason::Malformed)?,
            good_from: starts.into_iter().flatten().max().unwrap_or(Timestamp::from_millis(0)),
            jws,
        })
    }

    /// The client that the assertion says it comes from.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.client
    }

    /// Finds that the assertion is for this server, good now, and signed by one of the keys of its client, which has
    /// these, some of them `fetched`; `None` if it has none. Only after that, so that nobody uses up the `jti` of
    /// another, it has to be claimed.
    ///
    /// Without keys the same work is done as with one (attack 29).
    ///
    /// # Errors
    /// See [`AssertionReason`].
    pub fn check(
        &self,
        keys: Option<&ClientKeys>,
        fetched: Option<&KeySet>,
        audience: &Audience<'_>,
        now: Timestamp,
    ) -> Result<ClaimOnce, AssertionReason> {
        self.check_times(now)?;
        let is_for_issuer = audience.is_issuer(&self.audience);
        if !is_for_issuer && !audience.is_token_endpoint(&self.audience) {
            return Err(AssertionReason::Audience);
        }
        if !self.jws.is_by(keys.and_then(|keys| keys.set(fetched))) {
            return Err(AssertionReason::Signature);
        }
        if !is_for_issuer && !keys.is_some_and(|keys| keys.token_endpoint_audience) {
            return Err(AssertionReason::Audience);
        }
        Ok(self.claim(now))
    }

    /// Whether it might be good, as far as that can be told before its client's keys are there: what is not is no
    /// reason to fetch them.
    pub(super) fn might_be_good(&self, keys: &ClientKeys, audience: &Audience<'_>, now: Timestamp) -> bool {
        let is_for_us = audience.is_issuer(&self.audience)
            || (keys.token_endpoint_audience && audience.is_token_endpoint(&self.audience));
        is_for_us && self.check_times(now).is_ok()
    }

    pub(super) fn is_signed_by(&self, keys: &KeySet) -> bool {
        self.jws.is_by(Some(keys))
    }

    fn check_times(&self, now: Timestamp) -> Result<(), AssertionReason> {
        if now >= self.expires_at.after(SKEW) {
            return Err(AssertionReason::Expired);
        }
        if self.expires_at > now.after(MAX_LIFETIME).after(SKEW) {
            return Err(AssertionReason::TooLong);
        }
        if self.good_from > now.after(SKEW) { Err(AssertionReason::TooEarly) } else { Ok(()) }
    }

    /// RFC 7523 §3: "ensure that JWTs are not replayed by maintaining the set of used "jti" values for the length of
    /// time for which the JWT would be considered valid" – by any instance, whose clocks differ as well.
    fn claim(&self, now: Timestamp) -> ClaimOnce {
        let (client, id) = (self.client.as_str().as_bytes(), self.id.as_bytes());
        let length = u64::try_from(client.len()).unwrap_or(u64::MAX).to_be_bytes();
        let name = [b"grantor client assertion".as_slice(), &length, client, id].concat();
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, &name).as_ref());
        ClaimOnce { key, keep_until: self.expires_at.after(SKEW).after(SKEW), now }
    }
}

/// draft-ietf-oauth-rfc7523bis: the sole value. RFC 7519 §4.1.3: that may be written as a text or as an array of one.
fn sole_audience(claims: &Map<String, Value>) -> Result<&str, AssertionReason> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(one),
        Some(Value::Array(several)) => match several.as_slice() {
            [Value::String(one)] => Ok(one),
            _ => Err(AssertionReason::Audience),
        },
        Some(_) | None => Err(AssertionReason::Malformed),
    }
}

/// A date in seconds, whole or not (RFC 7519 §2), if it is there.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, AssertionReason> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_u64().map(Duration::from_secs);
    let duration = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok());
    let duration = duration.ok_or(AssertionReason::Malformed)?;
    Ok(Some(Timestamp::from_millis(0).after(duration)))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn assertion(more: &str) -> ClientAssertion {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let claims = format!(r#"{{"iss":"c","sub":"c","aud":"https://h.example","jti":"j",{more}}}"#);
        ClientAssertion::read(&format!("{}.{}.AA", part(r#"{"alg":"ES256"}"#), part(&claims))).unwrap()
    }

    #[test]
    fn an_assertion_has_at_most_8192_bytes() {
        let of = |length| ClientAssertion::read(&"a".repeat(length)).unwrap_err();
        assert_eq!((of(8192), of(8193)), (AssertionReason::Malformed, AssertionReason::TooLarge));
    }

    #[test]
    fn times_are_judged_to_the_millisecond_with_a_minute_for_the_clients_clock() {
        let (skew, hour) = (60_000, 3_600_000);
        for (expires, starts, expected) in [
            (1 - skew, 0, Ok(())),
            (-skew, 0, Err(AssertionReason::Expired)),
            (hour + skew, 0, Ok(())),
            (hour + skew + 1, 0, Err(AssertionReason::TooLong)),
            (1_000, skew, Ok(())),
            (1_000, skew + 1, Err(AssertionReason::TooEarly)),
        ] {
            let at = |offset: i64| Timestamp::from_millis(NOW.as_millis().checked_add_signed(offset).unwrap());
            let mut assertion = assertion(r#""exp":1"#);
            (assertion.expires_at, assertion.good_from) = (at(expires), at(starts));
            assert_eq!(assertion.check_times(NOW), expected, "{expires} {starts}");
        }
    }

    #[test]
    fn the_later_of_two_starts_counts() {
        for (claims, millis) in [
            (r#""exp":9"#, 0),
            (r#""exp":9,"nbf":2"#, 2_000),
            (r#""exp":9,"nbf":2,"iat":3.5"#, 3_500),
            (r#""exp":9,"nbf":4,"iat":3"#, 4_000),
        ] {
            assert_eq!(assertion(claims).good_from.as_millis(), millis, "{claims}");
        }
    }
}
