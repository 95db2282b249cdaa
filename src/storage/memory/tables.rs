//! The tables and the operations on them.
//!
//! Locks are taken in the order of the fields of [`Tables`], then that of a [`GrantCell`], then that of
//! a part of `tokens`; of one table at most one part at a time. Whoever changes a grant, or adds
//! something to it, holds the lock of its cell, and that puts exchanges and revocations in a row.
//! Look-ups of tokens read the state of the grant without it: a token is added under the cell's lock,
//! so one that a look-up finds was added to a grant that was live, and a revocation since then shows.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::ordered::{Row, Rows, Step};
use super::rows::{AccessRow, CodeRow, DecisionRow, GrantCell, GrantRow};
use super::shards::Sharded;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::prompt::PromptId;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{
    Approval, Decide, Decided, Inserted, RedeemCode, Redeemed, RevokeGrant, Revoked, StoredAccess, StoredCode,
    StoredGrant,
};

/// How long after their end rows are left to `purge`. A code that comes again soon after its end still
/// shows a theft.
const LINGER: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Tables {
    hasher: RandomState,
    clients: Sharded<HashMap<ClientId, Arc<Client>>>,
    decisions: Sharded<Rows<DecisionRow>>,
    codes: Sharded<Rows<CodeRow>>,
    grants: Sharded<Rows<GrantRow>>,
    /// Grants by the hash of their subject; one hash may stand for several subjects.
    subjects: Sharded<BTreeMap<(u64, OrderedId), Arc<GrantCell>>>,
    tokens: Sharded<Rows<AccessRow>>,
}

/// Reads.
impl Tables {
    pub(super) fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.clients.read(self.hasher.hash_one(id)).get(id).cloned()
    }

    pub(super) fn code(&self, id: OrderedId) -> Option<StoredCode> {
        self.codes.read(id.to_bits()).get(id)?.stored()
    }

    pub(super) fn access_token(&self, id: OrderedId) -> Option<StoredAccess> {
        self.tokens.read(id.to_bits()).get(id)?.stored()
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

const HIGHEST: OrderedId = OrderedId::new(Timestamp::from_millis(u64::MAX), u32::MAX);

/// Operations.
impl Tables {
    pub(super) fn insert_client(&self, client: Arc<Client>) -> Inserted {
        match self.clients.write(self.hasher.hash_one(&client.id)).entry(client.id.clone()) {
            Entry::Occupied(_) => Inserted::Taken,
            Entry::Vacant(free) => {
                free.insert(client);
                Inserted::New
            }
        }
    }

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
        if clients.get(&op.client).is_none_or(|client| client.revision != op.client_revision) {
            return Decided::ClientChanged;
        }
        let mut decisions = self.decisions.write(seed(op.prompt));
        if let Some(earlier) = decisions.get(op.prompt) {
            return Decided::AlreadyDecided { approved: earlier.approved };
        }
        let approved = op.approval.is_some();
        if let Some(approval) = op.approval
            && !self.add_grant(approval)
        {
            return Decided::Collision;
        }
        decisions.insert(DecisionRow { prompt: op.prompt, keep_until: op.keep_until, approved });
        Decided::First
    }

    /// Adds a grant and its code, or, if an id is taken, neither.
    fn add_grant(&self, Approval { grant, code }: Approval) -> bool {
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
        let token = AccessRow::new(op.access, Arc::clone(&cell));
        if !self.tokens.write(token.key().to_bits()).insert(token) {
            return Redeemed::Collision;
        }
        row.redeemed = true;
        let ends_earlier = grant.end_at(op.grant_expires_at);
        drop(codes);
        if ends_earlier {
            let id = cell.grant.id;
            self.grants.write(id.to_bits()).note_end(id, op.grant_expires_at);
        }
        Redeemed::First
    }

    pub(super) fn revoke_grant(&self, op: &RevokeGrant) -> Revoked {
        let hash = self.hasher.hash_one(&op.subject);
        let cell = self.subjects.read(hash).get(&(hash, op.grant)).cloned();
        match cell {
            Some(cell) if cell.grant.holder.subject() == Some(&op.subject) => cell.revoke(),
            _ => Revoked::Unknown,
        }
    }
}

/// Clean-up.
impl Tables {
    pub(super) fn purge(&self, now: Timestamp, limit: u32) -> u32 {
        let mut left = limit;
        left -= purge_table(&self.tokens, now, left, |_| {});
        left -= purge_table(&self.codes, now, left, |_| {});
        left -= purge_table(&self.decisions, now, left, |_| {});
        left -= purge_table(&self.grants, now, left, |row| self.forget_subject(row));
        limit - left
    }

    fn sweep_some<R: Row>(&self, table: &Sharded<Rows<R>>, seed: u64, now: Timestamp) {
        table.write(seed).sweep_some(before(now), |_| {});
    }

    fn sweep_some_grants(&self, id: OrderedId, now: Timestamp) {
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

/// Removes up to `limit` rows that ended by `now`, and lets others in after every few.
fn purge_table<R: Row>(table: &Sharded<Rows<R>>, now: Timestamp, limit: u32, removed: impl Fn(&R)) -> u32 {
    let mut left = limit;
    for part in table.parts() {
        let mut next = Some(0);
        while let Some(from) = next.filter(|_| left > 0) {
            let swept = part().sweep(from, now, &Step { rows: left.min(256), chunks: 256 }, &removed);
            left -= swept.rows;
            next = swept.next;
        }
    }
    limit - left
}

fn seed(prompt: PromptId) -> u64 {
    // Its last bytes are random.
    prompt.as_bytes()[8..].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
