//! How much is fetched within a minute, from one site, for one user and for one client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::protocol::time::Timestamp;

const WINDOW: Duration = Duration::from_mins(1);
/// Sites, users or clients, of each kind, of whom is known what was fetched. Each of them took a fetch within the last
/// minute, or makes room for another.
const MOST: usize = 4096;

/// So many fetches a minute for each site, each user or each client.
pub(super) struct FetchBudget {
    most: u32,
    spent: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Timestamp,
    count: u32,
}

impl FetchBudget {
    pub(super) fn new(most: u32) -> Self {
        Self { most, spent: Mutex::default() }
    }

    /// Takes one fetch, if there is one left.
    pub(super) fn take(&self, key: &str, now: Timestamp) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins anew.
        let is_open = |window: &Window| window.began <= now && now.since(window.began) < WINDOW;
        if let Some(window) = spent.get_mut(key).filter(|window| is_open(window)) {
            window.count = window.count.saturating_add(1);
            return window.count <= self.most;
        }
        if spent.len() >= MOST {
            spent.retain(|_, window| is_open(window));
        }
        if spent.len() >= MOST {
            let oldest = spent.iter().min_by_key(|(_, window)| window.began).map(|(key, _)| key.clone());
            oldest.and_then(|key| spent.remove(&key));
        }
        spent.insert(key.to_owned(), Window { began: now, count: 1 });
        self.most > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn attack_34_a_site_has_so_many_fetches_a_minute() {
        let budget = FetchBudget::new(3);
        let takes = |site: &str, later| (0..4).map(|_| budget.take(site, NOW.after(later))).collect::<Vec<_>>();
        assert_eq!(takes("a", Duration::ZERO), [true, true, true, false]);
        assert_eq!(takes("b", Duration::ZERO), [true, true, true, false], "another has its own");
        assert_eq!(takes("a", WINDOW), [true, true, true, false], "a minute later there are more");
    }

    #[test]
    fn what_is_known_of_sites_is_bounded() {
        let budget = FetchBudget::new(1);
        for number in 0..2 * MOST {
            assert!(budget.take(&number.to_string(), NOW));
        }
        assert_eq!(budget.spent.lock().unwrap().len(), MOST);
    }
}
