//! A store whose requests and answers get lost, or wait.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant, RevokeGrants,
    Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError, StorageErrorKind,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};

/// A method of [`Storage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// [`Storage::client`]
    Client,
    /// [`Storage::clients`]
    Clients,
    /// [`Storage::code`]
    Code,
    /// [`Storage::access_token`]
    AccessToken,
    /// [`Storage::consents`]
    Consents,
    /// [`Storage::grants`]
    Grants,
    /// [`Storage::scan`]
    Scan,
    /// [`Storage::insert_client`]
    InsertClient,
    /// [`Storage::update_client`]
    UpdateClient,
    /// [`Storage::decide`]
    Decide,
    /// [`Storage::redeem_code`]
    RedeemCode,
    /// [`Storage::refresh_token`]
    RefreshToken,
    /// [`Storage::rotate_refresh`]
    RotateRefresh,
    /// [`Storage::issue_access`]
    IssueAccess,
    /// [`Storage::revoke_access`]
    RevokeAccess,
    /// [`Storage::revoke_grant`]
    RevokeGrant,
    /// [`Storage::policy`]
    Policy,
    /// [`Storage::remove_client`]
    RemoveClient,
    /// [`Storage::renew_client`]
    RenewClient,
    /// [`Storage::grant_client`]
    GrantClient,
    /// [`Storage::save_policy`]
    SavePolicy,
    /// [`Storage::claim_once`]
    ClaimOnce,
    /// [`Storage::revoke_grants`]
    RevokeGrants,
    /// [`Storage::purge`]
    Purge,
}

/// What gets lost of a call. The caller cannot tell the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The request: nothing happened.
    Request,
    /// The answer: it happened, and the caller does not know.
    Answer,
}

#[derive(Debug)]
struct Fault {
    call: Call,
    /// Calls that still go well before the one that does not.
    before: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Lost(Lost),
    Held { at: Lost, reached: oneshot::Sender<()>, released: oneshot::Receiver<()> },
}

/// A call that waits on its way to the store or back, until this is dropped.
#[derive(Debug)]
pub struct Held {
    reached: oneshot::Receiver<()>,
    _release: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call is where it is held.
    pub async fn reached(&mut self) {
        let _ = (&mut self.reached).await;
    }
}

/// A store of which chosen calls fail with [`StorageErrorKind::Unavailable`], or wait.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Mutex<Vec<Fault>>,
}

impl<S> Faulty<S> {
    /// Wraps a store; nothing fails yet.
    #[must_use]
    pub const fn new(inner: S) -> Self {
        Self { inner, faults: Mutex::new(Vec::new()) }
    }

    /// Lets the `nth` of the coming calls of one method fail, counted from 1, once.
    pub fn lose(&self, lost: Lost, call: Call, nth: u32) {
        self.add(call, nth, Kind::Lost(lost));
    }

    /// Lets the `nth` of the coming calls of one method wait, counted from 1: with [`Lost::Request`] before anything
    /// happens, with [`Lost::Answer`] when it has happened and the caller does not know yet. It is the moment for whoever
    /// asked to go away.
    #[must_use = "the call goes on when this is dropped"]
    pub fn hold(&self, at: Lost, call: Call, nth: u32) -> Held {
        let ((reach, reached), (release, released)) = (oneshot::channel(), oneshot::channel());
        self.add(call, nth, Kind::Held { at, reached: reach, released });
        Held { reached, _release: release }
    }

    fn add(&self, call: Call, nth: u32, kind: Kind) {
        let fault = Fault { call, before: nth.saturating_sub(1), kind };
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// The store itself, all of whose calls go well.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// What happens to the call that is about to be made.
    fn next(&self, call: Call) -> Option<Kind> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (due, coming) = std::mem::take(&mut *faults)
            .into_iter()
            .partition::<Vec<_>, _>(|fault| fault.call == call && fault.before == 0);
        *faults = coming;
        for fault in faults.iter_mut().filter(|fault| fault.call == call) {
            fault.before -= 1;
        }
        due.into_iter().next().map(|fault| fault.kind)
    }

    async fn through<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError>
    where
        S: Sync,
    {
        match self.next(call) {
            None => operation.await,
            Some(Kind::Lost(Lost::Request)) => Err(unavailable(call)),
            Some(Kind::Lost(Lost::Answer)) => {
                operation.await?;
                Err(unavailable(call))
            }
            Some(Kind::Held { at: Lost::Request, reached, released }) => {
                wait(reached, released).await;
                operation.await
            }
            Some(Kind::Held { at: Lost::Answer, reached, released }) => {
                let answer = operation.await;
                wait(reached, released).await;
                answer
            }
        }
    }
}

async fn wait(reached: oneshot::Sender<()>, released: oneshot::Receiver<()>) {
    // Whoever holds the call may be gone: then it goes on.
    let _ = reached.send(());
    let _ = released.await;
}

fn unavailable(call: Call) -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, format!("{call:?} was made to fail"))
}

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Faulty<S> {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }
    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.through(Call::Scan, self.inner.scan(table, after, limit)).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.through(Call::Client, self.inner.client(id)).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.through(Call::Clients, self.inner.clients(after, limit)).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.through(Call::Code, self.inner.code(id)).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.through(Call::AccessToken, self.inner.access_token(id)).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.through(Call::RefreshToken, self.inner.refresh_token(id)).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.through(Call::Grants, self.inner.grants(subject, before, limit, now)).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.through(Call::Consents, self.inner.consents(subject, client)).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.through(Call::InsertClient, self.inner.insert_client(op)).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.through(Call::UpdateClient, self.inner.update_client(op)).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.through(Call::Policy, self.inner.policy()).await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.through(Call::RemoveClient, self.inner.remove_client(op)).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.through(Call::RenewClient, self.inner.renew_client(op)).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.through(Call::GrantClient, self.inner.grant_client(op)).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.through(Call::SavePolicy, self.inner.save_policy(op)).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.through(Call::ClaimOnce, self.inner.claim_once(op)).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.through(Call::Decide, self.inner.decide(op)).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.through(Call::RedeemCode, self.inner.redeem_code(op)).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.through(Call::RotateRefresh, self.inner.rotate_refresh(op)).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.through(Call::IssueAccess, self.inner.issue_access(op)).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.through(Call::RevokeAccess, self.inner.revoke_access(op)).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.through(Call::RevokeGrant, self.inner.revoke_grant(op)).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.through(Call::RevokeGrants, self.inner.revoke_grants(op)).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.through(Call::Purge, self.inner.purge(now, limit)).await
    }
}
