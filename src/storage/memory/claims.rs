//! What counts once, and the scopes and resources that are kept as data.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::tables::Tables;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::time::Timestamp;
use crate::storage::{ClaimOnce, Claimed, SavePolicy, Saved};

/// How many claims that ended go by the way with each new one.
const SWEEP: u32 = 2;
/// How long after their end claims are left to `purge`.
const LINGER: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Claims {
    keys: HashSet<[u8; 32]>,
    /// By when they end.
    ends: BTreeSet<(Timestamp, [u8; 32])>,
}

impl Claims {
    fn purge(&mut self, now: Timestamp, limit: u32) -> u32 {
        let mut removed = 0;
        while removed < limit && self.ends.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, key)) = self.ends.pop_first() {
                self.keys.remove(&key);
            }
            removed += 1;
        }
        removed
    }
}

impl Tables {
    pub(super) fn claim_once(&self, op: &ClaimOnce) -> Claimed {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Timestamp::from_millis(op.now.as_millis().saturating_sub(LINGER.as_millis() as u64));
        claims.purge(before, SWEEP);
        if !claims.keys.insert(op.key) {
            return Claimed::Again;
        }
        claims.ends.insert((op.keep_until, op.key));
        Claimed::First
    }

    pub(super) fn purge_claims(&self, now: Timestamp, limit: u32) -> u32 {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).purge(now, limit)
    }

    pub(super) fn policy(&self) -> Option<Arc<PolicyRecords>> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn save_policy(&self, op: &SavePolicy) -> Saved {
        let mut stored = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        let revision = stored.as_ref().map_or(0, |stored| stored.revision);
        if revision != op.records.revision {
            return Saved::Changed;
        }
        *stored = Some(Arc::new(PolicyRecords { revision: revision.wrapping_add(1), ..(*op.records).clone() }));
        Saved::Now
    }
}
