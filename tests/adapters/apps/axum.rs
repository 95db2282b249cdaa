use ::axum::extract::Request;
use ::axum::middleware::{Next, from_fn};
use ::axum::response::Response;
use ::axum::routing::any;
use ::axum::{Extension, Router};
use grantor::tower::OAuthService;
use grantor::{Principal, Server};
use http::{HeaderValue, Method};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};

pub(crate) fn axum_app(server: &Server) -> Router {
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
    let read = guard(server, "/api", "projects:read");
    Router::new()
        .route("/api", any(token).layer(read.clone()))
        .route("/api/either", any(either).layer(read.optional()))
        .route("/api/token-for-either", any(either).layer(read.clone()))
        .route("/api/either-for-token", any(token).layer(read.optional()))
        .route("/api/own-cors", any(|| async { ([OWN_CORS], "mine") }).layer(read.clone()))
        .route("/api/write", any(token).layer(guard(server, "/api", "projects:write")))
        .route("/mcp", any(token).layer(guard(server, "/mcp", "")))
        .route("/mcp/either", any(either).layer(guard(server, "/mcp", "").optional()))
        .route("/open", any(token))
        .route("/open/either", any(either))
        .nest("/nested", Router::new().route("/x", any(token)).layer(read))
        .merge(grantor::axum::routes(server))
        .fallback(|| async { START_PAGE })
        .layer(from_fn(sessions))
}

async fn sessions(mut request: Request, next: Next) -> Response {
    let session = Session::of(request.headers().get_all("cookie").iter().map(HeaderValue::as_bytes));
    request.extensions_mut().insert(session);
    next.run(request).await
}

/// The endpoints alone, as one service.
pub(crate) fn tower_app(server: &Server) -> Router {
    let endpoints = OAuthService::new(server);
    Router::new().fallback_service(endpoints).layer(from_fn(sessions))
}
