//! A store that is broken in one way of choice.

#![allow(clippy::unwrap_used, reason = "part of a test")]

mod changes;
mod claims;
mod consents;
mod endings;
mod refresh;
mod registrations;
mod scans;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scans::cut;

use grantor::protocol::client::{Client, ClientId, Tenure};
use grantor::protocol::grant::{Holder, Rotation, Subject};
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::protocol::secret::OrderedId;
use grantor::protocol::time::Timestamp;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    MemoryStorage, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};

/// What is wrong with a store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    ReplacesClients,
    ForgetsClientNames,
    IgnoresMarks,
    SwapsDecisions,
    IgnoresDenials,
    ForgetsApprovals,
    IgnoresRevisions,
    RecordsRefusals,
    RedeemsTwice,
    ChecksBeforeActing,
    ForgivesReplays,
    RevokesAllOnReplay,
    ForgetsSpentCodes,
    CollidesFirst,
    BurnsOnCollision,
    IgnoresTheEndOfCodes,
    BurnsLateCodes,
    ForgetsTheEndOfGrants,
    IgnoresSubjects,
    ForgetsRevocations,
    IgnoresRevocations,
    ListsOldestFirst,
    IgnoresLimits,
    PagesInclusively,
    FoldsSubjects,
    CleansTexts,
    WidensTokens,
    PurgesEarly,
    PurgesWhatIsNew,
    NeverPurges,
    PurgesAllAtOnce,
    PurgesForever,
    StopsMidway,
    LosesOlderRows,
    ForgetsRefreshTokens,
    LeavesTokensBehind,
    RotatesTwice,
    AnswersAnew,
    ClosesWindows,
    KeepsWindowsOpen,
    KeepsAnswers,
    ForgivesReuse,
    RevokesAllOnReuse,
    ForgetsUsedTokens,
    IgnoresTheEndOfRefreshTokens,
    IgnoresTheEndOfGrants,
    IssuesWithoutLooking,
    RevokesGrantsByTokens,
    IgnoresClients,
    TakesClientsForUsers,
    RotatesInTwoSteps,
    ChangesInTwoSteps,
    RemovesInTwoSteps,
    ForgetsConsent,
    ReplacesConsent,
    RemembersDenials,
    RemembersRefusals,
    NeedsNoConsent,
    TakesAnyScopes,
    TakesAnyRedirect,
    TakesAnyResources,
    KeepsConsent,
    ForgetsAllConsent,
    HidesRevoked,
    HidesWhatHasEnded,
    ShowsFirstEnds,
    ForgetsPredecessors,
    KeepsRevisions,
    TakesRevisions,
    AddsOnUpdate,
    LosesUpdates,
    CutsTexts,
    HasOneClock,
    MovesEndsBack,
    CutsFullPages,
    KeepsWhatItRead,
    FoldsNothing,
    FreesTheBlocked,
    IgnoresBudgets,
    EvictsTheLatest,
    EvictsTheGranted,
    EvictsTheNew,
    ForgetsFirstGrants,
    MovesEndsWithEachGrant,
    ChangesOnRenewal,
    RenewsAnything,
    TakesTenures,
    EndsOnEveryChange,
    EndsBeforeLooking,
    RevokesAllOfUsers,
    ClaimsTwice,
    ForgetsResources,
}

const BEGINNING: Timestamp = Timestamp::from_millis(0);
const FAR: Timestamp = Timestamp::from_millis(u64::MAX);

/// A store in memory with a flaw.
pub(crate) struct Broken {
    inner: MemoryStorage,
    flaw: Flaw,
    owners: Mutex<HashMap<OrderedId, Subject>>,
    /// Tokens that are kept under another id.
    aliases: Mutex<HashMap<OrderedId, OrderedId>>,
    /// Refresh tokens that were used, as their first use said.
    rotations: Mutex<HashMap<OrderedId, Rotation>>,
    /// Tokens that were added to a grant that was revoked meanwhile.
    revived: Mutex<HashMap<OrderedId, StoredAccess>>,
    newest: Mutex<OrderedId>,
    notes: Mutex<consents::Notes>,
    /// The latest present that an operation brought.
    latest: Mutex<Timestamp>,
    /// When grants end, as the last operation on each said.
    ends: Mutex<HashMap<OrderedId, Timestamp>>,
    /// The revisions that clients were brought with.
    revisions: Mutex<HashMap<ClientId, u32>>,
    /// How long clients stay, as this store has it.
    tenures: Mutex<HashMap<ClientId, Option<Tenure>>>,
    folds: Mutex<registrations::Folds>,
    claimed: Mutex<claims::Keys>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Broken {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self::over(MemoryStorage::new(), flaw)
    }

    /// Two handles on one database.
    pub(crate) fn two(flaw: Flaw) -> (Self, Self) {
        let inner = MemoryStorage::new();
        (Self::over(inner.clone(), flaw), Self::over(inner, flaw))
    }

    fn over(inner: MemoryStorage, flaw: Flaw) -> Self {
        Self {
            inner,
            flaw,
            owners: Mutex::default(),
            aliases: Mutex::default(),
            rotations: Mutex::default(),
            revived: Mutex::default(),
            newest: Mutex::new(OrderedId::first_at(BEGINNING)),
            notes: Mutex::default(),
            latest: Mutex::new(BEGINNING),
            ends: Mutex::default(),
            revisions: Mutex::default(),
            tenures: Mutex::default(),
            folds: Mutex::default(),
            claimed: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn folded(&self, subject: &Subject) -> Subject {
        match self.flaw {
            Flaw::FoldsSubjects => Subject::new(&subject.as_str().trim().to_lowercase()),
            Flaw::CutsTexts => {
                let text = subject.as_str().split('\0').next().unwrap_or_default();
                Subject::new(&text.chars().take(2048).collect::<String>())
            }
            _ => subject.clone(),
        }
    }

    async fn prepare_decision(&self, op: &mut Decide) -> Result<(), StorageError> {
        match self.flaw {
            Flaw::IgnoresMarks => op.prompt = records::prompt(NOW),
            Flaw::ForgetsApprovals => op.approval = None,
            Flaw::KeepsRevisions if self.revisions.lock().unwrap().get(&op.client) != Some(&op.client_revision) => {}
            Flaw::IgnoresRevisions | Flaw::KeepsRevisions => {
                let client = self.inner.client(&op.client).await?;
                op.client_revision = client.map_or(0, |client| client.revision);
            }
            _ => {}
        }
        let Some(approval) = &mut op.approval else { return Ok(()) };
        self.owners.lock().unwrap().insert(approval.grant.id, records::user_of(&approval.grant));
        match self.flaw {
            Flaw::FoldsSubjects | Flaw::CutsTexts => {
                let folded = self.folded(&records::user_of(&approval.grant));
                Arc::make_mut(&mut approval.grant).holder = Holder::User(folded);
            }
            Flaw::CleansTexts => approval.code.redirect_uri = approval.code.redirect_uri.trim().into(),
            _ => {}
        }
        Ok(())
    }

    /// What goes wrong before the exchange: `Some` if that is the answer.
    async fn prepare_exchange(&self, op: &mut RedeemCode) -> Result<Option<Redeemed>, StorageError> {
        let code = self.inner.code(op.code).await?;
        let is_spent = code.as_ref().is_some_and(|code| code.redeemed);
        let is_over = code.as_ref().is_some_and(|code| code.code.expires_at <= op.now);
        match self.flaw {
            Flaw::ForgivesReplays if is_spent => return Ok(Some(Redeemed::Replayed)),
            Flaw::ForgetsSpentCodes if is_over => return Ok(Some(Redeemed::Gone)),
            Flaw::CollidesFirst if self.inner.access_token(op.access.id).await?.is_some() => {
                return Ok(Some(Redeemed::Collision));
            }
            Flaw::IgnoresTheEndOfCodes => op.now = BEGINNING,
            Flaw::ForgetsRefreshTokens => op.refresh = None,
            Flaw::ForgetsTheEndOfGrants => {
                op.grant_expires_at = code.map_or(op.grant_expires_at, |code| code.code.expires_at);
            }
            Flaw::ChecksBeforeActing if !is_spent => {
                tokio::task::yield_now().await;
                let _ = self.inner.redeem_code(op.clone()).await?;
                return Ok(Some(Redeemed::First));
            }
            Flaw::LosesOlderRows => {
                let mut newest = self.newest.lock().unwrap();
                if op.access.id < *newest {
                    return Ok(Some(Redeemed::First));
                }
                *newest = op.access.id;
            }
            _ => {}
        }
        Ok(None)
    }

    /// What goes wrong after it.
    async fn spoil_exchange(&self, op: RedeemCode, outcome: Redeemed) -> Result<Redeemed, StorageError> {
        match (self.flaw, outcome) {
            (Flaw::RedeemsTwice, Redeemed::Replayed | Redeemed::Gone) => return Ok(Redeemed::First),
            (Flaw::RevokesAllOnReplay, Redeemed::Replayed) => {
                let Some(code) = self.inner.code(op.code).await? else { return Ok(outcome) };
                for stored in self.inner.grants(&records::user_of(&code.grant), None, 1000, op.now).await? {
                    let _ = self.inner.revoke_grant(records::revoke(&stored.grant, op.now)).await?;
                }
            }
            (Flaw::BurnsOnCollision, Redeemed::Collision) | (Flaw::BurnsLateCodes, Redeemed::Gone) => {
                let mut burning = RedeemCode { now: BEGINNING, ..op };
                burning.access.id = records::ordered_id(NOW);
                burning.refresh = None;
                let _ = self.inner.redeem_code(burning).await?;
            }
            (Flaw::LeavesTokensBehind, Redeemed::Collision) => {
                let _ = self.inner.issue_access(IssueAccess { access: op.access, now: op.now }).await?;
            }
            (Flaw::PurgesWhatIsNew, Redeemed::First) => {
                self.inner.purge(FAR, u32::MAX).await?;
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// The mark first and the token later.
    async fn exchange_in_two_steps(&self, mut op: RedeemCode) -> Result<Redeemed, StorageError> {
        let wanted = op.access.id;
        op.access.id = records::ordered_id(NOW);
        let kept = op.access.id;
        let outcome = self.inner.redeem_code(op).await?;
        tokio::task::yield_now().await;
        self.aliases.lock().unwrap().insert(wanted, kept);
        Ok(outcome)
    }
}

impl Storage for Broken {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }
    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.show(table, after, limit).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.read_client(id).await
    }

    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.list_clients(after, limit).await
    }

    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        let mut stored = self.inner.code(id).await?;
        if let Some(stored) = stored.as_mut().filter(|_| self.has(Flaw::ForgetsRevocations)) {
            stored.revoked = false;
        }
        Ok(stored)
    }

    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        if let Some(revived) = self.revived.lock().unwrap().get(&id) {
            return Ok(Some(revived.clone()));
        }
        let kept = self.aliases.lock().unwrap().get(&id).copied();
        let mut stored = self.inner.access_token(kept.unwrap_or(id)).await?;
        if let Some(stored) = &mut stored {
            stored.revoked &= !self.has(Flaw::ForgetsRevocations);
            if self.has(Flaw::WidensTokens) {
                stored.token.scopes = stored.grant.scopes.clone();
            }
            if self.has(Flaw::KeepsWhatItRead) {
                self.revived.lock().unwrap().insert(id, stored.clone());
            }
        }
        Ok(stored)
    }

    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.read_refresh(id).await
    }

    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        let limit = if self.has(Flaw::IgnoresLimits) { 1000 } else { limit };
        let next = |id: OrderedId| OrderedId::from_bits(id.to_bits() + 1).unwrap_or(id);
        let before = before.map(|id| if self.has(Flaw::PagesInclusively) { next(id) } else { id });
        let mut page = self.inner.grants(&self.folded(subject), before, limit, now).await?;
        match self.flaw {
            Flaw::ListsOldestFirst => page.reverse(),
            Flaw::MovesEndsBack => {
                let ends = self.ends.lock().unwrap();
                page.retain(|stored| ends.get(&stored.grant.id).is_none_or(|end| *end > now));
            }
            Flaw::CutsFullPages => cut(&mut page, limit),
            _ => {}
        }
        Ok(page)
    }

    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.read_consents(subject, client).await
    }

    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.add_client(op).await
    }

    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.change_client(op).await
    }

    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.read_policy().await
    }

    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.remove(op).await
    }

    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.renew(op).await
    }

    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.grant_own(op).await
    }

    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.save(op).await
    }

    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.claim(op).await
    }

    async fn decide(&self, mut op: Decide) -> Result<Decided, StorageError> {
        self.look_at_the_clock(&mut op.now);
        self.prepare_decision(&mut op).await?;
        self.prepare_consent(&mut op).await?;
        if self.has(Flaw::IgnoresDenials) && op.approval.is_none() {
            return Ok(Decided::First);
        }
        let prompt = op.prompt;
        let outcome = self.inner.decide(op.clone()).await?;
        self.renew_on_approval(op, outcome).await?;
        match (self.flaw, outcome) {
            (Flaw::SwapsDecisions, Decided::AlreadyDecided { approved }) => {
                return Ok(Decided::AlreadyDecided { approved: !approved });
            }
            (Flaw::RecordsRefusals, Decided::ClientChanged | Decided::Collision | Decided::ConsentGone) => {
                let _ = self.inner.decide(records::deny(prompt, &records::client("client"), NOW)).await?;
            }
            _ => {}
        }
        Ok(outcome)
    }

    async fn redeem_code(&self, mut op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.look_at_the_clock(&mut op.now);
        self.ends.lock().unwrap().insert(op.access.grant, op.grant_expires_at);
        if self.has(Flaw::StopsMidway) {
            return self.exchange_in_two_steps(op).await;
        }
        let _turn = match self.flaw {
            Flaw::ForgivesReplays => Some(self.one_at_a_time.lock().await),
            _ => None,
        };
        if let Some(answer) = self.prepare_exchange(&mut op).await? {
            return Ok(answer);
        }
        let outcome = self.inner.redeem_code(op.clone()).await?;
        self.spoil_exchange(op, outcome).await
    }

    async fn rotate_refresh(&self, mut op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.look_at_the_clock(&mut op.now);
        self.ends.lock().unwrap().insert(op.access.grant, op.grant_expires_at);
        self.rotate(op).await
    }

    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.issue(op).await
    }

    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.revoke_token(op).await
    }

    async fn revoke_grant(&self, mut op: RevokeGrant) -> Result<Revoked, StorageError> {
        if self.has(Flaw::IgnoresRevocations) {
            return Ok(Revoked::Now);
        }
        op.owner = self.owner_of(&op);
        self.revoke_and_forget(op).await
    }

    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.revoke_all(op).await
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        match self.flaw {
            Flaw::PurgesEarly => self.inner.purge(now.after(Duration::from_secs(86_400)), limit).await,
            Flaw::NeverPurges => Ok(0),
            Flaw::PurgesAllAtOnce if limit > 0 => self.inner.purge(now, u32::MAX).await,
            Flaw::PurgesForever => Ok(limit),
            _ => self.inner.purge(now, limit).await,
        }
    }
}
