//! What the app's own people change about a client.

use std::time::Duration;

use super::client::{
    AuthMethod, Client, ClientAuthentication, ClientKeys, ClientMetadata, ConsentPolicy, GrantType, KeyPlace,
};
use super::new_client::{InvalidClient, ceiling, key_set, known, link, redirect_uris};
use super::policy::Policy;
use super::secret::SecretHash;
use super::time::Timestamp;

/// A change of a client. What it does not name stays as it is.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ClientChange {
    name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    home_page: Option<Option<String>>,
    logo: Option<Option<String>>,
    scopes: Option<Option<String>>,
    consent: Option<ConsentPolicy>,
    access_token: Option<Option<Duration>>,
    refresh_token: Option<Option<Duration>>,
    client_credentials: Option<bool>,
    introspects: Option<Option<Vec<String>>>,
    keys: Option<String>,
    token_endpoint_audience: Option<bool>,
}

impl ClientChange {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Where answers may be sent, instead of where they might so far. One that had no redirect URI may use codes from
    /// now on.
    pub fn redirect_uris<'a>(mut self, uris: impl IntoIterator<Item = &'a str>) -> Self {
        self.redirect_uris = Some(uris.into_iter().map(str::to_owned).collect());
        self
    }

    /// Its home page, an `https` URL, or none.
    pub fn home_page(mut self, url: Option<&str>) -> Self {
        self.home_page = Some(url.map(str::to_owned));
        self
    }

    /// Its logo, an `https` URL, or none.
    pub fn logo(mut self, url: Option<&str>) -> Self {
        self.logo = Some(url.map(str::to_owned));
        self
    }

    /// The scopes that it may ever get, separated by spaces; with `None` all that its origin may have. What it has
    /// got beyond them ends with its access tokens.
    pub fn scopes(mut self, scopes: Option<&str>) -> Self {
        self.scopes = Some(scopes.map(str::to_owned));
        self
    }

    /// When its users are asked for consent.
    pub const fn consent(mut self, policy: ConsentPolicy) -> Self {
        self.consent = Some(policy);
        self
    }

    /// How long its access tokens live from now on; with `None` as those of all clients.
    pub const fn access_token_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.access_token = Some(lifetime);
        self
    }

    /// How long its refresh tokens live from now on while they are not used; with `None` as those of all clients.
    pub const fn refresh_token_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.refresh_token = Some(lifetime);
        self
    }

    /// Whether it may act for itself, without a user (RFC 6749 §4.4): only a confidential one may.
    ///
    /// If that is taken away, everything that the client was given ends with it in the same moment: its own access,
    /// which nobody else could take back, and what its users gave it as well. They connect it anew.
    pub const fn client_credentials(mut self, may: bool) -> Self {
        self.client_credentials = Some(may);
        self
    }

    /// The resources whose tokens it may introspect (RFC 7662) beside its own, each by its URL or its path on the
    /// issuer's origin; with `None` it may introspect none. Only a confidential client may.
    pub fn introspects(mut self, resources: Option<&[&str]>) -> Self {
        self.introspects = Some(resources.map(|resources| resources.iter().copied().map(str::to_owned).collect()));
        self
    }

    /// The public keys by which it proves who it is from now on, as [`NewClient::with_keys`] takes them. One that
    /// had a secret has none any more; a public client stays public. Those that are not among them are good no more, so that a rotation takes two
    /// changes: first to the old and the new key, and to the new one alone once the client signs with that.
    ///
    /// [`NewClient::with_keys`]: super::new_client::NewClient::with_keys
    pub fn keys(mut self, jwks: &str) -> Self {
        self.keys = Some(jwks.to_owned());
        self
    }

    /// Whether its assertions may be for the token endpoint as well; see
    /// [`NewClient::token_endpoint_audience`](super::new_client::NewClient::token_endpoint_audience).
    pub const fn token_endpoint_audience(mut self, may: bool) -> Self {
        self.token_endpoint_audience = Some(may);
        self
    }

    /// The client with this change.
    ///
    /// # Errors
    /// See [`InvalidClient`].
    pub fn apply(self, client: &Client, policy: &Policy) -> Result<Client, InvalidClient> {
        let mut changed = client.clone();
        self.apply_keys(&mut changed)?;
        self.apply_rights(&mut changed, policy)?;
        let acts_alone = changed.may_use(GrantType::ClientCredentials) || changed.introspects.is_some();
        let ClientMetadata { redirect_uris: uris, name, home_page, logo, grant_types, .. } = &mut changed.metadata;
        if let Some(texts) = self.redirect_uris {
            *uris = redirect_uris(&texts, client.display_name())?;
            if client.metadata.redirect_uris.is_empty() {
                grant_types.extend([GrantType::AuthorizationCode, GrantType::RefreshToken]);
            }
        }
        if uris.is_empty() && !acts_alone {
            return Err(InvalidClient::NoRedirectUri(client.display_name().to_owned()));
        }
        if let Some(new) = self.name {
            *name = Some(new);
        }
        if let Some(new) = self.home_page {
            *home_page = new.map(link).transpose()?;
        }
        if let Some(new) = self.logo {
            *logo = new.map(link).transpose()?;
        }
        if let Some(scopes) = self.scopes {
            changed.scope_ceiling = scopes.map(|scopes| ceiling(&scopes, &policy.scopes)).transpose()?;
        }
        changed.consent_policy = self.consent.unwrap_or(client.consent_policy);
        changed.lifetimes.access_token = self.access_token.unwrap_or(client.lifetimes.access_token);
        changed.lifetimes.refresh_token = self.refresh_token.unwrap_or(client.lifetimes.refresh_token);
        Ok(changed)
    }

    /// By what the client proves who it is.
    fn apply_keys(&self, changed: &mut Client) -> Result<(), InvalidClient> {
        if let Some(jwks) = &self.keys {
            if !changed.is_confidential() {
                return Err(InvalidClient::StaysPublic(changed.display_name().to_owned()));
            }
            let place = KeyPlace::Set(key_set(jwks, changed.display_name())?);
            let present = changed.authentication.keys();
            let token_endpoint_audience = present.is_some_and(|present| present.token_endpoint_audience);
            let keys = ClientKeys { place, token_endpoint_audience, optional: false };
            changed.authentication = ClientAuthentication::Keys(keys);
            changed.metadata.auth_method = AuthMethod::PrivateKeyJwt;
        }
        match (self.token_endpoint_audience, &mut changed.authentication) {
            (Some(may), ClientAuthentication::Keys(keys)) => keys.token_endpoint_audience = may,
            (Some(true), _) => return Err(InvalidClient::NoKeys(changed.display_name().to_owned())),
            (Some(false) | None, _) => {}
        }
        Ok(())
    }

    /// What the client may do without a user.
    fn apply_rights(&self, changed: &mut Client, policy: &Policy) -> Result<(), InvalidClient> {
        // RFC 6749 §4.4, RFC 7662 §2.1
        let gives = self.client_credentials == Some(true) || matches!(self.introspects, Some(Some(_)));
        if gives && !changed.is_confidential() {
            return Err(InvalidClient::NotConfidential(changed.display_name().to_owned()));
        }
        if let Some(may) = self.client_credentials {
            let grant_types = &mut changed.metadata.grant_types;
            grant_types.retain(|grant_type| *grant_type != GrantType::ClientCredentials);
            grant_types.extend(may.then_some(GrantType::ClientCredentials));
        }
        if let Some(resources) = &self.introspects {
            changed.introspects = resources.as_ref().map(|resources| known(resources, policy)).transpose()?;
        }
        Ok(())
    }
}

/// The client with a new secret, beside which its present one is good for `overlap` longer; one that was on its way
/// out is good no more. `None` if it has none: it is public, or has keys.
#[must_use]
pub fn with_new_secret(client: &Client, secret: SecretHash, overlap: Duration, now: Timestamp) -> Option<Client> {
    let previous = match client.authentication {
        ClientAuthentication::None | ClientAuthentication::Keys(_) => return None,
        ClientAuthentication::Secret(present) | ClientAuthentication::Rotating { current: present, .. } => present,
    };
    let authentication = if overlap.is_zero() {
        ClientAuthentication::Secret(secret)
    } else {
        ClientAuthentication::Rotating { current: secret, previous, until: now.after(overlap) }
    };
    Some(Client { authentication, ..client.clone() })
}
