//! Client authentication (RFC 6749 §2.3): none, a shared secret as Basic credentials or in the body, or an assertion
//! that the client signed (RFC 7521 §4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::assertion::{ASSERTION_TYPE, Audience, ClientAssertion};
use super::client::{Client, ClientAuthentication, ClientId, KeyPlace, KeysUrl};
use super::commit::ClaimOnce;
use super::error::{AssertionReason, TokenReason};
use super::jwk::KeySet;
use super::params::{Parameters, decode};
use super::secret::SecretHash;
use super::time::Timestamp;

/// What a request shows of its client.
#[derive(Debug)]
pub struct Presented {
    id: ClientId,
    proof: Proof,
    used_basic: bool,
}

/// By what the client would show that it is the one it says.
#[derive(Debug)]
enum Proof {
    Nothing,
    Secret(PresentedSecret),
    Assertion(Box<ClientAssertion>),
}

/// A client that has proven who it is, as far as that can be told from its request alone.
#[must_use]
#[derive(Debug)]
pub enum Proven {
    /// That is all.
    Wholly,
    /// If this is the first claim: its assertion is good once (RFC 7523 §3).
    IfFirst(ClaimOnce),
}

/// What it is worth that a request names its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The client says so, as a public one may.
    Claimed,
    /// The client has proven it by a secret or a signature.
    Proven,
}

/// The hashes of the secret as it was sent, and as it reads when it is decoded.
#[derive(Debug)]
struct PresentedSecret {
    as_sent: SecretHash,
    decoded: SecretHash,
}

impl PresentedSecret {
    fn matches(&self, stored: &SecretHash) -> bool {
        self.as_sent.matches(stored) | self.decoded.matches(stored)
    }
}

/// Why a client is refused, and whether it came with Basic credentials and must be told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAuthError {
    /// Why.
    pub reason: TokenReason,
    /// Whether the answer needs a `WWW-Authenticate: Basic`.
    pub used_basic: bool,
}

impl Presented {
    /// Reads the credentials of a request: its `Authorization` headers and its form body. Those in a
    /// query are never looked at (RFC 6749 §2.3.1: "MUST NOT be included in the request URI").
    ///
    /// # Errors
    /// If there are none, several, or unreadable ones.
    pub fn read<'a>(
        authorization: impl Iterator<Item = &'a [u8]>,
        parameters: &Parameters<'_>,
    ) -> Result<Self, ClientAuthError> {
        let basic = basic_credentials(authorization)?;
        let used_basic = basic.is_some();
        let fail = |reason| ClientAuthError { reason, used_basic };
        let one = |name| parameters.one(name).map_err(|repeated| fail(repeated.into()));
        let (body_id, body_secret) = (one("client_id")?, one("client_secret")?);
        let (assertion, assertion_type) = (one("client_assertion")?, one("client_assertion_type")?);
        let has_assertion = assertion.is_some() || assertion_type.is_some();

        // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
        let basic_secret = basic.as_ref().and_then(|basic| basic.secret.as_ref());
        let methods = [basic_secret.is_some(), body_secret.is_some(), has_assertion];
        if methods.iter().filter(|used| **used).count() > 1 || (used_basic && has_assertion) {
            return Err(fail(TokenReason::TwoMethods));
        }
        if has_assertion {
            let asserted = Self::by_assertion(assertion, assertion_type, body_id);
            return asserted.map_err(fail);
        }
        let id = match (basic.as_ref().map(|basic| &*basic.id), body_id) {
            (Some(id), Some(other)) if id != other => return Err(fail(TokenReason::TwoClients)),
            (Some(id), _) | (None, Some(id)) => ClientId::parse(id).map_err(|_| fail(TokenReason::ClientUnknown))?,
            (None, None) => return Err(fail(TokenReason::ClientMissing)),
        };
        let body_secret = body_secret.map(|secret| {
            let hash = SecretHash::of_text(secret);
            PresentedSecret { as_sent: hash, decoded: hash }
        });
        let secret = basic.and_then(|basic| basic.secret).or(body_secret);
        Ok(Self { id, proof: secret.map_or(Proof::Nothing, Proof::Secret), used_basic })
    }

    fn by_assertion(text: Option<&str>, kind: Option<&str>, body_id: Option<&str>) -> Result<Self, TokenReason> {
        if kind != Some(ASSERTION_TYPE) {
            return Err(AssertionReason::OtherAssertionType.into());
        }
        let assertion = ClientAssertion::read(text.ok_or(AssertionReason::Missing)?)?;
        let id = assertion.client().clone();
        // RFC 7521 §4.2: if there is a client_id, it "MUST identify the same client as is identified by the client
        // assertion"
        if body_id.is_some_and(|other| other != id.as_str()) {
            return Err(TokenReason::TwoClients);
        }
        Ok(Self { id, proof: Proof::Assertion(Box::new(assertion)), used_basic: false })
    }

    /// The client that the request says it comes from.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// What the client's word is worth once it was authenticated.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        match self.proof {
            Proof::Nothing => Identity::Claimed,
            Proof::Secret(_) | Proof::Assertion(_) => Identity::Proven,
        }
    }

    /// Where the keys are without which nothing can be said of the request, if they are not here. All that can be
    /// told without them is in order by then: nothing is fetched for whoever has nothing to prove, nor for an
    /// assertion that would be refused by whatever key.
    #[must_use]
    pub fn keys_to_fetch<'a>(
        &self,
        client: Option<&'a Client>,
        audience: &Audience<'_>,
        now: Timestamp,
    ) -> Option<&'a KeysUrl> {
        let (Proof::Assertion(assertion), Some(client)) = (&self.proof, client) else { return None };
        let keys = client.authentication.keys().filter(|_| !client.blocked && client.was_let_in())?;
        match &keys.place {
            KeyPlace::Url(url) if assertion.might_be_good(keys, audience, now) => Some(url),
            KeyPlace::Url(_) | KeyPlace::Set(_) => None,
        }
    }

    /// Whether one of these keys made the signature of its assertion.
    #[must_use]
    pub fn is_signed_by(&self, keys: &KeySet) -> bool {
        matches!(&self.proof, Proof::Assertion(assertion) if assertion.is_signed_by(keys))
    }

    /// Finds that the request comes from `client`, by the class of authentication that it registered; `fetched` are
    /// its keys if they had to be [fetched](Self::keys_to_fetch).
    ///
    /// The same work is done, and the same answer given, whether the client does not exist or its secret or
    /// signature is wrong (attack 29).
    ///
    /// # Errors
    /// If it does not.
    pub fn authenticate(
        &self,
        client: Option<&Client>,
        fetched: Option<&KeySet>,
        audience: &Audience<'_>,
        now: Timestamp,
    ) -> Result<Proven, ClientAuthError> {
        let verdict = match &self.proof {
            Proof::Nothing => by_secret(None, client, now),
            Proof::Secret(secret) => by_secret(Some(secret), client, now),
            Proof::Assertion(assertion) => by_keys(assertion, client, fetched, audience, now),
        };
        let is_blocked = client.is_some_and(|client| client.blocked);
        match verdict {
            Ok(_) if is_blocked => Err(self.refused(TokenReason::ClientBlocked)),
            verdict => verdict.map_err(|reason| self.refused(reason)),
        }
    }

    /// The same for what a client may do only if it proves who it is.
    ///
    /// # Errors
    /// If it does not.
    pub fn authenticate_confidential(
        &self,
        client: Option<&Client>,
        fetched: Option<&KeySet>,
        audience: &Audience<'_>,
        now: Timestamp,
    ) -> Result<Proven, ClientAuthError> {
        let proven = self.authenticate(client, fetched, audience, now)?;
        let is_confidential = client.is_some_and(Client::is_confidential);
        if is_confidential { Ok(proven) } else { Err(self.refused(TokenReason::ClientNotConfidential)) }
    }

    const fn refused(&self, reason: TokenReason) -> ClientAuthError {
        ClientAuthError { reason, used_basic: self.used_basic }
    }
}

/// Whether a client proves who it is by that secret, or a public one by none, where it is not seen how it was sent.
#[must_use]
pub fn is_proven_by(secret: Option<&str>, client: Option<&Client>, now: Timestamp) -> bool {
    let presented = secret.map(SecretHash::of_text).map(|hash| PresentedSecret { as_sent: hash, decoded: hash });
    by_secret(presented.as_ref(), client, now).is_ok() && client.is_some_and(|client| !client.blocked)
}

fn by_secret(
    presented: Option<&PresentedSecret>,
    client: Option<&Client>,
    now: Timestamp,
) -> Result<Proven, TokenReason> {
    const NOBODYS: SecretHash = SecretHash::from_bytes([0; 32]);
    let authentication = client.map(|client| &client.authentication);
    let (current, previous) = match authentication {
        Some(ClientAuthentication::Secret(hash)) => (hash, hash),
        Some(ClientAuthentication::Rotating { current, previous, until }) if now < *until => (current, previous),
        Some(ClientAuthentication::Rotating { current, .. }) => (current, current),
        Some(ClientAuthentication::None | ClientAuthentication::Keys(_)) | None => (&NOBODYS, &NOBODYS),
    };
    let matches = presented.map(|secret| secret.matches(current) | secret.matches(previous));
    match (authentication, matches) {
        (None, _) => Err(TokenReason::ClientUnknown),
        (Some(ClientAuthentication::None), None) => Ok(Proven::Wholly),
        (Some(ClientAuthentication::Keys(keys)), None) if keys.optional => Ok(Proven::Wholly),
        (Some(ClientAuthentication::None | ClientAuthentication::Keys(_)), Some(_)) => {
            Err(TokenReason::SecretUnexpected)
        }
        (Some(ClientAuthentication::Keys(_)), None) => Err(AssertionReason::Missing.into()),
        (Some(ClientAuthentication::Secret(_) | ClientAuthentication::Rotating { .. }), Some(true)) => {
            Ok(Proven::Wholly)
        }
        (Some(ClientAuthentication::Secret(_) | ClientAuthentication::Rotating { .. }), Some(false)) => {
            Err(TokenReason::SecretWrong)
        }
        (Some(ClientAuthentication::Secret(_) | ClientAuthentication::Rotating { .. }), None) => {
            Err(TokenReason::SecretMissing)
        }
    }
}

fn by_keys(
    assertion: &ClientAssertion,
    client: Option<&Client>,
    fetched: Option<&KeySet>,
    audience: &Audience<'_>,
    now: Timestamp,
) -> Result<Proven, TokenReason> {
    let keys = client.and_then(|client| client.authentication.keys());
    let claim = assertion.check(keys, fetched, audience, now);
    match (client, keys) {
        (None, _) => Err(TokenReason::ClientUnknown),
        (Some(_), None) => Err(AssertionReason::Unexpected.into()),
        (Some(_), Some(_)) => Ok(Proven::IfFirst(claim?)),
    }
}

struct Basic {
    id: String,
    secret: Option<PresentedSecret>,
}

/// The Basic credentials of a request; `None` if there are none. Other schemes are not for us.
fn basic_credentials<'a>(mut authorization: impl Iterator<Item = &'a [u8]>) -> Result<Option<Basic>, ClientAuthError> {
    let header = match (authorization.next(), authorization.next()) {
        (None, _) => return Ok(None),
        (Some(one), None) => one,
        (Some(_), Some(_)) => return Err(ClientAuthError { reason: TokenReason::TwoMethods, used_basic: true }),
    };
    // RFC 9110 §11.1: the scheme is case-insensitive
    let Some((scheme, encoded)) =
        header.split_at_checked(6).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "))
    else {
        return Ok(None);
    };
    debug_assert_eq!(scheme.len(), 6);
    read_basic(encoded).map(Some).ok_or(ClientAuthError { reason: TokenReason::CredentialsMalformed, used_basic: true })
}

fn read_basic(encoded: &[u8]) -> Option<Basic> {
    let text = String::from_utf8(STANDARD.decode(encoded.trim_ascii()).ok()?).ok()?;
    // RFC 7617 §2: the id has no colon, the secret may
    let (id, secret) = text.split_once(':')?;
    // RFC 6749 §2.3.1: both parts are form-encoded. Many clients do not encode the secret, so that is
    // also tried as it was sent; the id is decoded exactly once.
    let id = decode(id.as_bytes());
    let secret = (!secret.is_empty()).then(|| PresentedSecret {
        as_sent: SecretHash::of_text(secret),
        decoded: SecretHash::of_text(&decode(secret.as_bytes())),
    });
    (!id.is_empty()).then(|| Basic { id: id.into_owned(), secret })
}

#[cfg(test)]
mod tests {
    use super::super::client::{AuthMethod, ClientMetadata, ClientOrigin};
    use super::super::issuer::Issuer;
    use super::super::token::PARAMETERS;
    use super::*;

    fn client(id: &str, authentication: ClientAuthentication) -> Client {
        Client {
            id: ClientId::parse(id).unwrap(),
            origin: ClientOrigin::Administrator,
            authentication,
            metadata: ClientMetadata {
                redirect_uris: Vec::new(),
                name: None,
                home_page: None,
                logo: None,
                auth_method: AuthMethod::None,
                grant_types: Vec::new(),
            },
            scope_ceiling: None,
            consent_policy: super::super::client::ConsentPolicy::Ask,
            blocked: false,
            lifetimes: Default::default(),
            introspects: None,
            registration: None,
            tenure: None,
            created_at: Timestamp::from_millis(0),
            revision: 0,
        }
    }

    fn judge(authorization: &[&str], body: &str, client: Option<&Client>) -> Result<String, TokenReason> {
        let parameters = Parameters::parse(body.as_bytes(), &PARAMETERS);
        let headers = authorization.iter().map(|header| header.as_bytes());
        let presented = Presented::read(headers, &parameters).map_err(|error| error.reason)?;
        let issuer = Issuer::parse("https://app.example").unwrap();
        let audience = Audience { issuer: &issuer, token_path: "/oauth/token" };
        let proven = presented.authenticate(client, None, &audience, Timestamp::from_millis(0));
        assert!(matches!(proven.map_err(|error| error.reason)?, Proven::Wholly));
        Ok(presented.id().to_string())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn attack_26_two_methods_or_two_identities_are_refused() {
        let secret = client("a", ClientAuthentication::Secret(SecretHash::of_text("s")));
        let header = basic("a:s");
        assert_eq!(judge(&[&header], "client_id=a&client_secret=s", Some(&secret)), Err(TokenReason::TwoMethods));
        assert_eq!(judge(&[&header, &header], "", Some(&secret)), Err(TokenReason::TwoMethods));
        assert_eq!(judge(&[&header], "client_id=b", Some(&secret)), Err(TokenReason::TwoClients));
        assert_eq!(judge(&[&header], "client_id=a&client_assertion=x", Some(&secret)), Err(TokenReason::TwoMethods));
        assert_eq!(
            judge(&[], "client_id=a&client_id=a", Some(&secret)),
            Err(TokenReason::RepeatedParameter("client_id"))
        );
        assert_eq!(judge(&[&header], "client_id=a", Some(&secret)).unwrap(), "a", "the same id in both places");
    }

    #[test]
    fn attack_27_basic_credentials_are_read_as_they_come() {
        let hash = |text| ClientAuthentication::Secret(SecretHash::of_text(text));
        for (id, secret, sent) in [
            ("a", "s:t", "a:s:t"),
            ("a b", "s+%/=&", "a+b:s%2B%25%2F%3D%26"),
            ("a", "s+%/=&", "a:s+%/=&"),
            ("a", "100%", "a:100%"),
            ("a:b", "s", "a%3Ab:s"),
            ("a%20b", "s", "a%2520b:s"),
        ] {
            assert_eq!(judge(&[&basic(sent)], "", Some(&client(id, hash(secret)))).unwrap(), id, "{sent}");
        }
        let known = client("a", hash("s"));
        for scheme in ["basic", "BASIC", "bAsIc"] {
            assert!(judge(&[&basic("a:s").replace("Basic", scheme)], "", Some(&known)).is_ok(), "{scheme}");
        }
        for bad in ["Basic", "Basic ", "Basic !!!", &basic("a"), &basic(":s"), &basic(""), "Basic /w=="] {
            assert!(judge(&[bad], "", Some(&known)).is_err(), "{bad}");
        }
        assert_eq!(judge(&[&basic("a:")], "", Some(&known)), Err(TokenReason::SecretMissing));
        assert!(judge(&[&basic("a:")], "", Some(&client("a", ClientAuthentication::None))).is_ok());
        assert_eq!(
            judge(&["Bearer x"], "", Some(&known)),
            Err(TokenReason::ClientMissing),
            "another scheme names no client"
        );
    }

    #[test]
    fn attack_28_the_registered_class_of_authentication_is_enforced() {
        let public = client("a", ClientAuthentication::None);
        let secret = client("a", ClientAuthentication::Secret(SecretHash::of_text("s")));
        assert!(judge(&[], "client_id=a&client_secret=s", Some(&secret)).is_ok());
        assert!(judge(&[&basic("a:s")], "", Some(&secret)).is_ok());
        assert!(judge(&[], "client_id=a", Some(&public)).is_ok());
        assert_eq!(judge(&[], "client_id=a", Some(&secret)), Err(TokenReason::SecretMissing));
        assert_eq!(judge(&[], "client_id=a&client_secret=", Some(&secret)), Err(TokenReason::SecretMissing));
        assert_eq!(judge(&[], "client_id=a&client_secret=s", Some(&public)), Err(TokenReason::SecretUnexpected));
        assert_eq!(judge(&[], "client_id=a&client_secret=t", Some(&secret)), Err(TokenReason::SecretWrong));
    }

    #[test]
    fn attack_29_an_unknown_client_and_a_wrong_secret_look_alike() {
        let secret = client("a", ClientAuthentication::Secret(SecretHash::of_text("s")));
        let unknown = judge(&[], "client_id=a&client_secret=t", None).unwrap_err();
        let wrong = judge(&[], "client_id=a&client_secret=t", Some(&secret)).unwrap_err();
        assert_eq!((unknown, wrong), (TokenReason::ClientUnknown, TokenReason::SecretWrong));
        assert_eq!(unknown.wire(), wrong.wire());
        assert_eq!(judge(&[], "client_id=a", None).unwrap_err().wire(), wrong.wire());
        assert_eq!(judge(&[], "", None).unwrap_err().wire(), wrong.wire());
    }
}
