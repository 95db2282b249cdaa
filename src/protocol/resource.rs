//! Resources: what tokens are for (RFC 8707).

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text cannot name a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResource {
    /// Not an absolute `http` or `https` URL with a host.
    #[error("a resource is named by an absolute http or https URL")]
    NotAbsolute,
    /// A fragment (RFC 8707 §2).
    #[error("the URL of a resource has no fragment")]
    Fragment,
    /// A user name or password.
    #[error("the URL of a resource has no user name")]
    UserInfo,
}

/// The URL of a resource in its canonical form: scheme and host in lower case, without default port,
/// dot segments and trailing slashes. Two spellings of one resource are equal; a prefix of another
/// resource's path is not that resource (attack 23).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ResourceUri(Arc<str>);

impl ResourceUri {
    /// Reads the URL of a resource.
    ///
    /// # Errors
    /// See [`InvalidResource`].
    pub fn parse(text: &str) -> Result<Self, InvalidResource> {
        let url = url::Url::parse(text).map_err(|_| InvalidResource::NotAbsolute)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || text.len() > 2048 {
            return Err(InvalidResource::NotAbsolute);
        }
        // RFC 8707 §2: "The URI MUST NOT include a fragment component."
        if url.fragment().is_some() {
            return Err(InvalidResource::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidResource::UserInfo);
        }
        let text = url.as_str();
        let canonical = if url.query().is_none() { text.trim_end_matches('/') } else { text };
        Ok(Self(canonical.into()))
    }

    /// The canonical URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `scheme://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0[..self.path_start()]
    }

    /// The path, from its first slash; empty for the root of an origin.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = &self.0[self.path_start()..];
        &path[..path.find('?').unwrap_or(path.len())]
    }

    /// Where the metadata of this resource is found.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        // RFC 9728 §3.1: the well-known string goes between the host and the path and query.
        let (origin, rest) = self.0.split_at(self.path_start());
        format!("{origin}/.well-known/oauth-protected-resource{rest}")
    }

    fn path_start(&self) -> usize {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        self.0[authority..].find(['/', '?']).map_or(self.0.len(), |at| authority + at)
    }
}

impl Borrow<str> for ResourceUri {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceUri({})", self.0)
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ResourceUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What grants, tokens, consents and clients have of a resource: never used for another one, also not for one that is
/// added at the same URL after this was retired.
///
/// The first resource at a URL has the URL as its id, and the next ones a number behind it
/// (`https://app.example/mcp#2`). No client can send that, because the URL of a resource has no fragment
/// (RFC 8707 §2). It has no `Display`: people and clients are told the [URL](Self::uri).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// The id of the resource at that URL that is the `number`th; 1 is the first.
    #[must_use]
    pub fn numbered(uri: &ResourceUri, number: u32) -> Self {
        if number <= 1 { Self(Arc::clone(&uri.0)) } else { Self(format!("{uri}#{number}").into()) }
    }

    /// Reads an id as a store has it.
    ///
    /// # Errors
    /// See [`InvalidResource`].
    pub fn parse(text: &str) -> Result<Self, InvalidResource> {
        let Some((url, number)) = text.split_once('#') else { return ResourceUri::parse(text).map(Self::from) };
        let digits = number.parse().ok().filter(|known: &u32| *known > 1 && known.to_string() == number);
        Ok(Self::numbered(&ResourceUri::parse(url)?, digits.ok_or(InvalidResource::Fragment)?))
    }

    /// An id that was parsed before, as a store reads it back.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn from_canonical(text: &str) -> Self {
        Self(text.into())
    }

    /// The id, as stores keep it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of the resource.
    #[must_use]
    pub fn url(&self) -> &str {
        self.parts().0
    }

    /// The same as a value of its own.
    #[must_use]
    pub fn uri(&self) -> ResourceUri {
        match self.parts() {
            (_, None) => ResourceUri(Arc::clone(&self.0)),
            (url, Some(_)) => ResourceUri(url.into()),
        }
    }

    /// Which one of its URL it is; 1 is the first.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.parts().1.map_or(1, |number| number.parse().unwrap_or(u32::MAX))
    }

    fn parts(&self) -> (&str, Option<&str>) {
        self.0.split_once('#').map_or((&self.0, None), |(url, number)| (url, Some(number)))
    }
}

impl From<ResourceUri> for ResourceId {
    /// The id of the first resource at that URL.
    fn from(uri: ResourceUri) -> Self {
        Self(uri.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceId({})", self.0)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> ResourceUri {
        ResourceUri::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_resource_are_equal() {
        for (one, other) in [
            ("https://h.example/mcp", "HTTPS://H.example:443/mcp"),
            ("https://h.example/mcp", "https://h.example/mcp/"),
            ("https://h.example", "https://h.example/"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/"),
        ] {
            assert_eq!(uri(one), uri(other));
        }
    }

    #[test]
    fn attack_23_a_prefix_is_another_resource() {
        for (one, other) in [
            ("https://h.example/mcp", "https://h.example/mcp-other"),
            ("https://h.example/mcp", "https://h.example/mcp/x"),
            ("https://h.example", "https://h.example/mcp"),
            ("https://h.example", "https://h.example:444"),
            ("https://h.example/mcp", "http://h.example/mcp"),
            ("https://h.example/mcp", "https://h.example/MCP"),
            ("https://h.example/mcp", "https://h.example/mcp?x=1"),
            ("https://h.example", "https://h.example.evil"),
        ] {
            assert_ne!(uri(one), uri(other));
        }
    }

    #[test]
    fn what_is_not_a_resource_is_refused() {
        for (text, reason) in [
            ("", InvalidResource::NotAbsolute),
            ("/mcp", InvalidResource::NotAbsolute),
            ("urn:x", InvalidResource::NotAbsolute),
            ("ftp://h/", InvalidResource::NotAbsolute),
            ("https://h/mcp#f", InvalidResource::Fragment),
            ("https://u@h/mcp", InvalidResource::UserInfo),
            ("https://:p@h/mcp", InvalidResource::UserInfo),
        ] {
            assert_eq!(ResourceUri::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn the_metadata_url_has_the_well_known_part_before_the_path() {
        assert_eq!(
            uri("https://h.example:8443/a/mcp").metadata_url(),
            "https://h.example:8443/.well-known/oauth-protected-resource/a/mcp"
        );
        assert_eq!(uri("https://h.example").metadata_url(), "https://h.example/.well-known/oauth-protected-resource");
        assert_eq!(
            uri("https://h.example/x?y=1").metadata_url(),
            "https://h.example/.well-known/oauth-protected-resource/x?y=1"
        );
        assert_eq!((uri("https://h.example/x?y=1").path(), uri("https://h.example").path()), ("/x", ""));
        assert_eq!(uri("https://h.example:8443/a").origin(), "https://h.example:8443");
    }

    #[test]
    fn the_id_of_a_later_resource_is_no_url_of_one() {
        let api = uri("https://h.example/api?a=b");
        for (number, text) in [(0, "https://h.example/api?a=b"), (1, "https://h.example/api?a=b")] {
            assert_eq!(ResourceId::numbered(&api, number).as_str(), text);
        }
        for number in [2, 10, u32::MAX] {
            let id = ResourceId::numbered(&api, number);
            assert_eq!(ResourceUri::parse(id.as_str()), Err(InvalidResource::Fragment));
            assert_eq!(ResourceId::parse(id.as_str()).as_ref(), Ok(&id));
            assert_eq!((id.uri(), id.url(), id.number()), (api.clone(), api.as_str(), number));
        }
        let first = ResourceId::from(api.clone());
        assert_eq!((first.uri(), first.number()), (api, 1));
        for text in
            ["", "x", "https://h/#", "https://h#1", "https://h#0", "https://h#02", "https://h#+2", "https://h#2#2"]
        {
            assert!(ResourceId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_resource_may_have_a_short_host_and_a_long_url() {
        let short = uri("https://h/a");
        assert_eq!((short.origin(), short.path()), ("https://h", "/a"));
        let long = |length: usize| ResourceUri::parse(&format!("https://h.example/{:a<1$}", "", length - 18));
        assert_eq!(long(2048).map(|uri| uri.as_str().len()), Ok(2048));
        assert_eq!(long(2049), Err(InvalidResource::NotAbsolute));
    }
}
