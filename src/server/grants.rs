//! What people have given, and how they take it back.

use super::Server;
use crate::host::EventKind;
use crate::protocol::client::ClientId;
use crate::protocol::grant::Subject;
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::{ScopeEntry, ScopeSet};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Owner, RevokeGrant, Revoked, Storage as _, StorageError, StoredGrant};

/// An app that a user has connected: one grant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectedApp {
    /// The grant's id, for [`Server::revoke_grant`]. It shows as text and is read back from it.
    pub id: OrderedId,
    /// The app's client id: several installations of one app share it.
    pub client: ClientId,
    /// What the app is called; its id if it has no name or is gone.
    pub client_name: String,
    /// What it may do, on the wire: what was agreed to, but for scopes that were retired.
    pub scopes: ScopeSet,
    /// What it may do, in words.
    pub scope_entries: Vec<ScopeEntry>,
    /// What the access is for: URLs, but for resources that were retired.
    pub resources: Vec<ResourceUri>,
    /// When the user agreed.
    pub created_at: Timestamp,
    /// When the access ends unless it is refreshed.
    pub expires_at: Timestamp,
}

impl Server {
    /// The apps that a user has connected, newest first: at most `limit`, older than `before` if that is
    /// given (the last id of a page asks for the next one).
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
    ) -> Result<Vec<ConnectedApp>, StorageError> {
        let stored = self.0.storage.grants(subject, before, limit, self.now()).await?;
        let current = self.current().await?;
        let (scopes, known) = (&current.policy.scopes, &current.policy.resources);
        let mut apps = Vec::with_capacity(stored.len());
        for StoredGrant { grant, expires_at } in stored {
            let client = self.0.storage.client(&grant.client).await?;
            apps.push(ConnectedApp {
                id: grant.id,
                client: grant.client.clone(),
                client_name: client.map_or_else(|| grant.client.to_string(), |client| client.display_name().to_owned()),
                scopes: scopes.left_by_name(&grant.scopes),
                scope_entries: scopes.describe(&scopes.left_of(&grant.scopes)).map(ScopeEntry::from).collect(),
                resources: known.left_of(&grant.resources),
                created_at: grant.created_at,
                expires_at,
            });
        }
        Ok(apps)
    }

    /// Takes a grant back: all its tokens are worth nothing from now on. `false` if this user has no
    /// such grant, or took it back before.
    ///
    /// # Errors
    /// If the store cannot answer; the grant may then still be valid.
    pub async fn revoke_grant(&self, subject: &Subject, grant: OrderedId) -> Result<bool, StorageError> {
        let op = RevokeGrant { grant, owner: Owner::User(subject.clone()), now: self.now() };
        match self.0.storage.revoke_grant(op).await? {
            Revoked::Now => {
                self.audit(EventKind::ConsentWithdrawn { subject: subject.clone(), grant });
                Ok(true)
            }
            Revoked::Already | Revoked::Unknown => Ok(false),
        }
    }
}
