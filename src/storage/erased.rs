//! One type for every store, so that the server needs no type parameter.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    MemoryStorage, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// The mirror of [`Storage`] that can be a trait object.
trait DynStorage: Send + Sync + 'static {
    fn durability_dyn(&self) -> Durability;
    fn sharing_dyn(&self) -> Sharing;
    fn scan_dyn(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Boxed<'_, Vec<Scanned>>;
    fn client_dyn<'a>(&'a self, id: &'a ClientId) -> Boxed<'a, Option<Arc<Client>>>;
    fn clients_dyn<'a>(&'a self, after: Option<&'a ClientId>, limit: u32) -> Boxed<'a, Vec<Arc<Client>>>;
    fn code_dyn(&self, id: OrderedId) -> Boxed<'_, Option<StoredCode>>;
    fn access_token_dyn(&self, id: OrderedId) -> Boxed<'_, Option<StoredAccess>>;
    fn refresh_token_dyn(&self, id: OrderedId) -> Boxed<'_, Option<StoredRefresh>>;
    fn consents_dyn<'a>(&'a self, subject: &'a Subject, client: &'a ClientId) -> Boxed<'a, Vec<Consent>>;
    fn grants_dyn<'a>(
        &'a self,
        subject: &'a Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Boxed<'a, Vec<StoredGrant>>;
    fn policy_dyn(&self) -> Boxed<'_, Option<Arc<PolicyRecords>>>;
    fn insert_client_dyn(&self, op: InsertClient) -> Boxed<'_, Inserted>;
    fn update_client_dyn(&self, op: UpdateClient) -> Boxed<'_, Updated>;
    fn remove_client_dyn(&self, op: RemoveClient) -> Boxed<'_, Removed>;
    fn renew_client_dyn(&self, op: RenewClient) -> Boxed<'_, Renewed>;
    fn grant_client_dyn(&self, op: GrantClient) -> Boxed<'_, Granted>;
    fn save_policy_dyn(&self, op: SavePolicy) -> Boxed<'_, Saved>;
    fn claim_once_dyn(&self, op: ClaimOnce) -> Boxed<'_, Claimed>;
    fn revoke_grants_dyn(&self, op: RevokeGrants) -> Boxed<'_, u32>;
    fn decide_dyn(&self, op: Decide) -> Boxed<'_, Decided>;
    fn redeem_code_dyn(&self, op: RedeemCode) -> Boxed<'_, Redeemed>;
    fn rotate_refresh_dyn(&self, op: RotateRefresh) -> Boxed<'_, Rotated>;
    fn issue_access_dyn(&self, op: IssueAccess) -> Boxed<'_, Issued>;
    fn revoke_access_dyn(&self, op: RevokeAccess) -> Boxed<'_, Revoked>;
    fn revoke_grant_dyn(&self, op: RevokeGrant) -> Boxed<'_, Revoked>;
    fn purge_dyn(&self, now: Timestamp, limit: u32) -> Boxed<'_, u32>;
}

impl<S: Storage> DynStorage for S {
    fn durability_dyn(&self) -> Durability {
        self.durability()
    }
    fn sharing_dyn(&self) -> Sharing {
        self.sharing()
    }
    fn scan_dyn(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Boxed<'_, Vec<Scanned>> {
        Box::pin(self.scan(table, after, limit))
    }
    fn client_dyn<'a>(&'a self, id: &'a ClientId) -> Boxed<'a, Option<Arc<Client>>> {
        Box::pin(self.client(id))
    }
    fn clients_dyn<'a>(&'a self, after: Option<&'a ClientId>, limit: u32) -> Boxed<'a, Vec<Arc<Client>>> {
        Box::pin(self.clients(after, limit))
    }
    fn code_dyn(&self, id: OrderedId) -> Boxed<'_, Option<StoredCode>> {
        Box::pin(self.code(id))
    }
    fn access_token_dyn(&self, id: OrderedId) -> Boxed<'_, Option<StoredAccess>> {
        Box::pin(self.access_token(id))
    }
    fn grants_dyn<'a>(
        &'a self,
        subject: &'a Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Boxed<'a, Vec<StoredGrant>> {
        Box::pin(self.grants(subject, before, limit, now))
    }
    fn consents_dyn<'a>(&'a self, subject: &'a Subject, client: &'a ClientId) -> Boxed<'a, Vec<Consent>> {
        Box::pin(self.consents(subject, client))
    }
    fn policy_dyn(&self) -> Boxed<'_, Option<Arc<PolicyRecords>>> {
        Box::pin(self.policy())
    }
    fn insert_client_dyn(&self, op: InsertClient) -> Boxed<'_, Inserted> {
        Box::pin(self.insert_client(op))
    }
    fn update_client_dyn(&self, op: UpdateClient) -> Boxed<'_, Updated> {
        Box::pin(self.update_client(op))
    }
    fn remove_client_dyn(&self, op: RemoveClient) -> Boxed<'_, Removed> {
        Box::pin(self.remove_client(op))
    }
    fn renew_client_dyn(&self, op: RenewClient) -> Boxed<'_, Renewed> {
        Box::pin(self.renew_client(op))
    }
    fn grant_client_dyn(&self, op: GrantClient) -> Boxed<'_, Granted> {
        Box::pin(self.grant_client(op))
    }
    fn save_policy_dyn(&self, op: SavePolicy) -> Boxed<'_, Saved> {
        Box::pin(self.save_policy(op))
    }
    fn claim_once_dyn(&self, op: ClaimOnce) -> Boxed<'_, Claimed> {
        Box::pin(self.claim_once(op))
    }
    fn revoke_grants_dyn(&self, op: RevokeGrants) -> Boxed<'_, u32> {
        Box::pin(self.revoke_grants(op))
    }
    fn decide_dyn(&self, op: Decide) -> Boxed<'_, Decided> {
        Box::pin(self.decide(op))
    }
    fn redeem_code_dyn(&self, op: RedeemCode) -> Boxed<'_, Redeemed> {
        Box::pin(self.redeem_code(op))
    }
    fn refresh_token_dyn(&self, id: OrderedId) -> Boxed<'_, Option<StoredRefresh>> {
        Box::pin(self.refresh_token(id))
    }
    fn rotate_refresh_dyn(&self, op: RotateRefresh) -> Boxed<'_, Rotated> {
        Box::pin(self.rotate_refresh(op))
    }
    fn issue_access_dyn(&self, op: IssueAccess) -> Boxed<'_, Issued> {
        Box::pin(self.issue_access(op))
    }
    fn revoke_access_dyn(&self, op: RevokeAccess) -> Boxed<'_, Revoked> {
        Box::pin(self.revoke_access(op))
    }
    fn revoke_grant_dyn(&self, op: RevokeGrant) -> Boxed<'_, Revoked> {
        Box::pin(self.revoke_grant(op))
    }
    fn purge_dyn(&self, now: Timestamp, limit: u32) -> Boxed<'_, u32> {
        Box::pin(self.purge(now, limit))
    }
}

/// Any store, behind one pointer. Clones share the store.
#[derive(Clone)]
pub struct AnyStorage {
    storage: Arc<dyn DynStorage>,
    /// The same, if it is the one in memory: what every request looks up there needs no box.
    memory: Option<MemoryStorage>,
}

impl AnyStorage {
    /// Wraps a store.
    #[must_use]
    pub fn new(storage: impl Storage) -> Self {
        let memory = (&storage as &dyn Any).downcast_ref::<MemoryStorage>().cloned();
        Self { storage: Arc::new(storage), memory }
    }

    /// The store, if it is the one in memory, which answers at once and lends its rows.
    pub(crate) const fn lender(&self) -> Option<&MemoryStorage> {
        self.memory.as_ref()
    }
}

impl fmt::Debug for AnyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyStorage(..)")
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for AnyStorage {
    fn durability(&self) -> Durability {
        self.storage.durability_dyn()
    }
    fn sharing(&self) -> Sharing {
        self.storage.sharing_dyn()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.storage.scan_dyn(table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        match &self.memory {
            Some(memory) => memory.client(id).await,
            None => self.storage.client_dyn(id).await,
        }
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.storage.clients_dyn(after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        match &self.memory {
            Some(memory) => memory.code(id).await,
            None => self.storage.code_dyn(id).await,
        }
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.storage.access_token_dyn(id).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.storage.grants_dyn(subject, before, limit, now).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.storage.consents_dyn(subject, client).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.storage.policy_dyn().await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.storage.insert_client_dyn(op).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.storage.update_client_dyn(op).await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.storage.remove_client_dyn(op).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.storage.renew_client_dyn(op).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.storage.grant_client_dyn(op).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.storage.save_policy_dyn(op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.storage.claim_once_dyn(op).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.storage.revoke_grants_dyn(op).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.storage.decide_dyn(op).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.storage.redeem_code_dyn(op).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        match &self.memory {
            Some(memory) => memory.refresh_token(id).await,
            None => self.storage.refresh_token_dyn(id).await,
        }
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.storage.rotate_refresh_dyn(op).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.storage.issue_access_dyn(op).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.storage.revoke_access_dyn(op).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.storage.revoke_grant_dyn(op).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.storage.purge_dyn(now, limit).await
    }
}
