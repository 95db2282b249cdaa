//! What the app's own people do with clients that are there, and with all grants of a user or client.

use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::clients::ClientSummary;
use crate::host::{EntropyError, EventKind};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::client_change::{ClientChange, with_new_secret};
use crate::protocol::grant::Subject;
use crate::protocol::new_client::{InvalidClient, check_secret};
use crate::protocol::secret::{BearerText, SecretHash};
use crate::protocol::time::Timestamp;
use crate::storage::{
    Owner, RemoveClient, Removed, RenewClient, RevokeGrants, Storage as _, StorageError, StorageErrorKind,
    UpdateClient, Updated,
};

/// Why a client was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeClientError {
    /// There is no client of that id.
    #[error("there is no client of that id")]
    Unknown,
    /// It would not be a client any more.
    #[error(transparent)]
    Invalid(#[from] InvalidClient),
    /// The client is public: it has no secret.
    #[error("the client is public: it has no secret")]
    Public,
    /// The client has keys and no secret.
    #[error("the client has keys and no secret: change its keys with `ClientChange::keys`")]
    HasKeys,
    /// The store could not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// How often a change is made anew when somebody else was faster.
const TRIES: usize = 64;

impl Server {
    /// Changes a client. What its users see of it is asked for again where they are just being asked.
    ///
    /// A client of the builder is what the builder says whenever the app starts; only that it is blocked stays.
    ///
    /// # Errors
    /// See [`ChangeClientError`].
    pub async fn change_client(&self, id: &ClientId, change: ClientChange) -> Result<ClientSummary, ChangeClientError> {
        let current = self.current().await?;
        let policy = &current.policy;
        let changed = self.change(id, false, |client| Ok(change.clone().apply(client, policy)?)).await?;
        self.audit(EventKind::ClientUpdated { client: id.clone() });
        Ok(self.summary(&changed, policy))
    }

    /// Shuts a client out, and ends everything that it was given: from now on it gets nothing, and no token of it
    /// is good. For a client that registered itself, an identical registration is refused as well.
    ///
    /// # Errors
    /// See [`ChangeClientError`]; after one that comes from the store the client may be blocked or not.
    pub async fn block_client(&self, id: &ClientId) -> Result<(), ChangeClientError> {
        self.client_by_id(id).await?.ok_or(ChangeClientError::Unknown)?;
        // One that registered itself does not end or give way any more: it could come back by registering anew.
        let forever = Timestamp::from_millis(u64::MAX);
        let op = RenewClient { client: id.clone(), until: forever, now: self.now() };
        let _ = self.0.storage.renew_client(op).await?;
        self.change(id, true, |client| Ok(Client { blocked: true, ..client.clone() })).await?;
        self.audit(EventKind::ClientBlocked { client: id.clone() });
        Ok(())
    }

    /// Lets a client in again. What it had been given stays ended: its users connect it anew.
    ///
    /// # Errors
    /// See [`ChangeClientError`].
    pub async fn unblock_client(&self, id: &ClientId) -> Result<(), ChangeClientError> {
        self.change(id, false, |client| Ok(Client { blocked: false, ..client.clone() })).await?;
        self.audit(EventKind::ClientUnblocked { client: id.clone() });
        Ok(())
    }

    /// Removes a client with everything that it was given; `false` if there is none of that id.
    ///
    /// A client of the builder is there again when the app starts the next time: take it out of the builder, or
    /// block it. One that registered itself may register again: block it to keep it out.
    ///
    /// # Errors
    /// If the store cannot answer; the client may then be gone or not.
    pub async fn remove_client(&self, id: &ClientId) -> Result<bool, StorageError> {
        let removed = self.0.storage.remove_client(RemoveClient { client: id.clone(), now: self.now() }).await?;
        if removed == Removed::Now {
            self.audit(EventKind::ClientRemoved { client: id.clone() });
        }
        Ok(removed == Removed::Now)
    }

    /// Makes a new secret for a confidential client. It is in the answer, and nowhere else. The present one is good
    /// for `overlap` longer, so that no request fails while the client's own machines learn of the new one; one
    /// that was on its way out since an earlier change is good no more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn rotate(oauth: grantor::Server, id: grantor::ClientId) -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = oauth.rotate_client_secret(&id, Duration::from_secs(24 * 3600)).await?;
    /// println!("the new secret, good from now on: {}", secret.expose());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`ChangeClientError`].
    pub async fn rotate_client_secret(
        &self,
        id: &ClientId,
        overlap: Duration,
    ) -> Result<BearerText, ChangeClientError> {
        let secret = BearerText::client_secret(&self.random()?);
        self.replace_secret(id, SecretHash::of_text(secret.expose()), overlap).await?;
        Ok(secret)
    }

    /// The same with a secret of yours, of which [`NewClient::secret`](crate::NewClient::secret) says what it must be.
    ///
    /// # Errors
    /// See [`ChangeClientError`].
    pub async fn set_client_secret(
        &self,
        id: &ClientId,
        secret: &str,
        overlap: Duration,
    ) -> Result<(), ChangeClientError> {
        check_secret(secret, id.as_str())?;
        self.replace_secret(id, SecretHash::of_text(secret), overlap).await
    }

    /// Ends everything that a client was given, and forgets the consent to it; how many grants that ended.
    ///
    /// # Errors
    /// If the store cannot answer; some grants may then be ended.
    pub async fn revoke_grants_of_client(&self, id: &ClientId) -> Result<u32, StorageError> {
        self.revoke_all(Owner::Client(id.clone())).await
    }

    /// Takes back all that a user has given, and forgets what they have agreed to; how many grants that ended.
    ///
    /// # Errors
    /// If the store cannot answer; some grants may then be ended.
    pub async fn revoke_grants(&self, subject: &Subject) -> Result<u32, StorageError> {
        self.revoke_all(Owner::User(subject.clone())).await
    }

    async fn revoke_all(&self, owner: Owner) -> Result<u32, StorageError> {
        let op = RevokeGrants { owner: owner.clone(), now: self.now() };
        let grants = self.0.storage.revoke_grants(op).await?;
        self.audit(EventKind::AllRevoked { owner, grants });
        Ok(grants)
    }

    async fn replace_secret(
        &self,
        id: &ClientId,
        secret: SecretHash,
        overlap: Duration,
    ) -> Result<(), ChangeClientError> {
        let now = self.now();
        let without = |client: &Client| match client.authentication.keys() {
            Some(_) => ChangeClientError::HasKeys,
            None => ChangeClientError::Public,
        };
        let replaced = |client: &Client| with_new_secret(client, secret, overlap, now).ok_or_else(|| without(client));
        self.change(id, false, replaced).await?;
        self.audit(EventKind::ClientSecretRotated { client: id.clone(), previous_until: now.after(overlap) });
        Ok(())
    }

    /// Changes the client as it is at that moment.
    async fn change(
        &self,
        id: &ClientId,
        ends_access: bool,
        change: impl Fn(&Client) -> Result<Client, ChangeClientError> + Send + Sync,
    ) -> Result<Arc<Client>, ChangeClientError> {
        for _ in 0..TRIES {
            let client = self.client_by_id(id).await?.ok_or(ChangeClientError::Unknown)?;
            let changed = Arc::new(change(&client)?);
            let ends_access = ends_access || client.ends_access_as(&changed);
            let op = UpdateClient { client: Arc::clone(&changed), ends_access, now: self.now() };
            match self.0.storage.update_client(op).await? {
                Updated::Now => return Ok(changed),
                Updated::Changed => {}
                Updated::Unknown => return Err(ChangeClientError::Unknown),
            }
        }
        Err(StorageError::from(StorageErrorKind::Conflict).into())
    }
}
