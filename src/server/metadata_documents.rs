//! What is configured about metadata documents of clients.

use std::fmt;
use std::time::Duration;

use super::InvalidConfiguration;
use super::client_keys::KeyFetches;
use super::fetch_budget::FetchBudget;
use crate::host::{AnyFetcher, Fetcher, Flights};
use crate::protocol::client::ClientId;
use crate::protocol::error::DocumentReason;

/// The rules for clients that are known by a metadata document; see
/// [`Builder::client_metadata_documents`](crate::Builder::client_metadata_documents).
///
/// The keys of clients that have them at a URL of their own (`jwks_uri`) are fetched by the same fetcher and from the
/// same hosts, for clients that registered as well: only for one that somebody let in, and as it comes with an
/// assertion that lacks nothing but a look at its signature.
///
/// Without more, any public site may have such documents. [`Host::admit_document`](crate::Host::admit_document) is
/// asked as well.
#[must_use]
pub struct MetadataDocuments {
    fetcher: AnyFetcher,
    allowed: Option<Vec<String>>,
    denied: Vec<String>,
    per_site: u32,
    per_user: u32,
    kept_for: Duration,
}

/// The same, checked, and with what was fetched of late.
pub(super) struct Rules {
    pub(super) fetcher: AnyFetcher,
    allowed: Option<Vec<HostPattern>>,
    denied: Vec<HostPattern>,
    pub(super) kept_for: Duration,
    pub(super) flights: Flights<ClientId, DocumentReason>,
    pub(super) per_site: FetchBudget,
    pub(super) per_user: FetchBudget,
    pub(super) keys: KeyFetches,
}

impl MetadataDocuments {
    /// Documents that are fetched by that fetcher: [`GuardedFetcher`](crate::GuardedFetcher) of the feature `fetch`, or
    /// one of your own.
    pub fn new(fetcher: impl Fetcher) -> Self {
        Self {
            fetcher: AnyFetcher::new(fetcher),
            allowed: None,
            denied: Vec::new(),
            per_site: 60,
            per_user: 20,
            kept_for: Duration::from_hours(7 * 24),
        }
    }

    /// Takes documents of these hosts alone, such as `claude.ai`, or `*.example.com` for all below a host. Given
    /// several times, of all of them.
    pub fn allow_hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed.get_or_insert_default().extend(hosts.into_iter().map(str::to_owned));
        self
    }

    /// Takes no documents of these hosts, whatever else is said.
    pub fn deny_hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.denied.extend(hosts.into_iter().map(str::to_owned));
        self
    }

    /// How many documents, and how many key sets, are fetched within a minute from one origin; 60 otherwise. Nobody uses this server to
    /// hammer another.
    pub const fn fetches_per_site(mut self, a_minute: u32) -> Self {
        self.per_site = a_minute;
        self
    }

    /// How many documents are fetched within a minute for one user; 20 otherwise. Nobody uses this server to search
    /// the web.
    pub const fn fetches_per_user(mut self, a_minute: u32) -> Self {
        self.per_user = a_minute;
        self
    }

    /// For how long what was last read of a document is used beyond its time while its site fails; 7 days otherwise.
    pub const fn kept_for(mut self, duration: Duration) -> Self {
        self.kept_for = duration;
        self
    }

    pub(super) fn into_rules(self) -> Result<Rules, InvalidConfiguration> {
        let patterns = |hosts: Vec<String>| hosts.into_iter().map(HostPattern::parse).collect::<Result<_, _>>();
        Ok(Rules {
            fetcher: self.fetcher,
            allowed: self.allowed.map(patterns).transpose()?,
            denied: patterns(self.denied)?,
            kept_for: self.kept_for,
            flights: Flights::default(),
            per_site: FetchBudget::new(self.per_site),
            per_user: FetchBudget::new(self.per_user),
            keys: KeyFetches::new(self.per_site),
        })
    }
}

impl fmt::Debug for MetadataDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allowed, denied, .. } = self;
        f.debug_struct("MetadataDocuments").field("allowed", allowed).field("denied", denied).finish_non_exhaustive()
    }
}

impl Rules {
    /// Whether the lists of hosts have nothing against one.
    pub(super) fn allow(&self, host: &str) -> bool {
        let has = |patterns: &[HostPattern]| patterns.iter().any(|pattern| pattern.matches(host));
        !has(&self.denied) && self.allowed.as_deref().is_none_or(has)
    }
}

/// A host, or all below one.
struct HostPattern {
    name: String,
    below: bool,
}

impl HostPattern {
    fn parse(text: String) -> Result<Self, InvalidConfiguration> {
        let (name, below) = text.strip_prefix("*.").map_or((text.as_str(), false), |name| (name, true));
        let is_name = name.contains('.')
            && name.split('.').all(|label| !label.is_empty())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if is_name {
            Ok(Self { name: name.to_ascii_lowercase(), below })
        } else {
            Err(InvalidConfiguration::DocumentHost(text))
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self.below {
            false => host == self.name,
            true => host.strip_suffix(&self.name).is_some_and(|below| below.ends_with('.')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_host_or_all_below_one() {
        let matches = |pattern: &str, host| HostPattern::parse(pattern.to_owned()).unwrap().matches(host);
        assert!(matches("Claude.ai", "claude.ai") && matches("*.claude.ai", "app.claude.ai"));
        for (pattern, host) in [
            ("claude.ai", "app.claude.ai"),
            ("claude.ai", "evilclaude.ai"),
            ("*.claude.ai", "claude.ai"),
            ("*.claude.ai", "evilclaude.ai"),
            ("*.claude.ai", "claude.ai.evil.example"),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
        for bad in ["", "*", "*.", "claude", "https://claude.ai", "claude.ai/", "*.*.ai", "claude.ai.", "бот.example"]
        {
            assert!(HostPattern::parse(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
