//! A store in memory.

mod claims;
mod clients;
mod ordered;
mod rows;
mod scan;
mod search;
mod shards;
mod tables;

use std::fmt;
use std::sync::Arc;

use self::tables::Tables;
use super::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    LentAccess, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// A store in memory, for one process and as long as it runs. Clones share what is stored.
///
/// It takes 64 bytes for an access token that allows what its grant allows, and no look-up waits for
/// one of another token except by chance. Every write removes a few rows that ended more than a
/// minute ago, so that memory follows the load; [`purge`](Storage::purge) is there for what a load
/// leaves behind that ends abruptly.
#[derive(Clone, Default)]
pub struct MemoryStorage(Arc<Tables>);

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lends an access token to `read`, which must neither wait nor ask this store anything.
    pub(crate) fn lend_access_token<T>(&self, id: OrderedId, read: impl FnOnce(Option<LentAccess<'_>>) -> T) -> T {
        self.0.lend_access_token(id, read)
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStorage(..)")
    }
}

impl Storage for MemoryStorage {
    fn durability(&self) -> Durability {
        Durability::Process
    }
    fn sharing(&self) -> Sharing {
        Sharing::Sole
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        Ok(self.0.scan(table, after, limit))
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        Ok(self.0.client(id))
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        Ok(self.0.clients(after, limit))
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        Ok(self.0.code(id))
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        Ok(self.0.access_token(id))
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        Ok(self.0.refresh_token(id))
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        Ok(self.0.grants(subject, before, limit, now))
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        Ok(self.0.consents(subject, client))
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        Ok(self.0.insert_client(&op))
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        Ok(self.0.update_client(&op))
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        Ok(self.0.policy())
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        Ok(self.0.remove_client(&op))
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        Ok(self.0.renew_client(&op))
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        Ok(self.0.grant_client(&op))
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        Ok(self.0.save_policy(&op))
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        Ok(self.0.claim_once(&op))
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        Ok(self.0.decide(op))
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        Ok(self.0.redeem_code(op))
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        Ok(self.0.rotate_refresh(op))
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        Ok(self.0.issue_access(op))
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        Ok(self.0.revoke_access(op))
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        Ok(self.0.revoke_grant(&op))
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        Ok(self.0.revoke_grants(&op))
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        Ok(self.0.purge(now, limit))
    }
}
