//! What may be answered from memory: which clients, grants and tokens are certain, and since when.
//!
//! A change of something has a beginning and an end, and whoever keeps a copy notes the [`moment`](Marks::moment)
//! before it reads what it keeps. The copy counts if no change is running, none ended after that moment, and
//! none was lost sight of. So a read that began before a change ended is worth nothing afterwards,
//! whenever it arrives, and one that began later saw the change.
//!
//! The store may still carry out, at any later time, an operation whose outcome nobody saw: its caller
//! went away, or the answer got lost. What it is about stays uncertain for good.
//!
//! All of this is a table of fixed size. Keys that share a place in it are uncertain together, which costs
//! a read of the store and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

/// A place in the table, for the keys that fall on it.
#[derive(Default)]
#[repr(align(32))]
struct Place {
    /// Changes that are running.
    running: AtomicU64,
    /// When the last change ended.
    changed: AtomicU64,
    /// A bit for each 64th of the keys: some change of one of them was lost sight of.
    lost: AtomicU64,
}

/// A value on a cache line of its own, since it is written while its neighbours are read.
#[derive(Default)]
#[repr(align(64))]
struct Apart<T>(T);

/// The state of every key. A key is a hash, all of whose bits depend on what it stands for.
pub(super) struct Marks {
    /// A power of two of them.
    places: Box<[Place]>,
    /// Counts the ends of changes.
    ended: Apart<AtomicU64>,
    /// When everything changed.
    all: Apart<AtomicU64>,
}

impl Marks {
    /// A table of about as many places as there are things to keep.
    pub(super) fn new(kept: usize) -> Self {
        let places = kept.clamp(1 << 8, 1 << 17).next_power_of_two();
        Self { places: (0..places).map(|_| Place::default()).collect(), ended: Apart::default(), all: Apart::default() }
    }

    /// The present, to be asked for before something is read that is to be kept.
    pub(super) fn moment(&self) -> u64 {
        self.ended.0.load(Ordering::SeqCst)
    }

    /// Whether what was read from `moment` on is still as it was.
    pub(super) fn is_certain(&self, key: u64, moment: u64) -> bool {
        let place = self.place(key);
        // First, as an end writes it last.
        place.running.load(Ordering::SeqCst) == 0
            && place.changed.load(Ordering::SeqCst) <= moment
            && place.lost.load(Ordering::SeqCst) & bit(key) == 0
            && self.all.0.load(Ordering::SeqCst) <= moment
    }

    /// Something begins to change.
    pub(super) fn begin(&self, key: u64) -> Running<'_> {
        self.place(key).running.fetch_add(1, Ordering::SeqCst);
        Running { marks: self, key, seen: false }
    }

    /// Something has changed.
    pub(super) fn changed(&self, key: u64) {
        self.place(key).changed.fetch_max(self.next(), Ordering::SeqCst);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        self.all.0.fetch_max(self.next(), Ordering::SeqCst);
    }

    fn next(&self) -> u64 {
        self.ended.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn place(&self, key: u64) -> &Place {
        &self.places[(key >> 6) as usize & (self.places.len() - 1)]
    }
}

const fn bit(key: u64) -> u64 {
    1 << (key & 63)
}

/// A change that is running. If it is dropped, it is lost sight of.
#[must_use]
pub(super) struct Running<'a> {
    marks: &'a Marks,
    key: u64,
    seen: bool,
}

impl Running<'_> {
    /// It is over, and whether it changed anything is known.
    pub(super) fn end(mut self, has_changed: bool) {
        self.seen = true;
        if has_changed {
            self.marks.changed(self.key);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let place = self.marks.place(self.key);
        if !self.seen {
            place.lost.fetch_or(bit(self.key), Ordering::SeqCst);
        }
        place.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys with the same place but another bit, and with another place.
    const KEY: u64 = 7 << 6 | 3;
    const NEIGHBOUR: u64 = 7 << 6 | 4;
    const OTHER: u64 = 8 << 6 | 3;

    #[test]
    fn nothing_is_certain_while_it_changes() {
        let marks = Marks::new(1);
        let moment = marks.moment();
        let (one, two) = (marks.begin(KEY), marks.begin(KEY));
        assert!(!marks.is_certain(KEY, moment));
        assert!(marks.is_certain(OTHER, moment));
        one.end(false);
        assert!(!marks.is_certain(KEY, moment), "the second one is running");
        two.end(false);
        assert!(marks.is_certain(KEY, moment), "neither changed anything");
    }

    #[test]
    fn what_was_read_before_the_end_of_a_change_is_outdated() {
        let marks = Marks::new(1);
        let before = marks.moment();
        let change = marks.begin(KEY);
        let meanwhile = marks.moment();
        change.end(true);
        let after = marks.moment();
        assert!(!marks.is_certain(KEY, before));
        assert!(!marks.is_certain(KEY, meanwhile));
        assert!(marks.is_certain(KEY, after));
        assert!(marks.is_certain(OTHER, before));
    }

    #[test]
    fn what_was_lost_sight_of_stays_uncertain() {
        let marks = Marks::new(1);
        drop(marks.begin(KEY));
        marks.begin(KEY).end(true);
        assert!(!marks.is_certain(KEY, marks.moment()));
        assert!(marks.is_certain(NEIGHBOUR, marks.moment()), "only the bit of the key is lost");
    }

    #[test]
    fn everything_can_be_outdated_at_once() {
        let marks = Marks::new(1);
        let before = marks.moment();
        marks.all_changed();
        assert!(!marks.is_certain(KEY, before) && !marks.is_certain(OTHER, before));
        assert!(marks.is_certain(KEY, marks.moment()));
    }

    #[test]
    fn a_hundred_thousand_lost_changes_leave_most_of_it_certain() {
        let marks = Marks::new(1 << 16);
        let spread = |number: u64| super::super::cache::spread(number << 21);
        for number in 0..100_000 {
            drop(marks.begin(spread(number)));
        }
        let certain = (200_000..300_000).filter(|number| marks.is_certain(spread(*number), 0)).count();
        assert!((95_000..99_000).contains(&certain), "{certain}");
    }
}
