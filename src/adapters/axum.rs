//! An axum router for the endpoints, and the principal as an extractor.
//!
//! The guard of a route is the tower layer: `get(handler).layer(guard)`.
//!
//! A route whose methods need different scopes is merged from one route a method, each with its guard. Use
//! `layer`, not `route_layer`: the guard has to see preflights and methods that the route does not have.
//!
//! ```
//! # use axum::{Router, routing::{get, post}};
//! # fn app(oauth: &grantor::Server) -> Result<Router, Box<dyn std::error::Error>> {
//! let api = oauth.resource("/api")?;
//! let projects = get(async || "all of them").layer(api.require("projects:read")?);
//! let projects = projects.merge(post(async || "one more").layer(api.require("projects:write")?));
//! # Ok(Router::new().route("/api/projects", projects))
//! # }
//! ```

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::tower::{MetadataService, OAuthService};
use crate::guard::{Principal, Refusal, ResourceServer};
use crate::server::Server;
use crate::web::RoutePattern;

/// The endpoints of `server`, to be merged into the app's router at its root:
/// `Router::new().merge(grantor::axum::routes(&oauth))`.
///
/// Do not nest it: the paths are those that the metadata names.
pub fn routes<S: Clone + Send + Sync + 'static>(server: &Server) -> Router<S> {
    server
        .routes()
        .into_iter()
        .fold(Router::new(), |router, pattern| router.route_service(&path(pattern), OAuthService::new(server)))
}

/// The metadata of a resource in another process than its authorization server, to be merged like [`routes`].
///
/// ```
/// # use axum::{Router, routing::any};
/// # fn app(resource: &grantor::ResourceServer) -> Result<Router, Box<dyn std::error::Error>> {
/// let mcp = any(async || "tools").layer(resource.require("projects:read")?);
/// # Ok(
/// Router::new().route("/mcp", mcp).merge(grantor::axum::resource_routes(resource))
/// # )
/// # }
/// ```
pub fn resource_routes<S: Clone + Send + Sync + 'static>(resource: &ResourceServer) -> Router<S> {
    resource
        .routes()
        .into_iter()
        .fold(Router::new(), |router, pattern| router.route_service(&path(pattern), MetadataService::new(resource)))
}

fn path(pattern: RoutePattern) -> String {
    if pattern.below { format!("{}/{{*rest}}", pattern.path) } else { pattern.path }
}

/// Nobody was let through: the route has no guard, or an optional one and no token came. An error in
/// the app, answered with 500.
#[derive(Debug, Clone, Copy)]
pub struct Unguarded(());

impl IntoResponse for Unguarded {
    fn into_response(self) -> Response {
        tracing::error!("a handler takes a Principal, but no guard let one through: add one with `.layer(…)`");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// What [`Principal::require`] refuses, as the error of a handler or a middleware.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response().map(axum::body::Body::from)
    }
}

/// Who the guard let through.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Unguarded;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Unguarded> {
        parts.extensions.get::<Self>().cloned().ok_or(Unguarded(()))
    }
}

/// Who the guard let through, if a token came to an [`OptionalGuard`](crate::guard::OptionalGuard).
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Unguarded;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Unguarded> {
        let nobody = || parts.extensions.get::<Option<Self>>().cloned();
        parts.extensions.get::<Self>().cloned().map(Some).or_else(nobody).ok_or(Unguarded(()))
    }
}
