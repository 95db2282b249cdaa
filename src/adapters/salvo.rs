//! A router for salvo, the guard as a hoop, and the principal as an extractor.
//!
//! The guard is a hoop of the router of a path, not of that of one method: it has to see preflights.

use std::mem;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use salvo::extract::Metadata;
use salvo::http::{ReqBody, ResBody, StatusCode};
use salvo::writing::Scribe;
use salvo::{Depot, Extractible, FlowCtrl, Handler, Request, Response, Router, Writer, async_trait};

use super::gate::{Gate, add_cors};
use super::tower::{finished, read};
use crate::guard::{Guard, OptionalGuard, Principal, Refusal, ResourceServer};
use crate::server::Server;
use crate::web::RoutePattern;

/// The endpoints of `server`, to be pushed to the app's outermost router, before what answers every path. Do not push it
/// below a path: the paths are those that the metadata names.
///
/// ```
/// use grantor::Principal;
/// use salvo::prelude::*;
///
/// #[handler]
/// async fn projects(principal: Principal) -> String {
///     format!("those of {:?}", principal.subject())
/// }
///
/// # fn app(oauth: grantor::Server) -> Result<Router, Box<dyn std::error::Error>> {
/// let guard = oauth.resource("/api")?.require("projects:read")?;
/// let app = Router::new()
///     .push(Router::with_path("api/projects").hoop(guard).get(projects))
///     .push(grantor::salvo::routes(&oauth));
/// # Ok(app)
/// # }
/// ```
#[must_use]
pub fn routes(server: &Server) -> Router {
    routes_with(server, |_| ())
}

/// The same for apps whose session is in salvo's depot: what `extractor` finds there is put into the extensions of the
/// request that the [`Host`](crate::Host) sees. It is asked at every endpoint.
///
/// ```
/// use salvo::Depot;
///
/// #[derive(Clone)]
/// struct Session(String); // whatever a hoop of the app leaves in the depot
///
/// # fn app(oauth: grantor::Server) -> salvo::Router {
/// grantor::salvo::routes_with(&oauth, |depot: &Depot| depot.get_typed::<Session>().ok().cloned())
/// # }
/// // In the host: `request.extensions.get::<Option<Session>>()`
/// ```
#[must_use]
pub fn routes_with<E, T>(server: &Server, extractor: E) -> Router
where
    E: Fn(&Depot) -> T + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    at(server.routes(), Endpoints { server: server.clone(), extractor })
}

/// The metadata of a resource in another process than its authorization server, to be pushed like [`routes`].
#[must_use]
pub fn resource_routes(resource: &ResourceServer) -> Router {
    at(resource.routes(), Documents(resource.clone()))
}

fn at(patterns: Vec<RoutePattern>, goal: impl Handler) -> Router {
    // Salvo compares paths decoded, the server as they were sent: what it would not answer is left to the app.
    Router::with_filter_fn(move |request, _| patterns.iter().any(|pattern| pattern.matches(request.uri().path())))
        .path("{**rest}")
        .goal(goal)
}

struct Endpoints<E> {
    server: Server,
    extractor: E,
}

#[async_trait]
impl<E, T> Handler for Endpoints<E>
where
    E: Fn(&Depot) -> T + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    async fn handle(&self, request: &mut Request, depot: &mut Depot, response: &mut Response, _: &mut FlowCtrl) {
        let Ok(request) = request.strip_to_hyper::<ReqBody>() else { return bad_request(response) };
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert((self.extractor)(depot));
        answered(response, self.server.handle(http::Request::from_parts(parts, read(body).await)).await);
    }
}

struct Documents(ResourceServer);

#[async_trait]
impl Handler for Documents {
    async fn handle(&self, request: &mut Request, _: &mut Depot, response: &mut Response, _: &mut FlowCtrl) {
        match request.strip_to_hyper::<ReqBody>() {
            Ok(request) => answered(response, self.0.handle(&request.into_parts().0)),
            Err(_) => bad_request(response),
        }
    }
}

fn bad_request(response: &mut Response) {
    response.status_code(StatusCode::BAD_REQUEST);
}

fn answered(response: &mut Response, mut answer: http::Response<Bytes>) {
    // Salvo takes away the body of an answer to HEAD, and with it the length.
    if !answer.body().is_empty() {
        let length = answer.body().len().into();
        answer.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response.merge_hyper(answer.map(ResBody::Once));
}

/// Requests that pass have their [`Principal`] in the depot, and those that an optional guard lets through without one
/// `None::<Principal>`.
async fn check(gate: Gate, request: &mut Request, depot: &mut Depot, response: &mut Response, control: &mut FlowCtrl) {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    (parts.method, parts.uri, parts.version) = (request.method().clone(), request.uri().clone(), request.version());
    mem::swap(&mut parts.headers, request.headers_mut());
    match gate.check(&parts).await {
        Ok(principal) => {
            mem::swap(&mut parts.headers, request.headers_mut());
            match principal {
                Some(principal) => depot.insert_typed(principal),
                None => depot.insert_typed(None::<Principal>),
            };
            control.call_next(request, depot, response).await;
            add_cors(response.headers_mut());
        }
        Err(refusal) => {
            control.skip_rest();
            answered(response, finished(&parts, request.take_body(), refusal.response()).await);
            mem::swap(&mut parts.headers, request.headers_mut());
        }
    }
}

#[async_trait]
impl Handler for Guard {
    async fn handle(&self, request: &mut Request, depot: &mut Depot, response: &mut Response, control: &mut FlowCtrl) {
        check(self.into(), request, depot, response, control).await;
    }
}

#[async_trait]
impl Handler for OptionalGuard {
    async fn handle(&self, request: &mut Request, depot: &mut Depot, response: &mut Response, control: &mut FlowCtrl) {
        check(self.into(), request, depot, response, control).await;
    }
}

/// Nobody was let through: the route has no guard, or an optional one and no token came. An error in the app, answered
/// with 500.
#[derive(Debug, Clone, Copy)]
pub struct Unguarded(());

impl Scribe for Unguarded {
    fn render(self, response: &mut Response) {
        tracing::error!("a handler takes a Principal, but no guard let one through: add one with `.hoop(…)`");
        response.status_code(StatusCode::INTERNAL_SERVER_ERROR);
    }
}

/// What [`Principal::require`] refuses, as the error of a handler.
impl Scribe for Refusal {
    fn render(self, response: &mut Response) {
        answered(response, self.response());
    }
}

/// Who the guard let through. Routes with an [`OptionalGuard`] look into the depot instead:
/// `depot.get_typed::<Principal>().ok()`.
impl<'ex> Extractible<'ex> for Principal {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Principal");
        &METADATA
    }

    async fn extract(
        _: &'ex mut Request,
        depot: &'ex mut Depot,
    ) -> Result<Self, impl Writer + Send + std::fmt::Debug + 'static> {
        depot.get_typed::<Self>().cloned().map_err(|_| Unguarded(()))
    }
}
