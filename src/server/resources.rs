//! Resources and scopes as they are configured.

use std::time::Duration;

use super::InvalidConfiguration;
use crate::protocol::catalogue::ScopeCatalogue;
use crate::protocol::issuer::Issuer;
use crate::protocol::registration::is_web_page;
use crate::protocol::resource::{Resource as KnownResource, ResourceRegistry, ResourceUri};
use crate::protocol::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::protocol::scope_change::Scope;
use crate::protocol::scope_records::ScopeRecord;

/// A resource: an API or MCP endpoint of the app that tokens are for.
#[derive(Debug, Clone)]
pub struct Resource {
    url: String,
    name: Option<String>,
    scopes: Option<String>,
    documentation: Option<String>,
    access_token: Option<Duration>,
    is_origin: bool,
}

impl Resource {
    /// The resource at that URL, or at that path on the issuer's origin.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            name: None,
            scopes: None,
            documentation: None,
            access_token: None,
            is_origin: false,
        }
    }

    /// What the consent page calls it; the app's name otherwise.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The scopes that mean something there, separated by spaces; otherwise all that there are, those that are added
    /// at run time included.
    #[must_use]
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.scopes = Some(scopes.to_owned());
        self
    }

    /// Where developers read about it, an `https` URL: `resource_documentation` of its metadata (RFC 9728 §2).
    #[must_use]
    pub fn documentation(mut self, url: &str) -> Self {
        self.documentation = Some(url.to_owned());
        self
    }

    /// Access tokens for it live no longer than that, whatever [`Lifetimes`](crate::Lifetimes) and the client's own
    /// say. Those that were issued keep their end.
    #[must_use]
    pub const fn access_token_lifetime(mut self, most: Duration) -> Self {
        self.access_token = Some(most);
        self
    }

    /// A client that asks for the issuer's origin means this resource, as ChatGPT does. Its tokens are for the
    /// resource by its own name.
    #[must_use]
    pub const fn also_for_origin(mut self) -> Self {
        self.is_origin = true;
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

pub(super) fn catalogue(scopes: Vec<Scope>) -> Result<ScopeCatalogue, InvalidConfiguration> {
    if scopes.is_empty() {
        return Err(InvalidConfiguration::NoScope);
    }
    let mut records: Vec<ScopeRecord> = Vec::new();
    for scope in scopes {
        let name = scope.name().to_owned();
        let record = scope.declared().map_err(|_| InvalidConfiguration::Scope(name))?;
        match records.iter_mut().find(|known| known.name == record.name) {
            Some(known) => *known = record,
            None => records.push(record),
        }
    }
    if records.iter().all(|record| record.name != OFFLINE_ACCESS) {
        let stay = Scope::new(OFFLINE_ACCESS, "Stay connected until you take the access back");
        records.extend(stay.declared());
    }
    let is_known = |name: &String| records.iter().any(|record| record.name == *name);
    if let Some(unknown) = records.iter().flat_map(|record| &record.implies).find(|name| !is_known(name)) {
        return Err(InvalidConfiguration::UnknownScope(unknown.clone()));
    }
    let catalogue = ScopeCatalogue::new(records);
    match catalogue.cycle().map(str::to_owned) {
        Some(scope) => Err(InvalidConfiguration::ScopeCycle(scope)),
        None => Ok(catalogue),
    }
}

pub(super) fn known_scopes(text: &str, catalogue: &ScopeCatalogue) -> Result<ScopeSet, InvalidConfiguration> {
    let scopes = ScopeSet::parse(text).map_err(|_| InvalidConfiguration::Scope(text.to_owned()))?;
    let unknown = scopes.iter().find(|scope| catalogue.named(scope).is_none()).map(str::to_owned);
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
    for Resource { url, name, scopes, documentation, access_token, is_origin } in resources {
        let uri = parse(&url)?;
        // RFC 6750 §5.3: bearer tokens travel over TLS. A loopback origin is an issuer's as well.
        if Issuer::parse(uri.origin()).is_err() {
            return Err(InvalidConfiguration::InsecureResource(url));
        }
        let listed = scopes.map(|text| known_scopes(&text, catalogue)).transpose()?;
        if documentation.as_ref().is_some_and(|link| !is_web_page(link)) {
            return Err(InvalidConfiguration::Documentation(url));
        }
        let known = KnownResource { documentation, access_token, ..KnownResource::new(uri, name, listed, catalogue) };
        if !registry.add(known) || (is_origin && !registry.alias_last(parse("/")?)) {
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
