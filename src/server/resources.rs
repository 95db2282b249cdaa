//! Resources and scopes as they are configured.

use super::InvalidConfiguration;
use crate::protocol::issuer::Issuer;
use crate::protocol::resource::{Resource as KnownResource, ResourceRegistry, ResourceUri};
use crate::protocol::scope::{OFFLINE_ACCESS, ScopeCatalogue, ScopeEntry, ScopeSet};

/// A resource: an API or MCP endpoint of the app that tokens are for.
#[derive(Debug, Clone)]
pub struct Resource {
    url: String,
    name: Option<String>,
    scopes: Option<String>,
}

impl Resource {
    /// The resource at that URL, or at that path on the issuer's origin.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), name: None, scopes: None }
    }

    /// What the consent page calls it; the app's name otherwise.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The scopes that mean something there, separated by spaces; all of them otherwise.
    #[must_use]
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.scopes = Some(scopes.to_owned());
        self
    }
}

impl From<&str> for Resource {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for Resource {
    fn from(url: String) -> Self {
        Self::new(&url)
    }
}

impl From<&String> for Resource {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}

pub(super) fn catalogue(entries: Vec<ScopeEntry>) -> Result<ScopeCatalogue, InvalidConfiguration> {
    if entries.is_empty() {
        return Err(InvalidConfiguration::NoScope);
    }
    let mut catalogue = ScopeCatalogue::default();
    for entry in entries {
        let name = entry.name.clone();
        catalogue.add(entry).map_err(|_| InvalidConfiguration::Scope(name))?;
    }
    if !catalogue.names().contains(OFFLINE_ACCESS) {
        let description = "Stay connected until you take the access back".to_owned();
        let entry = ScopeEntry { name: OFFLINE_ACCESS.to_owned(), description, reserved: false };
        catalogue.add(entry).map_err(|_| InvalidConfiguration::Scope(OFFLINE_ACCESS.to_owned()))?;
    }
    Ok(catalogue)
}

pub(super) fn known_scopes(text: &str, catalogue: &ScopeCatalogue) -> Result<ScopeSet, InvalidConfiguration> {
    let scopes = ScopeSet::parse(text).map_err(|_| InvalidConfiguration::Scope(text.to_owned()))?;
    let all = catalogue.names();
    let unknown = scopes.iter().find(|scope| !all.contains(scope)).map(str::to_owned);
    unknown.map_or(Ok(scopes), |scope| Err(InvalidConfiguration::UnknownScope(scope)))
}

pub(super) fn registry(
    resources: Vec<Resource>,
    default: Option<&str>,
    catalogue: &ScopeCatalogue,
    issuer: &Issuer,
) -> Result<ResourceRegistry, InvalidConfiguration> {
    let parse = |url: &str| {
        ResourceUri::parse(&issuer.absolute(url)).map_err(|error| InvalidConfiguration::Resource(url.to_owned(), error))
    };
    let mut registry = ResourceRegistry::default();
    for Resource { url, name, scopes } in resources {
        let uri = parse(&url)?;
        // RFC 6750 §5.3: bearer tokens travel over TLS. A loopback origin is an issuer's as well.
        if Issuer::parse(uri.origin()).is_err() {
            return Err(InvalidConfiguration::InsecureResource(url));
        }
        let scopes = scopes.map_or_else(|| Ok(catalogue.names()), |text| known_scopes(&text, catalogue))?;
        let scopes = scopes.without(OFFLINE_ACCESS);
        if !registry.add(KnownResource { uri, name, scopes }) {
            return Err(InvalidConfiguration::RepeatedResource(url));
        }
    }
    if registry.default_resource().is_none() {
        return Err(InvalidConfiguration::NoResource);
    }
    if let Some(url) = default
        && !registry.set_default(&parse(url)?)
    {
        return Err(InvalidConfiguration::UnknownResource(url.to_owned()));
    }
    Ok(registry)
}
