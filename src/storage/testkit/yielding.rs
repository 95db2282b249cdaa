//! A store that lets others go first.

use std::sync::Arc;

use tokio::task::yield_now;

use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant, RevokeGrants,
    Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError, StoredAccess,
    StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};

/// A store that gives way to other tasks before and after each call, as one behind a network does,
/// so that the steps of its callers interleave.
#[derive(Debug, Clone, Default)]
pub struct Yielding<S>(S);

impl<S> Yielding<S> {
    /// Wraps a store.
    #[must_use]
    pub const fn new(inner: S) -> Self {
        Self(inner)
    }

    /// The store itself.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.0
    }
}

async fn among_others<T>(call: impl Future<Output = T> + Send) -> T {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Yielding<S> {
    fn durability(&self) -> Durability {
        self.0.durability()
    }
    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        among_others(self.0.scan(table, after, limit)).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        among_others(self.0.client(id)).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        among_others(self.0.clients(after, limit)).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        among_others(self.0.code(id)).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        among_others(self.0.access_token(id)).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        among_others(self.0.refresh_token(id)).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        among_others(self.0.grants(subject, before, limit, now)).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        among_others(self.0.consents(subject, client)).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        among_others(self.0.insert_client(op)).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        among_others(self.0.update_client(op)).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        among_others(self.0.policy()).await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        among_others(self.0.remove_client(op)).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        among_others(self.0.renew_client(op)).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        among_others(self.0.grant_client(op)).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        among_others(self.0.save_policy(op)).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        among_others(self.0.claim_once(op)).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        among_others(self.0.decide(op)).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        among_others(self.0.redeem_code(op)).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        among_others(self.0.rotate_refresh(op)).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        among_others(self.0.issue_access(op)).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        among_others(self.0.revoke_access(op)).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        among_others(self.0.revoke_grant(op)).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        among_others(self.0.revoke_grants(op)).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        among_others(self.0.purge(now, limit)).await
    }
}
