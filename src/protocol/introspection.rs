//! What a token is worth, for the resource servers that are out of reach of a guard (RFC 7662).

use std::sync::Arc;

use serde::Serialize;

use super::client::{Client, ClientId};
use super::commit::{StoredAccess, StoredRefresh};
use super::error::TokenReason;
use super::extra::ExtraFields;
use super::grant::{Access, Grant, Holder, Subject};
use super::issuer::Issuer;
use super::params::Parameters;
use super::resource::ResourceUri;
use super::scope::ScopeSet;
use super::secret::{Bearer, BearerKind};
use super::time::Timestamp;

/// The parameters that the introspection endpoint knows.
pub const PARAMETERS: [&str; 6] = super::revocation::PARAMETERS;

/// A token that a client asks about. Its text says what it is, so a wrong hint does no harm (RFC 7662 §2.1).
#[derive(Debug, Clone, Copy)]
pub enum Introspection {
    /// An access token.
    Access(Bearer),
    /// A refresh token.
    Refresh(Bearer),
    /// What was never a token of ours.
    Unknown,
}

impl Introspection {
    /// Reads the request of a confidential client that was authenticated.
    ///
    /// # Errors
    /// If the client may not ask, or names no token.
    pub fn read(parameters: &Parameters<'_>, client: &Client) -> Result<Self, TokenReason> {
        if client.introspects.is_none() {
            return Err(TokenReason::IntrospectionNotAllowed);
        }
        parameters.check_repetition()?;
        let text = parameters.one("token")?.ok_or(TokenReason::TokenMissing)?;
        let access = Bearer::parse(BearerKind::Access, text).map(Self::Access);
        let token = access.or_else(|| Bearer::parse(BearerKind::Refresh, text).map(Self::Refresh));
        Ok(token.unwrap_or(Self::Unknown))
    }
}

/// A token that is good, as far as the client that asks may know.
#[derive(Debug)]
pub struct ActiveToken {
    grant: Arc<Grant>,
    scopes: ScopeSet,
    /// For an access token: the resource that it is for, and when it was issued.
    access: Option<(ResourceUri, Timestamp)>,
    expires_at: Timestamp,
}

/// What is told of an access token: `None` if it is unknown, over, revoked, or none of this client's business.
#[must_use]
pub fn of_access(
    presented: &Bearer,
    stored: Option<StoredAccess>,
    asking: &Client,
    now: Timestamp,
) -> Option<ActiveToken> {
    let stored = stored.filter(|stored| stored.token.hash.matches(&presented.hash))?;
    let StoredAccess { token, grant, revoked } = stored;
    let is_for_asking = asking.introspects.as_ref().is_some_and(|resources| resources.contains(&token.resource));
    let may_know = is_own(&grant, asking) || is_for_asking;
    (may_know && !revoked && now < token.expires_at).then(|| ActiveToken {
        grant,
        scopes: token.scopes,
        access: Some((token.resource, token.issued_at)),
        expires_at: token.expires_at,
    })
}

/// What is told of a refresh token, to its own client alone: no resource server has any business with one.
/// One that was used is good for nothing new, and so it is not active.
#[must_use]
pub fn of_refresh(
    presented: &Bearer,
    stored: Option<StoredRefresh>,
    asking: &Client,
    now: Timestamp,
) -> Option<ActiveToken> {
    let stored = stored.filter(|stored| stored.token.hash.matches(&presented.hash))?;
    let StoredRefresh { token, rotation, grant, revoked } = stored;
    let is_good = !revoked && rotation.is_none() && now < token.expires_at;
    (is_own(&grant, asking) && is_good).then(|| ActiveToken {
        scopes: grant.scopes.clone(),
        grant,
        access: None,
        expires_at: token.expires_at,
    })
}

fn is_own(grant: &Grant, asking: &Client) -> bool {
    asking.introspects.is_some() && grant.client == asking.id
}

impl ActiveToken {
    /// Whose access it is, for the host to say whether they are still allowed.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.grant.holder
    }

    /// What an access token gives; `None` for a refresh token.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        let (resource, _) = self.access.as_ref()?;
        Some(Access { grant: Arc::clone(&self.grant), scopes: self.scopes.clone(), resource: resource.clone() })
    }

    /// The answer's body (RFC 7662 §2.2).
    ///
    /// `sub` is a user and nobody else: a client's own access has none, so that no client id passes for a user's
    /// (RFC 9700 §4.15), and `holder`, a member of ours, says `user` or `client`. A refresh token has no
    /// `token_type` and no `aud`: at a resource it is worth nothing.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self, issuer: &Issuer, extra: &ExtraFields) -> Result<String, serde_json::Error> {
        let Self { grant, scopes, access, expires_at } = self;
        let Grant { holder, client, .. } = &**grant;
        let mut json = serde_json::to_string(&Answer {
            active: true,
            scope: scopes.as_str(),
            client_id: client,
            token_type: access.as_ref().map(|_| "Bearer"),
            exp: expires_at.as_secs(),
            iat: access.as_ref().map(|(_, issued_at)| issued_at.as_secs()),
            sub: holder.subject(),
            holder: match holder {
                Holder::User(_) => "user",
                Holder::Client => "client",
            },
            aud: access.as_ref().map(|(resource, _)| resource),
            iss: issuer.as_str(),
        })?;
        json.insert_str(json.len() - 1, &extra.members());
        Ok(json)
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    active: bool,
    scope: &'a str,
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a Subject>,
    holder: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a ResourceUri>,
    iss: &'a str,
}

/// The answer about everything else (RFC 7662 §2.2): it does not say why.
pub const INACTIVE: &str = r#"{"active":false}"#;
