//! A store whose calls a test can hold, put off and let fail, and that counts its look-ups.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use grantor::protocol::client::{Client, ClientId};
use grantor::protocol::grant::Subject;
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::protocol::secret::OrderedId;
use grantor::protocol::time::Timestamp;
use grantor::storage::testkit::Call;
use grantor::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    MemoryStorage, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StorageErrorKind, StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use tokio::sync::{Semaphore, oneshot};

/// What becomes of the next call of some method.
#[derive(Clone, Copy)]
pub(crate) enum Plan {
    /// It happens at once; its answer waits for [`Staged::release`].
    HoldAnswer,
    /// It happens in [`Staged::carry_out`], whether or not the caller still waits.
    PutOff,
    /// It happens, and its answer is an error.
    LoseAnswer,
    /// Its answer is an error, and it happens in [`Staged::carry_out`].
    LoseAnswerAndPutOff,
}

/// Clones share everything.
#[derive(Clone)]
pub(crate) struct Staged<S = MemoryStorage> {
    inner: S,
    sharing: Sharing,
    stage: Arc<Stage>,
}

struct Stage {
    plans: Mutex<HashMap<Call, Plan>>,
    put_off: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    released: Semaphore,
    look_ups: AtomicU64,
}

impl Staged {
    pub(crate) fn new(sharing: Sharing) -> Self {
        Self { sharing, ..Self::over(MemoryStorage::new()) }
    }
}

impl<S: Storage + Clone> Staged<S> {
    pub(crate) fn over(inner: S) -> Self {
        let stage = Stage {
            plans: Mutex::default(),
            put_off: Mutex::default(),
            released: Semaphore::new(0),
            look_ups: AtomicU64::new(0),
        };
        Self { sharing: inner.sharing(), inner, stage: Arc::new(stage) }
    }

    pub(crate) fn plan(&self, call: Call, plan: Plan) {
        self.stage.plans.lock().unwrap().insert(call, plan);
    }

    /// Lets one answer go that is held.
    pub(crate) fn release(&self) {
        self.stage.released.add_permits(1);
    }

    /// Does what was put off; how many operations that were.
    pub(crate) async fn carry_out(&self) -> usize {
        let put_off = std::mem::take(&mut *self.stage.put_off.lock().unwrap());
        let count = put_off.len();
        for operation in put_off {
            operation.await;
        }
        count
    }

    /// How many look-ups of clients and access tokens got here.
    pub(crate) fn look_ups(&self) -> u64 {
        self.stage.look_ups.load(Ordering::SeqCst)
    }

    async fn through<T, F>(&self, call: Call, operation: impl FnOnce(S) -> F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let operation = operation(self.inner.clone());
        let plan = self.stage.plans.lock().unwrap().remove(&call);
        match plan {
            None => operation.await,
            Some(Plan::HoldAnswer) => {
                let answer = operation.await;
                self.stage.released.acquire().await.unwrap().forget();
                answer
            }
            Some(Plan::PutOff) => self.put_off(operation).await.unwrap(),
            Some(Plan::LoseAnswer) => {
                operation.await?;
                Err(StorageErrorKind::Unavailable.into())
            }
            Some(Plan::LoseAnswerAndPutOff) => {
                drop(self.put_off(operation));
                Err(StorageErrorKind::Unavailable.into())
            }
        }
    }

    fn put_off<T: Send + 'static>(&self, operation: impl Future<Output = T> + Send + 'static) -> oneshot::Receiver<T> {
        let (sender, answer) = oneshot::channel();
        let operation = async move {
            let _ = sender.send(operation.await);
        };
        self.stage.put_off.lock().unwrap().push(Box::pin(operation));
        answer
    }

    fn count(&self) {
        self.stage.look_ups.fetch_add(1, Ordering::SeqCst);
    }
}

impl<S: Storage + Clone> Storage for Staged<S> {
    fn durability(&self) -> Durability {
        Durability::Persistent
    }
    fn sharing(&self) -> Sharing {
        self.sharing.clone()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.inner.scan(table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.count();
        let id = id.clone();
        self.through(Call::Client, |inner| async move { inner.client(&id).await }).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.inner.clients(after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.inner.code(id).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.count();
        self.through(Call::AccessToken, |inner| async move { inner.access_token(id).await }).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.inner.refresh_token(id).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.inner.grants(subject, before, limit, now).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.inner.consents(subject, client).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.inner.insert_client(op).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.through(Call::UpdateClient, |inner| async move { inner.update_client(op).await }).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.inner.policy().await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.through(Call::RemoveClient, |inner| async move { inner.remove_client(op).await }).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.through(Call::RenewClient, |inner| async move { inner.renew_client(op).await }).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.inner.grant_client(op).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.inner.save_policy(op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.inner.claim_once(op).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.inner.decide(op).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.through(Call::RedeemCode, |inner| async move { inner.redeem_code(op).await }).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.through(Call::RotateRefresh, |inner| async move { inner.rotate_refresh(op).await }).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.inner.issue_access(op).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.through(Call::RevokeAccess, |inner| async move { inner.revoke_access(op).await }).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.through(Call::RevokeGrant, |inner| async move { inner.revoke_grant(op).await }).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.through(Call::RevokeGrants, |inner| async move { inner.revoke_grants(op).await }).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.inner.purge(now, limit).await
    }
}
