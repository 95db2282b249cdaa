//! Serves fixed pages with the headers that the real server sends.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::get;
use tokio::net::TcpListener;

use super::states::State;

const LOGO: &str = include_str!("../../../examples/quickstart/assets/logo.svg");
const CLIENT_LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#e0f2fe"/><path d="M6 52V34h12v-12h14v18h10V14h16v38z" fill="#0369a1"/></svg>"##;
const POLICY: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) struct Site {
    origin: String,
    states: Vec<State>,
}

impl Site {
    /// Starts it; it ends with the test's runtime.
    pub(crate) async fn start(states: Vec<State>) -> Self {
        let mut routes = Router::new()
            .route("/logo.svg", get(|| async { ([(CONTENT_TYPE, "image/svg+xml")], LOGO) }))
            .route("/client.svg", get(|| async { ([(CONTENT_TYPE, "image/svg+xml")], CLIENT_LOGO) }))
            .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }));
        for state in &states {
            let body = state.page.body.clone();
            let policy = format!("{POLICY}; {}", state.page.content_security_policy);
            let headers = [(CONTENT_TYPE, state.page.content_type.to_owned()), (CONTENT_SECURITY_POLICY, policy)];
            routes = routes.route(&format!("/{}", state.name), get(|| async { (headers, body) }));
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { origin, states }
    }

    pub(crate) fn states(&self) -> &[State] {
        &self.states
    }

    pub(crate) fn address(&self, state: &State) -> String {
        format!("{}/{}", self.origin, state.name)
    }
}
