use ::axum::extract::Request;
use ::axum::middleware::{Next, from_fn};
use ::axum::response::Response;
use ::axum::routing::any;
use ::axum::{Extension, Router};
use grantor::Principal;
use grantor::tower::OAuthService;
use http::{HeaderValue, Method};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};
use crate::support::World;

pub(crate) fn axum_app(world: &World) -> Router {
    async fn token(method: Method, principal: Principal) -> String {
        by_token(method.as_str(), &principal)
    }
    async fn either(
        method: Method,
        principal: Option<Principal>,
        Extension(session): Extension<Option<Session>>,
    ) -> String {
        by_either(method.as_str(), principal.as_ref(), session.as_ref())
    }
    let read = guard(world, "/api", "projects:read");
    Router::new()
        .route("/api", any(token).layer(read.clone()))
        .route("/api/either", any(either).layer(read.optional()))
        .route("/api/token-for-either", any(either).layer(read.clone()))
        .route("/api/either-for-token", any(token).layer(read.optional()))
        .route("/api/own-cors", any(|| async { ([OWN_CORS], "mine") }).layer(read.clone()))
        .route("/api/write", any(token).layer(guard(world, "/api", "projects:write")))
        .route("/mcp", any(token).layer(guard(world, "/mcp", "")))
        .route("/mcp/either", any(either).layer(guard(world, "/mcp", "").optional()))
        .route("/open", any(token))
        .route("/open/either", any(either))
        .nest("/nested", Router::new().route("/x", any(token)).layer(read))
        .merge(grantor::axum::routes(&world.server))
        .fallback(|| async { START_PAGE })
        .layer(from_fn(sessions))
}

async fn sessions(mut request: Request, next: Next) -> Response {
    let session = Session::of(request.headers().get_all("cookie").iter().map(HeaderValue::as_bytes));
    request.extensions_mut().insert(session);
    next.run(request).await
}

/// The endpoints alone, as one service.
pub(crate) fn tower_app(world: &World) -> Router {
    let endpoints = OAuthService::new(&world.server);
    Router::new().fallback_service(endpoints).layer(from_fn(sessions))
}
