//! The resource side: which requests may reach a route, and how the others are told.

mod optional;
mod principal;
mod refusal;
mod remote;
mod source;
mod stripes;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;

pub use optional::OptionalGuard;
pub use principal::Principal;
pub use refusal::Refusal;
pub use remote::{InvalidResourceServer, ResourceServer, ResourceServerBuilder};
pub(crate) use source::{Here, Source};
use stripes::Stripes;

use crate::host::{Clock, EventKind, Place, Trail};
use crate::protocol::bearer;
use crate::protocol::cors;
use crate::protocol::error::BearerReason;
use crate::protocol::issuer::{Issuer, is_loopback_host};
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;

/// A registered resource, or one of several as a request tells, from which guards for its routes are made.
#[derive(Clone)]
pub struct ResourceGuard {
    shared: Arc<Shared>,
    which: Which,
}

/// What tells the URL, or the path, of the resource that a request is for.
type Told = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// Which resource a request is for.
#[derive(Clone)]
pub(crate) enum Which {
    One(ResourceUri),
    /// By its URL or its path on the origin of that issuer.
    By(Told, Issuer),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(resource) => resource.fmt(f),
            Self::By(..) => f.write_str("the resource of a request"),
        }
    }
}

/// What all guards have in common.
pub(crate) struct Shared {
    pub(crate) source: Source,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trail: Trail,
    pub(crate) loopback_only: bool,
}

/// A scope is required that the resource does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the scope {scope:?} does not exist at {resource}: add it with `Builder::scope`, and to the resource if that lists \
     its scopes, or with `ResourceServerBuilder::scopes` where the resource is in another process"
)]
pub struct UnknownScope {
    scope: String,
    resource: String,
}

impl ResourceGuard {
    pub(crate) fn new(shared: Shared, which: Which) -> Self {
        Self { shared: Arc::new(shared), which }
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
        let unknown = |scope: &str| UnknownScope { scope: scope.to_owned(), resource: self.which.to_string() };
        let required = ScopeSet::parse(scopes).map_err(|_| unknown(scopes))?;
        let resource = match &self.which {
            Which::One(resource) => Some(resource),
            Which::By(..) => None,
        };
        if let Some(scope) = required.iter().find(|scope| !self.shared.source.has_heard_of(scope, resource)) {
            return Err(unknown(scope));
        }
        let shared = Arc::clone(&self.shared);
        Ok(Guard(match &self.which {
            Which::One(resource) => {
                let rule =
                    || Rule { shared: Arc::clone(&shared), resource: resource.clone(), required: required.clone() };
                Of::One(Arc::new(Stripes::new(rule)))
            }
            Which::By(which, issuer) => {
                Of::By(Arc::new(Open { shared, which: Arc::clone(which), issuer: issuer.clone(), required }))
            }
        }))
    }
}

impl fmt::Debug for ResourceGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceGuard({})", self.which)
    }
}

/// The guard of a route, in the idiom of a framework (a tower layer, a middleware of actix-web or poem, a hoop of Salvo,
/// a filter of warp, or around routes of Rocket), or to be asked by [`Guard::check`].
///
/// It answers before the route looks at method, version or content, and it fails closed.
#[derive(Clone)]
pub struct Guard(Of);

#[derive(Clone)]
enum Of {
    One(Arc<Stripes>),
    By(Arc<Open>),
}

/// The guard of one resource.
#[derive(Clone)]
struct Bound(Arc<Rule>);

/// Its counter shares no cache line with that of another one.
#[repr(align(128))]
struct Rule {
    shared: Arc<Shared>,
    resource: ResourceUri,
    /// By name.
    required: ScopeSet,
}

/// The guard of the resource that a request tells.
struct Open {
    shared: Arc<Shared>,
    which: Told,
    issuer: Issuer,
    /// By name.
    required: ScopeSet,
}

impl Open {
    fn bind(&self, request: &Parts) -> Option<Bound> {
        let Self { shared, which, issuer, required } = self;
        let url = which(request)?;
        let resource = ResourceUri::parse(&issuer.absolute(&url)).ok()?;
        Some(Bound(Arc::new(Rule { shared: Arc::clone(shared), resource, required: required.clone() })))
    }
}

/// A request that does not pass.
enum Turned {
    /// It is a browser's question.
    Preflight,
    /// It has no token that allows it; the id is that of the token that it showed.
    Away(BearerReason, Option<OrderedId>),
    /// It has a token that does not allow it.
    Short(Box<Principal>),
}

impl From<BearerReason> for Turned {
    fn from(reason: BearerReason) -> Self {
        Self::Away(reason, None)
    }
}

impl Guard {
    /// Who sent a request, if it may pass.
    ///
    /// # Errors
    /// If it may not: the error is the answer to send.
    pub async fn check(&self, request: &Parts) -> Result<Principal, Refusal> {
        let guard = self.bound(request)?;
        guard.judge(request).await.map_err(|turned| guard.refuse(turned))
    }

    /// The guard of the resource that a request is for.
    fn bound(&self, request: &Parts) -> Result<Cow<'_, Bound>, Refusal> {
        match &self.0 {
            Of::One(guard) => Ok(Cow::Borrowed(guard.own())),
            Of::By(open) if is_preflight(request) && !open.shared.loopback_only => Err(Refusal::Preflight),
            Of::By(open) => match open.bind(request) {
                Some(guard) => Ok(Cow::Owned(guard)),
                None => Err(refusal(&open.shared, BearerReason::NoResource, None, None, String::new())),
            },
        }
    }
}

impl Bound {
    async fn judge(&self, request: &Parts) -> Result<Principal, Turned> {
        let shared = &self.0.shared;
        if shared.loopback_only && !comes_by_loopback_name(request) {
            return Err(BearerReason::OtherHost.into());
        }
        if is_preflight(request) {
            return Err(Turned::Preflight);
        }
        let authorization = request.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let (presented, text) = bearer::presented(authorization)?;
        let away = |reason| Turned::Away(reason, Some(presented.id));
        let looked_up = shared.source.look_up(&presented, text, self.resource(), &*shared.clock).await;
        let principal = Principal::new(looked_up.map_err(away)?, self.clone());
        if !principal.scopes().contains_all(&self.0.required) {
            return Err(Turned::Short(Box::new(principal)));
        }
        shared.source.admits(principal.subject()).await.map_err(away)?;
        Ok(principal)
    }

    fn resource(&self) -> &ResourceUri {
        &self.0.resource
    }

    /// The names of the scopes that a token must have.
    fn required(&self) -> &ScopeSet {
        &self.0.required
    }

    /// Records that a request is turned away, and makes the answer.
    fn refuse(&self, turned: Turned) -> Refusal {
        match turned {
            Turned::Preflight => Refusal::Preflight,
            Turned::Short(principal) => principal.lacks(&ScopeSet::empty()),
            Turned::Away(reason, token) if self.0.required.is_empty() => {
                let scopes = self.0.shared.source.suggested(self.resource());
                self.deny(reason, token, &scopes)
            }
            Turned::Away(reason, token) => self.deny(reason, token, &self.0.required),
        }
    }

    /// Tells a client to ask for these scopes, by name: for those of them that there are.
    fn deny(&self, reason: BearerReason, token: Option<OrderedId>, scopes: &ScopeSet) -> Refusal {
        let (shared, resource) = (&self.0.shared, self.resource());
        let scope = shared.source.present(scopes);
        let challenge = bearer::challenge(&reason, resource, &scope);
        refusal(shared, reason, Some(resource), token, challenge)
    }
}

/// Records that a request is turned away, and makes the answer.
fn refusal(
    shared: &Shared,
    reason: BearerReason,
    resource: Option<&ResourceUri>,
    token: Option<OrderedId>,
    challenge: String,
) -> Refusal {
    let reference = shared.trail.correlate();
    let resource = resource.cloned();
    let kind = EventKind::Refused { client: None, resource, token, reason: reason.clone().into() };
    shared.trail.record(reference, Place::Guard, kind);
    Refusal::Denied { reason, challenge, reference }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Of::One(guard) => guard.own().fmt(f),
            Of::By(open) => write!(f, "Guard(the resource of a request requires {:?})", open.required),
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({} requires {:?})", self.0.resource, self.0.required)
    }
}

/// The headers that let pages of other origins read a guarded route's answers. They allow no cookies.
#[must_use]
pub fn cors_headers() -> [(HeaderName, HeaderValue); 2] {
    CORS_HEADERS.clone()
}

pub(crate) static CORS_HEADERS: [(HeaderName, HeaderValue); 2] = {
    let [(origin, any), (exposed, names)] = cors::RESPONSE_HEADERS;
    [
        (HeaderName::from_static(origin), HeaderValue::from_static(any)),
        (HeaderName::from_static(exposed), HeaderValue::from_static(names)),
    ]
};

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
