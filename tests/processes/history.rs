//! What was told of one grant, and whether a store still knows it.

use grantor::Timestamp;
use grantor::protocol::secret::OrderedId;
use grantor::storage::{AnyStorage, Storage as _, StoredRefresh};

use crate::steps::{ACCESS, Dice, Heard, MARK, Op, REFRESH, SHORT, Step, answer_of, hash_of, perform};

/// An operation and what is known of it: nothing, if its answer did not come before the kill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) op: Op,
    pub(crate) heard: Option<Heard>,
}

/// All that was told of a grant.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    /// Whether it was seen to be revoked, or must be.
    revoked: bool,
}

impl Entry {
    fn is_first(&self) -> bool {
        self.heard == Some(Heard::First)
    }

    const fn refresh(&self) -> Option<OrderedId> {
        match self.op.step {
            Step::Redeem { refresh: id, .. } | Step::Rotate { successor: id, .. } => Some(id),
            _ => None,
        }
    }

    const fn access(&self) -> Option<OrderedId> {
        match self.op.step {
            Step::Redeem { access, .. } | Step::Rotate { access, .. } | Step::Issue { access } => Some(access),
            _ => None,
        }
    }

    /// Whether it may have revoked its grant: a withdrawal, or the use of what another use was told of.
    fn may_revoke(&self, all: &[Self]) -> bool {
        let rivals = all.iter().filter(|other| match (self.op.step, other.op.step) {
            (Step::Redeem { code, .. }, Step::Redeem { code: same, .. }) => code == same,
            (Step::Rotate { presented, .. }, Step::Rotate { presented: same, .. }) => presented == same,
            _ => false,
        });
        matches!(self.op.step, Step::RevokeGrant) || rivals.count() > 1
    }

    /// Whether it revoked its grant.
    const fn revokes(&self) -> bool {
        match self.op.step {
            Step::RevokeGrant => matches!(self.heard, Some(Heard::First | Heard::Again)),
            Step::Redeem { .. } | Step::Rotate { .. } => matches!(self.heard, Some(Heard::Again)),
            _ => false,
        }
    }
}

impl History {
    pub(crate) fn is_settled(&self) -> bool {
        self.entries.iter().all(|entry| entry.heard.is_some())
    }

    /// Whether nothing of it can be alive.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.entries.iter().all(|entry| entry.op.now.after(REFRESH) <= now)
    }

    /// Its grant and the refresh token that a client would use next, if it is alive.
    pub(crate) fn head(&self, now: Timestamp) -> Option<(OrderedId, OrderedId)> {
        let firsts = self.entries.iter().filter(|entry| entry.is_first() && now < entry.op.now.after(REFRESH / 2));
        let mut heads = firsts.filter_map(|entry| Some((entry.op.grant, entry.refresh()?)));
        heads.find(|(_, id)| !self.revoked && self.successor_of(*id).is_none())
    }

    /// The first use of a refresh token.
    fn successor_of(&self, presented: OrderedId) -> Option<&Entry> {
        let is_use = |step| matches!(step, Step::Rotate { presented: used, .. } if used == presented);
        self.entries.iter().find(|entry| entry.is_first() && is_use(entry.op.step))
    }

    /// Compares all of it with the store, learns what came of the unknown operations, and fails if anything
    /// that was acknowledged does not hold, or something is there that nobody asked for, or only half of it.
    pub(crate) async fn check(&mut self, store: &AnyStorage, now: Timestamp) {
        let before = format!("{:#?}", self.entries);
        let may_be_revoked = self.entries.iter().any(|entry| entry.heard.is_none() && entry.may_revoke(&self.entries));
        let mut seen = Seen { store, now, before, revoked: Vec::new(), codes: Vec::new() };
        self.check_codes(&mut seen).await;
        for number in 0..self.entries.len() {
            self.check_refresh(number, &mut seen).await;
            self.check_access(number, &mut seen).await;
        }
        self.check_successors(&mut seen).await;
        self.check_single_use(&seen);
        self.check_revoked(may_be_revoked, &seen);
    }

    async fn check_codes(&mut self, seen: &mut Seen<'_>) {
        for number in 0..self.entries.len() {
            let Entry { op, heard } = self.entries[number];
            let Step::Decide { code, .. } = op.step else { continue };
            let stored = seen.store.code(code).await.unwrap();
            seen.fail_unless(
                stored.is_none() || heard.is_none_or(|heard| heard == Heard::First),
                "a code from nowhere",
            );
            if heard.is_none() {
                self.entries[number].heard = Some(Heard::happened(stored.is_some()));
            }
            let lives = seen.now < op.now.after(SHORT);
            seen.fail_unless(!lives || heard != Some(Heard::First) || stored.is_some(), "an acknowledged code is lost");
            let Some(stored) = stored else { continue };
            seen.revoked.push(stored.revoked);
            seen.fail_unless(stored.code.hash.matches(&hash_of(code)), "the hash of a code");
            seen.fail_unless(stored.grant.id == op.grant && stored.code.grant == op.grant, "the grant of a code");
            seen.codes.push((code, stored.redeemed));
        }
    }

    /// Settles what adds a refresh token, and looks whether that is as it must be.
    async fn check_refresh(&mut self, number: usize, seen: &mut Seen<'_>) {
        let Entry { op, heard } = self.entries[number];
        let Some(id) = self.entries[number].refresh() else { return };
        let stored = seen.store.refresh_token(id).await.unwrap();
        if heard.is_none() {
            self.entries[number].heard = Some(Heard::happened(stored.is_some()));
        }
        let first = self.entries[number].is_first();
        let lives = seen.now < op.now.after(REFRESH);
        let grant = stored.as_ref().map(|stored| stored.grant.id);
        seen.fail_unless(grant.is_none_or(|grant| grant == op.grant), "a refresh token of another grant");
        seen.fail_unless(first || stored.is_none(), "a refresh token from nowhere");
        seen.fail_unless(!first || !lives || stored.is_some(), "an acknowledged refresh token is lost");
        let Some(stored) = stored else { return };
        seen.revoked.push(stored.revoked);
        seen.fail_unless(stored.token.hash.matches(&hash_of(id)), "the hash of a refresh token");
        seen.fail_unless(stored.token.expires_at == op.now.after(REFRESH), "the end of a refresh token");
        seen.fail_unless(stored.token.grant == op.grant && stored.grant.id == op.grant, "the grant of a token");
    }

    /// Looks whether an access token is there just if what adds it was done and nothing took it back.
    async fn check_access(&mut self, number: usize, seen: &mut Seen<'_>) {
        let Entry { op, heard } = self.entries[number];
        let Some(id) = self.entries[number].access() else { return };
        let stored = seen.store.access_token(id).await.unwrap();
        let withdrawal = |entry: &Entry| matches!(entry.op.step, Step::RevokeAccess { token } if token == id);
        let withdrawal = self.entries.iter().position(withdrawal);
        if heard.is_none() {
            // Beside a refresh token it is there if that is: both or none.
            self.entries[number].heard = Some(Heard::happened(stored.is_some()));
        }
        if let Some(withdrawal) = withdrawal.filter(|at| self.entries[*at].heard.is_none()) {
            self.entries[withdrawal].heard = Some(Heard::happened(stored.is_none()));
        }
        let withdrawn = withdrawal.is_some_and(|at| self.entries[at].is_first());
        let there = self.entries[number].is_first() && !withdrawn;
        let lives = seen.now < op.now.after(ACCESS);
        let grant = stored.as_ref().map(|stored| stored.grant.id);
        seen.fail_unless(grant.is_none_or(|grant| grant == op.grant), "an access token of another grant");
        seen.fail_unless(there || stored.is_none(), "an access token from nowhere, or one that was withdrawn");
        seen.fail_unless(!there || !lives || stored.is_some(), "an acknowledged access token is lost");
        let Some(stored) = stored else { return };
        seen.revoked.push(stored.revoked);
        seen.fail_unless(stored.token.hash.matches(&hash_of(id)), "the hash of an access token");
        seen.fail_unless(stored.token.expires_at == op.now.after(ACCESS), "the end of an access token");
        seen.fail_unless(stored.token.grant == op.grant && stored.grant.id == op.grant, "the grant of a token");
    }

    /// Looks whether every refresh token remembers just the use that was the first.
    async fn check_successors(&self, seen: &mut Seen<'_>) {
        let added = self.entries.iter().filter(|entry| entry.is_first());
        for id in added.filter_map(Entry::refresh) {
            let Some(stored) = seen.store.refresh_token(id).await.unwrap() else { continue };
            let StoredRefresh { rotation, .. } = &stored;
            let first = self.successor_of(id);
            let expected = first.and_then(Entry::refresh);
            let found = rotation.as_ref().map(|rotation| rotation.successor);
            seen.fail_unless(found == expected, "the successor of a refresh token");
            let (Some(rotation), Some(successor), Some(first)) = (rotation, expected, first) else { continue };
            let used = self.successor_of(successor).is_some();
            let kept = !used && seen.now < first.op.now.after(SHORT);
            let right = rotation.answer.as_ref().map(|answer| **answer == *answer_of(successor));
            seen.fail_unless(right != Some(false), "the kept answer is not the one of the first use");
            seen.fail_unless(!used || right.is_none(), "the answer is kept though its successor was used");
            seen.fail_unless(!kept || right.is_some(), "the answer of a use is lost within its window");
        }
    }

    /// Looks whether no code and no refresh token was accepted twice.
    fn check_single_use(&self, seen: &Seen<'_>) {
        let mut used = std::collections::HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_first()) {
            let (what, refresh) = match entry.op.step {
                Step::Decide { prompt, .. } => (prompt, None),
                Step::Redeem { code, refresh, .. } => (code, Some(refresh)),
                Step::Rotate { presented, successor, .. } => (presented, Some(successor)),
                Step::Issue { .. } | Step::RevokeAccess { .. } | Step::RevokeGrant => continue,
            };
            seen.fail_unless(used.insert(what, refresh).is_none(), "something was accepted twice");
        }
        for (code, redeemed) in &seen.codes {
            let agrees = used.contains_key(code) == *redeemed;
            seen.fail_unless(agrees, "a code is spent without its tokens, or its tokens are there and it is not spent");
        }
        for entry in &self.entries {
            if let (Step::Rotate { presented, .. }, Some(Heard::Repeated { successor })) = (entry.op.step, entry.heard)
            {
                let same = used.get(&presented) == Some(&Some(successor));
                seen.fail_unless(same, "a repetition heard of another successor");
            }
        }
    }

    fn check_revoked(&mut self, may_be_revoked: bool, seen: &Seen<'_>) {
        let must_be = self.revoked || self.entries.iter().any(Entry::revokes);
        let Some(revoked) = seen.revoked.first().copied() else { return };
        seen.fail_unless(seen.revoked.iter().all(|other| *other == revoked), "one grant is revoked and is not");
        seen.fail_unless(revoked || !must_be, "an acknowledged revocation does not hold");
        seen.fail_unless(!revoked || must_be || may_be_revoked, "a grant is revoked though nobody asked for it");
        self.revoked = revoked;
        for entry in &mut self.entries {
            // What else can have become of it is seen by now.
            entry.heard.get_or_insert(Heard::Gone);
        }
    }

    /// Tries something of it again, as an attacker or a client that heard no answer would.
    pub(crate) async fn try_again(&mut self, store: &AnyStorage, dice: &mut Dice, now: Timestamp) {
        if self.entries.is_empty() {
            return;
        }
        let before = format!("{self:#?}");
        let chosen = usize::try_from(dice.below(self.entries.len() as u64)).unwrap();
        let (access, refresh) = (dice.id(now), dice.id(now));
        let mut op = Op { now, ..self.entries[chosen].op };
        let allowed = match &mut op.step {
            Step::Decide { code, .. } => {
                // With another grant, which must not come into being if the prompt was decided.
                (op.grant, *code) = (access, refresh);
                let decided = self.entries[chosen].is_first();
                if !decided || now >= self.entries[chosen].op.now.after(MARK) {
                    return;
                }
                vec![Heard::Again]
            }
            Step::Redeem { code, access: first, refresh: second } => {
                (*first, *second) = (access, refresh);
                self.redeemed_again(*code, now)
            }
            Step::Rotate { presented, access: first, successor } => {
                (*first, *successor) = (access, refresh);
                self.rotated_again(*presented, now)
            }
            Step::Issue { .. } | Step::RevokeAccess { .. } | Step::RevokeGrant => return,
        };
        let heard = perform(store, &op).await.unwrap();
        assert!(allowed.contains(&heard), "tried again: {op:?} heard {heard:?}, not {allowed:?}: {before}");
        if !matches!(op.step, Step::Decide { .. }) {
            let entry = Entry { op, heard: Some(heard) };
            self.revoked |= entry.revokes();
            self.entries.push(entry);
        }
    }

    /// What an exchange of that code may hear.
    fn redeemed_again(&self, wanted: OrderedId, now: Timestamp) -> Vec<Heard> {
        let decided = |entry: &&Entry| matches!(entry.op.step, Step::Decide { code, .. } if code == wanted);
        let redeemed = |entry: &Entry| matches!(entry.op.step, Step::Redeem { code, .. } if code == wanted);
        let decided = self.entries.iter().filter(|entry| entry.is_first()).find(decided);
        let lives = decided.is_some_and(|entry| now < entry.op.now.after(SHORT));
        match self.entries.iter().any(|entry| entry.is_first() && redeemed(entry)) {
            _ if self.revoked || decided.is_none() => vec![Heard::Gone],
            true if lives => vec![Heard::Again],
            // It is remembered for as long as it is there.
            true => vec![Heard::Again, Heard::Gone],
            false if lives => vec![Heard::First],
            false => vec![Heard::Gone],
        }
    }

    /// What a use of that refresh token may hear.
    fn rotated_again(&self, presented: OrderedId, now: Timestamp) -> Vec<Heard> {
        let added = |entry: &&Entry| entry.is_first() && entry.refresh() == Some(presented);
        let lives = self.entries.iter().find(added).is_some_and(|entry| now < entry.op.now.after(REFRESH));
        if self.revoked || !lives {
            return vec![Heard::Gone];
        }
        let Some(first) = self.successor_of(presented) else { return vec![Heard::First] };
        let successor = first.refresh().unwrap();
        if now < first.op.now.after(SHORT) && self.successor_of(successor).is_none() {
            vec![Heard::Repeated { successor }]
        } else {
            vec![Heard::Again]
        }
    }
}

/// What was read of one grant.
struct Seen<'a> {
    store: &'a AnyStorage,
    now: Timestamp,
    before: String,
    /// What each row said of the grant.
    revoked: Vec<bool>,
    /// The codes that are there, and whether they were redeemed.
    codes: Vec<(OrderedId, bool)>,
}

impl Seen<'_> {
    fn fail_unless(&self, holds: bool, what: &str) {
        assert!(holds, "{what}, at {:?}: {}", self.now, self.before);
    }
}

impl Heard {
    /// What an operation would have heard whose answer was lost.
    const fn happened(happened: bool) -> Self {
        if happened { Self::First } else { Self::Gone }
    }
}
