//! What the tables of the store in memory hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ordered::Row;
use super::search::Key;
use crate::protocol::grant::{AccessRecord, CodeRecord, Grant, RefreshRecord, Rotation};
use crate::protocol::prompt::PromptId;
use crate::protocol::resource::ResourceId;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::{OrderedId, SecretHash};
use crate::protocol::time::Timestamp;
use crate::storage::{LentAccess, Revoked, StoredAccess, StoredCode, StoredRefresh};

impl Key for OrderedId {
    fn measure(self) -> u64 {
        self.to_bits()
    }
}

impl Key for PromptId {
    fn measure(self) -> u64 {
        // It begins with the time.
        self.as_bytes().first_chunk().map_or(0, |time| u64::from_be_bytes(*time))
    }
}

/// A grant and what became of it. Codes and tokens point to it, so that a look-up of one of them reads
/// the state of the grant itself and never a copy.
pub(super) struct GrantCell {
    pub(super) grant: Arc<Grant>,
    /// The grant's, at hand: a look-up that had to follow the grant to them would wait for memory twice more.
    scopes: ScopeSet,
    /// The first one of the grant.
    resource: Option<ResourceId>,
    /// Written under the lock of `end` only.
    revoked: AtomicBool,
    /// The same. Once it is set, what hangs on the grant is unknown.
    purged: AtomicBool,
    end: Mutex<Timestamp>,
}

impl GrantCell {
    pub(super) fn new(grant: Arc<Grant>, end: Timestamp) -> Self {
        Self {
            scopes: grant.scopes.clone(),
            resource: grant.resources.first().cloned(),
            grant,
            revoked: AtomicBool::new(false),
            purged: AtomicBool::new(false),
            end: Mutex::new(end),
        }
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    pub(super) fn is_purged(&self) -> bool {
        self.purged.load(Ordering::Acquire)
    }

    /// Holds off every other change of the grant; `None` if it is revoked or purged.
    pub(super) fn lock_live(&self) -> Option<LiveGrant<'_>> {
        let end = self.lock();
        (!self.is_revoked() && !self.is_purged()).then_some(LiveGrant { cell: self, end })
    }

    pub(super) fn revoke(&self) -> Revoked {
        let end = self.lock();
        if self.is_purged() {
            return Revoked::Unknown;
        }
        if self.is_revoked() {
            return Revoked::Already;
        }
        LiveGrant { cell: self, end }.revoke();
        Revoked::Now
    }

    /// Reads something while the grant does not change, with its end and whether it is revoked; `None` if it
    /// is purged.
    pub(super) fn unchanged<T>(&self, read: impl FnOnce(Timestamp, bool) -> Option<T>) -> Option<T> {
        let end = self.lock();
        if self.is_purged() { None } else { read(*end, self.is_revoked()) }
    }

    /// When the grant ends if it is live at `now`.
    pub(super) fn live_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock_live().map(|grant| *grant.end).filter(|end| *end > now)
    }

    fn lock(&self) -> MutexGuard<'_, Timestamp> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A grant that is neither revoked nor purged and stays so while this is held.
pub(super) struct LiveGrant<'a> {
    cell: &'a GrantCell,
    end: MutexGuard<'a, Timestamp>,
}

impl LiveGrant<'_> {
    pub(super) fn revoke(self) {
        self.cell.revoked.store(true, Ordering::Release);
    }

    pub(super) fn ends_after(&self, now: Timestamp) -> bool {
        *self.end > now
    }

    /// Moves the end on; it never comes to be earlier, for what hangs on the grant.
    pub(super) fn lasts_until(mut self, end: Timestamp) {
        *self.end = end.max(*self.end);
    }
}

pub(super) struct GrantRow {
    /// Kept here as well, so that searching does not follow pointers.
    pub(super) id: OrderedId,
    pub(super) cell: Arc<GrantCell>,
}

impl GrantRow {
    pub(super) const fn cell(&self) -> &Arc<GrantCell> {
        &self.cell
    }
}

impl Row for GrantRow {
    type Key = OrderedId;
    fn key(&self) -> OrderedId {
        self.id
    }
    fn end(&self) -> Timestamp {
        *self.cell.lock()
    }
    fn retire(&self, now: Timestamp) -> bool {
        let end = self.cell.lock();
        let is_over = *end <= now;
        if is_over {
            self.cell.purged.store(true, Ordering::Release);
        }
        is_over
    }
}

pub(super) struct CodeRow {
    pub(super) code: CodeRecord,
    pub(super) redeemed: bool,
    pub(super) cell: Arc<GrantCell>,
}

impl CodeRow {
    pub(super) const fn cell(&self) -> &Arc<GrantCell> {
        &self.cell
    }

    pub(super) fn stored(&self) -> Option<StoredCode> {
        (!self.cell.is_purged()).then(|| StoredCode {
            code: self.code.clone(),
            redeemed: self.redeemed,
            grant: Arc::clone(&self.cell.grant),
            revoked: self.cell.is_revoked(),
        })
    }
}

impl Row for CodeRow {
    type Key = OrderedId;
    fn key(&self) -> OrderedId {
        self.code.id
    }
    fn end(&self) -> Timestamp {
        self.code.expires_at
    }
}

/// An access token in one cache line: what can be told from its id and its grant is not kept.
#[repr(align(64))]
pub(super) struct AccessRow {
    id: OrderedId,
    hash: SecretHash,
    cell: Arc<GrantCell>,
    expires_at: Timestamp,
    deviation: Option<Box<Deviation>>,
}

const _: () = assert!(size_of::<AccessRow>() == 64);

/// What a token has of its own: anything but its grant's scopes, its grant's first resource, and the
/// time of its id as the time of its issue.
struct Deviation {
    scopes: ScopeSet,
    resource: ResourceId,
    issued_at: Timestamp,
}

/// The distance of two ids that were made a millisecond apart.
const MILLISECOND: u64 = OrderedId::first_at(Timestamp::from_millis(1)).to_bits();

const fn time_of(id: OrderedId) -> Timestamp {
    Timestamp::from_millis(id.to_bits() / MILLISECOND)
}

impl AccessRow {
    pub(super) fn new(token: AccessRecord, cell: Arc<GrantCell>) -> Self {
        let AccessRecord { id, hash, grant: _, scopes, resource, issued_at, expires_at } = token;
        let is_plain = scopes == cell.scopes && cell.resource.as_ref() == Some(&resource) && issued_at == time_of(id);
        let deviation = (!is_plain).then(|| Box::new(Deviation { scopes, resource, issued_at }));
        Self { id, hash, cell, expires_at, deviation }
    }

    pub(super) const fn cell(&self) -> &Arc<GrantCell> {
        &self.cell
    }

    /// What there is to know of it, where it lies.
    pub(super) fn lend(&self) -> Option<LentAccess<'_>> {
        if self.cell.is_purged() {
            return None;
        }
        let GrantCell { grant, scopes, resource, .. } = &*self.cell;
        let (scopes, resource) = match &self.deviation {
            Some(own) => (&own.scopes, &own.resource),
            None => (scopes, resource.as_ref()?),
        };
        let Self { id, hash, expires_at, .. } = self;
        let (id, expires_at, revoked) = (*id, *expires_at, self.cell.is_revoked());
        Some(LentAccess { id, hash, scopes, resource, expires_at, grant, revoked })
    }

    /// The token as it was handed in. Only its own grant's reference counts are touched, so that
    /// look-ups of tokens of different grants do not slow each other down.
    pub(super) fn stored(&self) -> Option<StoredAccess> {
        let LentAccess { id, hash, scopes, resource, expires_at, grant, revoked } = self.lend()?;
        let token = AccessRecord {
            id,
            hash: *hash,
            grant: grant.id,
            scopes: scopes.clone(),
            resource: resource.clone(),
            issued_at: self.deviation.as_ref().map_or(time_of(id), |own| own.issued_at),
            expires_at,
        };
        Some(StoredAccess { token, grant: Arc::clone(grant), revoked })
    }
}

impl Row for AccessRow {
    type Key = OrderedId;
    fn key(&self) -> OrderedId {
        self.id
    }
    fn end(&self) -> Timestamp {
        self.expires_at
    }
}

/// A refresh token. It changes under the lock of its grant's cell only.
pub(super) struct RefreshRow {
    pub(super) token: RefreshRecord,
    pub(super) rotation: Option<Rotation>,
    /// The token that this one took the place of.
    pub(super) predecessor: Option<OrderedId>,
    pub(super) cell: Arc<GrantCell>,
}

impl RefreshRow {
    pub(super) const fn cell(&self) -> &Arc<GrantCell> {
        &self.cell
    }

    pub(super) fn stored(&self) -> Option<StoredRefresh> {
        (!self.cell.is_purged()).then(|| StoredRefresh {
            token: self.token.clone(),
            rotation: self.rotation.clone(),
            grant: Arc::clone(&self.cell.grant),
            revoked: self.cell.is_revoked(),
        })
    }
}

impl RefreshRow {
    /// When the answer of its first use is over, as long as it is kept.
    fn answer_ends(&self) -> Option<Timestamp> {
        self.rotation.as_ref().filter(|rotation| rotation.answer.is_some()).map(|rotation| rotation.grace_until)
    }
}

impl Row for RefreshRow {
    type Key = OrderedId;
    fn key(&self) -> OrderedId {
        self.token.id
    }
    fn end(&self) -> Timestamp {
        self.answer_ends().map_or(self.token.expires_at, |end| end.min(self.token.expires_at))
    }
    fn tidy(&mut self, now: Timestamp) {
        if self.answer_ends().is_some_and(|end| end <= now)
            && let Some(rotation) = &mut self.rotation
        {
            rotation.answer = None;
        }
    }
    fn retire(&self, now: Timestamp) -> bool {
        self.token.expires_at <= now
    }
}

/// The mark of a prompt that was decided.
pub(super) struct DecisionRow {
    pub(super) prompt: PromptId,
    pub(super) keep_until: Timestamp,
    pub(super) approved: bool,
}

impl Row for DecisionRow {
    type Key = PromptId;
    fn key(&self) -> PromptId {
        self.prompt
    }
    fn end(&self) -> Timestamp {
        self.keep_until
    }
}
