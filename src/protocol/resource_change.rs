//! New resources, and what the app's own people change of resources.

use std::time::Duration;

use super::catalogue::ScopeCatalogue;
use super::issuer::Issuer;
use super::policy::Policy;
use super::policy_records::{PolicyRecords, ResourceRecord};
use super::registration::is_web_page;
use super::resource::{InvalidResource, ResourceId, ResourceUri};
use super::scope::ScopeSet;

/// A resource: an API or MCP endpoint of the app that tokens are for, as the app's own people describe it: in the
/// code, for [`Builder::resource`](crate::Builder::resource), or at run time, for
/// [`Resources::add`](crate::server::Resources::add).
///
/// ```
/// use grantor::Resource;
///
/// let resource = Resource::new("/mcp").name("Planwise for agents").scopes("projects:read projects:write");
/// # let _ = resource;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Resource {
    url: String,
    name: Option<String>,
    scopes: Option<String>,
    documentation: Option<String>,
    access_token: Option<Duration>,
    is_origin: bool,
    advertised: bool,
}

impl Resource {
    /// The resource at that URL, or at that path on the issuer's origin.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            name: None,
            scopes: None,
            documentation: None,
            access_token: None,
            is_origin: false,
            advertised: true,
        }
    }

    /// What the consent page calls it; the app's name otherwise.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The scopes that mean something there, separated by spaces; otherwise all that there are, those that are added
    /// at run time included.
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.scopes = Some(scopes.to_owned());
        self
    }

    /// Where developers read about it, an `https` URL: `resource_documentation` of its metadata (RFC 9728 §2).
    pub fn documentation(mut self, url: &str) -> Self {
        self.documentation = Some(url.to_owned());
        self
    }

    /// Access tokens for it live no longer than that, whatever [`Lifetimes`](crate::Lifetimes) and the client's own
    /// say. Those that were issued keep their end.
    pub const fn access_token_lifetime(mut self, most: Duration) -> Self {
        self.access_token = Some(most);
        self
    }

    /// A client that asks for the issuer's origin means this resource, as ChatGPT does. Its tokens are for the
    /// resource by its own name.
    pub const fn also_for_origin(mut self) -> Self {
        self.is_origin = true;
        self
    }

    /// The metadata of the server does not list it, so that nobody reads there which tenants an app has. Whoever
    /// knows its URL finds its own metadata.
    pub const fn unlisted(mut self) -> Self {
        self.advertised = false;
        self
    }

    /// Its URL, or its path on the issuer's origin.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The resource as the code of the app has it.
    ///
    /// # Errors
    /// If something of it cannot be: see [`InvalidResourceChange`].
    pub fn declared(
        self,
        issuer: &Issuer,
        catalogue: &ScopeCatalogue,
    ) -> Result<ResourceRecord, InvalidResourceChange> {
        let record = self.record(issuer, catalogue)?;
        Ok(ResourceRecord { of_code: true, ..record })
    }

    /// The first resource at its URL.
    fn record(&self, issuer: &Issuer, catalogue: &ScopeCatalogue) -> Result<ResourceRecord, InvalidResourceChange> {
        let Self { url, name, scopes, documentation, access_token, is_origin, advertised } = self;
        let uri = parse(url, issuer)?;
        // RFC 6750 §5.3: bearer tokens travel over TLS. A loopback origin is an issuer's as well.
        if Issuer::parse(uri.origin()).is_err() {
            return Err(InvalidResourceChange::Insecure(url.clone()));
        }
        if documentation.as_ref().is_some_and(|link| !is_web_page(link)) {
            return Err(InvalidResourceChange::Documentation(url.clone()));
        }
        let scopes = scopes.as_deref().map(|text| known_scopes(text, catalogue));
        Ok(ResourceRecord {
            id: uri.into(),
            name: name.clone(),
            scopes: scopes.transpose()?,
            documentation: documentation.clone(),
            access_token: *access_token,
            is_origin: *is_origin,
            advertised: *advertised,
            retired: false,
            of_code: false,
        })
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

/// Why resources cannot be as they are said to be, or cannot be changed in this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResourceChange {
    /// A URL cannot name a resource.
    #[error("resource {0:?}: {1}")]
    Url(String, #[source] InvalidResource),
    /// A resource is plain `http` on a host that is not loopback.
    #[error("resource {0:?} is plain http on a host that is not loopback: use https")]
    Insecure(String),
    /// The documentation of a resource is not at an `https` URL.
    #[error("the documentation of resource {0:?} is not at an https URL")]
    Documentation(String),
    /// A text is not a list of scopes.
    #[error("{0:?} is not a scope: use printable ASCII without space, quote and backslash")]
    NotAScope(String),
    /// A resource lists a scope that there is not.
    #[error("there is no scope {0:?}: add it first")]
    UnknownScope(String),
    /// There is a resource of that URL, or the URL is another name of one.
    #[error("there is a resource {0:?}, or it is another name of one: retire that first")]
    Exists(String),
    /// The issuer's origin means another resource already.
    #[error("resource {0:?} cannot be meant by the issuer's origin: that means another one already")]
    OriginTaken(String),
    /// There is no resource of that URL. Another name of one does not count.
    #[error("there is no resource {0:?}")]
    Unknown(String),
    /// The code of the app says what it is, and only the code changes that.
    #[error("the resource {0:?} is described by the code of the app: change it there")]
    OfCode(String),
    /// Requests that name no resource mean it, and would mean nothing.
    #[error("the resource {0:?} is the default one: make another one that with `Builder::default_resource` first")]
    Default(String),
}

/// What the app's own people change of resources.
#[derive(Debug, Clone)]
pub enum ResourceChange {
    /// A resource is added.
    Add(Resource),
    /// A resource that was added at run time is described anew. It stays the same one.
    Describe(Resource),
    /// A resource goes.
    Retire {
        /// Its URL, or its path on the issuer's origin.
        url: String,
    },
}

impl ResourceChange {
    /// What is to be stored, from what the code says and what is stored.
    ///
    /// # Errors
    /// See [`InvalidResourceChange`].
    pub fn apply(
        &self,
        declared: &Policy,
        stored: &PolicyRecords,
    ) -> Result<Vec<ResourceRecord>, InvalidResourceChange> {
        let present = declared.with_stored(stored);
        let record = match self {
            Self::Add(resource) => added(resource, &present)?,
            Self::Describe(resource) => described(resource, &present)?,
            Self::Retire { url } => match retired(url, &present)? {
                Some(record) => record,
                None => return Ok(stored.resources.clone()),
            },
        };
        // One record of a URL: its number says which ones are gone.
        let mut records = stored.resources.clone();
        let of_url = |known: &ResourceRecord| known.id.url() == record.id.url();
        match (records.iter().position(of_url), self) {
            (Some(at), Self::Describe(_) | Self::Retire { .. }) => records[at] = record,
            (Some(_), Self::Add(_)) | (None, _) => {
                records.retain(|known| !of_url(known));
                records.push(record);
            }
        }
        Ok(records)
    }
}

fn added(resource: &Resource, present: &Policy) -> Result<ResourceRecord, InvalidResourceChange> {
    let record = resource.record(&present.issuer, &present.scopes)?;
    let uri = record.id.uri();
    if present.resources.named(&uri).is_some() {
        return Err(InvalidResourceChange::Exists(resource.url.clone()));
    }
    check_origin(resource, &uri, present)?;
    let before = present.resources.heard_of(uri.as_str()).map_or(0, |gone| gone.id().number());
    let number = before.checked_add(1).ok_or_else(|| InvalidResourceChange::Exists(resource.url.clone()))?;
    Ok(ResourceRecord { id: ResourceId::numbered(&uri, number), ..record })
}

fn described(resource: &Resource, present: &Policy) -> Result<ResourceRecord, InvalidResourceChange> {
    let record = resource.record(&present.issuer, &present.scopes)?;
    let uri = record.id.uri();
    let known = present.resources.at(uri.as_str());
    let known = known.ok_or_else(|| InvalidResourceChange::Unknown(resource.url.clone()))?;
    if known.record.of_code {
        return Err(InvalidResourceChange::OfCode(resource.url.clone()));
    }
    check_origin(resource, &uri, present)?;
    Ok(ResourceRecord { id: known.id().clone(), ..record })
}

/// What is left of the resource of that URL; `None` if it is retired already.
fn retired(url: &str, present: &Policy) -> Result<Option<ResourceRecord>, InvalidResourceChange> {
    let uri = parse(url, &present.issuer)?;
    let known = present.resources.heard_of(uri.as_str());
    let known = known.ok_or_else(|| InvalidResourceChange::Unknown(url.to_owned()))?;
    if known.record.retired {
        return Ok(None);
    }
    if present.resources.default_resource().is_some_and(|default| default.uri == uri) {
        return Err(InvalidResourceChange::Default(url.to_owned()));
    }
    Ok(Some(ResourceRecord { retired: true, ..known.record.clone() }))
}

/// The origin means one resource: itself, or the one that says so.
fn check_origin(resource: &Resource, uri: &ResourceUri, present: &Policy) -> Result<(), InvalidResourceChange> {
    let meant = resource.is_origin.then(|| parse("/", &present.issuer)).transpose()?;
    match meant.and_then(|root| present.resources.named(&root)) {
        Some(other) if other.uri != *uri => Err(InvalidResourceChange::OriginTaken(resource.url.clone())),
        Some(_) | None => Ok(()),
    }
}

fn parse(url: &str, issuer: &Issuer) -> Result<ResourceUri, InvalidResourceChange> {
    ResourceUri::parse(&issuer.absolute(url)).map_err(|error| InvalidResourceChange::Url(url.to_owned(), error))
}

/// The names of scopes that there are.
///
/// # Errors
/// If there is one that is not.
pub fn known_scopes(text: &str, catalogue: &ScopeCatalogue) -> Result<ScopeSet, InvalidResourceChange> {
    let scopes = ScopeSet::parse(text).map_err(|_| InvalidResourceChange::NotAScope(text.to_owned()))?;
    let unknown = scopes.iter().find(|scope| catalogue.named(scope).is_none()).map(str::to_owned);
    unknown.map_or(Ok(scopes), |scope| Err(InvalidResourceChange::UnknownScope(scope)))
}

#[cfg(test)]
mod tests {
    use super::super::resource_registry::KnownResource;
    use super::super::scope_change::Scope;
    use super::*;

    #[test]
    fn a_description_is_of_the_resource_that_there_is_by_now() {
        let url = "https://h.example/api";
        let mut declared = Policy {
            issuer: Issuer::parse("https://h.example").unwrap(),
            scopes: ScopeCatalogue::new(vec![Scope::new("read", "Look").declared().unwrap()]),
            default_scopes: ScopeSet::empty(),
            resources: Default::default(),
            lifetimes: Default::default(),
        };
        let first = Resource::new("/first").declared(&declared.issuer, &declared.scopes).unwrap();
        assert!(declared.resources.add(KnownResource::new(first, &declared.scopes)));
        let mut stored = PolicyRecords::default();
        for change in [
            ResourceChange::Add(Resource::new(url)),
            ResourceChange::Retire { url: url.to_owned() },
            ResourceChange::Add(Resource::new(url)),
            ResourceChange::Describe(Resource::new(url).scopes("read")),
        ] {
            stored.resources = change.apply(&declared, &stored).unwrap();
        }
        let [record] = stored.resources.as_slice() else { panic!("one record of a URL") };
        assert_eq!((record.id.as_str(), record.retired), ("https://h.example/api#2", false));
        assert_eq!(Resource::new(url).url(), url);
        assert_eq!(Scope::new("read", "Look").name(), "read");
    }
}
