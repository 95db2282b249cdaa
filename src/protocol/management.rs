//! Clients that manage their own registration (RFC 7592).

use std::sync::Arc;

use super::client::{AuthMethod, Client, ClientAuthentication, ClientKeys, GrantType};
use super::error::RegistrationReason;
use super::new_client::NewClientSeed;
use super::registered::{Registered, by_keys, by_secret};
use super::registration::Registration;
use super::secret::SecretHash;

/// Finds that a request to manage `client` comes from it: by its own registration token, as it was sent.
///
/// The same work is done and the same answer given whether there is no such client, it may not manage itself, or
/// the token is another's (attack 31).
///
/// # Errors
/// If it does not.
pub fn authenticate<'a>(
    client: Option<&Arc<Client>>,
    mut authorization: impl Iterator<Item = &'a [u8]>,
) -> Result<Arc<Client>, RegistrationReason> {
    const NOBODYS: SecretHash = SecretHash::from_bytes([0; 32]);
    let sent = match (authorization.next(), authorization.next()) {
        (Some(header), None) => bearer(header).ok_or(RegistrationReason::TokenInvalid)?,
        // RFC 6750 §3.1: a request without any is told so by the challenge alone
        (None, _) | (Some(_), Some(_)) => return Err(RegistrationReason::TokenMissing),
    };
    let token = client.and_then(|client| client.registration.as_ref()?.token);
    let is_theirs = SecretHash::of_text(sent).matches(&token.unwrap_or(NOBODYS));
    match client.filter(|_| is_theirs && token.is_some()) {
        // RFC 7592 §2.1: "if the client is not allowed […] 403"
        Some(client) if client.blocked => Err(RegistrationReason::Blocked),
        Some(client) => Ok(Arc::clone(client)),
        None => Err(RegistrationReason::TokenInvalid),
    }
}

/// The token of an `Authorization` header.
#[must_use]
pub fn bearer(header: &[u8]) -> Option<&str> {
    // RFC 9110 §11.1: the scheme is case-insensitive
    let (scheme, token) = header.split_at_checked(7)?;
    let token = std::str::from_utf8(token).ok()?.trim_matches(' ');
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// The client as it wants to be from now on (RFC 7592 §2.2): all that it may say of itself is replaced, and nothing
/// else.
///
/// # Errors
/// If the request is about another client, or brings another secret than the client's.
pub fn change(client: &Client, asked: Registration, seed: &NewClientSeed) -> Result<Registered, RegistrationReason> {
    // RFC 7592 §2.2: "The client MUST include its "client_id" field in the request, and it MUST be the same"
    if asked.client_id.as_deref() != Some(client.id.as_str()) {
        return Err(RegistrationReason::OtherClient);
    }
    // RFC 7592 §2.2: "the value of "client_secret" MUST match the currently issued client secret"
    let is_current = match (&client.authentication, &asked.client_secret) {
        (_, None) => true,
        (ClientAuthentication::None | ClientAuthentication::Keys(_), Some(_)) => false,
        (ClientAuthentication::Secret(present), Some(sent)) => present.matches(sent),
        (ClientAuthentication::Rotating { current, .. }, Some(sent)) => current.matches(sent),
    };
    if !is_current {
        return Err(RegistrationReason::OtherSecret);
    }
    let mut changed = client.clone();
    changed.metadata = asked.metadata;
    let (before, after) = (client.metadata.auth_method, changed.metadata.auth_method);
    let proves_itself = after != AuthMethod::None;
    // What the app granted stays, for as long as the client can prove who it is.
    if client.may_use(GrantType::ClientCredentials) && proves_itself {
        changed.metadata.grant_types.push(GrantType::ClientCredentials);
    }
    let secret = (after.has_secret() && !before.has_secret()).then(|| seed.client_secret());
    changed.authentication = match (after, changed.authentication) {
        (AuthMethod::PrivateKeyJwt, present) => by_keys(asked.keys, may_name_token_endpoint(&present))?,
        (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, present) if before.has_secret() => present,
        (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost | AuthMethod::None, _) => {
            by_secret(secret.as_ref())
        }
    };
    changed.introspects = changed.introspects.filter(|_| proves_itself);
    Ok(Registered::changed(Arc::new(changed), secret))
}

/// That is the app's to say, and stays as it said.
const fn may_name_token_endpoint(present: &ClientAuthentication) -> bool {
    matches!(present, ClientAuthentication::Keys(ClientKeys { token_endpoint_audience: true, .. }))
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn a_token_is_read_after_its_scheme_alone() {
        assert_eq!((bearer(b"Bearer x"), bearer(b"bEARER  x ")), (Some("x"), Some("x")));
        for other in ["", "Bearer", "Bearer ", "Bearer  ", "Basic x", "Digest x", "Bearerx y"] {
            assert_eq!(bearer(other.as_bytes()), None, "{other:?}");
        }
    }
}
