//! A shared handle on a store is a store.

use std::sync::Arc;

use super::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant, RevokeGrants,
    Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError, StoredAccess,
    StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Arc<S> {
    fn durability(&self) -> Durability {
        S::durability(self)
    }
    fn sharing(&self) -> Sharing {
        S::sharing(self)
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        S::scan(self, table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        S::client(self, id).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        S::clients(self, after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        S::code(self, id).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        S::access_token(self, id).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        S::refresh_token(self, id).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        S::grants(self, subject, before, limit, now).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        S::consents(self, subject, client).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        S::insert_client(self, op).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        S::update_client(self, op).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        S::policy(self).await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        S::remove_client(self, op).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        S::renew_client(self, op).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        S::grant_client(self, op).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        S::save_policy(self, op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        S::claim_once(self, op).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        S::decide(self, op).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        S::redeem_code(self, op).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        S::rotate_refresh(self, op).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        S::issue_access(self, op).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        S::revoke_access(self, op).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        S::revoke_grant(self, op).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        S::revoke_grants(self, op).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        S::purge(self, now, limit).await
    }
}
