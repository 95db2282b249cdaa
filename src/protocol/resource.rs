//! Resources: what tokens are for (RFC 8707).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::catalogue::ScopeCatalogue;
use super::scope::ScopeSet;

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
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
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

    /// A canonical URL that was parsed before, as a store reads it back.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn from_canonical(text: &str) -> Self {
        Self(text.into())
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
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A resource of the app: an API or an MCP endpoint that tokens are for.
#[derive(Debug, Clone)]
pub struct Resource {
    /// What clients send as `resource` and what tokens are bound to.
    pub uri: ResourceUri,
    /// What the consent page calls it; the app's name if there is none.
    pub name: Option<String>,
    /// The names of the scopes that mean something here; `None` for all that there are.
    pub listed: Option<ScopeSet>,
    /// The ids of those scopes. `offline_access` is about the connection and belongs to no resource.
    pub scopes: ScopeSet,
    /// Where developers read about it.
    pub documentation: Option<String>,
    /// How long access tokens for it live at most.
    pub access_token: Option<Duration>,
}

impl Resource {
    /// A resource with the scopes that are `listed` by name, or with all.
    #[must_use]
    pub fn new(uri: ResourceUri, name: Option<String>, listed: Option<ScopeSet>, catalogue: &ScopeCatalogue) -> Self {
        let scopes = catalogue.of_resource(listed.as_ref());
        Self { uri, name, listed, scopes, documentation: None, access_token: None }
    }
}

/// All resources of the app. The first is the default for requests that name none.
#[derive(Debug, Clone, Default)]
pub struct ResourceRegistry {
    resources: Vec<Resource>,
    default: usize,
    /// The root of an origin, and the resource that it is another name of.
    alias: Option<(ResourceUri, usize)>,
}

impl ResourceRegistry {
    /// Adds a resource; `false` if its URL is registered already.
    pub fn add(&mut self, resource: Resource) -> bool {
        let is_new = self.get(&resource.uri).is_none();
        if is_new {
            self.resources.push(resource);
        }
        is_new
    }

    /// The same resources with the scopes of another catalogue.
    #[must_use]
    pub fn with_scopes(&self, catalogue: &ScopeCatalogue) -> Self {
        let again =
            |known: &Resource| Resource { scopes: catalogue.of_resource(known.listed.as_ref()), ..known.clone() };
        Self { resources: self.resources.iter().map(again).collect(), ..self.clone() }
    }

    /// Makes a registered resource the default; `false` if it is not registered.
    pub fn set_default(&mut self, uri: &ResourceUri) -> bool {
        let found = self.resources.iter().position(|known| known.uri == *uri);
        self.default = found.unwrap_or(self.default);
        found.is_some()
    }

    /// The resource that a request without `resource` means.
    #[must_use]
    pub fn default_resource(&self) -> Option<&Resource> {
        self.resources.get(self.default)
    }

    /// Makes the root of an origin another name of the resource that was added last; `false` if it has a meaning
    /// already.
    pub fn alias_last(&mut self, root: ResourceUri) -> bool {
        let is_free = self.get(&root).is_none();
        if is_free {
            self.alias = self.resources.len().checked_sub(1).map(|last| (root, last));
        }
        is_free
    }

    /// The resource of that URL, or of which that URL is another name.
    #[must_use]
    pub fn get(&self, uri: &ResourceUri) -> Option<&Resource> {
        let by_alias = || {
            let (_, at) = self.alias.as_ref().filter(|(root, _)| root == uri)?;
            self.resources.get(*at)
        };
        self.resources.iter().find(|known| known.uri == *uri).or_else(by_alias)
    }

    /// All resources in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter()
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
    fn the_first_resource_is_the_default_until_another_is_named() {
        let mut registry = ResourceRegistry::default();
        assert!(registry.default_resource().is_none());
        let resource = |text| Resource::new(uri(text), None, None, &ScopeCatalogue::default());
        for text in ["https://h/api", "https://h/mcp"] {
            assert!(registry.add(resource(text)));
        }
        assert!(!registry.add(resource("https://h/api/")), "one entry a resource");
        assert_eq!(registry.default_resource().unwrap().uri, uri("https://h/api"));
        assert!(registry.set_default(&uri("https://h/mcp")) && !registry.set_default(&uri("https://h/x")));
        assert_eq!(registry.default_resource().unwrap().uri, uri("https://h/mcp"));
        assert!(registry.get(&uri("https://h/mcp2")).is_none());
    }
}
