//! Finding a place among sorted keys that were made at an even pace: it can be guessed, and a search that begins
//! there reads a few neighbouring keys, where one that begins in the middle waits for memory again and again.

/// A key that is made as time goes on.
pub(super) trait Key: Ord + Copy {
    /// How far along it lies: of two keys the higher one has no lower measure.
    fn measure(self) -> u64;
}

/// Where a key is likely to be among `count` ones between `from` and `to`, by how far along they lie.
pub(super) fn guess<K: Key>(key: K, [from, to]: [K; 2], count: usize) -> usize {
    let from = from.measure();
    let (gone, whole) = (key.measure().saturating_sub(from), to.measure().saturating_sub(from));
    if gone >= whole { count } else { (gone as f64 / whole as f64 * count as f64) as usize }
}

/// How many of `count` items `is_before` holds for: for the first ones and for no others. The closer `guess` is, the
/// fewer of them are looked at.
pub(super) fn rank(count: usize, guess: usize, is_before: impl Fn(usize) -> bool) -> usize {
    // In the end it holds for all below `low`, and for none from `high` on.
    let guess = guess.min(count);
    let (mut low, mut high, mut step) = (guess, guess, 2);
    while high < count && is_before(high) {
        low = high + 1;
        high = count.min(high + step);
        step *= 2;
    }
    while low > 0 && !is_before(low - 1) {
        high = low - 1;
        low = low.saturating_sub(step);
        step *= 2;
    }
    while low < high {
        let middle = low.midpoint(high);
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Key for u64 {
        fn measure(self) -> u64 {
            self
        }
    }

    #[test]
    fn a_guess_is_near_for_keys_at_an_even_pace_and_never_out_of_bounds() {
        for (key, expected) in [(0, 0), (100, 0), (150, 5), (199, 9), (200, 10), (u64::MAX, 10)] {
            assert_eq!(guess(key, [100, 200], 10), expected, "{key}");
        }
        assert_eq!(guess(7_u64, [7, 7], 3), 3);
        assert_eq!(guess(7_u64, [9, 3], 3), 3);
    }

    #[test]
    fn the_rank_is_right_wherever_the_search_begins() {
        for count in 0..40 {
            for rank_of_it in 0..=count {
                for guess in 0..=count + 2 {
                    assert_eq!(rank(count, guess, |at| at < rank_of_it), rank_of_it, "{guess} of {count}");
                }
            }
        }
    }

    #[test]
    fn a_good_guess_looks_at_few() {
        let looked = std::cell::Cell::new(0);
        let found = rank(1_000_000, 500_003, |at| {
            looked.set(looked.get() + 1);
            at < 500_000
        });
        assert_eq!(found, 500_000);
        assert!(looked.get() <= 6, "{}", looked.get());
    }
}
