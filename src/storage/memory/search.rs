//! Finding a place among sorted keys that were made at an even pace: it can be guessed, and a search that begins
//! there reads a few neighbouring keys, where one that begins in the middle waits for memory again and again.

/// Where a key is likely to be among `count` ones between `from` and `to`, by how far along they lie.
pub(super) fn guess(key: u64, from: u64, to: u64, count: usize) -> usize {
    let (gone, whole) = (key.saturating_sub(from), to.saturating_sub(from));
    if gone >= whole { count } else { (gone as f64 / whole as f64 * count as f64) as usize }
}

/// How many of `count` items `is_before` holds for: for the first ones and for no others. The closer `guess` is, the
/// fewer of them are looked at.
pub(super) fn rank(count: usize, guess: usize, is_before: impl Fn(usize) -> bool) -> usize {
    // It holds for all below `low`, and for none from `high` on.
    let (mut low, mut high) = (0, count);
    let (mut at, mut step) = (guess.min(count), 2);
    if at < count && is_before(at) {
        while at < high && is_before(at) {
            low = at + 1;
            at += step;
            step *= 2;
        }
        high = at.min(count);
    } else {
        while at > 0 && !is_before(at - 1) {
            high = at - 1;
            at = at.saturating_sub(step);
            step *= 2;
        }
        low = at;
        high = high.min(count);
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

    #[test]
    fn a_guess_is_near_for_keys_at_an_even_pace_and_never_out_of_bounds() {
        for (key, expected) in [(0, 0), (100, 0), (150, 5), (199, 9), (200, 10), (u64::MAX, 10)] {
            assert_eq!(guess(key, 100, 200, 10), expected, "{key}");
        }
        assert_eq!(guess(7, 7, 7, 3), 3);
        assert_eq!(guess(7, 9, 3, 3), 3);
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
