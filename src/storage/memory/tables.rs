//! The tables and the operations on them.
//!
//! Locks are taken in the order of the fields of [`Tables`], then that of a [`GrantCell`], then that of
//! a part of `refreshes` or `tokens`; of one table at most one part at a time. Whoever changes a grant, or adds
//! something to it, holds the lock of its cell, and that puts exchanges and revocations in a row.
//! Look-ups of tokens read the state of the grant without it: a token is added under the cell's lock,
//! so one that a look-up finds was added to a grant that was live, and a revocation since then shows.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use super::claims::Claims;
use super::clients::Registrations;
use super::ordered::{Row, Rows, Step};
use super::rows::{AccessRow, CodeRow, DecisionRow, GrantCell, GrantRow, RefreshRow};
use super::shards::Sharded;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::{AccessRecord, CodeRecord, Grant, RefreshRecord, Rotation, Subject};
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::prompt::PromptId;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{
    Approval, Decide, Decided, IssueAccess, Issued, LentAccess, Owner, RedeemCode, Redeemed, RevokeAccess, RevokeGrant,
    Revoked, RotateRefresh, Rotated, StoredAccess, StoredCode, StoredGrant, StoredRefresh,
};

/// How long after their end rows are left to `purge`. A code that comes again soon after its end still
/// shows a theft.
const LINGER: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Tables {
    pub(super) hasher: RandomState,
    pub(super) policy: RwLock<Option<Arc<PolicyRecords>>>,
    pub(super) claims: Mutex<Claims>,
    pub(super) registrations: Mutex<Registrations>,
    pub(super) clients: Sharded<HashMap<ClientId, Arc<Client>>>,
    decisions: Sharded<Rows<DecisionRow>>,
    /// By the hash of user and client.
    consents: Sharded<HashMap<(Subject, ClientId), Vec<Consent>>>,
    pub(super) codes: Sharded<Rows<CodeRow>>,
    pub(super) grants: Sharded<Rows<GrantRow>>,
    /// Grants by the hash of their subject; one hash may stand for several subjects.
    subjects: Sharded<BTreeMap<(u64, OrderedId), Arc<GrantCell>>>,
    pub(super) refreshes: Sharded<Rows<RefreshRow>>,
    pub(super) tokens: Sharded<Rows<AccessRow>>,
}

/// Reads.
impl Tables {
    pub(super) fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.clients.read(self.hasher.hash_one(id)).get(id).cloned()
    }

    /// For administrators: it looks at all clients, a part of them at a time.
    pub(super) fn clients(&self, after: Option<&ClientId>, limit: u32) -> Vec<Arc<Client>> {
        let limit = limit as usize;
        let after = after.map(ClientId::as_str);
        let mut found = Vec::new();
        // The highest of the lowest so far: what lies above it is for a later page.
        let mut bound: Option<Arc<Client>> = None;
        for part in self.clients.parts() {
            for client in part().values() {
                let id = Some(client.id.as_str());
                if id <= after || bound.is_some() && id >= bound.as_ref().map(|bound| bound.id.as_str()) {
                    continue;
                }
                found.push(Arc::clone(client));
                if found.len() >= limit.saturating_mul(2) {
                    bound = cut(&mut found, limit);
                }
            }
        }
        cut(&mut found, limit);
        found
    }

    pub(super) fn code(&self, id: OrderedId) -> Option<StoredCode> {
        self.codes.read(id.to_bits()).get(id)?.stored()
    }

    pub(super) fn access_token(&self, id: OrderedId) -> Option<StoredAccess> {
        self.tokens.read(id.to_bits()).get(id)?.stored()
    }

    pub(super) fn lend_access_token<T>(&self, id: OrderedId, read: impl FnOnce(Option<LentAccess<'_>>) -> T) -> T {
        let part = self.tokens.read(id.to_bits());
        read(part.get(id).and_then(AccessRow::lend))
    }

    pub(super) fn refresh_token(&self, id: OrderedId) -> Option<StoredRefresh> {
        self.refreshes.read(id.to_bits()).get(id)?.stored()
    }

    pub(super) fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Vec<StoredGrant> {
        let hash = self.hasher.hash_one(subject);
        let lowest = (hash, OrderedId::first_at(Timestamp::from_millis(0)));
        let index = self.subjects.read(hash);
        let range = match before {
            Some(before) => index.range(lowest..(hash, before)),
            None => index.range(lowest..=(hash, HIGHEST)),
        };
        range
            .rev()
            .filter(|(_, cell)| cell.grant.holder.subject() == Some(subject))
            .filter_map(|(_, cell)| {
                let expires_at = cell.live_until(now)?;
                Some(StoredGrant { grant: Arc::clone(&cell.grant), expires_at })
            })
            .take(limit as usize)
            .collect()
    }
}

/// Leaves the lowest `limit` clients, in order, and says which of them is the highest if there are so many.
fn cut(found: &mut Vec<Arc<Client>>, limit: usize) -> Option<Arc<Client>> {
    found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    found.truncate(limit);
    found.last().filter(|_| found.len() == limit).cloned()
}

const HIGHEST: OrderedId = OrderedId::new(Timestamp::from_millis(u64::MAX), u32::MAX);

/// Operations.
impl Tables {
    pub(super) fn decide(&self, op: Decide) -> Decided {
        let (prompt, now) = (op.prompt, op.now);
        let ids = op.approval.as_ref().map(|approval| (approval.grant.id, approval.code.id));
        let outcome = self.decide_now(op);
        self.sweep_some(&self.decisions, seed(prompt), now);
        if let Some((grant, code)) = ids {
            self.sweep_some(&self.codes, code.to_bits(), now);
            self.sweep_some_grants(grant, now);
        }
        outcome
    }

    fn decide_now(&self, op: Decide) -> Decided {
        // Held until the decision is recorded, so that the client cannot change in between.
        let clients = self.clients.read(self.hasher.hash_one(&op.client));
        let client = clients.get(&op.client);
        let is_without_grant = client.and_then(|client| client.tenure).is_some_and(|tenure| !tenure.granted);
        if is_without_grant && op.approval.is_some() {
            drop(clients);
            return self.decide_first_grant(op);
        }
        self.decide_about(client.map(|client| &**client), op)
    }

    /// A decision about a client that the caller keeps from changing.
    pub(super) fn decide_about(&self, client: Option<&Client>, op: Decide) -> Decided {
        if client.is_none_or(|client| client.revision != op.client_revision) {
            return Decided::ClientChanged;
        }
        let mut decisions = self.decisions.write(seed(op.prompt));
        if let Some(earlier) = decisions.get(op.prompt) {
            return Decided::AlreadyDecided { approved: earlier.approved };
        }
        let approved = op.approval.is_some();
        if let Some(approval) = op.approval
            && let Err(outcome) = self.approve(approval)
        {
            return outcome;
        }
        decisions.insert(DecisionRow { prompt: op.prompt, keep_until: op.keep_until, approved });
        Decided::First
    }

    fn approve(&self, Approval { grant, code, consent, needs_consent, .. }: Approval) -> Result<(), Decided> {
        let key = (consent.subject.clone(), consent.client.clone());
        // Held until the grant exists, so that a withdrawal comes before all of this or after it.
        let mut consents = self.consents.write(self.hasher.hash_one(&key));
        let given =
            consents.get(&key).and_then(|given| given.iter().position(|given| given.is_about_the_same_as(&consent)));
        let covers = given.zip(consents.get(&key)).is_some_and(|(at, given)| given[at].covers(&consent));
        if needs_consent && !covers {
            return Err(Decided::ConsentGone);
        }
        if !self.add_grant(grant, code) {
            return Err(Decided::Collision);
        }
        let all = consents.entry(key).or_default();
        match given.and_then(|at| all.get_mut(at)) {
            Some(given) => given.scopes = given.scopes.union(&consent.scopes),
            None => all.push(consent),
        }
        Ok(())
    }

    /// Adds a grant and its code, or, if an id is taken, neither.
    fn add_grant(&self, grant: Arc<Grant>, code: CodeRecord) -> bool {
        let id = grant.id;
        let mut codes = self.codes.write(code.id.to_bits());
        let mut grants = self.grants.write(id.to_bits());
        if codes.get(code.id).is_some() || grants.get(id).is_some() {
            return false;
        }
        let cell = Arc::new(GrantCell::new(grant, code.expires_at));
        if let Some(subject) = cell.grant.holder.subject() {
            let hash = self.hasher.hash_one(subject);
            self.subjects.write(hash).insert((hash, id), Arc::clone(&cell));
        }
        grants.insert(GrantRow { id, cell: Arc::clone(&cell) });
        codes.insert(CodeRow { code, redeemed: false, cell })
    }

    pub(super) fn redeem_code(&self, op: RedeemCode) -> Redeemed {
        let (code, token, now) = (op.code, op.access.id, op.now);
        let outcome = self.redeem_now(op);
        self.sweep_some(&self.codes, code.to_bits(), now);
        self.sweep_some(&self.tokens, token.to_bits(), now);
        outcome
    }

    fn redeem_now(&self, op: RedeemCode) -> Redeemed {
        let mut codes = self.codes.write(op.code.to_bits());
        let Some(row) = codes.get_mut(op.code) else { return Redeemed::Gone };
        let cell = Arc::clone(&row.cell);
        let Some(grant) = cell.lock_live() else { return Redeemed::Gone };
        // RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server
        // MUST deny the request and SHOULD revoke […] all tokens previously issued based on that
        // authorization code."
        if row.redeemed {
            grant.revoke();
            return Redeemed::Replayed;
        }
        if row.code.expires_at <= op.now {
            return Redeemed::Gone;
        }
        if !self.add_tokens(&cell, op.access, op.refresh, None) {
            return Redeemed::Collision;
        }
        row.redeemed = true;
        grant.lasts_until(op.grant_expires_at);
        Redeemed::First
    }

    /// Adds tokens of a grant, or, if an id is taken, none. The caller holds the lock of the cell.
    fn add_tokens(
        &self,
        cell: &Arc<GrantCell>,
        access: AccessRecord,
        refresh: Option<RefreshRecord>,
        predecessor: Option<OrderedId>,
    ) -> bool {
        let access_id = access.id;
        if !self.tokens.write(access_id.to_bits()).insert(AccessRow::new(access, Arc::clone(cell))) {
            return false;
        }
        let Some(token) = refresh else { return true };
        let row = RefreshRow { token, rotation: None, predecessor, cell: Arc::clone(cell) };
        let added = self.refreshes.write(row.key().to_bits()).insert(row);
        if !added {
            self.tokens.write(access_id.to_bits()).remove(access_id);
        }
        added
    }

    pub(super) fn rotate_refresh(&self, op: RotateRefresh) -> Rotated {
        let (presented, successor, token, now) = (op.refresh, op.successor.id, op.access.id, op.now);
        let outcome = self.rotate_now(op);
        self.sweep_some(&self.refreshes, presented.to_bits(), now);
        self.sweep_some(&self.refreshes, successor.to_bits(), now);
        self.sweep_some(&self.tokens, token.to_bits(), now);
        outcome
    }

    fn rotate_now(&self, op: RotateRefresh) -> Rotated {
        let presented = op.refresh;
        let found = self.refreshes.read(presented.to_bits()).get(presented).map(|row| Arc::clone(&row.cell));
        let Some(cell) = found else { return Rotated::Gone };
        let Some(grant) = cell.lock_live() else { return Rotated::Gone };
        // Nobody changes the grant's rows while its cell is locked.
        let (rotation, predecessor) = match self.refreshes.read(presented.to_bits()).get(presented) {
            Some(row) if row.token.expires_at > op.now => (row.rotation.clone(), row.predecessor),
            Some(_) | None => return Rotated::Gone,
        };
        if let Some(rotation) = rotation {
            // RFC 9700 §4.14.2: reuse revokes what hangs on the grant
            if rotation.answer.is_none() || op.now >= rotation.grace_until {
                grant.revoke();
                return Rotated::Reused;
            }
            return Rotated::Repeated(rotation);
        }
        let rotation = Rotation { successor: op.successor.id, answer: Some(op.answer), grace_until: op.grace_until };
        if !self.add_tokens(&cell, op.access, Some(op.successor), Some(presented)) {
            return Rotated::Collision;
        }
        let mut refreshes = self.refreshes.write(presented.to_bits());
        if let Some(row) = refreshes.get_mut(presented) {
            row.rotation = Some(rotation);
        }
        refreshes.note_end(presented, op.grace_until);
        drop(refreshes);
        self.forget_answer(predecessor);
        grant.lasts_until(op.grant_expires_at);
        Rotated::First
    }

    /// Once a successor is used, its predecessor's answer is given no more.
    fn forget_answer(&self, predecessor: Option<OrderedId>) {
        let Some(id) = predecessor else { return };
        if let Some(rotation) = self.refreshes.write(id.to_bits()).get_mut(id).and_then(|row| row.rotation.as_mut()) {
            rotation.answer = None;
        }
    }

    pub(super) fn issue_access(&self, op: IssueAccess) -> Issued {
        let (grant, token, token_end, now) = (op.access.grant, op.access.id, op.access.expires_at, op.now);
        let Some(cell) = self.cell(grant) else { return Issued::Gone };
        let Some(live) = cell.lock_live().filter(|live| live.ends_after(now)) else { return Issued::Gone };
        if !self.add_tokens(&cell, op.access, None, None) {
            return Issued::Collision;
        }
        live.lasts_until(token_end);
        self.sweep_some(&self.tokens, token.to_bits(), now);
        Issued::Now
    }

    pub(super) fn revoke_access(&self, op: RevokeAccess) -> Revoked {
        match self.tokens.write(op.token.to_bits()).remove(op.token) {
            Some(_) => Revoked::Now,
            None => Revoked::Unknown,
        }
    }

    pub(super) fn cell(&self, grant: OrderedId) -> Option<Arc<GrantCell>> {
        self.grants.read(grant.to_bits()).get(grant).map(|row| Arc::clone(&row.cell))
    }

    pub(super) fn revoke_grant(&self, op: &RevokeGrant) -> Revoked {
        let is_theirs = |cell: &GrantCell| match &op.owner {
            Owner::User(subject) => cell.grant.holder.subject() == Some(subject),
            Owner::Client(client) => cell.grant.client == *client,
        };
        let Some(cell) = self.cell(op.grant).filter(|cell| is_theirs(cell)) else { return Revoked::Unknown };
        let Some(subject) = cell.grant.holder.subject() else { return cell.revoke() };
        let key = (subject.clone(), cell.grant.client.clone());
        let mut consents = self.consents.write(self.hasher.hash_one(&key));
        consents.remove(&key);
        cell.revoke()
    }

    pub(super) fn consents(&self, subject: &Subject, client: &ClientId) -> Vec<Consent> {
        let key = (subject.clone(), client.clone());
        self.consents.read(self.hasher.hash_one(&key)).get(&key).cloned().unwrap_or_default()
    }
}

/// Taken back as a whole.
impl Tables {
    /// The grants of a user, of which `hash` is the hash.
    pub(super) fn grants_of(&self, subject: &Subject, hash: u64) -> Vec<Arc<GrantCell>> {
        let index = self.subjects.read(hash);
        let all = index.range((hash, OrderedId::first_at(Timestamp::from_millis(0)))..=(hash, HIGHEST));
        all.map(|(_, cell)| cell).filter(|cell| cell.grant.holder.subject() == Some(subject)).cloned().collect()
    }

    pub(super) fn forget_consents(&self, is_over: impl Fn(&Subject, &ClientId) -> bool) {
        for part in self.consents.parts() {
            part().retain(|(subject, client), _| !is_over(subject, client));
        }
    }
}

/// Clean-up.
impl Tables {
    pub(super) fn purge(&self, now: Timestamp, limit: u32) -> u32 {
        let mut left = limit;
        left -= purge_table(&self.tokens, now, left, |_| {});
        left -= purge_table(&self.refreshes, now, left, |_| {});
        left -= purge_table(&self.codes, now, left, |_| {});
        left -= purge_table(&self.decisions, now, left, |_| {});
        left -= purge_table(&self.grants, now, left, |row| self.forget_subject(row));
        left -= self.purge_claims(now, left);
        left -= self.purge_clients(now, left);
        limit - left
    }

    pub(super) fn sweep_some<R: Row>(&self, table: &Sharded<Rows<R>>, seed: u64, now: Timestamp) {
        table.write(seed).sweep_some(before(now), |_| {});
    }

    pub(super) fn sweep_some_grants(&self, id: OrderedId, now: Timestamp) {
        self.grants.write(id.to_bits()).sweep_some(before(now), |row| self.forget_subject(row));
    }

    fn forget_subject(&self, row: &GrantRow) {
        if let Some(subject) = row.cell.grant.holder.subject() {
            let hash = self.hasher.hash_one(subject);
            self.subjects.write(hash).remove(&(hash, row.id));
        }
    }
}

fn before(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(LINGER.as_millis() as u64))
}

/// Removes up to `limit` rows that ended by `now`, a few of each part in turn: whoever waits for one comes in while
/// the others are cleaned up.
fn purge_table<R: Row>(table: &Sharded<Rows<R>>, now: Timestamp, limit: u32, removed: impl Fn(&R)) -> u32 {
    let mut left = limit;
    let mut parts: Vec<_> = table.parts().map(|part| (part, 0)).collect();
    while left > 0 && !parts.is_empty() {
        parts.retain_mut(|(part, from)| {
            if left == 0 {
                return true;
            }
            let swept = part().sweep(*from, now, &Step { rows: left.min(256), chunks: 256 }, &removed);
            left -= swept.rows;
            *from = swept.next.unwrap_or(0);
            swept.next.is_some()
        });
    }
    limit - left
}

fn seed(prompt: PromptId) -> u64 {
    // Its last bytes are random.
    prompt.as_bytes()[8..].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
