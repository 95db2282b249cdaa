//! How much is fetched within a minute, from one site and for one user.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::protocol::grant::Subject;
use crate::protocol::time::Timestamp;

const WINDOW: Duration = Duration::from_mins(1);
/// Sites, or users, of whom is known what was fetched. Each of them took a fetch within the last minute, or makes
/// room for another.
const MOST: usize = 4096;

pub(super) struct FetchBudget {
    per_site: u32,
    per_user: u32,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    sites: HashMap<String, Window>,
    users: HashMap<String, Window>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Timestamp,
    count: u32,
}

impl FetchBudget {
    pub(super) fn new(per_site: u32, per_user: u32) -> Self {
        Self { per_site, per_user, spent: Mutex::default() }
    }

    /// Takes one fetch, if there is one left on both sides.
    pub(super) fn take(&self, origin: &str, user: &Subject, now: Timestamp) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // The user first: one who has nothing left takes nothing from the site, and so from others.
        take(&mut spent.users, user.as_str(), self.per_user, now) && take(&mut spent.sites, origin, self.per_site, now)
    }
}

fn take(windows: &mut HashMap<String, Window>, key: &str, most: u32, now: Timestamp) -> bool {
    // A clock that was set back begins anew.
    let is_open = |window: &Window| window.began <= now && now.since(window.began) < WINDOW;
    if let Some(window) = windows.get_mut(key).filter(|window| is_open(window)) {
        window.count = window.count.saturating_add(1);
        return window.count <= most;
    }
    if windows.len() >= MOST {
        windows.retain(|_, window| is_open(window));
    }
    if windows.len() >= MOST {
        let oldest = windows.iter().min_by_key(|(_, window)| window.began).map(|(key, _)| key.clone());
        oldest.and_then(|key| windows.remove(&key));
    }
    windows.insert(key.to_owned(), Window { began: now, count: 1 });
    most > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn attack_34_a_site_and_a_user_have_so_many_fetches_a_minute() {
        let budget = FetchBudget::new(3, 2);
        let take = |site: &str, user: &str, later| budget.take(site, &Subject::new(user), NOW.after(later));
        let now = Duration::ZERO;
        assert!(take("a", "mallory", now) && take("b", "mallory", now) && !take("c", "mallory", now));
        assert!(take("a", "alice", now) && take("a", "bob", now));
        assert!(!take("a", "carol", now), "the site has had its three");
        assert!(take("a", "alice", WINDOW), "a minute later there are more");
    }

    #[test]
    fn what_is_known_of_sites_and_users_is_bounded() {
        let budget = FetchBudget::new(1, 1);
        for number in 0..2 * MOST {
            assert!(budget.take(&number.to_string(), &Subject::new(&number.to_string()), NOW));
        }
        let spent = budget.spent.lock().unwrap();
        assert_eq!((spent.sites.len(), spent.users.len()), (MOST, MOST));
    }
}
