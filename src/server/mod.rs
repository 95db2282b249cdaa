//! Orchestration: each endpoint loads, lets the protocol decide, commits in one atomic operation, and
//! only then answers.

mod administration;
mod audit;
mod authorize;
mod builder;
mod change;
mod client_credentials;
mod client_keys;
mod clients;
mod configuration;
mod decide;
mod declared;
mod document_clients;
mod documents;
mod fetch_budget;
mod grants;
mod hooks;
mod introspect;
#[cfg(feature = "oxide-auth")]
mod known;
mod manage;
mod metadata_documents;
mod register;
mod renew;
mod resources;
mod revoke;
mod scopes;
mod token;
mod views;

use std::fmt;
use std::sync::Arc;

pub use administration::ChangeClientError;
pub(crate) use audit::Refused;
pub(crate) use authorize::Authorization;
pub use builder::{Builder, Registration};
pub use clients::{ClientSummary, CreateClientError, CreatedClient};
pub use configuration::InvalidConfiguration;
pub(crate) use decide::Decision;
use documents::Documents;
pub(crate) use documents::Paths;
pub use grants::ConnectedApp;
#[cfg(feature = "oxide-auth")]
pub(crate) use known::Asked;
pub use metadata_documents::MetadataDocuments;
pub use resources::{ChangeResourcesError, Resources};
pub use scopes::{ChangeScopesError, Scopes};

use arc_swap::{ArcSwap, Guard};
use http::request::Parts;

use crate::guard::{Here, ResourceGuard, Shared, Source, Which};
use crate::host::{AnyConsentUi, AnyHost, AppView, Clock, Entropy, EntropyError, HostError, Trail, WayBack};
use crate::protocol::client::ClientId;
use crate::protocol::error::PageReason;
use crate::protocol::issuer::Issuer;
use crate::protocol::policy::Lifetimes;
use crate::protocol::resource::ResourceUri;
use crate::protocol::seal::Keys;
use crate::protocol::time::Timestamp;
use crate::storage::{AnyStorage, Current, InForce, Storage as _, StorageError};

/// The authorization server. Cheap to clone; all clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>, Option<audit::Call>);

struct Inner {
    in_force: Arc<InForce>,
    paths: Paths,
    documents: ArcSwap<Documents>,
    app: AppView,
    registration: builder::RegistrationRules,
    /// If clients may be known by metadata documents.
    metadata_documents: Option<metadata_documents::Rules>,
    fixed_clients: Vec<clients::FixedClient>,
    storage: AnyStorage,
    host: AnyHost,
    ui: AnyConsentUi,
    keys: Keys,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    trail: Trail,
    /// Whether guards ask the host about users.
    checks_users: bool,
}

/// A person sees a page: why, about which client, and the way on if there is one.
#[derive(Debug)]
pub(crate) struct PageRefusal {
    pub(crate) reason: PageReason,
    pub(crate) client: Option<ClientId>,
    pub(crate) way_back: Option<WayBack>,
}

impl PageRefusal {
    fn of(self, client: &ClientId) -> Self {
        Self { client: Some(client.clone()), ..self }
    }
}

impl From<PageReason> for PageRefusal {
    fn from(reason: PageReason) -> Self {
        Self { reason, client: None, way_back: None }
    }
}

/// There never was such a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a resource of this server: register it with `Builder::resource`, or add it with `Resources::add`"
)]
pub struct UnknownResource(String);

/// How often an operation is tried with fresh ids when one was taken. Two ids of one millisecond
/// collide once in two million.
const MINT_TRIES: usize = 4;

impl Server {
    /// Starts a server of that issuer: the `https` origin of the app, or an `http` one on loopback,
    /// with or without a path. It is kept byte for byte.
    pub fn builder(issuer: &str) -> Builder {
        Builder::new(issuer)
    }

    /// The guard of a registered resource, by its URL or its path on the issuer's origin.
    ///
    /// It asks with every request what is in force: once the resource is retired it turns everybody away, and if one is
    /// added at the same URL, it is the guard of that. For routes with a variable path see
    /// [`resource_by`](Self::resource_by).
    ///
    /// # Errors
    /// If there never was such a resource, as far as this instance knows. For one that another instance added, call
    /// [`Resources::refresh`] before.
    pub fn resource(&self, url: &str) -> Result<ResourceGuard, UnknownResource> {
        let unknown = || UnknownResource(url.to_owned());
        let uri = ResourceUri::parse(&self.issuer().absolute(url)).map_err(|_| unknown())?;
        let current = self.0.in_force.last_known();
        let known = current.policy.resources.named(&uri).or_else(|| current.policy.resources.heard_of(uri.as_str()));
        let known = known.or_else(|| self.0.in_force.declared().resources.named(&uri)).ok_or_else(unknown)?;
        Ok(self.guard_of(Which::One(known.uri.clone())))
    }

    /// The guard of the resource that a request is for, which `which` tells by its URL or its path on the issuer's
    /// origin: for routes with a variable path or host, such as those of many tenants. A token for one of them opens
    /// no other.
    ///
    /// A request for which it tells no resource that there is, is turned away.
    ///
    /// ```
    /// # fn app(oauth: grantor::Server) -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, routing::post};
    /// use grantor::Principal;
    ///
    /// async fn mcp(principal: Principal) -> String {
    ///     format!("a request for {}", principal.resource())
    /// }
    ///
    /// let tenants = oauth.resource_by(|request| {
    ///     let tenant = request.uri.path().strip_prefix("/t/")?.split('/').next()?;
    ///     Some(format!("/t/{tenant}/mcp"))
    /// });
    /// let app: Router = Router::new().route("/t/{tenant}/mcp", post(mcp).layer(tenants.require("projects:read")?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn resource_by(&self, which: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> ResourceGuard {
        self.guard_of(Which::By(Arc::new(which), self.issuer().clone()))
    }

    fn guard_of(&self, which: Which) -> ResourceGuard {
        let here = Here {
            storage: self.0.storage.clone(),
            users: self.0.checks_users.then(|| self.0.host.clone()),
            in_force: Arc::clone(&self.0.in_force),
        };
        let shared = Shared {
            source: Source::Here(here),
            clock: Arc::clone(&self.0.clock),
            trail: self.0.trail.clone(),
            loopback_only: self.issuer().is_loopback(),
        };
        ResourceGuard::new(shared, which)
    }

    /// Removes at most about `limit` ended rows from the store; see [`crate::storage::Storage::purge`].
    /// Stores also tidy up by themselves as they write.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn purge(&self, limit: u32) -> Result<u32, StorageError> {
        self.0.storage.purge(self.now(), limit).await
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.0.in_force.declared().issuer
    }

    fn lifetimes(&self) -> &Lifetimes {
        &self.0.in_force.declared().lifetimes
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// What is in force while a request is answered.
    async fn current(&self) -> Result<Guard<Arc<Current>>, StorageError> {
        self.0.in_force.current(self.now()).await
    }

    pub(crate) fn registration(&self) -> Registration {
        self.0.registration.who
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        let mut bytes = [0; N];
        self.0.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// Tells the log that every id that was tried is taken.
fn log_no_free_id() {
    tracing::error!("no free id was found: is the source of randomness broken?");
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("issuer", self.issuer()).finish_non_exhaustive()
    }
}

/// Implements the step from a failed port to an endpoint's own reason: the log gets the cause, the
/// client a fixed text.
macro_rules! port_failures {
    ($reason:ty) => {
        impl From<StorageError> for $reason {
            fn from(error: StorageError) -> Self {
                tracing::error!(error = &error as &dyn std::error::Error, "the store could not answer");
                if error.is_temporary() { <$reason>::Unavailable } else { <$reason>::ServerError }
            }
        }

        impl From<EntropyError> for $reason {
            fn from(error: EntropyError) -> Self {
                tracing::error!(error = &error as &dyn std::error::Error, "nothing can be issued");
                <$reason>::ServerError
            }
        }
    };
}

port_failures!(PageReason);
port_failures!(crate::protocol::error::TokenReason);
port_failures!(crate::protocol::error::RegistrationReason);

impl From<HostError> for PageReason {
    fn from(error: HostError) -> Self {
        tracing::error!(%error, "the host could not answer");
        Self::ServerError
    }
}

macro_rules! page_failures {
    ($($error:ty),+) => {
        $(impl From<$error> for PageRefusal {
            fn from(error: $error) -> Self {
                PageReason::from(error).into()
            }
        })+
    };
}

page_failures!(StorageError, EntropyError, HostError);
