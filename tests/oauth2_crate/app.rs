//! An app with a login of its own and a guarded route, on a free port of this computer.

use axum::Router;
use axum::extract::Query;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::get;
use grantor::{Host, HostError, MemoryStorage, NewClient, Principal, Registration, ReturnTo, Server, SignIn, User};
use serde::Deserialize;
use tokio::net::TcpListener;

/// A client of the app's own people that acts for itself and may introspect, and its secret.
pub(crate) const MACHINE: (&str, &str) = ("nightly report", "SXsM4cJEKrEEnyMY7+HgoUUDpUbvTbBPpXp9ttxKnTg=");

struct App;

impl Host for App {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let cookies = request.headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
        let is_alice = cookies.split("; ").any(|cookie| cookie == "session=of-alice");
        Ok(is_alice.then(|| User::new("alice", "Alice", "of-alice")))
    }

    async fn sign_in(&self, _: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}

/// Starts the app; it ends with the test's runtime. Answers its origin, which is the issuer.
pub(crate) async fn start() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let api = format!("{origin}/api");
    let oauth = Server::builder(&origin)
        .storage(MemoryStorage::new())
        .host(App)
        .scope("projects:read", "See your projects")
        .scope("projects:write", "Create and change your projects")
        .resource(&api)
        .resource("/mcp")
        .registration(Registration::Open)
        .client(
            NewClient::confidential("Report")
                .id(MACHINE.0)
                .secret(MACHINE.1)
                .client_credentials()
                .introspects(["/api"]),
        )
        .build()
        .unwrap();
    let guard = oauth.resource(&api).unwrap().require("projects:read").unwrap();
    let app = Router::new()
        .route("/api/projects", get(projects).layer(guard))
        .route("/login", get(login_form).post(login))
        .merge(grantor::axum::routes(&oauth));
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

async fn projects(principal: Principal) -> String {
    match principal.subject() {
        Some(user) => format!("projects of {user}"),
        None => format!("all projects, for {}", principal.client()),
    }
}

#[derive(Deserialize)]
struct Back {
    return_to: String,
}

async fn login_form() -> Html<&'static str> {
    Html(r#"<form method="post"><button>Log in</button></form>"#)
}

async fn login(Query(back): Query<Back>) -> impl IntoResponse {
    let cookie = "session=of-alice; Path=/; HttpOnly; SameSite=Lax";
    ([(SET_COOKIE, cookie)], Redirect::to(ReturnTo::checked(&back.return_to).path()))
}
