//! Routes and a middleware for poem, and the principal as an extractor.
//!
//! The guard of an endpoint is a middleware: `endpoint.with(guard)`. Put it around the endpoint of a path, not around
//! that of one method: the guard has to see preflights and methods that the route does not have. An error of the
//! endpoint becomes a response there, as pages of other origins may read it: what is to catch errors belongs inside.

use std::mem;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::combinators::BoxBody;
use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::web::RequestBody;
use poem::{Endpoint, FromRequest, Middleware, Request, RequestParts, Response, Route};

use super::gate::{Gate, add_cors};
use super::tower::{finished, read};
use crate::guard::{Guard, OptionalGuard, Principal, Refusal, ResourceServer};
use crate::server::Server;
use crate::web::RoutePattern;

/// Adds the endpoints of `server` to the app's outermost `route`. Do not nest it: the paths are those that the metadata
/// names.
///
/// Whatever the app's middleware puts into the request with [`Request::set_data`] is in the extensions of the request
/// that the [`Host`](crate::Host) sees.
///
/// ```
/// # use poem::{EndpointExt as _, Route, get, handler};
/// use grantor::Principal;
///
/// #[handler]
/// fn projects(principal: Principal) -> String {
///     format!("those of {:?}", principal.subject())
/// }
///
/// # fn app(oauth: grantor::Server) -> Result<Route, Box<dyn std::error::Error>> {
/// let guard = oauth.resource("/api")?.require("projects:read")?;
/// let app = Route::new().at("/api/projects", get(projects).with(guard));
/// let app = grantor::poem::routes(app, &oauth);
/// # Ok(app)
/// # }
/// ```
#[must_use]
pub fn routes(route: Route, server: &Server) -> Route {
    server.routes().into_iter().fold(route, |route, pattern| route.at(path(pattern), OAuthEndpoint::new(server)))
}

/// Adds the metadata of a resource in another process than its authorization server, like [`routes`].
#[must_use]
pub fn resource_routes(route: Route, resource: &ResourceServer) -> Route {
    let endpoint = || MetadataEndpoint(resource.clone());
    resource.routes().into_iter().fold(route, |route, pattern| route.at(path(pattern), endpoint()))
}

fn path(pattern: RoutePattern) -> String {
    if pattern.below { format!("{}/*rest", pattern.path) } else { pattern.path }
}

/// All endpoints as one. It answers 404 for paths that are not the server's.
#[derive(Debug, Clone)]
pub struct OAuthEndpoint(Server);

impl OAuthEndpoint {
    /// The endpoints of `server`.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self(server.clone())
    }
}

impl Endpoint for OAuthEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let (mut head, body) = request.into_parts();
        let body = read(BoxBody::from(body)).await;
        Ok(response(self.0.handle(http::Request::from_parts(parts(&mut head), body)).await))
    }
}

struct MetadataEndpoint(ResourceServer);

impl Endpoint for MetadataEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(response(self.0.handle(&parts(&mut request.into_parts().0))))
    }
}

/// Takes what `http` has too, and leaves what is poem's own.
fn parts(head: &mut RequestParts) -> Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    swap(&mut parts, head);
    parts
}

fn swap(parts: &mut Parts, head: &mut RequestParts) {
    mem::swap(&mut parts.method, &mut head.method);
    mem::swap(&mut parts.uri, &mut head.uri);
    mem::swap(&mut parts.version, &mut head.version);
    mem::swap(&mut parts.headers, &mut head.headers);
    mem::swap(&mut parts.extensions, &mut head.extensions);
}

fn response(answer: http::Response<Bytes>) -> Response {
    let (parts, body) = answer.into_parts();
    let mut response = Response::from(body);
    response.set_status(parts.status);
    *response.headers_mut() = parts.headers;
    response
}

macro_rules! middleware {
    ($guard:ty) => {
        impl<E: Endpoint> Middleware<E> for $guard {
            type Output = Guarded<E>;

            fn transform(&self, inner: E) -> Guarded<E> {
                Guarded { gate: self.into(), inner }
            }
        }
    };
}

middleware!(Guard);
middleware!(OptionalGuard);

/// An endpoint behind a [`Guard`] or an [`OptionalGuard`]. Requests that pass carry their [`Principal`] in their
/// extensions, and those that an optional guard lets through without one `None::<Principal>`.
#[derive(Debug)]
pub struct Guarded<E> {
    gate: Gate,
    inner: E,
}

impl<E: Endpoint> Endpoint for Guarded<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let (mut head, body) = request.into_parts();
        let mut parts = parts(&mut head);
        match self.gate.admit(&mut parts).await {
            Ok(()) => {
                swap(&mut parts, &mut head);
                let mut response = self.inner.get_response(Request::from_parts(head, body)).await;
                add_cors(response.headers_mut());
                Ok(response)
            }
            Err(refusal) => {
                let body = BoxBody::from(body);
                Ok(response(finished(&parts, body, refusal.response()).await))
            }
        }
    }
}

/// Nobody was let through: the endpoint has no guard, or an optional one and no token came. An error in the app,
/// answered with 500.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a handler takes a Principal, but no guard let one through: add one with `.with(…)`")]
pub struct Unguarded(());

impl ResponseError for Unguarded {
    fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn as_response(&self) -> Response {
        tracing::error!("{self}");
        Response::from(self.status())
    }
}

/// What [`Principal::require`] refuses, as the error of a handler.
impl ResponseError for Refusal {
    fn status(&self) -> StatusCode {
        self.response().status()
    }

    fn as_response(&self) -> Response {
        response(self.response())
    }
}

/// Who the guard let through. An `Option<Principal>` is for endpoints with an [`OptionalGuard`]. Where there is no guard
/// at all poem makes it `None`, whatever token came; the log tells of it.
impl<'a> FromRequest<'a> for Principal {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let found = request.data::<Self>().cloned();
        if found.is_none() && request.data::<Option<Self>>().is_none() {
            tracing::error!(path = request.uri().path(), "a handler looks for a Principal where no guard is");
        }
        Ok(found.ok_or(Unguarded(()))?)
    }
}
