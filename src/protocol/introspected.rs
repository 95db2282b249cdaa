//! What an authorization server says of a token, as a resource server in another process reads it (RFC 7662 §2.2).
//!
//! What cannot be understood is no answer: nobody passes by it, and nobody's token is called bad.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::client::ClientId;
use super::commit::StoredAccess;
use super::error::BearerReason;
use super::grant::{AccessRecord, Grant, Holder, Subject};
use super::issuer::{Issuer, is_loopback_host};
use super::json;
use super::resource::{ResourceId, ResourceUri};
use super::scope::ScopeSet;
use super::secret::{Bearer, OrderedId};
use super::time::Timestamp;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// An answer that cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Its status is none of an answer, such as that of a redirect.
    #[error("its status is not 200")]
    Status,
    /// It does not say that it is JSON.
    #[error("its Content-Type is not application/json")]
    ContentType,
    /// It is longer than any honest one.
    #[error("it is too large")]
    TooLarge,
    /// It is no JSON object, or one in which a member is repeated.
    #[error("it is no JSON object with each member once")]
    NotJson,
    /// A member is missing, or is not what the RFC says.
    #[error("its member {0:?} is missing or has a wrong type")]
    Member(&'static str),
}

/// What an authorization server says of a token.
#[derive(Debug, Clone)]
pub enum Told {
    /// It is worth nothing here, for whatever reason.
    Inactive,
    /// It is good, as far as that is true for a resource; see [`Claims::check`].
    Active(Box<Claims>),
}

/// What is told of a token that is good.
#[derive(Debug, Clone)]
pub struct Claims {
    scopes: ScopeSet,
    client: ClientId,
    holder: Holder,
    grant: OrderedId,
    token_type: Option<String>,
    issuer: Option<String>,
    audience: Vec<String>,
    issued_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
}

/// Reads an answer by its status, its `Content-Type` and its content.
///
/// # Errors
/// If it cannot be understood.
pub fn read(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Told, Unreadable> {
    // RFC 7662 §2.2: "a JSON object in "application/json" format"; any other status is none of an answer
    if status != 200 {
        return Err(Unreadable::Status);
    }
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        return Err(Unreadable::ContentType);
    }
    if body.len() > MAX_ANSWER {
        return Err(Unreadable::TooLarge);
    }
    let members = Members(json::object(body).ok_or(Unreadable::NotJson)?);
    // RFC 7662 §2.2: `active` is REQUIRED, and a boolean
    match members.0.get("active") {
        Some(Value::Bool(true)) => Claims::read(&members).map(Box::new).map(Told::Active),
        Some(Value::Bool(false)) => Ok(Told::Inactive),
        Some(_) | None => Err(Unreadable::Member("active")),
    }
}

struct Members(Map<String, Value>);

impl Members {
    fn text(&self, name: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Unreadable::Member(name)),
        }
    }

    /// RFC 7662 §2.2: an "integer timestamp, measured in the number of seconds since January 1 1970 UTC"
    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_u64().ok_or(Unreadable::Member(name))?;
        Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1000))))
    }

    /// RFC 7662 §2.2: a string, or a list of strings
    fn texts(&self, name: &'static str) -> Result<Vec<String>, Unreadable> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(Unreadable::Member(name));
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(text).collect(),
            Some(value) => text(value).map(|one| vec![one]),
        }
    }
}

impl Claims {
    fn read(members: &Members) -> Result<Self, Unreadable> {
        let missing = Unreadable::Member;
        let subject = members.text("sub")?;
        // RFC 9700 §4.15: a client is no user, whatever its id
        let holder = match (members.text("holder")?, subject) {
            (Some("user"), Some(subject)) if !subject.is_empty() => Holder::User(Subject::new(subject)),
            (Some("user"), _) => return Err(missing("sub")),
            (Some("client"), None) => Holder::Client,
            _ => return Err(missing("holder")),
        };
        let scopes = ScopeSet::parse(members.text("scope")?.unwrap_or_default()).map_err(|_| missing("scope"))?;
        let client = members.text("client_id")?.and_then(|id| ClientId::parse(id).ok());
        let grant = members.text("grant_id")?.and_then(|text| text.parse().ok().filter(|id| is_written(*id, text)));
        Ok(Self {
            scopes,
            client: client.ok_or(missing("client_id"))?,
            holder,
            grant: grant.ok_or(missing("grant_id"))?,
            token_type: members.text("token_type")?.map(str::to_owned),
            issuer: members.text("iss")?.map(str::to_owned),
            audience: members.texts("aud")?,
            issued_at: members.time("iat")?,
            not_before: members.time("nbf")?,
            expires_at: members.time("exp")?.ok_or(missing("exp"))?,
        })
    }

    /// Finds that the token is good at `resource`, as a store here would have it: with the names of scopes.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn check(
        self,
        presented: &Bearer,
        issuer: &Issuer,
        resource: &ResourceUri,
        now: Timestamp,
    ) -> Result<StoredAccess, BearerReason> {
        // RFC 7662 §4: whoever gets the answer "MUST" check that the token may be used at this place and time
        // RFC 8414 §3.3, RFC 9207 §2.4: issuers are compared as strings
        if self.issuer.is_some_and(|told| told != issuer.as_str()) {
            return Err(BearerReason::OtherIssuer);
        }
        // RFC 6750 §1.1, RFC 9449 §7.2: one that is bound to a key is no bearer token; RFC 6749 §5.1: in any case
        if !self.token_type.is_some_and(|told| told.eq_ignore_ascii_case("Bearer")) {
            return Err(BearerReason::OtherTokenType);
        }
        // RFC 8707 §3, RFC 9700 §2.3: without an audience it is for nobody (attack 24)
        if !self.audience.iter().any(|told| ResourceUri::parse(told).is_ok_and(|told| told == *resource)) {
            return Err(BearerReason::OtherResource);
        }
        // RFC 7519 §4.1.5: "MUST NOT be accepted" before
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Err(BearerReason::NotYet);
        }
        // RFC 7519 §4.1.4: "on or after which" it "MUST NOT be accepted"
        if now >= self.expires_at {
            return Err(BearerReason::Expired);
        }
        let resource = ResourceId::from(resource.clone());
        let issued_at = self.issued_at.unwrap_or(now);
        let grant = Grant {
            id: self.grant,
            holder: self.holder,
            client: self.client,
            scopes: self.scopes.clone(),
            resources: Arc::new([resource.clone()]),
            created_at: issued_at,
        };
        let token = AccessRecord {
            id: presented.id,
            hash: presented.hash,
            grant: grant.id,
            scopes: self.scopes,
            resource,
            issued_at,
            expires_at: self.expires_at,
        };
        Ok(StoredAccess { token, grant: Arc::new(grant), revoked: false })
    }
}

/// Whether a text is how an id is written, and not another spelling of it.
fn is_written(id: OrderedId, text: &str) -> bool {
    id.to_string() == text
}

/// Why the metadata of an authorization server tell no introspection endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEndpoint {
    /// They cannot be understood.
    #[error("they are no JSON object of at most 64 KiB with each member once, or come with another status than 200")]
    Unreadable,
    /// They are those of another issuer (RFC 8414 §3.3).
    #[error("their issuer is another one")]
    OtherIssuer,
    /// They name no endpoint, or one that secrets must not be sent to.
    #[error("introspection_endpoint is missing, or is no https URL")]
    Endpoint,
}

/// Reads the metadata of an authorization server for its introspection endpoint (RFC 8414 §2).
///
/// # Errors
/// If they do not tell one.
pub fn endpoint(status: u16, body: &[u8], issuer: &Issuer) -> Result<String, NoEndpoint> {
    let is_answer = status == 200 && body.len() <= MAX_ANSWER;
    let metadata = json::object(body).filter(|_| is_answer).ok_or(NoEndpoint::Unreadable)?;
    let text = |name| metadata.get(name).and_then(Value::as_str);
    // RFC 8414 §3.3: otherwise "the data contained in the response MUST NOT be used"
    if text("issuer") != Some(issuer.as_str()) {
        return Err(NoEndpoint::OtherIssuer);
    }
    let endpoint = text("introspection_endpoint").filter(|url| is_safe_endpoint(url, issuer.is_loopback()));
    endpoint.map(str::to_owned).ok_or(NoEndpoint::Endpoint)
}

/// Whether secrets may be sent to a URL: over TLS (RFC 7662 §4), or within this very machine if that is meant.
#[must_use]
pub fn is_safe_endpoint(url: &str, loopback: bool) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let is_here = || loopback && url.host_str().is_some_and(is_loopback_host);
    let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_here());
    is_private && url.has_host() && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::introspection::INACTIVE;
    use super::super::secret::{BearerKind, BearerSeed};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const API: &str = "https://h.example/api";

    fn honest() -> Value {
        serde_json::json!({
            "active": true, "scope": "b a", "client_id": "c", "token_type": "Bearer", "exp": 1_800_000_009,
            "iat": 1_799_999_999, "sub": "alice", "holder": "user", "grant_id": "00000000000000ff", "aud": API,
            "iss": "https://h.example",
        })
    }

    fn told(answer: &Value) -> Result<Told, Unreadable> {
        read(200, Some("application/json"), answer.to_string().as_bytes())
    }

    fn judged(answer: &Value, now: Timestamp) -> Result<StoredAccess, BearerReason> {
        let Told::Active(claims) = told(answer).unwrap() else { panic!("{answer} is active") };
        let presented = Bearer::mint(BearerKind::Access, NOW, &BearerSeed::from_random(&[7; 36])).1;
        let (issuer, resource) = (Issuer::parse("https://h.example").unwrap(), ResourceUri::parse(API).unwrap());
        claims.check(&presented, &issuer, &resource, now)
    }

    /// The honest answer with another member, or without it.
    fn with(name: &str, value: impl Into<Value>) -> Value {
        let mut answer = honest();
        match value.into() {
            Value::Null => answer.as_object_mut().unwrap().remove(name),
            value => answer.as_object_mut().unwrap().insert(name.to_owned(), value),
        };
        answer
    }

    #[test]
    fn an_honest_answer_is_taken_whole() {
        let access = judged(&honest(), NOW).unwrap();
        assert_eq!(access.token.scopes.as_str(), "a b");
        assert_eq!(access.grant.client.as_str(), "c");
        assert_eq!(access.grant.holder.subject().unwrap().as_str(), "alice");
        assert_eq!(access.grant.id.to_bits(), 0xff);
        assert_eq!(access.token.expires_at.as_secs(), 1_800_000_009);
        assert!(!access.revoked);
        for good in [
            with("aud", vec!["https://other.example", API]),
            with("aud", "HTTPS://H.example:443/api/"),
            with("token_type", "bearer"),
            with("iss", Value::Null),
            with("iat", Value::Null),
            with("nbf", 1_800_000_000),
            with("tenant", vec![1]),
        ] {
            assert!(judged(&good, NOW).is_ok(), "{good}");
        }
        assert!(judged(&with("scope", Value::Null), NOW).unwrap().token.scopes.is_empty());
    }

    #[test]
    fn inactive_is_inactive_whatever_else_is_said() {
        for answer in [INACTIVE.parse().unwrap(), with("active", false)] {
            assert!(matches!(told(&answer), Ok(Told::Inactive)), "{answer}");
        }
    }

    #[test]
    fn attack_24_an_answer_without_this_audience_opens_nothing() {
        for audience in [
            Value::Null,
            "".into(),
            "https://h.example/api-other".into(),
            "https://h.example".into(),
            "https://h.example/api#2".into(),
            "http://h.example/api".into(),
            Vec::<String>::new().into(),
            vec!["https://h.example/ap", "https://h.example/api/x"].into(),
        ] {
            assert_eq!(
                judged(&with("aud", audience.clone()), NOW).unwrap_err(),
                BearerReason::OtherResource,
                "{audience}"
            );
        }
    }

    #[test]
    fn attack_50_the_issuer_that_is_told_is_compared_as_a_string() {
        for other in ["https://evil.example", "https://h.example/", "https://H.example", ""] {
            assert_eq!(judged(&with("iss", other), NOW).unwrap_err(), BearerReason::OtherIssuer, "{other}");
        }
    }

    #[test]
    fn attack_57_who_holds_a_token_is_told_and_not_guessed() {
        let mut own = with("holder", "client");
        assert_eq!(told(&own).unwrap_err(), Unreadable::Member("holder"), "a client has no subject");
        own.as_object_mut().unwrap().remove("sub");
        assert_eq!(judged(&own, NOW).unwrap().grant.holder, Holder::Client);
        for (name, value) in [("sub", Value::Null), ("sub", "".into()), ("sub", 7.into())] {
            assert_eq!(told(&with(name, value)).unwrap_err(), Unreadable::Member("sub"));
        }
        for value in [Value::Null, "admin".into(), true.into()] {
            assert_eq!(told(&with("holder", value)).unwrap_err(), Unreadable::Member("holder"));
        }
    }

    #[test]
    fn a_token_is_good_within_its_time_and_as_a_bearer_token() {
        let at = |secs: u64| Timestamp::from_millis(secs * 1000);
        assert!(judged(&honest(), Timestamp::from_millis(1_800_000_008_999)).is_ok());
        assert_eq!(judged(&honest(), at(1_800_000_009)).unwrap_err(), BearerReason::Expired);
        assert_eq!(judged(&with("exp", 0), NOW).unwrap_err(), BearerReason::Expired);
        assert_eq!(judged(&with("nbf", 1_800_000_001), NOW).unwrap_err(), BearerReason::NotYet);
        assert!(judged(&with("exp", u64::MAX), NOW).is_ok(), "time does not wrap");
        for other in [Value::Null, "DPoP".into(), "".into(), "N_A".into()] {
            assert_eq!(judged(&with("token_type", other), NOW).unwrap_err(), BearerReason::OtherTokenType);
        }
    }

    #[test]
    fn what_is_odd_is_no_answer() {
        for (name, odd) in [
            ("active", Value::from("true")),
            ("active", 1.into()),
            ("active", Value::Null),
            ("scope", vec!["a"].into()),
            ("scope", "a\"b".into()),
            ("client_id", Value::Null),
            ("client_id", "é".into()),
            ("token_type", 1.into()),
            ("exp", Value::Null),
            ("exp", "1800000009".into()),
            ("exp", (-1).into()),
            ("exp", 1_800_000_009.5.into()),
            ("iat", "x".into()),
            ("nbf", true.into()),
            ("iss", vec!["https://h.example"].into()),
            ("aud", 7.into()),
            ("aud", vec![Value::from(API), 7.into()].into()),
            ("grant_id", Value::Null),
            ("grant_id", "ff".into()),
            ("grant_id", "80000000000000ff".into()),
        ] {
            assert_eq!(told(&with(name, odd.clone())).unwrap_err(), Unreadable::Member(name), "{name} {odd}");
        }
        let json = Some("application/json");
        for body in ["", "[]", "true", "<html>", r#"{"active":true,"active":false}"#, r#"{"active":true"#] {
            assert_eq!(read(200, json, body.as_bytes()).unwrap_err(), Unreadable::NotJson, "{body}");
        }
        for other in
            [None, Some("text/html"), Some("application/token-introspection+jwt"), Some("text/html; application/json")]
        {
            assert_eq!(read(200, other, INACTIVE.as_bytes()).unwrap_err(), Unreadable::ContentType);
        }
        assert!(read(200, Some("Application/JSON ; charset=utf-8"), INACTIVE.as_bytes()).is_ok());
        for status in [201, 204, 301, 302, 304, 400, 401, 500] {
            assert_eq!(read(status, json, INACTIVE.as_bytes()).unwrap_err(), Unreadable::Status);
        }
        let padded = |length: usize| format!("{INACTIVE}{}", " ".repeat(length - INACTIVE.len()));
        assert!(read(200, json, padded(MAX_ANSWER).as_bytes()).is_ok());
        assert_eq!(read(200, json, padded(MAX_ANSWER + 1).as_bytes()).unwrap_err(), Unreadable::TooLarge);
    }

    #[test]
    fn an_endpoint_is_taken_from_the_metadata_of_that_issuer_alone() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let found = |iss: &str, url: Value| {
            let metadata = serde_json::json!({"issuer": iss, "introspection_endpoint": url}).to_string();
            endpoint(200, metadata.as_bytes(), &issuer)
        };
        let url = "https://h.example/introspect";
        assert_eq!(found("https://h.example", url.into()), Ok(url.to_owned()));
        assert_eq!(found("https://h.example/", url.into()), Err(NoEndpoint::OtherIssuer));
        for bad in [
            Value::Null,
            "/introspect".into(),
            "http://h.example/introspect".into(),
            "http://127.0.0.1/introspect".into(),
            "ftp://h.example/".into(),
            "https://u@h.example/".into(),
            "https://h.example/#f".into(),
        ] {
            assert_eq!(found("https://h.example", bad.clone()), Err(NoEndpoint::Endpoint), "{bad}");
        }
        assert_eq!(endpoint(404, b"{}", &issuer), Err(NoEndpoint::Unreadable));
        assert_eq!(endpoint(200, b"<html>", &issuer), Err(NoEndpoint::Unreadable));
        assert!(is_safe_endpoint("http://127.0.0.1:3000/x", true) && is_safe_endpoint("http://[::1]/x", true));
        assert!(!is_safe_endpoint("http://127.0.0.1.evil.example/", true));
    }
}
