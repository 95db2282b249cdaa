//! Clients of the app's own people.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{MINT_TRIES, Server};
use crate::host::{EntropyError, EventKind};
use crate::protocol::client::{
    AuthMethod, Client, ClientId, ClientLifetimes, ClientOrigin, ConsentPolicy, GrantType, KeyPlace, KeysUrl,
};
use crate::protocol::jwk::KeySet;
use crate::protocol::new_client::{InvalidClient, NewClient, NewClientSeed, is_as_stored};
use crate::protocol::policy::Policy;
use crate::protocol::redirect::RedirectUri;
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::BearerText;
use crate::protocol::time::Timestamp;
use crate::storage::{InsertClient, Inserted, Storage as _, StorageError, UpdateClient, Updated};

/// A client as its administrator sees it: everything but its secret.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ClientSummary {
    /// Its id.
    pub id: ClientId,
    /// Who brought it.
    pub origin: ClientOrigin,
    /// Its name.
    pub name: Option<String>,
    /// Its home page.
    pub home_page: Option<String>,
    /// Its logo.
    pub logo: Option<String>,
    /// Where answers may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it announced that it would authenticate.
    pub auth_method: AuthMethod,
    /// Its public keys, if it authenticates by them and they are here.
    pub keys: Option<KeySet>,
    /// The URL of its public keys (`jwks_uri`), if it authenticates by them and they are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_at: Option<KeysUrl>,
    /// The grant types that it may use.
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may ever get.
    pub scopes: ScopeSet,
    /// The resources whose tokens it may introspect beside its own; `None` if it may introspect none.
    pub introspects: Option<Vec<ResourceUri>>,
    /// When its users are asked for consent.
    pub consent: ConsentPolicy,
    /// Whether it is shut out.
    pub blocked: bool,
    /// Where its tokens live for other than the usual times.
    pub lifetimes: ClientLifetimes,
    /// When it ends unless it is used, if it registered itself.
    pub ends_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A client that was just created.
#[derive(Debug)]
#[non_exhaustive]
pub struct CreatedClient {
    /// The client.
    pub client: ClientSummary,
    /// The secret that was made for it, if one was: this is the only time that it can be seen.
    pub secret: Option<BearerText>,
}

/// Why a client was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateClientError {
    /// What was asked for is not a client.
    #[error(transparent)]
    Invalid(#[from] InvalidClient),
    /// There is a client of that id, which stays as it is.
    #[error("there is a client of that id")]
    Taken,
    /// The store could not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// A client of the builder. It is put into the store when it is first seen, because decisions are
/// checked against what is stored.
pub(super) struct FixedClient {
    client: Arc<Client>,
    is_stored: AtomicBool,
}

impl FixedClient {
    pub(super) fn new(client: Client) -> Self {
        Self { client: Arc::new(client), is_stored: AtomicBool::new(false) }
    }
}

impl Server {
    /// Creates a client. A secret that is made for it is in the answer, and nowhere else.
    ///
    /// # Errors
    /// See [`CreateClientError`].
    pub async fn create_client(&self, client: NewClient) -> Result<CreatedClient, CreateClientError> {
        let current = self.current().await?;
        for _ in 0..MINT_TRIES {
            let seed = NewClientSeed::from_random(&self.random()?);
            let (created, secret) = client.clone().create(&current.policy, &seed, self.now())?;
            let created = Arc::new(created);
            match self.0.storage.insert_client(self.administrators(&created)).await? {
                Inserted::New => {
                    self.audit(EventKind::ClientCreated { client: created.id.clone() });
                    return Ok(CreatedClient { client: self.summary(&created, &current.policy), secret });
                }
                Inserted::Taken | Inserted::Folded(_) | Inserted::Blocked => {}
            }
        }
        Err(CreateClientError::Taken)
    }

    /// The client of that id.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn client(&self, id: &ClientId) -> Result<Option<ClientSummary>, StorageError> {
        let current = self.current().await?;
        Ok(self.client_by_id(id).await?.map(|client| self.summary(&client, &current.policy)))
    }

    /// All clients in the order of their ids, those of the builder once they were used: at most `limit`
    /// of those behind `after` (the last id of a page asks for the next one).
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<ClientSummary>, StorageError> {
        let current = self.current().await?;
        let clients = self.0.storage.clients(after, limit).await?;
        Ok(clients.iter().map(|client| self.summary(client, &current.policy)).collect())
    }

    pub(super) async fn client_by_id(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let has_ended = |client: &Client| client.tenure.is_some() && client.has_ended(self.now());
        let stored = self.0.storage.client(id).await?.filter(|client| !has_ended(client));
        match self.0.fixed_clients.iter().find(|fixed| fixed.client.id == *id) {
            Some(fixed) if !fixed.is_stored.load(Ordering::Acquire) => {
                Box::pin(self.store_fixed(fixed, stored)).await.map(Some)
            }
            Some(_) | None => Ok(stored),
        }
    }

    async fn store_fixed(&self, fixed: &FixedClient, stored: Option<Arc<Client>>) -> Result<Arc<Client>, StorageError> {
        let id = &fixed.client.id;
        match stored {
            Some(stored) if is_as_stored(&fixed.client, &stored) => {}
            Some(stored) => {
                let Client { revision, blocked, .. } = *stored;
                let client = Arc::new(Client { revision, blocked, ..(*fixed.client).clone() });
                let ends_access = stored.ends_access_as(&client);
                let op = UpdateClient { client, ends_access, now: self.now() };
                // If another instance was faster, it has put the same there.
                if self.0.storage.update_client(op).await? == Updated::Now {
                    self.audit(EventKind::ClientUpdated { client: id.clone() });
                }
            }
            None => {
                if self.0.storage.insert_client(self.administrators(&fixed.client)).await? == Inserted::New {
                    self.audit(EventKind::ClientCreated { client: id.clone() });
                }
            }
        }
        fixed.is_stored.store(true, Ordering::Release);
        let stored = self.0.storage.client(id).await?;
        Ok(stored.unwrap_or_else(|| Arc::clone(&fixed.client)))
    }

    fn administrators(&self, client: &Arc<Client>) -> InsertClient {
        InsertClient { client: Arc::clone(client), budget: None, now: self.now() }
    }

    pub(super) fn summary(&self, client: &Client, policy: &Policy) -> ClientSummary {
        let metadata = &client.metadata;
        let (keys, keys_at) = match client.authentication.keys().map(|keys| keys.place.clone()) {
            Some(KeyPlace::Set(set)) => (Some(set), None),
            Some(KeyPlace::Url(url)) => (None, Some(url)),
            None => (None, None),
        };
        ClientSummary {
            id: client.id.clone(),
            origin: client.origin,
            name: metadata.name.clone(),
            home_page: metadata.home_page.clone(),
            logo: metadata.logo.clone(),
            redirect_uris: metadata.redirect_uris.clone(),
            auth_method: metadata.auth_method,
            keys,
            keys_at,
            grant_types: metadata.grant_types.clone(),
            scopes: policy.scopes.names_of(&client.ceiling(&policy.scopes)),
            introspects: client.introspects.as_ref().map(|ids| policy.resources.left_of(ids)),
            consent: client.consent_policy,
            blocked: client.blocked,
            lifetimes: client.lifetimes,
            ends_at: client.tenure.map(|tenure| tenure.until),
            created_at: client.created_at,
        }
    }
}
