//! The resource side: which requests may reach a route, and how the others are told.

mod optional;
mod principal;
mod refusal;

use std::fmt;
use std::sync::Arc;

use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;

pub use optional::OptionalGuard;
pub use principal::Principal;
pub use refusal::Refusal;

use crate::host::Clock;
use crate::protocol::bearer;
use crate::protocol::cors;
use crate::protocol::error::BearerReason;
use crate::protocol::issuer::is_loopback_host;
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::storage::{AnyStorage, InForce, Storage as _, StorageError};

/// A registered resource, from which guards for its routes are made.
#[derive(Clone)]
pub struct ResourceGuard {
    shared: Arc<Shared>,
}

struct Shared {
    storage: AnyStorage,
    clock: Arc<dyn Clock>,
    in_force: Arc<InForce>,
    resource: ResourceUri,
    loopback_only: bool,
}

/// A scope is required that the resource does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the scope {scope:?} does not exist at {resource}: add it with `Builder::scope`, and to the resource if that lists its scopes"
)]
pub struct UnknownScope {
    scope: String,
    resource: ResourceUri,
}

impl ResourceGuard {
    pub(crate) fn new(
        storage: AnyStorage,
        clock: Arc<dyn Clock>,
        in_force: Arc<InForce>,
        resource: ResourceUri,
        loopback_only: bool,
    ) -> Self {
        Self { shared: Arc::new(Shared { storage, clock, in_force, resource, loopback_only }) }
    }

    /// A guard that lets through requests with a token for this resource that has all of `scopes`,
    /// which are separated by spaces. With `""` any token for this resource will do.
    ///
    /// Scopes are known by their names. Once one of them is retired, the guard turns everybody away who has no token
    /// that still runs out with it, and if a scope of that name is added again, it asks for that one.
    ///
    /// # Errors
    /// If a scope never was at this resource, as far as this instance knows: no token could have it. For a scope
    /// that was added at run time, call [`Scopes::refresh`](crate::server::Scopes::refresh) before.
    pub fn require(&self, scopes: &str) -> Result<Guard, UnknownScope> {
        let unknown = |scope: &str| UnknownScope { scope: scope.to_owned(), resource: self.shared.resource.clone() };
        let required = ScopeSet::parse(scopes).map_err(|_| unknown(scopes))?;
        let current = self.shared.in_force.last_known();
        if let Some(scope) = required.iter().find(|scope| !current.policy.has_heard_of(scope, &self.shared.resource)) {
            return Err(unknown(scope));
        }
        Ok(Guard(Arc::new(Rule { shared: Arc::clone(&self.shared), required })))
    }
}

impl fmt::Debug for ResourceGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceGuard({})", self.shared.resource)
    }
}

/// The guard of a route: a tower layer (feature `tower`), an actix middleware (feature `actix`), or to be
/// asked by [`Guard::check`].
///
/// It answers before the route looks at method, version or content, and it fails closed.
#[derive(Clone)]
pub struct Guard(Arc<Rule>);

struct Rule {
    shared: Arc<Shared>,
    /// By name.
    required: ScopeSet,
}

impl Guard {
    /// Who sent a request, if it may pass.
    ///
    /// # Errors
    /// If it may not: the error is the answer to send.
    pub async fn check(&self, request: &Parts) -> Result<Principal, Refusal> {
        let shared = &self.0.shared;
        if shared.loopback_only && !comes_by_loopback_name(request) {
            return Err(self.refuse(BearerReason::OtherHost));
        }
        if is_preflight(request) {
            return Err(Refusal::Preflight);
        }
        let presented = bearer::presented(request.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes))
            .map_err(|reason| self.refuse(reason))?;
        let stored = shared.storage.access_token(presented.id).await.map_err(|error| self.fail(&error))?;
        let now = shared.clock.now();
        let current = shared.in_force.current(now).await.map_err(|error| self.fail(&error))?;
        bearer::check(&presented, stored, &shared.resource, &self.0.required, &current.policy.scopes, now)
            .map(|(access, allowed)| Principal::new(access, allowed))
            .map_err(|reason| self.refuse(reason))
    }

    fn refuse(&self, reason: BearerReason) -> Refusal {
        tracing::debug!(resource = %self.0.shared.resource, %reason, "request turned away");
        let resource = &self.0.shared.resource;
        let policy = &self.0.shared.in_force.last_known().policy;
        // What a client without a token is told to ask for: nothing that nobody can get.
        let scope = match self.0.required.is_empty() {
            true => policy.suggested(resource),
            false => policy.scopes.present(&self.0.required),
        };
        let challenge = bearer::challenge(&reason, resource, &scope);
        Refusal::Denied { reason, challenge }
    }

    fn fail(&self, error: &StorageError) -> Refusal {
        tracing::error!(error = error as &dyn std::error::Error, "the store could not answer");
        self.refuse(if error.is_temporary() { BearerReason::Unavailable } else { BearerReason::ServerError })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({} requires {:?})", self.0.shared.resource, self.0.required)
    }
}

/// The headers that let pages of other origins read a guarded route's answers. They allow no cookies.
#[must_use]
pub fn cors_headers() -> [(HeaderName, HeaderValue); 2] {
    cors::RESPONSE_HEADERS.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
}

/// A true preflight (Fetch §3.2.2); any other OPTIONS is a request like others (attack 56).
fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether the name that the request was sent to is one of this machine. A request that names none
/// does not come from a browser.
pub(crate) fn comes_by_loopback_name(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    let named = hosts
        .next()
        .map(|host| host.to_str().unwrap_or_default())
        .or_else(|| request.uri.authority().map(|name| name.as_str()));
    hosts.next().is_none() && named.is_none_or(is_loopback_host)
}
