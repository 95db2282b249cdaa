//! What the authorization server said of tokens of late.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::protocol::commit::StoredAccess;
use crate::protocol::error::BearerReason;
use crate::protocol::secret::{Bearer, OrderedId};
use crate::protocol::time::Timestamp;

/// How many tokens that are good are kept.
const GOOD: usize = 10_000;
/// How many others are kept. Apart, so that whoever tries tokens makes no room among the good ones.
const BAD: usize = 1_000;

/// A token, without what would make anybody its bearer: its id and the SHA-256 of its secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(OrderedId, [u8; 32]);

impl Key {
    pub(super) const fn of(presented: &Bearer) -> Self {
        Self(presented.id, *presented.hash.as_bytes())
    }
}

/// That a token is good, or why it is not.
pub(super) type Verdict = Result<StoredAccess, BearerReason>;

/// Verdicts, each for as long as it may be used.
pub(super) struct Cache {
    staleness: Duration,
    good: Mutex<Table<StoredAccess>>,
    bad: Mutex<Table<BearerReason>>,
}

impl Cache {
    pub(super) fn new(staleness: Duration) -> Self {
        Self { staleness, good: Mutex::new(Table::new(GOOD)), bad: Mutex::new(Table::new(BAD)) }
    }

    /// How long after it was asked for a verdict may be used.
    pub(super) const fn staleness(&self) -> Duration {
        self.staleness
    }

    /// What was said of a token, if that may be used by a request that came `now`.
    pub(super) fn get(&self, key: &Key, now: Timestamp) -> Option<Verdict> {
        if let Some(access) = lock(&self.good).get(key, now, self.staleness) {
            return Some(Ok(access));
        }
        lock(&self.bad).get(key, now, self.staleness).map(Err)
    }

    /// Keeps what was said of a token when it was `asked_at` that time.
    pub(super) fn put(&self, key: Key, verdict: &Verdict, asked_at: Timestamp) {
        match verdict {
            Ok(access) => lock(&self.good).put(key, access.clone(), asked_at, self.staleness),
            Err(reason) => {
                lock(&self.good).remove(&key);
                lock(&self.bad).put(key, reason.clone(), asked_at, self.staleness);
            }
        }
    }
}

fn lock<V>(table: &Mutex<Table<V>>) -> MutexGuard<'_, Table<V>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (good, bad) = (lock(&self.good).kept.len(), lock(&self.bad).kept.len());
        write!(f, "Cache({good} good, {bad} bad)")
    }
}

/// At most so many values; what was asked for first makes room.
struct Table<V> {
    most: usize,
    kept: HashMap<Key, (Timestamp, V)>,
    /// When each was asked for. One that was replaced since has another time in `kept`.
    order: VecDeque<(Timestamp, Key)>,
}

impl<V: Clone> Table<V> {
    fn new(most: usize) -> Self {
        Self { most, kept: HashMap::new(), order: VecDeque::new() }
    }

    fn get(&self, key: &Key, now: Timestamp, staleness: Duration) -> Option<V> {
        let (asked_at, value) = self.kept.get(key)?;
        is_fresh(*asked_at, now, staleness).then(|| value.clone())
    }

    fn put(&mut self, key: Key, value: V, asked_at: Timestamp, staleness: Duration) {
        while let Some((first, old)) = self.order.front().copied()
            && (self.order.len() >= self.most || !is_fresh(first, asked_at, staleness))
        {
            self.order.pop_front();
            if self.kept.get(&old).is_some_and(|(kept, _)| *kept == first) {
                self.kept.remove(&old);
            }
        }
        self.order.push_back((asked_at, key));
        self.kept.insert(key, (asked_at, value));
    }

    fn remove(&mut self, key: &Key) {
        self.kept.remove(key);
    }
}

/// Whether an answer may be used. A clock that was put back makes no old answer a young one for ever.
fn is_fresh(asked_at: Timestamp, now: Timestamp, staleness: Duration) -> bool {
    now.since(asked_at) < staleness && asked_at.since(now) < staleness
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::client::ClientId;
    use crate::protocol::grant::{AccessRecord, Grant, Holder};
    use crate::protocol::resource::{ResourceId, ResourceUri};
    use crate::protocol::scope::ScopeSet;
    use crate::protocol::secret::{BearerKind, BearerSeed};

    const STALENESS: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    fn token(number: u32) -> (Bearer, String) {
        let mut random = [7; 36];
        random[32..].copy_from_slice(&number.to_be_bytes());
        let (text, bearer) = Bearer::mint(BearerKind::Access, at(0), &BearerSeed::from_random(&random));
        (bearer, text.expose().to_owned())
    }

    fn key(number: u32) -> Key {
        Key::of(&token(number).0)
    }

    fn good(number: u32) -> Verdict {
        let (bearer, _) = token(number);
        let resource = ResourceId::from(ResourceUri::parse("https://h.example/api").unwrap());
        let grant = Grant {
            id: OrderedId::new(at(0), number),
            holder: Holder::Client,
            client: ClientId::parse("c").unwrap(),
            scopes: ScopeSet::empty(),
            resources: Arc::new([resource.clone()]),
            created_at: at(0),
        };
        let token = AccessRecord {
            id: bearer.id,
            hash: bearer.hash,
            grant: grant.id,
            scopes: ScopeSet::empty(),
            resource,
            issued_at: at(0),
            expires_at: at(3_600_000),
        };
        Ok(StoredAccess { token, grant: Arc::new(grant), revoked: false })
    }

    #[test]
    fn an_answer_is_used_within_its_staleness_and_no_longer() {
        let cache = Cache::new(STALENESS);
        cache.put(key(1), &good(1), at(10_000));
        cache.put(key(2), &Err(BearerReason::Unknown), at(10_000));
        for (now, used) in
            [(10_000, true), (14_999, true), (15_000, false), (99_999, false), (5_000, false), (5_001, true)]
        {
            assert_eq!(cache.get(&key(1), at(now)).is_some(), used, "{now}");
            assert_eq!(cache.get(&key(2), at(now)).is_some(), used, "{now}");
        }
        assert!(matches!(cache.get(&key(1), at(10_000)), Some(Ok(_))));
        assert!(matches!(cache.get(&key(2), at(10_000)), Some(Err(BearerReason::Unknown))));
        assert!(cache.get(&key(3), at(10_000)).is_none());
    }

    #[test]
    fn the_last_answer_counts() {
        let cache = Cache::new(STALENESS);
        cache.put(key(1), &good(1), at(0));
        cache.put(key(1), &Err(BearerReason::Unknown), at(1));
        assert!(matches!(cache.get(&key(1), at(1)), Some(Err(_))));
    }

    #[test]
    fn attack_36_tokens_that_are_tried_take_no_room_from_good_ones() {
        let cache = Cache::new(STALENESS);
        cache.put(key(0), &good(0), at(0));
        for number in 1..=20_000 {
            cache.put(key(number), &Err(BearerReason::Unknown), at(0));
        }
        assert!(matches!(cache.get(&key(0), at(0)), Some(Ok(_))));
        assert_eq!(format!("{cache:?}"), "Cache(1 good, 1000 bad)");
        for number in 1..=20_000 {
            cache.put(key(number), &good(number), at(1));
        }
        assert_eq!(lock(&cache.good).kept.len(), GOOD);
        assert!(lock(&cache.good).order.len() <= GOOD);
        cache.put(key(0), &good(0), at(10_000));
        assert_eq!(lock(&cache.good).kept.len(), 1, "what nobody may use any more is not kept");
    }

    #[test]
    fn attack_49_a_kept_token_opens_nothing() {
        let (bearer, text) = token(9);
        let Key(id, hash) = Key::of(&bearer);
        let kept = [&id.to_bits().to_be_bytes()[..], &hash].concat();
        let secret = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &text[4..]).unwrap();
        assert_eq!((kept.len(), secret.len()), (40, 40));
        assert_eq!(kept[..8], secret[..8], "the id is no secret");
        assert_ne!(kept[8..], secret[8..]);
        let rendered =
            format!("gra_{}", base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &kept));
        assert_ne!(rendered, text);
        let read = Bearer::parse(BearerKind::Access, &rendered).unwrap();
        assert!(!read.hash.matches(&bearer.hash), "what is kept is not what has to be shown");
    }
}
