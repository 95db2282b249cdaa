//! Rows in the order of their keys, and so of time: full chunks of them, since new keys are almost
//! always the highest.

use std::collections::VecDeque;

use super::search::{self, Key};
use crate::protocol::time::Timestamp;

/// What a table keeps.
pub(super) trait Row {
    /// What it is found by.
    type Key: Key;

    fn key(&self) -> Self::Key;

    /// When the row ends. [`Rows::note_end`] has to be told if it comes to be earlier.
    fn end(&self) -> Timestamp;

    /// Lets go of what the row need not keep any more. Its end may come to be later by this, not earlier.
    fn tidy(&mut self, _now: Timestamp) {}

    /// Whether the row has ended. After `true` it is removed, and must not come to life again.
    fn retire(&self, now: Timestamp) -> bool {
        self.end() <= now
    }
}

/// Rows of a full chunk.
const FULL: usize = 128;

struct Chunk<R: Row> {
    /// No row of the chunk ends before this. It may be too early, not too late.
    earliest_end: Timestamp,
    /// Those of the rows, side by side: a search in them reads few cache lines.
    keys: Vec<R::Key>,
    /// Sorted by key, never empty.
    rows: Vec<R>,
}

impl<R: Row> Chunk<R> {
    fn of(rows: Vec<R>) -> Self {
        let mut chunk =
            Self { earliest_end: Timestamp::from_millis(0), keys: Vec::with_capacity(rows.capacity()), rows };
        chunk.refresh();
        chunk
    }

    fn first(&self) -> Option<R::Key> {
        self.keys.first().copied()
    }

    fn insert(&mut self, at: usize, row: R) {
        self.earliest_end = self.earliest_end.min(row.end());
        self.keys.insert(at, row.key());
        self.rows.insert(at, row);
    }

    fn pop(&mut self) -> Option<R> {
        self.keys.pop();
        self.rows.pop()
    }

    /// Where a key is or belongs, in a chunk whose keys lie between these.
    fn position(&self, key: R::Key, between: [R::Key; 2]) -> Result<usize, usize> {
        let guess = search::guess(key, between, self.keys.len());
        let rank = search::rank(self.keys.len(), guess, |at| self.keys[at] <= key);
        match rank.checked_sub(1) {
            Some(before) if self.keys[before] == key => Ok(before),
            _ => Err(rank),
        }
    }

    /// Brings what is known of the rows up to date.
    fn refresh(&mut self) {
        self.keys.clear();
        self.keys.extend(self.rows.iter().map(R::key));
        self.earliest_end = self.rows.iter().map(R::end).fold(Timestamp::from_millis(u64::MAX), Timestamp::min);
    }
}

/// The first row of a chunk that follows a full one, and will soon be full as well.
fn in_room_for_all<R>(row: R) -> Vec<R> {
    let mut rows = Vec::with_capacity(FULL);
    rows.push(row);
    rows
}

/// A sorted table.
pub(super) struct Rows<R: Row> {
    /// Sorted by their first keys.
    chunks: VecDeque<Chunk<R>>,
    /// The first key of each chunk, side by side like the keys in it.
    firsts: VecDeque<R::Key>,
    /// The chunk that the next small step of clean-up looks at.
    cursor: usize,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), firsts: VecDeque::new(), cursor: 0 }
    }
}

/// How far a step of clean-up may go.
pub(super) struct Step {
    /// Rows that it removes.
    pub(super) rows: u32,
    /// Chunks that it looks at.
    pub(super) chunks: usize,
}

/// How far a step of clean-up went.
pub(super) struct Swept {
    pub(super) rows: u32,
    /// Where to go on; `None` if the end of the table was reached.
    pub(super) next: Option<usize>,
}

impl<R: Row> Rows<R> {
    pub(super) fn get(&self, key: R::Key) -> Option<&R> {
        let at = self.chunk(key)?;
        self.chunks[at].rows.get(self.position(at, key).ok()?)
    }

    pub(super) fn get_mut(&mut self, key: R::Key) -> Option<&mut R> {
        let at = self.chunk(key)?;
        let row = self.position(at, key).ok()?;
        self.chunks[at].rows.get_mut(row)
    }

    /// The rows behind a key, in order.
    pub(super) fn behind(&self, key: Option<R::Key>) -> impl Iterator<Item = &R> {
        let from = key.and_then(|key| self.chunk(key)).unwrap_or(0);
        let rows = self.chunks.range(from..).flat_map(|chunk| &chunk.rows);
        rows.skip_while(move |row| key.is_some_and(|key| row.key() <= key))
    }

    /// Adds a row; `false`, and nothing happens, if its key is taken.
    pub(super) fn insert(&mut self, row: R) -> bool {
        if self.chunks.is_empty() {
            self.put(0, vec![row]);
            return true;
        }
        let at = self.chunk(row.key()).unwrap_or(0);
        let Err(position) = self.position(at, row.key()) else { return false };
        if self.chunks[at].rows.len() < FULL {
            self.insert_into(at, position, row);
        } else {
            self.insert_at_full(at, position, row);
        }
        true
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, key: R::Key) -> Option<R> {
        let at = self.chunk(key)?;
        let position = self.position(at, key).ok()?;
        let chunk = &mut self.chunks[at];
        let row = chunk.rows.remove(position);
        chunk.refresh();
        self.note_first(at);
        Some(row)
    }

    /// Notes that the row of that key may end at `end`, if there is such a row.
    pub(super) fn note_end(&mut self, key: R::Key, end: Timestamp) {
        if let Some(chunk) = self.chunk(key).and_then(|at| self.chunks.get_mut(at)) {
            chunk.earliest_end = chunk.earliest_end.min(end);
        }
    }

    /// Removes a few rows that ended by `now`. Every call looks at other chunks, so that no row that
    /// lives on can keep what lies behind it from going.
    pub(super) fn sweep_some(&mut self, now: Timestamp, removed: impl FnMut(&R)) {
        let swept = self.sweep(self.cursor, now, &Step { rows: 32, chunks: 2 }, removed);
        self.cursor = swept.next.unwrap_or(0);
    }

    /// Removes rows that ended by `now`, from the chunk at `from` on, and shows each to `removed`.
    pub(super) fn sweep(&mut self, from: usize, now: Timestamp, step: &Step, mut removed: impl FnMut(&R)) -> Swept {
        let (mut at, mut left) = (from, step.rows);
        for _ in 0..step.chunks {
            let Some(chunk) = self.chunks.get_mut(at) else { break };
            if chunk.earliest_end > now {
                at += 1;
                continue;
            }
            chunk.rows.retain_mut(|row| {
                row.tidy(now);
                let goes = left > 0 && row.retire(now);
                if goes {
                    left -= 1;
                    removed(row);
                }
                !goes
            });
            chunk.refresh();
            if self.note_first(at) && left > 0 {
                self.compact(at);
                at += 1;
            }
            if left == 0 {
                break;
            }
        }
        Swept { rows: step.rows - left, next: (at < self.chunks.len()).then_some(at) }
    }

    /// The chunk in which a key lies if it lies anywhere; `None` if that is before the first one.
    fn chunk(&self, key: R::Key) -> Option<usize> {
        let (count, between) = (self.firsts.len(), [*self.firsts.front()?, *self.firsts.back()?]);
        let guess = search::guess(key, between, count);
        search::rank(count, guess, |at| self.firsts[at] <= key).checked_sub(1)
    }

    /// Where a key is or belongs in the chunk in which it lies if it lies anywhere.
    fn position(&self, at: usize, key: R::Key) -> Result<usize, usize> {
        let chunk = &self.chunks[at];
        // What this one and the next begin with is at hand, other than the keys in them.
        let next = self.firsts.get(at + 1).or(chunk.keys.last()).copied();
        chunk.position(key, [self.firsts[at], next.unwrap_or(key)])
    }

    /// Adds a chunk of these rows, of which there is one at least.
    fn put(&mut self, at: usize, rows: Vec<R>) {
        let chunk = Chunk::of(rows);
        if let Some(first) = chunk.first() {
            self.firsts.insert(at, first);
            self.chunks.insert(at, chunk);
        }
    }

    /// Adds a row to a chunk that has room for it.
    fn insert_into(&mut self, at: usize, position: usize, row: R) {
        if position == 0 {
            self.firsts[at] = row.key();
        }
        self.chunks[at].insert(position, row);
    }

    /// Notes the first key of a chunk that changed; `false` if it had no rows any more and is gone.
    fn note_first(&mut self, at: usize) -> bool {
        match self.chunks.get(at).and_then(Chunk::first) {
            Some(first) => self.firsts[at] = first,
            None => {
                self.chunks.remove(at);
                self.firsts.remove(at);
                return false;
            }
        }
        true
    }

    /// Keys of one millisecond come in any order: what belongs just before the end of a full chunk
    /// pushes its last row on, so that chunks stay full. Only far from the end a chunk is halved.
    fn insert_at_full(&mut self, at: usize, position: usize, row: R) {
        let next = at + 1;
        match self.chunks.get_mut(next) {
            None if position == FULL => self.put(next, in_room_for_all(row)),
            Some(following) if following.rows.len() < FULL => {
                if position == FULL {
                    self.insert_into(next, 0, row);
                } else if let Some(last) = self.chunks[at].pop() {
                    self.insert_into(next, 0, last);
                    self.insert_into(at, position, row);
                }
            }
            None if position > FULL / 2 => {
                if let Some(last) = self.chunks[at].pop() {
                    self.put(next, in_room_for_all(last));
                    self.insert_into(at, position, row);
                }
            }
            _ => {
                let (lower, upper) = (&mut self.chunks[at], FULL / 2);
                let split = lower.rows.split_off(upper);
                lower.refresh();
                self.put(next, split);
                if position <= upper {
                    self.insert_into(at, position, row);
                } else {
                    self.insert_into(next, position - upper, row);
                }
            }
        }
    }

    /// Gives back the room of a chunk that lost rows.
    fn compact(&mut self, at: usize) {
        let following = self.chunks.get(at + 1).map_or(FULL, |chunk| chunk.rows.len());
        if self.chunks[at].rows.len() + following <= FULL / 2
            && let Some(mut following) = self.chunks.remove(at + 1)
        {
            self.firsts.remove(at + 1);
            let chunk = &mut self.chunks[at];
            chunk.keys.append(&mut following.keys);
            chunk.rows.append(&mut following.rows);
            chunk.earliest_end = chunk.earliest_end.min(following.earliest_end);
        }
        let Chunk { keys, rows, .. } = &mut self.chunks[at];
        if rows.len() <= rows.capacity() / 2 {
            keys.shrink_to_fit();
            rows.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq, Clone, Copy)]
    struct Number(u32, u64);

    impl Key for u32 {
        fn measure(self) -> u64 {
            // Some share one.
            u64::from(self / 3)
        }
    }

    impl Row for Number {
        type Key = u32;
        fn key(&self) -> u32 {
            self.0
        }
        fn end(&self) -> Timestamp {
            Timestamp::from_millis(self.1)
        }
    }

    impl Rows<Number> {
        fn check(&self, expected: &BTreeMap<u32, u64>) {
            let all: Vec<_> = self.chunks.iter().flat_map(|chunk| &chunk.rows).map(|row| (row.0, row.1)).collect();
            assert!(all.iter().copied().eq(expected.iter().map(|(key, end)| (*key, *end))), "the rows, in order");
            assert!(self.firsts.iter().copied().eq(self.chunks.iter().map(|chunk| chunk.rows[0].0)));
            for chunk in &self.chunks {
                assert!((1..=FULL).contains(&chunk.rows.len()));
                assert!(chunk.keys.iter().copied().eq(chunk.rows.iter().map(Row::key)));
                assert!(chunk.rows.iter().all(|row| row.end() >= chunk.earliest_end));
            }
        }
        fn sweep_all(&mut self, now: u64) -> u32 {
            let step = Step { rows: u32::MAX, chunks: usize::MAX };
            self.sweep(0, Timestamp::from_millis(now), &step, |_| {}).rows
        }
        fn rows(&self) -> usize {
            self.chunks.iter().map(|chunk| chunk.rows.len()).sum()
        }
    }

    fn random(state: &mut u32) -> u32 {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *state >> 8
    }

    #[test]
    fn it_agrees_with_a_sorted_map_whatever_happens() {
        for seed in 0..20 {
            let (mut table, mut expected, mut state) = (Rows::default(), BTreeMap::new(), seed);
            for now in 0..4000_u64 {
                let key = match random(&mut state) % 3 {
                    0 => random(&mut state) % 3000,
                    _ => (now * 4) as u32 + random(&mut state) % 32,
                };
                let end = now + u64::from(random(&mut state) % [50, 2000][seed as usize % 2]);
                let is_new = !expected.contains_key(&key);
                assert_eq!(table.insert(Number(key, end)), is_new);
                expected.entry(key).or_insert(end);
                if now % 3 == 0 {
                    let mut gone = Vec::new();
                    table.sweep_some(Timestamp::from_millis(now), |row| gone.push(*row));
                    assert!(gone.len() <= 32);
                    for row in gone {
                        assert!(row.1 <= now && expected.remove(&row.0) == Some(row.1));
                    }
                }
                let key = random(&mut state) % 20_000;
                if key.is_multiple_of(5) {
                    assert_eq!(table.remove(key).map(|row| row.1), expected.remove(&key));
                }
                assert_eq!(table.get(key).map(|row| row.1), expected.get(&key).copied());
                assert_eq!(table.get_mut(key).map(|row| row.1), expected.get(&key).copied());
                if now % 64 == 0 {
                    table.check(&expected);
                }
            }
            table.sweep_all(3000);
            expected.retain(|_, end| *end > 3000);
            table.check(&expected);
            table.sweep_all(u64::MAX);
            assert!(table.chunks.is_empty());
        }
    }

    #[test]
    fn chunks_are_full_when_keys_come_almost_in_order() {
        let (mut table, mut state) = (Rows::default(), 1);
        for number in 0..100_000_u32 {
            table.insert(Number((number & !15) << 8 | random(&mut state) & 0xfff, 9));
        }
        let room: usize = table.chunks.iter().map(|chunk| chunk.rows.capacity()).sum();
        assert!(room * 100 < table.rows() * 102, "{} rows in room for {room}", table.rows());
    }

    #[test]
    fn a_row_that_lives_on_does_not_keep_others_from_going() {
        let mut table = Rows::default();
        for number in 0..10_000_u32 {
            table.insert(Number(number, if number % 1000 == 0 { u64::MAX } else { u64::from(number) }));
        }
        for _ in 0..1000 {
            table.sweep_some(Timestamp::from_millis(20_000), |_| {});
        }
        assert_eq!(table.rows(), 10);
        let room: usize = table.chunks.iter().map(|chunk| chunk.rows.capacity()).sum();
        assert!(room < 200, "{room}");
    }

    #[test]
    fn small_steps_keep_up_with_writes() {
        let (mut table, mut state, mut most) = (Rows::default(), 7, 0);
        for now in 0..50_000_u64 {
            let lifetime = if random(&mut state).is_multiple_of(10) { 5000 } else { 1000 };
            table.insert(Number(now as u32, now + lifetime));
            table.sweep_some(Timestamp::from_millis(now), |_| {});
            most = most.max(table.rows());
        }
        // 1400 are alive at a time.
        assert!(most < 1700, "{most}");
    }

    #[test]
    fn an_end_that_moves_forward_is_noted() {
        let mut table = Rows::default();
        table.insert(Number(1, 100));
        assert_eq!(table.sweep_all(50), 0);
        table.get_mut(1).unwrap().1 = 40;
        table.note_end(1, Timestamp::from_millis(40));
        table.note_end(0, Timestamp::from_millis(40));
        assert_eq!(table.sweep_all(50), 1);
    }

    #[test]
    fn a_step_keeps_to_its_limits() {
        let mut table = Rows::default();
        for number in 0..1000 {
            table.insert(Number(number, 1));
        }
        let now = Timestamp::from_millis(1);
        assert_eq!(table.sweep(0, now, &Step { rows: 7, chunks: 9 }, |_| {}).rows, 7);
        assert_eq!(table.sweep(0, now, &Step { rows: 0, chunks: 9 }, |_| {}).rows, 0);
        let swept = table.sweep(1, now, &Step { rows: 1000, chunks: 2 }, |_| {});
        assert_eq!((swept.rows, swept.next), (2 * FULL as u32, Some(1)));
        assert!(table.sweep(99, now, &Step { rows: 9, chunks: 9 }, |_| {}).next.is_none());
    }
}
