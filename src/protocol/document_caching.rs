//! How long a metadata document is taken for true (RFC 9111), and what is kept of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A document is not fetched again before, whatever it says.
pub const FRESH_AT_LEAST: Duration = Duration::from_mins(5);
/// A document is fetched again after, whatever it says.
pub const FRESH_AT_MOST: Duration = Duration::from_hours(24);
/// For a document that says nothing.
const FRESH_OTHERWISE: Duration = Duration::from_hours(1);

/// When a client's document, or its keys, were read, and for how long that is good.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when it need not be fetched again.
    pub fresh_until: Timestamp,
}

impl DocumentRecord {
    /// Whether it may be used as it is. A clock that was set back does not keep what is old.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at <= now && now < self.fresh_until
    }

    /// Whether it may still be used if its site fails: for `keep` beyond its end.
    #[must_use]
    pub fn is_good_without_site(&self, keep: Duration, now: Timestamp) -> bool {
        now < self.fresh_until.after(keep)
    }
}

/// How long an answer is good, by its `Cache-Control` and `Age`, within bounds. `Expires` is not looked at: it is
/// about the site's clock.
#[must_use]
pub fn freshness(cache_control: Option<&str>, age: Option<&str>) -> Duration {
    let mut max_age = None;
    let mut shared_max_age = None;
    for directive in cache_control.unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            // RFC 9111 §5.2.2: nothing is to be kept, or not without asking; at that rate others would be hammered.
            "no-store" | "no-cache" | "private" => return FRESH_AT_LEAST,
            "max-age" => max_age = seconds(value),
            // RFC 9111 §5.2.2.10: for a cache that many share, as this one is
            "s-maxage" => shared_max_age = seconds(value),
            _ => {}
        }
    }
    let age = age.and_then(seconds).unwrap_or_default();
    let fresh = shared_max_age.or(max_age).map_or(FRESH_OTHERWISE, |for_long| for_long.saturating_sub(age));
    fresh.clamp(FRESH_AT_LEAST, FRESH_AT_MOST)
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_good_from_then_until_its_end_and_without_its_site_a_while_longer() {
        let at = Timestamp::from_millis;
        let record = DocumentRecord { fetched_at: at(10_000), fresh_until: at(20_000) };
        for (now, is_fresh) in [(9_999, false), (10_000, true), (19_999, true), (20_000, false)] {
            assert_eq!(record.is_fresh(at(now)), is_fresh, "{now}");
        }
        for (now, is_good) in [(20_000, true), (24_999, true), (25_000, false)] {
            assert_eq!(record.is_good_without_site(Duration::from_secs(5), at(now)), is_good, "{now}");
        }
    }

    #[test]
    fn what_the_site_says_counts_within_bounds() {
        let minutes = Duration::from_mins;
        for (cache_control, age, expected) in [
            (None, None, minutes(60)),
            (Some(""), None, minutes(60)),
            (Some("public, max-age=1800"), None, minutes(30)),
            (Some("public, max-age=1800"), Some("600"), minutes(20)),
            (Some("Max-Age=\"1800\""), Some("soon"), minutes(30)),
            (Some("max-age=1800, s-maxage=3600"), None, minutes(60)),
            (Some("max-age=60"), None, FRESH_AT_LEAST),
            (Some("max-age=60"), Some("18446744073709551615"), FRESH_AT_LEAST),
            (Some("max-age=0, must-revalidate"), None, FRESH_AT_LEAST),
            (Some("max-age=1800, no-store"), None, FRESH_AT_LEAST),
            (Some("no-cache"), None, FRESH_AT_LEAST),
            (Some("max-age=31536000, immutable"), None, FRESH_AT_MOST),
            (Some("max-age=18446744073709551615"), None, FRESH_AT_MOST),
            (Some("max-age=99999999999999999999"), None, minutes(60)),
            (Some("max-age=-1"), None, minutes(60)),
        ] {
            assert_eq!(freshness(cache_control, age), expected, "{cache_control:?} {age:?}");
        }
    }
}
