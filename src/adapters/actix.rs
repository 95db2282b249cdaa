//! Routes and a middleware for actix-web, and the principal as an extractor.
//!
//! The guard of a route is a middleware: `web::resource("/api/projects").wrap(guard)`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::guard::fn_guard;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, Resource, ResponseError};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;

pub use super::actix_guard::Guarded;

use super::gate::broken_body;
use crate::guard::{Principal, Refusal, ResourceServer};
use crate::server::Server;
use crate::web::{MAX_BODY, RoutePattern};

/// The endpoints of `server`, to be mounted at the app's root. Do not put them into a scope: the paths
/// are those that the metadata names.
///
/// ```
/// # async fn projects(_: grantor::Principal) -> &'static str { "" }
/// # fn app(oauth: grantor::Server) -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::{App, HttpServer, web};
///
/// let guard = oauth.resource("https://app.example/api")?.require("projects:read")?;
/// HttpServer::new(move || {
///     App::new()
///         .service(web::resource("/api/projects").wrap(guard.clone()).to(projects))
///         .configure(grantor::actix::routes(&oauth))
/// });
/// # Ok(())
/// # }
/// ```
pub fn routes(server: &Server) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<> {
    routes_with(server, |_| ready(()))
}

/// The same for apps whose session is in actix's own request, which cannot leave its thread: what
/// `extractor` finds there is put into the extensions of the request that the
/// [`Host`](crate::Host) sees. It is asked at every endpoint.
///
/// ```
/// use actix_web::{App, HttpMessage, HttpRequest, web};
///
/// #[derive(Clone)]
/// struct Session(String); // whatever the app's middleware leaves in the request
///
/// async fn session(request: HttpRequest) -> Option<Session> {
///     request.extensions().get::<Session>().cloned()
/// }
///
/// # fn app(oauth: grantor::Server) {
/// App::new().configure(grantor::actix::routes_with(&oauth, session));
/// # }
/// // In the host: `request.extensions.get::<Option<Session>>()`
/// ```
pub fn routes_with<E, F>(server: &Server, extractor: E) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<E, F>
where
    E: Fn(HttpRequest) -> F + Clone + Send + 'static,
    F: Future<Output: Clone + Send + Sync + 'static> + 'static,
{
    let server = server.clone();
    move |config| {
        for pattern in server.routes() {
            let (server, extractor) = (server.clone(), extractor.clone());
            let handler = move |request, body| answer(server.clone(), extractor.clone(), request, body);
            config.service(at(pattern).to(handler));
        }
    }
}

/// The metadata of a resource in another process than its authorization server, to be mounted like [`routes`].
pub fn resource_routes(resource: &ResourceServer) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<> {
    let resource = resource.clone();
    move |config| {
        for pattern in resource.routes() {
            let resource = resource.clone();
            let handler = move |request: HttpRequest| {
                ready(parts(&request).map_or_else(|_| bad_request(), |parts| response(resource.handle(&parts))))
            };
            config.service(at(pattern).to(handler));
        }
    }
}

fn at(pattern: RoutePattern) -> Resource {
    let path = if pattern.below { format!("{}/{{rest:.*}}", pattern.path) } else { pattern.path.clone() };
    // actix compares paths decoded, the server as they were sent: what it would not answer is left to the app.
    web::resource(path).guard(fn_guard(move |context| pattern.matches(context.head().uri.path())))
}

pub(super) fn bad_request() -> HttpResponse {
    HttpResponse::new(StatusCode::BAD_REQUEST)
}

#[allow(clippy::future_not_send, reason = "actix's requests do not leave their thread")]
async fn answer<E, F>(server: Server, extractor: E, request: HttpRequest, body: web::Payload) -> HttpResponse
where
    E: Fn(HttpRequest) -> F,
    F: Future<Output: Clone + Send + Sync + 'static>,
{
    let Ok(mut parts) = parts(&request) else { return bad_request() };
    parts.extensions.insert(extractor(request).await);
    let body = match body.to_bytes_limited(MAX_BODY).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) | Err(_) => broken_body(),
    };
    response(server.handle(http::Request::from_parts(parts, body)).await)
}

/// A request's head in the types of `http` 1; actix has those of an older version.
pub(super) fn parts(request: &HttpRequest) -> Result<Parts, http::Error> {
    let head = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    let head = request.headers().iter().fold(head, |head, (name, value)| head.header(name.as_str(), value.as_bytes()));
    Ok(head.body(())?.into_parts().0)
}

pub(super) fn response(answer: http::Response<Bytes>) -> HttpResponse {
    let (mut parts, body) = answer.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // actix takes a length from the body and from nothing else.
    let length = parts.headers.remove(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut response = HttpResponse::new(status);
    for (name, value) in &parts.headers {
        if let Some((name, value)) = header(name, value) {
            response.headers_mut().append(name, value);
        }
    }
    match length {
        Some(length) if body.is_empty() => response.set_body(Unsent(length)).map_into_boxed_body(),
        _ => response.set_body(body).map_into_boxed_body(),
    }
}

pub(super) fn header(name: &http::HeaderName, value: &http::HeaderValue) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
    Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

/// The body that a GET would have had, for the answer to a HEAD.
struct Unsent(u64);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Nobody was let through: the route has no guard, or an optional one and no token came. An error in
/// the app, answered with 500.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a handler takes a Principal, but no guard let one through: add one with `.wrap(…)`")]
pub struct Unguarded(());

impl ResponseError for Unguarded {
    fn error_response(&self) -> HttpResponse {
        tracing::error!("{self}");
        HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What [`Principal::require`] refuses, as the error of a handler.
impl ResponseError for Refusal {
    fn error_response(&self) -> HttpResponse {
        response(self.response())
    }
}

/// Who the guard let through. An `Option<Principal>` is for routes with an [`OptionalGuard`](crate::OptionalGuard). Where there
/// is no guard at all actix makes it `None`, whatever token came; the log tells of it.
impl FromRequest for Principal {
    type Error = Unguarded;
    type Future = Ready<Result<Self, Unguarded>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let found = extensions.get::<Self>().cloned();
        if found.is_none() && !extensions.contains::<Option<Self>>() {
            tracing::error!(path = request.path(), "a handler looks for a Principal where no guard is");
        }
        ready(found.ok_or(Unguarded(())))
    }
}
