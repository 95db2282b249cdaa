//! What is kept, and what has become of it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::marks::{Marks, Running};
use super::sets::Sets;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Change, Listener, Owner, StoredAccess};

/// As precise as the ends of tokens have to be noticed. It is written as often and read always.
const TICK_MILLIS: u64 = 1000;

/// Copies of clients and access tokens, and the marks that say which of them count.
pub(super) struct Cache {
    hasher: RandomState,
    clients: Sets<Arc<Client>>,
    tokens: Sets<Kept>,
    marks: Marks,
    /// The present in milliseconds, as the last operation told it.
    now: AtomicU64,
}

/// An access token, and what stands for all that its client and its user have.
#[derive(Clone)]
struct Kept {
    stored: StoredAccess,
    client: u64,
    user: Option<u64>,
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
        self.clients
            .get(key, |client, moment| client.id == *id && self.marks.is_certain(key, moment) && self.stays(client))
    }

    /// Keeps a client that stays: one that never got a grant may have to give way at any registration.
    pub(super) fn keep_client(&self, client: &Arc<Client>, moment: u64) {
        let key = self.client_key(&client.id);
        if self.marks.is_certain(key, moment) && self.stays(client) {
            self.clients.put(key, moment, Arc::clone(client));
        }
    }

    fn stays(&self, client: &Client) -> bool {
        client.tenure.is_none_or(|tenure| tenure.granted && self.is_to_come(tenure.until))
    }

    fn is_to_come(&self, time: Timestamp) -> bool {
        time.as_millis() > self.now.load(Ordering::Relaxed)
    }

    /// No two ids have the same key.
    pub(super) fn token(&self, id: OrderedId) -> Option<StoredAccess> {
        self.tokens.get(token_key(id), |kept, moment| self.counts(kept, moment)).map(|kept| kept.stored)
    }

    /// Keeps a token that is alive. Others are not asked for often.
    pub(super) fn keep_token(&self, stored: &StoredAccess, moment: u64) {
        let grant = &stored.grant;
        let user = grant.holder.subject().map(|subject| self.user_key(subject));
        let kept = Kept { stored: stored.clone(), client: self.all_of_client_key(&grant.client), user };
        if !stored.revoked && self.counts(&kept, moment) {
            self.tokens.put(token_key(stored.token.id), moment, kept);
        }
    }

    fn counts(&self, kept: &Kept, moment: u64) -> bool {
        let Kept { stored, client, user } = kept;
        self.marks.is_certain(token_key(stored.token.id), moment)
            && self.marks.is_certain(grant_key(stored.grant.id), moment)
            && self.marks.is_certain(*client, moment)
            && user.is_none_or(|user| self.marks.is_certain(user, moment))
            && self.is_to_come(stored.token.expires_at)
    }

    pub(super) fn client_changes(&self, id: &ClientId) -> Running<'_> {
        self.marks.begin(self.client_key(id))
    }

    pub(super) fn client_changed(&self, id: &ClientId) {
        self.marks.changed(self.client_key(id));
    }

    /// All that an owner has may end.
    pub(super) fn all_changes(&self, owner: &Owner, now: Timestamp) -> Running<'_> {
        self.it_is(now);
        self.marks.begin(match owner {
            Owner::User(subject) => self.user_key(subject),
            Owner::Client(client) => self.all_of_client_key(client),
        })
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
    pub(super) fn it_is(&self, now: Timestamp) {
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

    /// Stands for all that a client was given, which ends more seldom than the client changes.
    fn all_of_client_key(&self, id: &ClientId) -> u64 {
        self.hasher.hash_one(("client", id))
    }

    /// Stands for all that a user has given.
    fn user_key(&self, subject: &Subject) -> u64 {
        self.hasher.hash_one(("user", subject))
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
