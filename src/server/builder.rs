//! How a server is put together.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::clients::FixedClient;
use super::declared::{catalogue, registry};
use super::{Documents, Inner, InvalidConfiguration, MetadataDocuments, Paths, Server};
use crate::host::{
    AnyConsentUi, AnyHost, AppView, Audit, Clock, ConsentUi, Entropy, Host, SystemClock, SystemEntropy, Trail,
};
use crate::protocol::issuer::Issuer;
use crate::protocol::new_client::NewClient;
use crate::protocol::policy::{Lifetimes, Policy};
use crate::protocol::resource_change::{Resource, known_scopes};
use crate::protocol::scope_change::Scope;
use crate::protocol::seal::Keys;
use crate::protocol::time::Timestamp;
use crate::storage::{AnyStorage, Durability, InForce, Storage};

/// Who may register clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Registration {
    /// Nobody but the app's own people.
    #[default]
    Off,
    /// Any client, by itself (RFC 7591). Its users are told that its name is a mere claim.
    Open,
    /// Whom the app admits, and on its terms: [`Host::admit`] is asked.
    Decided,
}

/// What is configured about registration.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegistrationRules {
    pub(super) who: Registration,
    pub(super) needs_token: bool,
    pub(super) managed: bool,
    pub(super) budget: u32,
}

/// Puts a [`Server`] together. Nothing is checked before [`Builder::build`].
#[must_use]
pub struct Builder {
    issuer: String,
    base_path: Option<String>,
    app: Option<AppView>,
    scopes: Vec<Scope>,
    default_scopes: String,
    resources: Vec<Resource>,
    default_resource: Option<String>,
    lifetimes: Lifetimes,
    registration: RegistrationRules,
    metadata_documents: Option<MetadataDocuments>,
    clients: Vec<NewClient>,
    storage: Option<AnyStorage>,
    host: Option<AnyHost>,
    ui: Option<AnyConsentUi>,
    keys: Option<Keys>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    audits: Vec<Box<dyn Audit>>,
    checks_users: bool,
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
            registration: RegistrationRules {
                who: Registration::Off,
                needs_token: false,
                managed: false,
                budget: 10_000,
            },
            metadata_documents: None,
            clients: Vec::new(),
            storage: None,
            host: None,
            ui: None,
            keys: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            audits: Vec::new(),
            checks_users: false,
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
    pub fn scope(self, name: &str, description: &str) -> Self {
        self.add_scope(Scope::new(name, description))
    }

    /// Adds a scope that clients which registered themselves never get and are not told of.
    pub fn reserved_scope(self, name: &str, description: &str) -> Self {
        self.add_scope(Scope::new(name, description).reserved())
    }

    /// Adds a scope with all that can be said of it, such as what it implies. Of two of one name the later counts.
    pub fn add_scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
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
        self.registration.who = registration;
        self
    }

    /// Demands a token from [`Server::issue_initial_access_token`] of whoever registers a client (RFC 7591 §3).
    pub const fn initial_access_tokens(mut self) -> Self {
        self.registration.needs_token = true;
        self
    }

    /// Gives each client that registers itself a token by which it reads, changes and removes its registration
    /// (RFC 7592). Public clients then no longer share one registration where theirs are the same.
    pub const fn registration_management(mut self) -> Self {
        self.registration.managed = true;
        self
    }

    /// How many clients that registered themselves and never got a grant there may be; 10,000 otherwise. Beyond
    /// that, those that would end first give way to new ones, so that nobody can lock others out.
    pub const fn registration_budget(mut self, clients: u32) -> Self {
        self.registration.budget = clients;
        self
    }

    /// Lets clients come that are known by a metadata document, whose URL is their id
    /// ([draft](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)), and says so in the
    /// metadata; none otherwise. MCP clients prefer this to registration.
    ///
    /// A document is fetched when somebody who is signed in is sent here by its client. Whose site it is is assured,
    /// and what it says of itself is a mere claim, as with clients that register themselves.
    ///
    /// Clients that have keys at a URL of their own (`jwks_uri`, RFC 7591 §2) may come from then on as well, be it by a
    /// document or by registration.
    pub fn client_metadata_documents(mut self, rules: MetadataDocuments) -> Self {
        self.metadata_documents = Some(rules);
        self
    }

    /// Adds a client of the app's own people. It needs an id, and a secret or keys of its own if it is
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

    /// Who takes the events of everything that changes or is refused; nobody otherwise. Given several times, all
    /// of them do.
    pub fn audit(mut self, audit: impl Audit) -> Self {
        self.audits.push(Box::new(audit));
        self
    }

    /// Lets every guard ask [`Host::is_allowed`] about the user of a token, so that someone who was disabled is
    /// out with the next request instead of within the life of an access token.
    ///
    /// The price is one question to the host for each guarded request, on its critical path: if the host cannot
    /// answer, the request is answered with 503. Revoking the grants of someone who is disabled has the same
    /// effect once and for all.
    pub const fn check_users_on_every_request(mut self) -> Self {
        self.checks_users = true;
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
        let policy = Policy { issuer, scopes, default_scopes, resources, lifetimes: self.lifetimes };
        let fixed_clients = fixed(self.clients, &policy, self.clock.now())?;
        let paths = Paths::new(&policy.issuer, self.base_path)?;
        let documents = Documents::new(&policy, &paths, self.registration.who, self.metadata_documents.is_some())?;
        let trail = Trail::new(self.audits, Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let inner = Inner {
            in_force: Arc::new(InForce::new(policy, storage.clone())),
            paths,
            documents: ArcSwap::from_pointee(documents),
            app,
            registration: self.registration,
            metadata_documents: self.metadata_documents.map(MetadataDocuments::into_rules).transpose()?,
            fixed_clients,
            storage,
            host: self.host.ok_or(InvalidConfiguration::NoHost)?,
            ui: self.ui.or_else(default_ui).ok_or(InvalidConfiguration::NoConsentUi)?,
            keys,
            clock: self.clock,
            entropy: self.entropy,
            trail,
            checks_users: self.checks_users,
        };
        Ok(Server(Arc::new(inner), None))
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

fn fixed(clients: Vec<NewClient>, policy: &Policy, now: Timestamp) -> Result<Vec<FixedClient>, InvalidConfiguration> {
    let clients = clients.into_iter().map(|client| client.fixed(policy, now).map(FixedClient::new));
    Ok(clients.collect::<Result<_, _>>()?)
}
