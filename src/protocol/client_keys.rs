//! The keys by which a client proves who it is (RFC 7591 §2): in its metadata (`jwks`) or at a place of its own
//! (`jwks_uri`), and what is read there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::document_caching::{DocumentRecord, freshness};
use super::document_url::{InvalidDocumentUrl, Place};
use super::error::{DocumentReason, RegistrationReason};
use super::json::Unambiguous;
use super::jwk::KeySet;
use super::metadata_document::Answered;
use super::time::Timestamp;

/// Longer URLs are no honest ones.
const MAX_URL_BYTES: usize = 2048;
/// For how long keys are used beyond their time while their site fails: one that was stolen and taken away there must
/// not stay good because the site cannot be reached.
const KEPT_FOR: Duration = Duration::from_hours(24);
/// Keys are not read again sooner because a signature is by none of them.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// The keys by which a client proves who it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientKeys {
    /// Where its public keys are.
    #[serde(flatten)]
    pub place: KeyPlace,
    /// Whether its assertions may also be addressed to the token endpoint, and not to the issuer alone.
    pub token_endpoint_audience: bool,
    /// Whether the client may come without a proof as well, as one that named both `none` and `private_key_jwt`: what
    /// it got by a proof it refreshes by a proof alone.
    #[serde(default)]
    pub optional: bool,
}

/// Where a client has its public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// Here. While it rotates them, old and new ones are beside each other.
    Set(KeySet),
    /// At a URL of its own, where they are fetched when they are needed.
    Url(KeysUrl),
}

/// A `jwks_uri`: an `https` URL with a public host name.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct KeysUrl(Arc<str>);

impl KeysUrl {
    /// Reads a URL by the rules for that of a metadata document.
    ///
    /// # Errors
    /// See [`InvalidDocumentUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidDocumentUrl> {
        if text.len() > MAX_URL_BYTES {
            return Err(InvalidDocumentUrl::NotNormal);
        }
        Place::of(text).map(|_| Self(text.into()))
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host and its origin.
    #[must_use]
    pub fn host_and_origin(&self) -> Option<(String, String)> {
        Place::of(&self.0).ok().map(|Place { host, origin }| (host, origin))
    }
}

impl fmt::Debug for KeysUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeysUrl({})", self.0)
    }
}

impl fmt::Display for KeysUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeysUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl ClientKeys {
    /// The keys, if they are here or were `fetched`.
    #[must_use]
    pub fn set<'a>(&'a self, fetched: Option<&'a KeySet>) -> Option<&'a KeySet> {
        match &self.place {
            KeyPlace::Set(set) => Some(set),
            KeyPlace::Url(_) => fetched,
        }
    }
}

/// Where metadata say that the keys of their client are. What it does not authenticate by is not looked at.
pub(super) enum SentKeys {
    Nowhere,
    Elsewhere(String),
    Here(Unambiguous),
}

impl SentKeys {
    pub(super) fn read(here: Option<Unambiguous>, elsewhere: Option<String>) -> Result<Self, RegistrationReason> {
        match (here, elsewhere.filter(|url| !url.is_empty())) {
            // RFC 7591 §2: they "MUST NOT both be present in the same request or response"
            (Some(_), Some(_)) => Err(RegistrationReason::KeysTwice),
            (Some(keys), None) => Ok(Self::Here(keys)),
            (None, Some(url)) => Ok(Self::Elsewhere(url)),
            (None, None) => Ok(Self::Nowhere),
        }
    }

    /// Whether there are any that could be used, by a server that fetches keys or does not.
    pub(super) const fn are_anywhere(&self, fetches_keys: bool) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Elsewhere(_) => fetches_keys,
            Self::Here(_) => true,
        }
    }

    pub(super) fn place(&self, fetches_keys: bool) -> Result<KeyPlace, RegistrationReason> {
        match self {
            Self::Nowhere => Err(RegistrationReason::KeysMissing),
            Self::Elsewhere(_) if !fetches_keys => Err(RegistrationReason::KeysElsewhere),
            Self::Elsewhere(url) => Ok(KeyPlace::Url(KeysUrl::parse(url)?)),
            Self::Here(Unambiguous(keys)) => Ok(KeyPlace::Set(KeySet::from_value(keys)?)),
        }
    }
}

/// Keys as they were last read at their place.
#[derive(Debug, Clone)]
pub struct FetchedKeys {
    set: KeySet,
    record: DocumentRecord,
}

impl FetchedKeys {
    /// Reads what the site of a key set answered at `now`, by the rules for keys in metadata.
    ///
    /// # Errors
    /// See [`DocumentReason`].
    pub fn read(answered: &Answered<'_>, now: Timestamp) -> Result<Self, DocumentReason> {
        answered.check()?;
        let Unambiguous(value) = serde_json::from_slice(answered.body)
            .map_err(|_| DocumentReason::Metadata(RegistrationReason::NotMetadata))?;
        let set = KeySet::from_value(&value).map_err(RegistrationReason::Keys)?;
        let fresh_until = now.after(freshness(answered.cache_control, answered.age));
        Ok(Self { set, record: DocumentRecord { fetched_at: now, fresh_until } })
    }

    /// The keys.
    #[must_use]
    pub const fn set(&self) -> &KeySet {
        &self.set
    }

    /// When they were read.
    #[must_use]
    pub const fn fetched_at(&self) -> Timestamp {
        self.record.fetched_at
    }

    /// Whether they may be used as they are.
    #[must_use]
    pub fn are_fresh(&self, now: Timestamp) -> bool {
        self.record.is_fresh(now)
    }

    /// Whether they may still be used if their site fails.
    #[must_use]
    pub fn are_good_without_site(&self, now: Timestamp) -> bool {
        self.record.is_good_without_site(KEPT_FOR, now)
    }
}

/// Whether keys that were last asked for at `asked_at` may be asked for again because a signature is by none of
/// them: their client may have taken new ones since.
#[must_use]
pub fn may_ask_again(asked_at: Timestamp, now: Timestamp) -> bool {
    // A clock that was set back does not keep anybody from it.
    now < asked_at || now.since(asked_at) >= AGAIN_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_url_of_keys_has_at_most_2048_bytes_and_is_kept_as_it_is() {
        let of = |length: usize| format!("https://keys.example/{}", "k".repeat(length - 21));
        let url = KeysUrl::parse(&of(2048)).unwrap();
        assert_eq!(url.as_str(), of(2048));
        assert_eq!(url.host_and_origin(), Some(("keys.example".to_owned(), "https://keys.example".to_owned())));
        assert_eq!(KeysUrl::parse(&of(2049)), Err(InvalidDocumentUrl::NotNormal));
    }

    #[test]
    fn keys_are_asked_for_again_after_a_minute_or_if_the_clock_was_set_back() {
        let asked_at = NOW.after(Duration::from_mins(1));
        for (now, may) in [(0, true), (59_999, true), (60_000, false), (119_999, false), (120_000, true)] {
            assert_eq!(may_ask_again(asked_at, NOW.after(Duration::from_millis(now))), may, "{now}");
        }
    }

    #[test]
    fn fetched_keys_are_good_for_their_time_and_a_day_more_if_their_site_fails() {
        let body = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
        let answered = Answered {
            status: 200,
            content_type: Some("application/json"),
            cache_control: Some("max-age=600"),
            age: None,
            body,
        };
        let keys = FetchedKeys::read(&answered, NOW).unwrap();
        let at = |secs| NOW.after(Duration::from_secs(secs));
        assert_eq!([keys.are_fresh(at(0)), keys.are_fresh(at(599)), keys.are_fresh(at(600))], [true, true, false]);
        let day = 24 * 60 * 60;
        assert!(keys.are_good_without_site(at(600 + day - 1)) && !keys.are_good_without_site(at(600 + day)));
    }
}
