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
/// Kept as one text, so that a set costs one allocation and a clone none. What clients send and are sent are names.
/// What is stored are the [ids](super::scope_records::ScopeRecord::id) of scopes, with `\implied` behind those that
/// nobody asked for and that came with another one. An id is nearly always the name itself; where it is not, it has
/// a backslash, which no client can send (RFC 6749 §3.3).
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct ScopeSet(Arc<str>);

impl ScopeSet {
    /// The set of the scopes in `text`, which are separated by spaces.
    ///
    /// # Errors
    /// If a character is not allowed in a scope (RFC 6749 §3.3: `%x21 / %x23-5B / %x5D-7E`).
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if !is_name(text.bytes().filter(|byte| *byte != b' ')) {
            return Err(InvalidScope);
        }
        Ok(Self::of(text.split(' ').filter(|scope| !scope.is_empty())))
    }

    /// The set that a store kept as text: the ids of scopes. Never for what a client sent.
    ///
    /// # Errors
    /// If something in it is no id of a scope.
    pub fn from_stored(text: &str) -> Result<Self, InvalidScope> {
        let ids = || text.split(' ').filter(|id| !id.is_empty());
        if ids().all(is_stored) { Ok(Self::of(ids())) } else { Err(InvalidScope) }
    }

    /// Whether both are one and the same text. Two that are not may still be equal.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The set of texts that are known to be scopes.
    pub(super) fn of<'a>(scopes: impl Iterator<Item = &'a str>) -> Self {
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
        self.entries().filter(|scope| !scope.is_empty())
    }

    /// The same, and one that is empty if there is none.
    fn entries(&self) -> impl Iterator<Item = &str> {
        let ends = memchr::memchr_iter(b' ', self.0.as_bytes()).chain([self.0.len()]);
        let mut start = 0;
        ends.map(move |end| &self.0[std::mem::replace(&mut start, end + 1)..end])
    }

    /// Whether there is no scope in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        !scope.is_empty() && self.entries().any(|mine| mine == scope)
    }

    /// Whether every scope of `other` is in this set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.as_str(), other.as_str());
        // Most are the same, nothing, or a beginning or an end of the other.
        let begins = || mine.strip_prefix(theirs).is_some_and(|rest| rest.starts_with(' '));
        let ends = || mine.strip_suffix(theirs).is_some_and(|rest| rest.ends_with(' '));
        if mine == theirs || theirs.is_empty() || begins() || ends() {
            return true;
        }
        // Both are sorted: one walk through the two is enough.
        let mut mine = self.entries();
        other.entries().all(|scope| mine.by_ref().find(|mine| *mine >= scope) == Some(scope))
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if other.contains_all(self) {
            return self.clone();
        }
        Self::of(self.iter().filter(|scope| other.contains(scope)))
    }

    /// The part of this set that is about scopes of `ids`, whether they were asked for or came with others.
    #[must_use]
    pub fn within(&self, ids: &Self) -> Self {
        if ids.contains_all(self) {
            return self.clone();
        }
        Self::of(self.iter().filter(|mine| ids.contains(id(mine))))
    }

    /// The ids of this set, whether they were asked for or came with others.
    #[must_use]
    pub fn ids(&self) -> Self {
        if self.iter().any(is_implied) { Self::of(self.iter().map(id)) } else { self.clone() }
    }

    /// Whether a scope is in this set, asked for or come with others.
    #[must_use]
    pub fn mentions(&self, scope: &str) -> bool {
        self.iter().any(|mine| id(mine) == scope)
    }

    /// This set without `scope`.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        if self.contains(scope) { Self::of(self.iter().filter(|mine| *mine != scope)) } else { self.clone() }
    }

    /// The scopes that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.contains_all(other) {
            return self.clone();
        }
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
        Self::from_stored(&text).map_err(serde::de::Error::custom)
    }
}

/// What follows an id in what was granted if nobody asked for it but for another scope that has it in it.
const IMPLIED: &str = "\\implied";

/// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
fn is_name(mut bytes: impl Iterator<Item = u8>) -> bool {
    bytes.all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Whether a text is a name, or a name and what tells it from an earlier scope of that name.
pub(super) fn is_id(text: &str) -> bool {
    let (name, number) = text.split_once('\\').map_or((text, None), |(name, number)| (name, Some(number)));
    let is_number = |text: &str| text.len() < 10 && text.starts_with(|first| matches!(first, '1'..='9'));
    !name.is_empty()
        && is_name(name.bytes())
        && number.is_none_or(|text| is_number(text) && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_stored(text: &str) -> bool {
    is_id(id(text))
}

/// The id in an entry of what was granted.
pub(super) fn id(entry: &str) -> &str {
    entry.strip_suffix(IMPLIED).unwrap_or(entry)
}

/// Whether an entry of what was granted is there because another scope has it in it.
pub(super) fn is_implied(entry: &str) -> bool {
    entry.ends_with(IMPLIED)
}

/// The entry for a scope that comes with another one.
pub(super) fn implied(id: &str) -> String {
    format!("{id}{IMPLIED}")
}

/// The id of the scope that is the `number`th of its name.
pub(super) fn numbered(name: &str, number: usize) -> String {
    if number < 2 { name.to_owned() } else { format!("{name}\\{number}") }
}

/// One scope, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeEntry {
    /// Its name on the wire.
    pub name: String,
    /// What it allows, in words that a user of the app understands.
    pub description: String,
    /// Whether only clients of the app's own people may have it.
    pub reserved: bool,
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
    fn what_is_stored_has_ids_that_no_client_can_send() {
        let stored = ScopeSet::from_stored(r"write\2 read\implied a\10\implied admin").unwrap();
        assert_eq!(stored.as_str(), r"a\10\implied admin read\implied write\2");
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<ScopeSet>(&json).unwrap(), stored);
        for id in stored.iter().filter(|id| id.contains('\\')) {
            assert_eq!(ScopeSet::parse(id), Err(InvalidScope), "{id}");
        }
        for bad in
            [r"a\", r"\2", r"a\x", r"a\0", r"a\02", r"a\2\3", r"\implied", r"a\implied\2", "a\"", r"a\1234567890"]
        {
            assert_eq!(ScopeSet::from_stored(bad), Err(InvalidScope), "{bad}");
            assert!(serde_json::from_value::<ScopeSet>(bad.into()).is_err(), "{bad}");
        }
        assert!(
            stored.mentions("read")
                && stored.mentions(r"a\10")
                && !stored.mentions("write")
                && !stored.contains("read")
        );
        assert_eq!(stored.within(&set("read admin x")).as_str(), r"admin read\implied");
    }

    #[test]
    fn an_id_is_a_name_or_a_name_with_a_number() {
        for id in ["read", r"read\1", r"read\999999999"] {
            assert!(is_id(id), "{id}");
        }
        for other in ["", r"\1", r"read\", r"read\0", r"read\01", r"read\1234567890", r"read\1x", r"read\x", r"re ad\1"]
        {
            assert!(!is_id(other), "{other}");
        }
    }
}
