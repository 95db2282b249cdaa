//! A project app that lets other apps in: `cargo run --example quickstart`.
//!
//! Everything that OAuth needs of the app is in `oauth.rs`. The rest is what an app has anyway: people
//! and their login (`people.rs`, `session.rs`, `login.rs`), pages (`page.rs`, `home.rs`), an API
//! (`api.rs`, `mcp.rs`). `machine.rs` is a client that acts without a user. `account.rs` shows people which apps they let in.
//!
//! On the next port `third_party.rs` serves an app by somebody else, which shares no code with this one.

mod account;
mod api;
mod home;
mod login;
mod machine;
mod mcp;
mod oauth;
mod page;
mod people;
mod same_origin;
mod session;
mod third_party;

use std::error::Error;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use grantor::{Lifetimes, Server, SqliteStorage, StorageError};
use tokio::net::TcpListener;

use crate::machine::Machine;
use crate::oauth::Demo;
use crate::people::People;
use crate::session::Sessions;

/// What handlers can ask for.
#[derive(Clone)]
struct App {
    address: Address,
    people: People,
    sessions: Sessions,
    projects: api::Projects,
    oauth: Server,
}

/// Where this app and the third-party app are found.
#[derive(Clone, Copy)]
struct Address {
    port: u16,
}

impl Address {
    /// From the environment variable `PORT`; 3000 if it is not set.
    fn from_env() -> Result<Self, String> {
        Ok(Self { port: number_from_env("PORT", 3000, 1..=65533)? })
    }

    /// `127.0.0.1` here and `localhost` there: browsers keep cookies by host name, whatever the port.
    fn authority(self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn origin(self) -> String {
        format!("http://{}", self.authority())
    }

    const fn third_party_port(self) -> u16 {
        self.port + 1
    }

    /// An API in a process of its own: `examples/resource_server.rs`.
    fn reports(self) -> String {
        format!("http://127.0.0.1:{}/reports", self.port + 2)
    }

    fn third_party_origin(self) -> String {
        format!("http://localhost:{}", self.third_party_port())
    }
}

/// How long tokens live: access tokens for `ACCESS_TOKEN_SECONDS` of the environment, so that one can
/// watch them end. An hour if it is not set.
fn lifetimes_from_env() -> Result<Lifetimes, String> {
    let mut lifetimes = Lifetimes::default();
    lifetimes.access_token = Duration::from_secs(number_from_env("ACCESS_TOKEN_SECONDS", 3600, 1..=86_400)?);
    Ok(lifetimes)
}

/// Where the app keeps what it granted, beyond a restart: in the file `DATABASE`, or `oauth.db` here.
fn database_from_env() -> String {
    #[allow(clippy::disallowed_methods, reason = "an app reads its own environment")]
    std::env::var("DATABASE").unwrap_or_else(|_| "oauth.db".to_owned())
}

fn number_from_env<N>(name: &str, otherwise: N, allowed: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    #[allow(clippy::disallowed_methods, reason = "an app reads its own environment")]
    let Ok(text) = std::env::var(name) else { return Ok(otherwise) };
    match text.parse() {
        Ok(number) if allowed.contains(&number) => Ok(number),
        _ => Err(format!("{name}={text}: a number from {} to {} is wanted", allowed.start(), allowed.end())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    if let Err(error) = run().await {
        eprintln!("quickstart: {error}");
        std::process::exit(1);
    }
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (address, lifetimes) = (Address::from_env()?, lifetimes_from_env()?);
    let ours = listen("127.0.0.1", address.port).await?;
    let theirs = third_party::listen(address.third_party_port()).await?;
    let database = database_from_env();
    let machine = Machine::from_env(address)?;
    let app = app(address, lifetimes, &database, &machine).await?;

    println!("{}", home::guide(address, &database, &machine));
    third_party::serve(theirs, address);
    axum::serve(ours, app).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

async fn app(
    address: Address,
    lifetimes: Lifetimes,
    database: &str,
    machine: &Machine,
) -> Result<Router, Box<dyn Error>> {
    let (people, sessions) = (People::demo()?, Sessions::default());
    let storage = SqliteStorage::open(database).await.map_err(|error| cannot_open(database, &error))?;
    let demo = Demo { sessions: sessions.clone() };
    let oauth = oauth::server(address, storage, demo, lifetimes, machine)?;
    let api = oauth::guarded_routes(&oauth, &address.origin())?;
    let app = App { address, people, sessions, projects: api::Projects::demo(), oauth: oauth.clone() };

    let pages = Router::new()
        .route("/", get(home::show))
        .route("/login", get(login::show).post(login::submit))
        .route("/logout", post(login::logout))
        .route("/account", get(account::show))
        .route("/account/disconnect", post(account::disconnect))
        .layer(from_fn(same_origin::forms_only_from_our_own_pages))
        .layer(from_fn(page::with_security_headers))
        .route("/demo.css", get(page::style_sheet))
        .route("/logo.svg", get(page::logo));

    Ok(pages
        .merge(api)
        .with_state(app)
        .merge(grantor::axum::routes(&oauth))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .layer(from_fn_with_state(address, same_origin::only_by_our_own_name)))
}

/// Listens on a port, or says what to do if somebody else does.
async fn listen(host: &str, port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((host, port)).await.map_err(|error| taken(host, port, &error))
}

fn taken(host: &str, port: u16, error: &std::io::Error) -> String {
    format!(
        "cannot listen on {host}, port {port}: {error}.\n\
         Two neighbouring free ports are needed; choose the first: PORT=4000 cargo run --example quickstart"
    )
}

fn cannot_open(database: &str, error: &StorageError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!(
        "cannot keep anything in {database}{cause}.\n\
         Choose another file: DATABASE=/tmp/oauth.db cargo run --example quickstart"
    )
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("quickstart: cannot wait for ctrl-c: {error}");
        std::future::pending::<()>().await;
    }
}
