//! What is kept, and what has become of it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::marks::{Marks, Running};
use super::sets::Sets;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Change, Listener, StoredAccess};

/// As precise as the ends of tokens have to be noticed. It is written as often and read always.
const TICK_MILLIS: u64 = 1000;

/// Copies of clients and access tokens, and the marks that say which of them count.
pub(super) struct Cache {
    hasher: RandomState,
    clients: Sets<Arc<Client>>,
    tokens: Sets<StoredAccess>,
    marks: Marks,
    /// The present in milliseconds, as the last operation told it.
    now: AtomicU64,
}

impl Cache {
    /// A cache of at most `tokens` access tokens and an eighth as many clients.
    pub(super) fn new(tokens: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            clients: Sets::new(tokens.div_ceil(8)),
            tokens: Sets::new(tokens),
            marks: Marks::new(tokens),
            now: AtomicU64::new(0),
        }
    }

    /// To be asked for before something is read that is to be kept.
    pub(super) fn moment(&self) -> u64 {
        self.marks.moment()
    }

    pub(super) fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        let key = self.client_key(id);
        self.clients.get(key, |client, moment| client.id == *id && self.marks.is_certain(key, moment))
    }

    pub(super) fn keep_client(&self, client: &Arc<Client>, moment: u64) {
        let key = self.client_key(&client.id);
        if self.marks.is_certain(key, moment) {
            self.clients.put(key, moment, Arc::clone(client));
        }
    }

    /// No two ids have the same key.
    pub(super) fn token(&self, id: OrderedId) -> Option<StoredAccess> {
        self.tokens.get(token_key(id), |stored, moment| self.counts(stored, moment))
    }

    /// Keeps a token that is alive. Others are not asked for often.
    pub(super) fn keep_token(&self, stored: &StoredAccess, moment: u64) {
        if !stored.revoked && self.counts(stored, moment) {
            self.tokens.put(token_key(stored.token.id), moment, stored.clone());
        }
    }

    fn counts(&self, stored: &StoredAccess, moment: u64) -> bool {
        self.marks.is_certain(token_key(stored.token.id), moment)
            && self.marks.is_certain(grant_key(stored.grant.id), moment)
            && stored.token.expires_at.as_millis() > self.now.load(Ordering::Relaxed)
    }

    pub(super) fn client_changes(&self, id: &ClientId) -> Running<'_> {
        self.marks.begin(self.client_key(id))
    }

    pub(super) fn client_changed(&self, id: &ClientId) {
        self.marks.changed(self.client_key(id));
    }

    pub(super) fn grant_changes(&self, id: OrderedId, now: Timestamp) -> Running<'_> {
        self.it_is(now);
        self.marks.begin(grant_key(id))
    }

    pub(super) fn token_changes(&self, id: OrderedId, now: Timestamp) -> Running<'_> {
        self.it_is(now);
        self.marks.begin(token_key(id))
    }

    /// Tells the present roughly, without which tokens that have ended would be kept.
    fn it_is(&self, now: Timestamp) {
        if self.now.load(Ordering::Relaxed).abs_diff(now.as_millis()) >= TICK_MILLIS {
            self.purged(now);
        }
    }

    /// What ended by `now` may be gone.
    pub(super) fn purged(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::Relaxed);
    }

    fn client_key(&self, id: &ClientId) -> u64 {
        self.hasher.hash_one(id)
    }
}

impl Listener for Cache {
    fn changed(&self, change: &Change) {
        match change {
            Change::Client(id) => self.client_changed(id),
            Change::Grant(id) => self.marks.changed(grant_key(*id)),
            Change::AccessToken(id) => self.marks.changed(token_key(*id)),
            Change::All => self.marks.all_changed(),
        }
    }
}

const fn token_key(id: OrderedId) -> u64 {
    spread(id.to_bits())
}

/// Ids have 63 bits; the other one tells grants from tokens.
const fn grant_key(id: OrderedId) -> u64 {
    spread(id.to_bits() | 1 << 63)
}

/// The finaliser of SplitMix64: each bit of the result depends on all of `bits`, and no two of these
/// have the same result.
pub(super) const fn spread(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}
