//! A table of fixed size that forgets what is not asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// How many entries share a lock, and compete for their places.
const WAYS: usize = 8;

/// Copies, each with the moment from which on it was read. A key is a hash, all of whose bits depend on
/// what it stands for; it chooses one of many small sets.
pub(super) struct Sets<T> {
    sets: Box<[Set<T>]>,
    /// The most that one of them holds.
    ways: usize,
}

/// Entries behind their own lock, on a cache line of its own.
#[repr(align(64))]
struct Set<T>(RwLock<Entries<T>>);

struct Entries<T> {
    entries: Vec<Entry<T>>,
    /// Where the search for one that can go continues.
    hand: usize,
}

struct Entry<T> {
    key: u64,
    moment: u64,
    copy: T,
    /// Whether it was asked for since the search last came by.
    asked_for: AtomicBool,
}

impl<T: Clone> Sets<T> {
    /// A table of at most `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        let ways = capacity.min(WAYS);
        let sets = capacity.checked_div(ways).unwrap_or_default();
        let empty = || Set(RwLock::new(Entries { entries: Vec::new(), hand: 0 }));
        Self { sets: (0..sets).map(|_| empty()).collect(), ways }
    }

    /// The copy that is kept of `key`, if `counts` says that it counts, given the moment it was read.
    pub(super) fn get(&self, key: u64, counts: impl FnOnce(&T, u64) -> bool) -> Option<T> {
        let set = self.set(key)?.0.read().unwrap_or_else(PoisonError::into_inner);
        let entry = set.entries.iter().find(|entry| entry.key == key)?;
        if !counts(&entry.copy, entry.moment) {
            return None;
        }
        // Written only if it says something new: others read it.
        if !entry.asked_for.load(Ordering::Relaxed) {
            entry.asked_for.store(true, Ordering::Relaxed);
        }
        Some(entry.copy.clone())
    }

    /// Keeps a copy that was read from `moment` on. It takes the place of one that was not asked for lately.
    pub(super) fn put(&self, key: u64, moment: u64, copy: T) {
        let Some(set) = self.set(key) else { return };
        let mut set = set.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = Entry { key, moment, copy, asked_for: AtomicBool::new(false) };
        if let Some(entry) = set.entries.iter_mut().find(|entry| entry.key == key) {
            if entry.moment <= moment {
                *entry = new;
            }
        } else if set.entries.len() < self.ways {
            set.entries.push(new);
        } else {
            *set.least_wanted() = new;
        }
    }

    fn set(&self, key: u64) -> Option<&Set<T>> {
        // The product's upper half is a number below the count of sets, each as likely as another.
        let at = (u128::from(key) * self.sets.len() as u128) >> u64::BITS;
        self.sets.get(at as usize)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.iter().map(|set| set.0.read().unwrap().entries.len()).sum()
    }
}

impl<T> Entries<T> {
    /// The first entry from the hand on that nobody asked for since it last came by. None but full sets
    /// have to look for one.
    fn least_wanted(&mut self) -> &mut Entry<T> {
        loop {
            self.hand = (self.hand + 1) % self.entries.len();
            // Every entry that is passed by is not asked for afterwards, so this ends in the second round.
            if !std::mem::take(self.entries[self.hand].asked_for.get_mut()) {
                return &mut self.entries[self.hand];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::spread;
    use super::*;

    fn found(sets: &Sets<u64>, number: u64) -> Option<u64> {
        sets.get(spread(number), |_, _| true)
    }

    #[test]
    fn it_holds_no_more_than_its_capacity_and_nearly_as_much() {
        for capacity in [0, 1, 2, 7, 8, 9, 100, 4096] {
            let sets = Sets::new(capacity);
            for number in 0..4 * capacity as u64 + 20 {
                sets.put(spread(number), 0, number);
                assert!(found(&sets, number).is_none_or(|copy| copy == number));
            }
            assert!((capacity * 7 / 8..=capacity).contains(&sets.len()), "{} of {capacity}", sets.len());
        }
    }

    #[test]
    fn what_is_asked_for_stays_while_others_come_and_go() {
        let sets = Sets::new(1024);
        for wanted in 0..100 {
            sets.put(spread(wanted), 0, wanted);
        }
        for other in 1000..20_000 {
            sets.put(spread(other), 0, other);
            assert!(found(&sets, other % 100).is_some(), "{} was forgotten", other % 100);
        }
        assert!(found(&sets, 1000).is_none(), "nobody asked for it");
    }

    #[test]
    fn a_set_full_of_wanted_entries_takes_a_new_one() {
        let sets = Sets::new(8);
        for number in 0..8 {
            sets.put(spread(number), 0, number);
            assert!(found(&sets, number).is_some());
        }
        sets.put(spread(8), 0, 8);
        assert_eq!(found(&sets, 8), Some(8));
        assert_eq!(sets.len(), 8);
    }

    #[test]
    fn a_copy_gives_way_to_a_newer_one_alone() {
        let sets = Sets::new(8);
        for (moment, kept) in [(5, 5), (4, 5), (5, 5), (6, 6)] {
            sets.put(1, moment, moment);
            assert_eq!(sets.get(1, |_, moment| moment == kept), Some(kept));
        }
        assert_eq!(sets.get(1, |_, _| false), None, "it does not count");
    }
}
