//! What a resource server is told of itself and of its authorization server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::ask::{Questions, basic};
use super::cache::Cache;
use super::{Remote, ResourceServer};
use crate::guard::{Shared, Source};
use crate::host::{AnyTransport, Audit, Clock, Flights, SystemClock, SystemEntropy, Trail, Transport};
use crate::protocol::client::ClientId;
use crate::protocol::introspected::is_safe_endpoint;
use crate::protocol::issuer::{InvalidIssuer, Issuer};
use crate::protocol::metadata;
use crate::protocol::resource::{InvalidResource, ResourceUri};
use crate::protocol::scope::{InvalidScope, ScopeSet};

/// How old an answer may be, if nothing is said.
const STALENESS: Duration = Duration::from_secs(5);
/// The most that may be said.
const LONGEST_STALENESS: Duration = Duration::from_secs(60);

/// Why there is no resource server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResourceServer {
    /// The issuer is none.
    #[error("the issuer {0:?}: {1}")]
    Issuer(String, #[source] InvalidIssuer),
    /// The URL of the resource is none.
    #[error("the resource {0:?}: {1}")]
    Resource(String, #[source] InvalidResource),
    /// The resource is plain `http` on a host that is not this machine: its tokens could be read on their way.
    #[error("the resource {0:?} is plain http on a host that is not loopback: use https")]
    PlainHttp(String),
    /// It is not said as which client to ask.
    #[error("no client is set: introspection needs one, see `NewClient::introspects`")]
    NoClient,
    /// The id of the client is none, or its secret is empty.
    #[error("the client {0:?} has no id or no secret that could be sent")]
    Client(String),
    /// The scopes, or the default scopes, are none.
    #[error("the scopes {0:?}: {1}")]
    Scopes(String, #[source] InvalidScope),
    /// A default scope is none of the scopes.
    #[error("the default scopes {0:?} are not all among the scopes")]
    DefaultScopes(String),
    /// Revoked tokens would open this resource for too long.
    #[error("a staleness of {0:?} is more than {LONGEST_STALENESS:?}")]
    Staleness(Duration),
    /// Secrets must not be sent there.
    #[error("the introspection endpoint {0:?} is no https URL, nor an http one on loopback")]
    Endpoint(String),
    /// There is nothing to ask with.
    #[error("no transport is set: use the feature `remote`, or `ResourceServerBuilder::transport`")]
    NoTransport,
    /// There are no certificates to trust.
    #[cfg(feature = "remote")]
    #[error(transparent)]
    NoRoots(#[from] crate::host::NoRoots),
    /// The metadata cannot be written.
    #[error("the metadata cannot be written: {0}")]
    Metadata(#[source] serde_json::Error),
}

/// Makes a [`ResourceServer`].
#[must_use]
pub struct ResourceServerBuilder {
    issuer: String,
    resource: String,
    client: Option<(String, String)>,
    scopes: String,
    default_scopes: String,
    staleness: Duration,
    name: Option<String>,
    documentation: Option<String>,
    endpoint: Option<String>,
    transport: Option<AnyTransport>,
    clock: Arc<dyn Clock>,
    audits: Vec<Box<dyn Audit>>,
}

impl ResourceServerBuilder {
    pub(super) fn new(issuer: &str, resource: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            resource: resource.to_owned(),
            client: None,
            scopes: String::new(),
            default_scopes: String::new(),
            staleness: STALENESS,
            name: None,
            documentation: None,
            endpoint: None,
            transport: None,
            clock: Arc::new(SystemClock),
            audits: Vec::new(),
        }
    }

    /// As whom to ask: a confidential client of the authorization server that
    /// [may introspect](crate::NewClient::introspects) tokens for this resource, and its secret.
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        self.client = Some((id.to_owned(), secret.to_owned()));
        self
    }

    /// The scopes that mean something here, separated by spaces: those that guards may require and that the metadata
    /// list. None that is [reserved](crate::Scope::reserved) should be among them unless all may read of it.
    pub fn scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.scopes);
        self
    }

    /// The scopes that a client without a token is told to ask for where the guard requires none, as with
    /// [`Builder::default_scopes`](crate::Builder::default_scopes). None, if nothing is said.
    pub fn default_scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.default_scopes);
        self
    }

    /// For how long an answer about a token is used again: at most so much later a revoked token opens nothing any more.
    /// 5 seconds if nothing is said, 60 at most. With zero the authorization server is asked with every request.
    pub fn staleness(mut self, staleness: Duration) -> Self {
        self.staleness = staleness;
        self
    }

    /// The name of the resource, for people who read its metadata.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The URL of a page for the developers of clients.
    pub fn documentation(mut self, url: &str) -> Self {
        self.documentation = Some(url.to_owned());
        self
    }

    /// Where to ask. If nothing is said, the metadata of the issuer (RFC 8414) tell; they are read once.
    pub fn introspection_endpoint(mut self, url: &str) -> Self {
        self.endpoint = Some(url.to_owned());
        self
    }

    /// What carries the questions, in place of `HttpTransport` of the feature `remote`.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(AnyTransport::new(transport));
        self
    }

    /// What time it is. For tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Who takes the events of requests that are turned away; may be given several times.
    pub fn audit(mut self, audit: impl Audit) -> Self {
        self.audits.push(Box::new(audit));
        self
    }

    /// The resource server. Nothing is asked yet.
    ///
    /// # Errors
    /// See [`InvalidResourceServer`].
    pub fn build(self) -> Result<ResourceServer, InvalidResourceServer> {
        use InvalidResourceServer as Invalid;
        let issuer = Issuer::parse(&self.issuer).map_err(|why| Invalid::Issuer(self.issuer.clone(), why))?;
        let resource =
            ResourceUri::parse(&self.resource).map_err(|why| Invalid::Resource(self.resource.clone(), why))?;
        let is_loopback =
            Issuer::parse(resource.origin()).map_err(|_| Invalid::PlainHttp(self.resource.clone()))?.is_loopback();
        let (id, secret) = self.client.as_ref().ok_or(Invalid::NoClient)?;
        let credentials = basic(id, secret).filter(|_| ClientId::parse(id).is_ok() && !secret.is_empty());
        let credentials = credentials.ok_or_else(|| Invalid::Client(id.clone()))?;
        let parse = |text: &str| ScopeSet::parse(text).map_err(|why| Invalid::Scopes(text.to_owned(), why));
        let (scopes, default_scopes) = (parse(&self.scopes)?, parse(&self.default_scopes)?);
        if !scopes.contains_all(&default_scopes) {
            return Err(Invalid::DefaultScopes(self.default_scopes));
        }
        if self.staleness > LONGEST_STALENESS {
            return Err(Invalid::Staleness(self.staleness));
        }
        if let Some(url) = self.endpoint.as_ref().filter(|url| !is_safe_endpoint(url, true)) {
            return Err(Invalid::Endpoint(url.clone()));
        }
        let (name, documentation) = (self.name.as_deref(), self.documentation.as_deref());
        let metadata = metadata::remote_resource_metadata(&issuer, &resource, &scopes, name, documentation);
        let metadata = Bytes::from(metadata.map_err(Invalid::Metadata)?);
        let transport = self.transport.map_or_else(built_in, Ok)?;
        let remote = Remote {
            questions: Questions::new(transport, issuer, credentials, self.endpoint),
            resource: resource.clone(),
            scopes,
            default_scopes,
            cache: Cache::new(self.staleness),
            flights: Flights::default(),
        };
        let shared = Shared {
            source: Source::Elsewhere(Box::new(remote)),
            trail: Trail::new(self.audits, Arc::clone(&self.clock), Arc::new(SystemEntropy)),
            clock: self.clock,
            loopback_only: is_loopback,
        };
        Ok(ResourceServer::new(shared, resource, metadata))
    }
}

#[cfg(feature = "remote")]
fn built_in() -> Result<AnyTransport, InvalidResourceServer> {
    Ok(AnyTransport::new(crate::host::HttpTransport::new()?))
}

#[cfg(not(feature = "remote"))]
fn built_in() -> Result<AnyTransport, InvalidResourceServer> {
    Err(InvalidResourceServer::NoTransport)
}

impl fmt::Debug for ResourceServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceServerBuilder({} at {})", self.resource, self.issuer)
    }
}
