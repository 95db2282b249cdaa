//! All that the app does for OAuth: what it offers, who is signed in, where people sign in.

use axum::Router;
use axum::http::request::Parts;
use axum::routing::{get, post};
use grantor::host::{KeysFromEnvError, SystemEntropy};
use grantor::{Host, HostError, Keys, Lifetimes, Registration, Resource, Server, SignIn, SqliteStorage, User};

use crate::machine::Machine;
use crate::session::Sessions;
use crate::{Address, App, api, mcp};

pub(crate) fn server(
    address: Address,
    storage: SqliteStorage,
    host: Demo,
    lifetimes: Lifetimes,
    machine: &Machine,
) -> Result<Server, Box<dyn std::error::Error>> {
    let origin = address.origin();
    Ok(Server::builder(&origin)
        .storage(storage)
        .keys(keys()?)
        .host(host)
        .app_name("Planwerk")
        .app_logo("/logo.svg")
        .scope("projects:read", "See your projects")
        .scope("projects:write", "Create and change your projects")
        .default_scopes("projects:read")
        .resource(format!("{origin}/api"))
        .resource(format!("{origin}/mcp"))
        .resource(Resource::new(&address.reports()).name("Planwerk's reports"))
        .default_resource(&format!("{origin}/mcp"))
        .registration(Registration::Open)
        .client(machine.client())
        .lifetimes(lifetimes)
        .build()?)
}

/// What seals the questions that people have open: from `OAUTH_KEYS`, as every real app has it. Without,
/// a question that is open at a restart is asked again; what was granted stays.
fn keys() -> Result<Keys, Box<dyn std::error::Error>> {
    match Keys::from_env("OAUTH_KEYS") {
        Err(KeysFromEnvError::Missing(_)) => Ok(Keys::ephemeral(&SystemEntropy)?),
        keys => Ok(keys?),
    }
}

/// The routes that take tokens. A guard goes on with `layer`, so that it also answers what no handler
/// does: a browser's preflight, a method that is not there.
pub(crate) fn guarded_routes(oauth: &Server, origin: &str) -> Result<Router<App>, Box<dyn std::error::Error>> {
    let api = oauth.resource(&format!("{origin}/api"))?;
    let mcp = oauth.resource(&format!("{origin}/mcp"))?;
    let projects = get(api::list)
        .layer(api.require("projects:read")?)
        .merge(post(api::create).layer(api.require("projects:write")?));
    Ok(Router::new()
        .route("/api/projects", projects)
        .route("/mcp", post(mcp::message).layer(mcp.require("projects:read")?)))
}

/// The app, as grantor sees it.
#[derive(Clone)]
pub(crate) struct Demo {
    pub(crate) sessions: Sessions,
}

impl Host for Demo {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let Some((id, session)) = self.sessions.of(&request.headers) else { return Ok(None) };
        Ok(Some(User::new(&session.user, &*session.user, id.to_string()).authenticated_at(session.since)))
    }

    async fn sign_in(&self, _request: &Parts, ask: SignIn) -> Result<String, HostError> {
        // The login page always asks for the password, so it does for `ask.fresh` too.
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}
