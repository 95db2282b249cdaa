//! Scopes: what a token may do, and what people are told about it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// The scope that asks for access while the user is away (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// A text that is not a scope, or not a list of scopes, by RFC 6749 §3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope consists of printable ASCII characters without space, quote and backslash")]
pub struct InvalidScope;

/// A set of scopes: sorted, without repetition, at most a few kilobytes of text.
///
/// Kept as the text that goes over the wire, so that a set costs one allocation and a clone none.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct ScopeSet(Arc<str>);

impl ScopeSet {
    /// The set of the scopes in `text`, which are separated by spaces.
    ///
    /// # Errors
    /// If a character is not allowed in a scope (RFC 6749 §3.3: `%x21 / %x23-5B / %x5D-7E`).
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        if text.bytes().any(|byte| !matches!(byte, b' ' | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
            return Err(InvalidScope);
        }
        Ok(Self::of(text.split(' ').filter(|scope| !scope.is_empty())))
    }

    /// The set of texts that are known to be scopes.
    fn of<'a>(scopes: impl Iterator<Item = &'a str>) -> Self {
        let mut scopes: Vec<&str> = scopes.collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.join(" ").into())
    }

    /// The text of a set, as a store reads it back.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn from_canonical(text: &str) -> Self {
        Self(text.into())
    }

    /// The set without scopes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The set of [`OFFLINE_ACCESS`] alone.
    #[must_use]
    pub fn offline_access() -> Self {
        Self(Arc::from(OFFLINE_ACCESS))
    }

    /// The wire form: scopes in byte order, separated by one space.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scopes in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether there is no scope in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|mine| mine == scope)
    }

    /// Whether every scope of `other` is in this set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        self.0 == other.0 || other.iter().all(|scope| self.contains(scope))
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if other.contains_all(self) {
            return self.clone();
        }
        Self::of(self.iter().filter(|scope| other.contains(scope)))
    }

    /// This set without `scope`.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        if self.contains(scope) { Self::of(self.iter().filter(|mine| *mine != scope)) } else { self.clone() }
    }

    /// The scopes that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(self.iter().chain(other.iter()))
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeSet({})", self.0)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One scope of the catalogue and what the consent page says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeEntry {
    /// The name on the wire.
    pub name: String,
    /// What it allows, in words that a user of the app understands.
    pub description: String,
    /// Whether only clients of the app's own people may have it.
    pub reserved: bool,
}

/// All scopes that the app knows, in the order in which people should read them.
#[derive(Debug, Clone, Default)]
pub struct ScopeCatalogue {
    entries: Vec<ScopeEntry>,
    /// Kept, because every exchange asks for them.
    names: ScopeSet,
    unreserved: ScopeSet,
}

impl ScopeCatalogue {
    /// Adds a scope; a later entry of the same name replaces the earlier one.
    ///
    /// # Errors
    /// If its name is not exactly one scope by RFC 6749 §3.3.
    pub fn add(&mut self, entry: ScopeEntry) -> Result<(), InvalidScope> {
        let name = entry.name.as_str();
        if ScopeSet::parse(name)?.as_str() != name || name.contains(' ') || name.is_empty() {
            return Err(InvalidScope);
        }
        match self.entries.iter_mut().find(|known| known.name == entry.name) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        self.names = ScopeSet::of(self.entries.iter().map(|entry| entry.name.as_str()));
        let unreserved = self.entries.iter().filter(|entry| !entry.reserved);
        self.unreserved = ScopeSet::of(unreserved.map(|entry| entry.name.as_str()));
        Ok(())
    }

    /// The scopes in the order in which they were added.
    #[must_use]
    pub fn entries(&self) -> &[ScopeEntry] {
        &self.entries
    }

    /// The names of all scopes.
    #[must_use]
    pub fn names(&self) -> ScopeSet {
        self.names.clone()
    }

    /// The names of the scopes that a client that registered itself may have.
    #[must_use]
    pub fn unreserved(&self) -> ScopeSet {
        self.unreserved.clone()
    }

    /// The entries of `scopes`, in the order of the catalogue.
    pub fn describe<'a>(&'a self, scopes: &'a ScopeSet) -> impl Iterator<Item = &'a ScopeEntry> {
        self.entries.iter().filter(|entry| scopes.contains(&entry.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    #[test]
    fn a_set_is_sorted_and_without_repetition() {
        assert_eq!(set("write  read write ").as_str(), "read write");
        assert_eq!(set("write read"), set("read write"));
        assert_eq!(set("").iter().count(), 0);
    }

    #[test]
    fn characters_outside_the_rfc_are_refused() {
        for bad in ["a\"b", "a\\b", "a\tb", "é", "a\u{7f}", "a\nb"] {
            assert_eq!(ScopeSet::parse(bad), Err(InvalidScope), "{bad:?}");
        }
        assert!(ScopeSet::parse("!#[]~ projects:read https://h/x").is_ok());
    }

    #[test]
    fn sets_are_compared_by_whole_scopes() {
        assert!(!set("projects:read").contains("projects"));
        assert!(set("a b c").contains_all(&set("c a")));
        assert!(!set("a b").contains_all(&set("a c")));
        assert_eq!(set("a b c").intersection(&set("d c a")), set("a c"));
        assert_eq!(set("a").union(&set("b a")), set("a b"));
        assert_eq!(set("a").intersection(&set("b")), ScopeSet::empty());
    }

    #[test]
    fn the_catalogue_keeps_its_own_order() {
        let entry = |name: &str, description: &str, reserved| ScopeEntry {
            name: name.to_owned(),
            description: description.to_owned(),
            reserved,
        };
        let mut catalogue = ScopeCatalogue::default();
        catalogue.add(entry("z", "last letter", false)).unwrap();
        catalogue.add(entry("a", "first letter", true)).unwrap();
        catalogue.add(entry("z", "the end", false)).unwrap();
        let described: Vec<_> = catalogue.entries().iter().map(|e| e.description.as_str()).collect();
        assert_eq!(described, ["the end", "first letter"]);
        assert_eq!((catalogue.names(), catalogue.unreserved()), (set("a z"), set("z")));
        for bad in ["", "a b", " a", "a\"", "ü"] {
            assert!(catalogue.add(entry(bad, "", false)).is_err(), "{bad:?}");
        }
    }
}
