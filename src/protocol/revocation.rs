//! Revocation by the client itself (RFC 7009).

use super::client::Client;
use super::commit::{Owner, RevokeAccess, RevokeGrant, StoredAccess, StoredRefresh};
use super::error::TokenReason;
use super::params::Parameters;
use super::secret::{Bearer, BearerKind};
use super::time::Timestamp;

/// The parameters that the revocation endpoint knows.
pub const PARAMETERS: [&str; 6] =
    ["token", "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// A token that a client wants to be rid of. Its text says what it is, so the hint is not needed.
#[derive(Debug, Clone, Copy)]
pub enum Revocation {
    /// An access token: it alone ends.
    Access(Bearer),
    /// A refresh token, rotated or not: all that was granted with it ends.
    Refresh(Bearer),
}

impl Revocation {
    /// Reads the request; `None` for what was never a token of ours.
    ///
    /// # Errors
    /// If there is no token.
    pub fn read(parameters: &Parameters<'_>) -> Result<Option<Self>, TokenReason> {
        parameters.check_repetition()?;
        let text = parameters.one("token")?.ok_or(TokenReason::TokenMissing)?;
        let access = Bearer::parse(BearerKind::Access, text).map(Self::Access);
        Ok(access.or_else(|| Bearer::parse(BearerKind::Refresh, text).map(Self::Refresh)))
    }
}

/// What to do about an access token; `None` if there is nothing left to revoke.
///
/// # Errors
/// If the token is another client's.
pub fn of_access(
    presented: &Bearer,
    stored: Option<StoredAccess>,
    client: &Client,
    now: Timestamp,
) -> Result<Option<RevokeAccess>, TokenReason> {
    // RFC 7009 §2.2: "invalid tokens do not cause an error response"
    let Some(stored) = stored.filter(|stored| stored.token.hash.matches(&presented.hash)) else {
        return Ok(None);
    };
    // RFC 7009 §2.1: "verifies … whether the token was issued to the client making the revocation request"
    if stored.grant.client != client.id {
        return Err(TokenReason::TokenOfAnotherClient);
    }
    Ok(Some(RevokeAccess { token: presented.id, now }))
}

/// What to do about a refresh token; `None` if there is nothing left to revoke.
///
/// # Errors
/// If the token is another client's.
pub fn of_refresh(
    presented: &Bearer,
    stored: Option<StoredRefresh>,
    client: &Client,
    now: Timestamp,
) -> Result<Option<RevokeGrant>, TokenReason> {
    let Some(stored) = stored.filter(|stored| stored.token.hash.matches(&presented.hash)) else {
        return Ok(None);
    };
    if stored.grant.client != client.id {
        return Err(TokenReason::TokenOfAnotherClient);
    }
    // RFC 7009 §2.1: with a refresh token "the authorization server SHOULD also invalidate all access
    // tokens based on the same authorization grant"
    Ok(Some(RevokeGrant { grant: stored.grant.id, owner: Owner::Client(client.id.clone()), now }))
}
