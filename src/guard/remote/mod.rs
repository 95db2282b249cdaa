//! The guard of a resource in another process than its authorization server, which is asked what tokens are worth
//! (RFC 7662).

mod ask;
mod builder;
mod cache;

use std::fmt;

use bytes::Bytes;
use http::request::Parts;

pub use builder::{InvalidResourceServer, ResourceServerBuilder};

use super::{Guard, ResourceGuard, Shared, UnknownScope, Which, comes_by_loopback_name};
use crate::host::{Boarding, Clock, CorrelationId, EventKind, Flights, Place};
use crate::protocol::commit::StoredAccess;
use crate::protocol::error::{BearerReason, HttpReason};
use crate::protocol::introspected::Told;
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::Bearer;
use crate::protocol::time::Timestamp;
use ask::Questions;
use cache::{Cache, Key, Verdict};

/// A resource, such as an API or an MCP endpoint, in another process than its authorization server: with the same
/// [`Guard`] for its routes as there, and with its metadata. See [`crate::manual::resource_servers`].
///
/// ```
/// # fn app(transport: impl grantor::host::Transport, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use grantor::ResourceServer;
///
/// let resource = ResourceServer::builder("https://app.example", "https://api.example/mcp")
///     .client("api-example", secret) // one that may introspect: `NewClient::introspects`
///     .scopes("projects:read projects:write")
///     .staleness(Duration::from_secs(5))
///     .transport(transport) // not needed with the feature `remote`
///     .build()?;
/// let guard = resource.require("projects:read")?; // a tower layer, an actix middleware, or to be asked
/// # Ok(())
/// # }
/// ```
///
/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct ResourceServer {
    guard: ResourceGuard,
    resource: ResourceUri,
    metadata: Bytes,
}

impl ResourceServer {
    /// Starts with the issuer of the authorization server, byte for byte as that has it, and the URL of this resource.
    pub fn builder(issuer: &str, resource: &str) -> ResourceServerBuilder {
        ResourceServerBuilder::new(issuer, resource)
    }

    /// A guard that lets through requests with a token for this resource that has all of `scopes`, which are separated
    /// by spaces. With `""` any token for this resource will do.
    ///
    /// # Errors
    /// If a scope is none of [`ResourceServerBuilder::scopes`].
    pub fn require(&self, scopes: &str) -> Result<Guard, UnknownScope> {
        self.guard.require(scopes)
    }

    /// The URL of this resource.
    #[must_use]
    pub const fn resource(&self) -> &ResourceUri {
        &self.resource
    }

    /// The document that tells clients which authorization server to go to (RFC 9728 §2), in JSON.
    #[must_use]
    pub const fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// Why a request for the metadata is refused, if it comes to a resource on loopback by another name (attack 53).
    pub(crate) fn refuses(&self, request: &Parts) -> Option<HttpReason> {
        let is_foreign = self.shared().loopback_only && !comes_by_loopback_name(request);
        is_foreign.then_some(HttpReason::OtherHost)
    }

    /// Records that a request for the metadata is refused.
    pub(crate) fn refused(&self, reason: HttpReason) -> CorrelationId {
        let trail = &self.shared().trail;
        let reference = trail.correlate();
        let resource = Some(self.resource.clone());
        let kind = EventKind::Refused { client: None, resource, token: None, reason: reason.into() };
        trail.record(reference, Place::Metadata, kind);
        reference
    }

    fn new(shared: Shared, resource: ResourceUri, metadata: Bytes) -> Self {
        let guard = ResourceGuard::new(shared, Which::One(resource.clone()));
        Self { guard, resource, metadata }
    }

    fn shared(&self) -> &Shared {
        &self.guard.shared
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceServer({})", self.resource)
    }
}

/// What is known here of a resource and its authorization server.
pub(crate) struct Remote {
    questions: Questions,
    resource: ResourceUri,
    scopes: ScopeSet,
    default_scopes: ScopeSet,
    cache: Cache,
    flights: Flights<Key, BearerReason>,
}

impl Remote {
    pub(super) const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    pub(super) const fn default_scopes(&self) -> &ScopeSet {
        &self.default_scopes
    }

    /// What a token is worth, by an answer that was asked for no longer ago than the staleness.
    pub(super) async fn look_up(
        &self,
        presented: &Bearer,
        text: &str,
        clock: &dyn Clock,
    ) -> Result<StoredAccess, BearerReason> {
        let access = self.verdict(presented, text, clock).await??;
        // RFC 7662 §4: no answer is used beyond the end of its token
        if clock.now() >= access.token.expires_at { Err(BearerReason::Expired) } else { Ok(access) }
    }

    /// The verdict on a token, or why there is none.
    async fn verdict(&self, presented: &Bearer, text: &str, clock: &dyn Clock) -> Result<Verdict, BearerReason> {
        // Another request may have asked before a revocation that this one comes after: nothing to wait for.
        if self.cache.staleness().is_zero() {
            return Ok(self.ask(presented, text, clock).await?.0);
        }
        // Seen from here an answer is as old as it was when the request came, however long that waits.
        let (key, came_at) = (Key::of(presented), clock.now());
        loop {
            if let Some(verdict) = self.cache.get(&key, came_at) {
                return Ok(verdict);
            }
            match self.flights.board(&key).await {
                Boarding::Fetch(boarded) => {
                    // Somebody else may have landed just before.
                    if let Some(verdict) = self.cache.get(&key, came_at) {
                        return Ok(verdict);
                    }
                    return match self.ask(presented, text, clock).await {
                        Ok((verdict, asked_at)) => {
                            self.cache.put(key, &verdict, asked_at);
                            Ok(verdict)
                        }
                        Err(reason) => {
                            boarded.failed(reason.clone());
                            Err(reason)
                        }
                    };
                }
                Boarding::Landed(Some(reason)) => return Err(reason),
                Boarding::Landed(None) => {}
            }
        }
    }

    /// Asks, and tells when.
    async fn ask(
        &self,
        presented: &Bearer,
        text: &str,
        clock: &dyn Clock,
    ) -> Result<(Verdict, Timestamp), BearerReason> {
        let endpoint = self.questions.endpoint().await?;
        let asked_at = clock.now();
        let verdict = match self.questions.ask(endpoint, text).await? {
            Told::Inactive => Err(BearerReason::Unknown),
            Told::Active(claims) => claims.check(presented, self.questions.issuer(), &self.resource, clock.now()),
        };
        Ok((verdict, asked_at))
    }
}
