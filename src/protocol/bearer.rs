//! Bearer tokens at a resource (RFC 6750): the verdict on one, and the challenge to a request without.

use std::sync::Arc;

use super::catalogue::{Allowed, ScopeCatalogue};
use super::commit::LentAccess;
use super::error::BearerReason;
use super::grant::Grant;
use super::resource::{ResourceId, ResourceUri};
use super::scope::ScopeSet;
use super::secret::{Bearer, BearerKind, OrderedId};
use super::time::Timestamp;

/// Reads the bearer token of a request from its `Authorization` headers. Tokens in the query or the
/// body are never looked at (OAuth 2.1 §5.1).
///
/// With it comes its text, for those who have to ask elsewhere.
///
/// # Errors
/// If there is none, or none that was ever one of ours.
pub fn presented<'a>(mut authorization: impl Iterator<Item = &'a [u8]>) -> Result<(Bearer, &'a str), BearerReason> {
    let header = match (authorization.next(), authorization.next()) {
        (None, _) => return Err(BearerReason::Missing),
        (Some(one), None) => one,
        (Some(_), Some(_)) => return Err(BearerReason::Malformed),
    };
    // RFC 9110 §11.1: the scheme is case-insensitive. Credentials of another scheme are none of ours.
    let (scheme, token) = header.trim_ascii_start().split_at_checked(6).unwrap_or_default();
    let token = match token.first() {
        _ if !scheme.eq_ignore_ascii_case(b"bearer") => return Err(BearerReason::Missing),
        Some(b' ') => token,
        Some(next) if is_scheme_byte(*next) => return Err(BearerReason::Missing),
        _ => return Err(BearerReason::Malformed),
    };
    // RFC 6750 §3.1: a token that is "malformed" is an `invalid_token`, not an invalid request
    let token = std::str::from_utf8(token.trim_ascii()).ok();
    token.and_then(|token| Some((Bearer::parse(BearerKind::Access, token)?, token))).ok_or(BearerReason::Unknown)
}

/// RFC 9110 §5.6.2.
fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A token that is good where it was shown.
#[derive(Debug, Clone)]
pub struct GoodToken {
    /// Its key.
    pub id: OrderedId,
    /// The grant that it belongs to.
    pub grant: Arc<Grant>,
    /// When it ends, unless it is revoked before.
    pub expires_at: Timestamp,
    /// What it allows, by the names of scopes, unless that is all that its grant does.
    pub of_its_own: Option<ScopeSet>,
    /// What of that was asked for, if the rest came with it.
    pub asked: Option<ScopeSet>,
}

impl GoodToken {
    /// What it allows, by the names of scopes.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        self.of_its_own.as_ref().unwrap_or(&self.grant.scopes)
    }
}

/// Finds that a token is good at `resource`, which is `None` if that is no more.
///
/// # Errors
/// Says which rule is broken.
pub fn check(
    presented: &Bearer,
    stored: Option<LentAccess<'_>>,
    resource: Option<&ResourceId>,
    scopes: &ScopeCatalogue,
    now: Timestamp,
) -> Result<GoodToken, BearerReason> {
    let stored = stored.filter(|stored| stored.hash.matches(&presented.hash)).ok_or(BearerReason::Unknown)?;
    if stored.revoked {
        return Err(BearerReason::Revoked);
    }
    if now >= stored.expires_at {
        return Err(BearerReason::Expired);
    }
    // RFC 8707 §3, RFC 9700 §2.3: a token for one resource is worth nothing at another
    if *stored.resource != *resource.ok_or(BearerReason::ResourceRetired)? {
        return Err(BearerReason::OtherResource);
    }
    let (of_its_own, asked) = match scopes.allowed(stored.scopes, &stored.grant.scopes) {
        Some(Allowed { all, asked }) => (Some(all), Some(asked)),
        // Many grants share the text of their scopes: threads that counted it would wait for each other.
        None => ((!stored.scopes.is(&stored.grant.scopes)).then(|| stored.scopes.clone()), None),
    };
    let expires_at = stored.expires_at;
    Ok(GoodToken { id: stored.id, grant: Arc::clone(stored.grant), expires_at, of_its_own, asked })
}

/// The value of `WWW-Authenticate` (RFC 6750 §3, RFC 9728 §5.1): one challenge, quoted values.
///
/// `scope` lists all that the request needs, so that a client can ask for it in one go. None of the
/// values has a quote or a backslash.
#[must_use]
pub fn challenge(reason: &BearerReason, resource: &ResourceUri, scope: &ScopeSet) -> String {
    let wire = reason.wire();
    let mut challenge = String::from("Bearer ");
    if !wire.code.is_empty() {
        challenge.push_str(&format!(r#"error="{}", error_description="{}", "#, wire.code, wire.description));
    }
    challenge.push_str(&format!(r#"resource_metadata="{}""#, resource.metadata_url()));
    if !scope.is_empty() {
        challenge.push_str(&format!(r#", scope="{scope}""#));
    }
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_bearer_header_counts() {
        let reason = |headers: &[&str]| presented(headers.iter().map(|header| header.as_bytes())).unwrap_err();
        assert_eq!(reason(&[]), BearerReason::Missing);
        for other in ["", "Basic YTpi", "Bear", "Bearerx y", "Bearer-x y", "x Bearer y"] {
            assert_eq!(reason(&[other]), BearerReason::Missing, "{other}");
        }
        for malformed in ["Bearer", "Bearer\tx", "Bearer=x", "bearer,x", "Bearer\u{a0}x"] {
            assert_eq!(reason(&[malformed]), BearerReason::Malformed, "{malformed}");
        }
        assert_eq!(reason(&["Bearer x", "Bearer x"]), BearerReason::Malformed);
        for unknown in ["Bearer x", " Bearer x", "Bearer ", "bearer  x", "BEARER gra_", "Bearer é"] {
            assert_eq!(reason(&[unknown]), BearerReason::Unknown, "{unknown}");
        }
    }

    #[test]
    fn a_challenge_names_an_error_only_if_credentials_came() {
        let resource = ResourceUri::parse("https://h.example/mcp").unwrap();
        let scope = ScopeSet::parse("b a").unwrap();
        assert_eq!(
            challenge(&BearerReason::Missing, &resource, &scope),
            r#"Bearer resource_metadata="https://h.example/.well-known/oauth-protected-resource/mcp", scope="a b""#
        );
        let insufficient = challenge(&BearerReason::InsufficientScope, &resource, &scope);
        assert!(
            insufficient.starts_with(r#"Bearer error="insufficient_scope", error_description=""#),
            "{insufficient}"
        );
        assert!(insufficient.ends_with(r#", scope="a b""#), "{insufficient}");
    }
}
