//! What the app's own people change about a client.

use std::time::Duration;

use super::catalogue::ScopeCatalogue;
use super::client::{Client, ClientAuthentication, ClientMetadata, ConsentPolicy};
use super::new_client::{InvalidClient, ceiling, link, redirect_uris};
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

    /// Where answers may be sent, instead of where they might so far.
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

    /// The client with this change.
    ///
    /// # Errors
    /// See [`InvalidClient`].
    pub fn apply(self, client: &Client, catalogue: &ScopeCatalogue) -> Result<Client, InvalidClient> {
        let mut changed = client.clone();
        let ClientMetadata { redirect_uris: uris, name, home_page, logo, .. } = &mut changed.metadata;
        if let Some(texts) = self.redirect_uris {
            *uris = redirect_uris(&texts, client.display_name())?;
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
            changed.scope_ceiling = scopes.map(|scopes| ceiling(&scopes, catalogue)).transpose()?;
        }
        changed.consent_policy = self.consent.unwrap_or(client.consent_policy);
        changed.lifetimes.access_token = self.access_token.unwrap_or(client.lifetimes.access_token);
        changed.lifetimes.refresh_token = self.refresh_token.unwrap_or(client.lifetimes.refresh_token);
        Ok(changed)
    }
}

/// The client with a new secret, beside which its present one is good for `overlap` longer; one that was on its way
/// out is good no more. `None` if it is public.
#[must_use]
pub fn with_new_secret(client: &Client, secret: SecretHash, overlap: Duration, now: Timestamp) -> Option<Client> {
    let previous = match client.authentication {
        ClientAuthentication::None => return None,
        ClientAuthentication::Secret(present) | ClientAuthentication::Rotating { current: present, .. } => present,
    };
    let authentication = if overlap.is_zero() {
        ClientAuthentication::Secret(secret)
    } else {
        ClientAuthentication::Rotating { current: secret, previous, until: now.after(overlap) }
    };
    Some(Client { authentication, ..client.clone() })
}
