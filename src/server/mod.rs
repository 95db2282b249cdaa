//! Orchestration: each endpoint loads, lets the protocol decide, commits in one atomic operation, and
//! only then answers.

mod administration;
mod audit;
mod authorize;
mod builder;
mod client_credentials;
mod client_keys;
mod clients;
mod configuration;
mod decide;
mod document_clients;
mod documents;
mod fetch_budget;
mod flights;
mod grants;
mod hooks;
mod introspect;
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
pub(crate) use documents::{Documents, Paths};
pub use grants::ConnectedApp;
pub use metadata_documents::MetadataDocuments;
pub use resources::Resource;
pub use scopes::{ChangeScopesError, Scopes};

use arc_swap::{ArcSwap, Guard};

use crate::guard::{ResourceGuard, Shared};
use crate::host::{AnyConsentUi, AnyHost, AppView, Clock, Entropy, EntropyError, HostError, Trail, WayBack};
use crate::protocol::client::ClientId;
use crate::protocol::error::PageReason;
use crate::protocol::issuer::Issuer;
use crate::protocol::policy::Lifetimes;
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

/// The resource was not registered with [`Builder::resource`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a resource of this server: register it with `Builder::resource`")]
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
    /// # Errors
    /// If there is no such resource.
    pub fn resource(&self, url: &str) -> Result<ResourceGuard, UnknownResource> {
        let policy = self.0.in_force.declared();
        let uri = policy.resource(url).ok_or_else(|| UnknownResource(url.to_owned()))?.uri.clone();
        Ok(ResourceGuard::new(Shared {
            storage: self.0.storage.clone(),
            clock: Arc::clone(&self.0.clock),
            trail: self.0.trail.clone(),
            users: self.0.checks_users.then(|| self.0.host.clone()),
            in_force: Arc::clone(&self.0.in_force),
            resource: uri,
            loopback_only: policy.issuer.is_loopback(),
        }))
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

    /// The metadata as it was last asked for: the paths in it never change.
    pub(crate) fn known_documents(&self) -> Guard<Arc<Documents>> {
        self.0.documents.load()
    }

    /// The metadata. If the store cannot answer, it is what was last known: a client that reads it gets nothing by it.
    pub(crate) async fn documents(&self) -> Arc<Documents> {
        let current = match self.0.in_force.current(self.now()).await {
            Ok(current) => current,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store could not answer");
                self.0.in_force.last_known()
            }
        };
        let known = self.0.documents.load_full();
        if known.revision == current.revision() {
            return known;
        }
        match Documents::new(
            &current.policy,
            &self.0.paths,
            self.0.registration.who,
            self.0.metadata_documents.is_some(),
        ) {
            Ok(documents) => {
                let documents = Arc::new(Documents { revision: current.revision(), ..documents });
                self.0.documents.store(Arc::clone(&documents));
                documents
            }
            Err(error) => {
                tracing::error!(%error, "the metadata cannot be written");
                known
            }
        }
    }

    /// What is in force while a request is answered.
    async fn current(&self) -> Result<Arc<Current>, StorageError> {
        Ok(Guard::into_inner(self.0.in_force.current(self.now()).await?))
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
