//! Many locks instead of one.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const SHARDS: usize = 64;

/// A part behind its own lock, on cache lines of its own so that two locks never share one.
#[derive(Default)]
#[repr(align(128))]
struct Shard<T>(RwLock<T>);

/// A table in parts. A `seed` chooses the part; it may be any number that tells keys apart.
pub(super) struct Sharded<T>(Box<[Shard<T>]>);

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Shard::default()).collect())
    }
}

impl<T> Sharded<T> {
    pub(super) fn read(&self, seed: u64) -> RwLockReadGuard<'_, T> {
        self.part(seed).0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, seed: u64) -> RwLockWriteGuard<'_, T> {
        lock(self.part(seed))
    }

    /// All parts, for one lock after the other.
    pub(super) fn parts<'a>(&'a self) -> impl Iterator<Item = impl Fn() -> RwLockWriteGuard<'a, T>>
    where
        T: 'a,
    {
        self.0.iter().map(|part| move || lock(part))
    }

    fn part(&self, seed: u64) -> &Shard<T> {
        // Fibonacci hashing: the high bits of the product depend on all bits of the seed.
        let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - SHARDS.trailing_zeros());
        &self.0[spread as usize % SHARDS]
    }
}

// A panic cannot happen while one of these locks is held; if it did, refusing every later request
// would be worse than what it left.
fn lock<T>(part: &Shard<T>) -> RwLockWriteGuard<'_, T> {
    part.0.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_keys_lie_in_different_parts() {
        for stride in [1, 1 << 21, 64 << 21] {
            let table = Sharded::<u32>::default();
            for number in 0..6400_u64 {
                *table.write(number * stride) += 1;
            }
            let fill: Vec<u32> = table.parts().map(|part| *part()).collect();
            assert!(fill.iter().all(|rows| (20..500).contains(rows)), "stride {stride}: {fill:?}");
        }
    }
}
