//! A store behind a network on which things get lost, and which at times is not there at all.

use std::sync::Arc;

use grantor::protocol::client::{Client, ClientId};
use grantor::protocol::grant::Subject;
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::protocol::secret::OrderedId;
use grantor::storage::testkit::{Call, Lost};
use grantor::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant, RevokeGrants,
    Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError, StorageErrorKind,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use grantor::{MemoryStorage, Timestamp};

use crate::model::Oracle;
use crate::weather::Weather;

pub(crate) struct StormyStorage {
    pub(crate) inner: MemoryStorage,
    pub(crate) weather: Weather,
    pub(crate) oracle: Oracle,
}

impl StormyStorage {
    /// A read.
    async fn read<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        self.through(call, None, operation).await
    }

    async fn through<T: Send>(
        &self,
        call: Call,
        dated: Option<Timestamp>,
        operation: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let (request, fate) = (self.weather.current(), self.weather.fate());
        if let Some(millis) = fate.before {
            self.weather.time.sleep(millis).await;
        }
        if self.weather.is_down() {
            return Err(self.lose(request, call, "fault: a call while the store is down"));
        }
        if fate.lost == Some(Lost::Request) {
            return Err(self.lose(request, call, "fault: a call fails before it is done"));
        }
        let answer = operation.await?;
        self.oracle.done(request, call, dated);
        if let Some(millis) = fate.after {
            self.weather.time.sleep(millis).await;
        }
        if fate.lost == Some(Lost::Answer) || self.weather.is_down() {
            return Err(self.lose(request, call, "fault: a call is done and its answer is lost"));
        }
        Ok(answer)
    }

    fn lose(&self, request: usize, call: Call, what: &'static str) -> StorageError {
        self.weather.count(what);
        self.oracle.failed(request, call);
        let kinds = [StorageErrorKind::Unavailable, StorageErrorKind::Unavailable, StorageErrorKind::Conflict];
        StorageError::new(self.weather.pick(&kinds), format!("{call:?} was made to fail"))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for StormyStorage {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }
    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.read(Call::Scan, self.inner.scan(table, after, limit)).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.read(Call::Client, self.inner.client(id)).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.read(Call::Clients, self.inner.clients(after, limit)).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.read(Call::Code, self.inner.code(id)).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.read(Call::AccessToken, self.inner.access_token(id)).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.read(Call::RefreshToken, self.inner.refresh_token(id)).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.read(Call::Grants, self.inner.grants(subject, before, limit, now)).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.read(Call::Consents, self.inner.consents(subject, client)).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.through(Call::InsertClient, Some(op.now), self.inner.insert_client(op)).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        let now = op.now;
        let updated = async {
            let (client, ends_access) = (Arc::clone(&op.client), op.ends_access);
            let outcome = self.inner.update_client(op).await?;
            if outcome == Updated::Now {
                self.oracle.client_changed(client.id.as_str(), client.blocked, ends_access);
            }
            Ok(outcome)
        };
        self.through(Call::UpdateClient, Some(now), updated).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.read(Call::Policy, self.inner.policy()).await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.through(Call::RemoveClient, Some(op.now), self.inner.remove_client(op)).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.through(Call::RenewClient, Some(op.now), self.inner.renew_client(op)).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.through(Call::GrantClient, Some(op.now), self.inner.grant_client(op)).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.read(Call::SavePolicy, self.inner.save_policy(op)).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.through(Call::ClaimOnce, Some(op.now), self.inner.claim_once(op)).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.through(Call::Decide, Some(op.now), self.inner.decide(op)).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        let (code, now, request) = (op.code, op.now, self.weather.current());
        let redeemed = async {
            // Some time after its end a code is forgotten, and then its replay goes unnoticed.
            let is_kept = self.inner.code(code).await?.is_some();
            self.oracle.about_to_redeem(request, is_kept);
            self.inner.redeem_code(op).await
        };
        self.through(Call::RedeemCode, Some(now), redeemed).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.through(Call::RotateRefresh, Some(op.now), self.inner.rotate_refresh(op)).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.through(Call::IssueAccess, Some(op.now), self.inner.issue_access(op)).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.through(Call::RevokeAccess, Some(op.now), self.inner.revoke_access(op)).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.through(Call::RevokeGrant, Some(op.now), self.inner.revoke_grant(op)).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.through(Call::RevokeGrants, Some(op.now), self.inner.revoke_grants(op)).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.through(Call::Purge, Some(now), self.inner.purge(now, limit)).await
    }
}
