//! A store that removes what it may remove as soon as it may: with every write, whatever ended more than a
//! minute before the present of that write.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "part of a test")]

use std::sync::Arc;

use grantor::protocol::client::{Client, ClientId};
use grantor::protocol::grant::Subject;
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::protocol::secret::OrderedId;
use grantor::protocol::time::Timestamp;
use grantor::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    MemoryStorage, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};

/// How long a row is kept after its end.
const LINGER: u64 = 60_000;

#[derive(Debug, Clone, Default)]
pub struct Eager(MemoryStorage);

impl Eager {
    /// A write at `now`, with a clean-up before it and one after it.
    async fn write<T>(&self, now: Timestamp, operation: impl Future<Output = T> + Send) -> Result<T, StorageError> {
        self.tidy(now).await?;
        let outcome = operation.await;
        self.tidy(now).await?;
        Ok(outcome)
    }

    async fn tidy(&self, now: Timestamp) -> Result<(), StorageError> {
        let before = now.as_millis().saturating_sub(LINGER);
        self.0.purge(Timestamp::from_millis(before), u32::MAX).await.map(drop)
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for Eager {
    fn durability(&self) -> Durability {
        self.0.durability()
    }
    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.0.scan(table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.0.client(id).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.0.clients(after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.0.code(id).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.0.access_token(id).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.0.refresh_token(id).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.0.consents(subject, client).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.0.grants(subject, before, limit, now).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.0.insert_client(op).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.0.update_client(op).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.0.policy().await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.write(op.now, self.0.remove_client(op)).await?
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.write(op.now, self.0.renew_client(op)).await?
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.write(op.now, self.0.grant_client(op)).await?
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.0.save_policy(op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.write(op.now, self.0.claim_once(op)).await?
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.write(op.now, self.0.decide(op)).await?
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.write(op.now, self.0.redeem_code(op)).await?
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.write(op.now, self.0.rotate_refresh(op)).await?
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.write(op.now, self.0.issue_access(op)).await?
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.write(op.now, self.0.revoke_access(op)).await?
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.write(op.now, self.0.revoke_grant(op)).await?
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.write(op.now, self.0.revoke_grants(op)).await?
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.0.purge(now, limit).await
    }
}
