//! How a server is put together, and what is refused before it runs.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::clients::FixedClient;
use super::{Documents, Inner, Paths, Server};
use crate::host::{AnyConsentUi, AnyHost, AppView, Clock, ConsentUi, Entropy, Host, SystemClock, SystemEntropy};
use crate::protocol::issuer::{InvalidIssuer, Issuer};
use crate::protocol::metadata::{self, EndpointUrls};
use crate::protocol::new_client::{InvalidClient, NewClient};
use crate::protocol::policy::{Lifetimes, Policy};
use crate::protocol::resource::{InvalidResource, Resource as KnownResource, ResourceRegistry, ResourceUri};
use crate::protocol::scope::{OFFLINE_ACCESS, ScopeCatalogue, ScopeEntry, ScopeSet};
use crate::protocol::seal::Keys;
use crate::protocol::time::Timestamp;
use crate::storage::{AnyStorage, Durability, Storage};

/// Who may register clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Registration {
    /// Nobody but the app's own people.
    #[default]
    Off,
    /// Any client, by itself (RFC 7591). Its users are told that its name is a mere claim.
    Open,
}

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

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfiguration {
    /// The issuer is unsafe or not one.
    #[error("issuer {0:?}: {1}")]
    Issuer(String, #[source] InvalidIssuer),
    /// A text is not a scope, or not a list of scopes.
    #[error("{0:?} is not a scope: use printable ASCII without space, quote and backslash")]
    Scope(String),
    /// A scope is used that is not in the catalogue.
    #[error("the scope {0:?} is not in the catalogue: add it with `scope`")]
    UnknownScope(String),
    /// There is no scope.
    #[error("there is no scope: add one with `scope`")]
    NoScope,
    /// A resource has a URL that cannot name one.
    #[error("resource {0:?}: {1}")]
    Resource(String, #[source] InvalidResource),
    /// A resource is plain `http` on a host that is not loopback.
    #[error("resource {0:?} is plain http on a host that is not loopback: use https")]
    InsecureResource(String),
    /// One resource was added twice.
    #[error("resource {0:?} was added twice")]
    RepeatedResource(String),
    /// The default resource is not one of the resources.
    #[error("the default resource {0:?} is not one of the resources")]
    UnknownResource(String),
    /// There is no resource.
    #[error("there is no resource: add the URL of your API with `resource`")]
    NoResource,
    /// A client is not one.
    #[error(transparent)]
    Client(#[from] InvalidClient),
    /// There is no store.
    #[error("there is no store: add one with `storage`")]
    NoStorage,
    /// There is no host.
    #[error("there is no host: add one with `host`")]
    NoHost,
    /// There are no pages.
    #[error("there are no pages: add yours with `consent_ui`, or the feature `pages`")]
    NoConsentUi,
    /// The store outlives the process, but the keys would not.
    #[error("a store that lasts needs keys that last: add them with `keys`")]
    NoKeys,
    /// The base path is not an absolute path without a slash at its end.
    #[error(
        "the base path {0:?} is not like \"/oauth\": it starts with a slash and has letters, digits, '-', '_', '.', '~'"
    )]
    BasePath(String),
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] crate::host::EntropyError),
    /// The metadata cannot be written.
    #[error("the metadata cannot be written: {0}")]
    Metadata(#[from] serde_json::Error),
}

/// Puts a [`Server`] together. Nothing is checked before [`Builder::build`].
#[must_use]
pub struct Builder {
    issuer: String,
    base_path: Option<String>,
    app: Option<AppView>,
    scopes: Vec<ScopeEntry>,
    default_scopes: String,
    resources: Vec<Resource>,
    default_resource: Option<String>,
    lifetimes: Lifetimes,
    registration: Registration,
    clients: Vec<NewClient>,
    storage: Option<AnyStorage>,
    host: Option<AnyHost>,
    ui: Option<AnyConsentUi>,
    keys: Option<Keys>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Builder {
    pub(super) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            base_path: None,
            app: None,
            scopes: Vec::new(),
            default_scopes: String::new(),
            resources: Vec::new(),
            default_resource: None,
            lifetimes: Lifetimes::default(),
            registration: Registration::default(),
            clients: Vec::new(),
            storage: None,
            host: None,
            ui: None,
            keys: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Where everything is kept.
    pub fn storage(mut self, storage: impl Storage) -> Self {
        self.storage = Some(AnyStorage::new(storage));
        self
    }

    /// The app: who is signed in, where people sign in.
    pub fn host(mut self, host: impl Host) -> Self {
        self.host = Some(AnyHost::new(host));
        self
    }

    /// What the pages call the app; the issuer's host otherwise.
    pub fn app_name(mut self, name: &str) -> Self {
        let logo = self.app.and_then(|app| app.logo);
        self.app = Some(AppView { name: name.to_owned(), logo });
        self
    }

    /// The app's logo on the pages: an `https` URL, or a path on this origin.
    pub fn app_logo(mut self, logo: &str) -> Self {
        let name = self.app.map(|app| app.name).unwrap_or_default();
        self.app = Some(AppView { name, logo: Some(logo.to_owned()) });
        self
    }

    /// Adds a scope with what people are told about it, such as `"See your projects"`. The consent page
    /// lists scopes in the order in which they are added.
    pub fn scope(mut self, name: &str, description: &str) -> Self {
        self.scopes.push(ScopeEntry { name: name.to_owned(), description: description.to_owned(), reserved: false });
        self
    }

    /// Adds a scope that clients which registered themselves never get and are not told of.
    pub fn reserved_scope(mut self, name: &str, description: &str) -> Self {
        self.scopes.push(ScopeEntry { name: name.to_owned(), description: description.to_owned(), reserved: true });
        self
    }

    /// What a request without `scope` asks for, separated by spaces. Without it such a request is
    /// refused; many MCP clients send none.
    pub fn default_scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.default_scopes);
        self
    }

    /// Adds a resource: its URL, its path on the issuer's origin, or a [`Resource`] with name and scopes. The
    /// first is the default. With several, give each a name: the consent page shows it.
    pub fn resource(mut self, resource: impl Into<Resource>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// The resource that a request without `resource` means.
    pub fn default_resource(mut self, url: &str) -> Self {
        self.default_resource = Some(url.to_owned());
        self
    }

    /// Who may register clients; nobody otherwise.
    pub const fn registration(mut self, registration: Registration) -> Self {
        self.registration = registration;
        self
    }

    /// Adds a client of the app's own people. It needs an id, and a secret of its own if it is
    /// confidential; what the store has of it is brought up to date when it is first used.
    pub fn client(mut self, client: NewClient) -> Self {
        self.clients.push(client);
        self
    }

    /// The keys that seal prompts, shared by all instances of the app. Needed with a store that lasts.
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// How long things live.
    pub const fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Where the endpoints are on this origin: `/oauth` under the issuer's path otherwise. `/` puts them at the root.
    pub fn base_path(mut self, path: &str) -> Self {
        self.base_path = Some(path.to_owned());
        self
    }

    /// Pages of one's own instead of the built-in ones.
    pub fn consent_ui(mut self, ui: impl ConsentUi) -> Self {
        self.ui = Some(AnyConsentUi::new(ui));
        self
    }

    /// Another clock than the system's, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another source of randomness than the system's, for tests.
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Checks everything and makes the server.
    ///
    /// # Errors
    /// If something is missing, unsafe or inconsistent; the text says what to change.
    pub fn build(self) -> Result<Server, InvalidConfiguration> {
        let storage = self.storage.ok_or(InvalidConfiguration::NoStorage)?;
        let issuer = Issuer::parse(&self.issuer).map_err(|error| InvalidConfiguration::Issuer(self.issuer, error))?;
        let keys = match (self.keys, storage.durability()) {
            (Some(keys), _) => keys,
            (None, Durability::Process) => {
                let mut key = [0; 32];
                self.entropy.fill(&mut key)?;
                Keys::from_bytes(key)
            }
            (None, Durability::Persistent) => return Err(InvalidConfiguration::NoKeys),
        };
        let mut app = self.app.unwrap_or(AppView { name: String::new(), logo: None });
        if app.name.is_empty() {
            issuer.authority().clone_into(&mut app.name);
        }
        let scopes = catalogue(self.scopes)?;
        let default_scopes = known_scopes(&self.default_scopes, &scopes)?;
        let resources = registry(self.resources, self.default_resource.as_deref(), &scopes, &issuer)?;
        let fixed_clients = fixed(self.clients, &scopes, self.clock.now())?;
        let policy = Policy { issuer, scopes, default_scopes, resources, lifetimes: self.lifetimes };
        let paths = Paths::new(&policy.issuer, self.base_path)?;
        let documents = Documents::new(&policy, &paths, self.registration)?;
        Ok(Server(Arc::new(Inner {
            policy,
            paths,
            documents,
            app,
            registration: self.registration,
            fixed_clients,
            storage,
            host: self.host.ok_or(InvalidConfiguration::NoHost)?,
            ui: self.ui.or_else(default_ui).ok_or(InvalidConfiguration::NoConsentUi)?,
            keys,
            clock: self.clock,
            entropy: self.entropy,
        })))
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(feature = "pages")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature there are no pages")]
fn default_ui() -> Option<AnyConsentUi> {
    Some(AnyConsentUi::new(crate::pages::Pages::new()))
}

#[cfg(not(feature = "pages"))]
const fn default_ui() -> Option<AnyConsentUi> {
    None
}

fn fixed(
    clients: Vec<NewClient>,
    catalogue: &ScopeCatalogue,
    now: Timestamp,
) -> Result<Vec<FixedClient>, InvalidConfiguration> {
    let clients = clients.into_iter().map(|client| client.fixed(catalogue, now).map(FixedClient::new));
    Ok(clients.collect::<Result<_, _>>()?)
}

fn catalogue(entries: Vec<ScopeEntry>) -> Result<ScopeCatalogue, InvalidConfiguration> {
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

fn known_scopes(text: &str, catalogue: &ScopeCatalogue) -> Result<ScopeSet, InvalidConfiguration> {
    let scopes = ScopeSet::parse(text).map_err(|_| InvalidConfiguration::Scope(text.to_owned()))?;
    let all = catalogue.names();
    let unknown = scopes.iter().find(|scope| !all.contains(scope)).map(str::to_owned);
    unknown.map_or(Ok(scopes), |scope| Err(InvalidConfiguration::UnknownScope(scope)))
}

/// A path is meant on the issuer's own origin.
pub(super) fn at_origin<'a>(issuer: &Issuer, url: &'a str) -> Cow<'a, str> {
    if url.starts_with('/') { format!("{}{url}", issuer.origin()).into() } else { url.into() }
}

fn registry(
    resources: Vec<Resource>,
    default: Option<&str>,
    catalogue: &ScopeCatalogue,
    issuer: &Issuer,
) -> Result<ResourceRegistry, InvalidConfiguration> {
    let parse = |url: &str| {
        ResourceUri::parse(&at_origin(issuer, url))
            .map_err(|error| InvalidConfiguration::Resource(url.to_owned(), error))
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

impl Paths {
    fn new(issuer: &Issuer, base: Option<String>) -> Result<Self, InvalidConfiguration> {
        let base = base.unwrap_or_else(|| format!("{}/oauth", issuer.path()));
        let is_path = |path: &str| {
            path.split('/').skip(1).all(|segment| {
                !matches!(segment, "" | "." | "..")
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
            })
        };
        let base = match base.as_str() {
            "/" => "",
            path if path.starts_with('/') && is_path(path) => path,
            _ => return Err(InvalidConfiguration::BasePath(base)),
        };
        Ok(Self {
            authorize: format!("{base}/authorize"),
            consent: format!("{base}/consent"),
            token: format!("{base}/token"),
            revoke: format!("{base}/revoke"),
            register: format!("{base}/register"),
            // RFC 8414 §3: the well-known string goes between the host and the issuer's path
            server_metadata: format!("/.well-known/oauth-authorization-server{}", issuer.path()),
        })
    }
}

impl Documents {
    fn new(policy: &Policy, paths: &Paths, registration: Registration) -> Result<Self, InvalidConfiguration> {
        let url = |path: &str| format!("{}{path}", policy.issuer.origin());
        let endpoints = EndpointUrls {
            authorization: url(&paths.authorize),
            token: url(&paths.token),
            revocation: url(&paths.revoke),
            registration: (registration != Registration::Off).then(|| url(&paths.register)),
        };
        // Resources of other origins publish their own documents.
        let is_here = |resource: &&KnownResource| resource.uri.origin() == policy.issuer.origin();
        let document = |resource: &KnownResource| metadata::resource_metadata(policy, resource).map(Bytes::from);
        let mut resources = Vec::new();
        for resource in policy.resources.iter().filter(is_here) {
            resources.push((resource.uri.path().to_owned(), document(resource)?));
        }
        // Many clients look at the root whatever the path: without a resource there, it is the default one.
        let has_root = resources.iter().any(|(path, _)| path.is_empty());
        if let Some(default) = policy.resources.default_resource().filter(is_here).filter(|_| !has_root) {
            resources.push((String::new(), document(default)?));
        }
        Ok(Self { server: Bytes::from(metadata::server_metadata(policy, &endpoints)?), resources })
    }
}
