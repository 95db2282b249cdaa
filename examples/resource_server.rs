//! An API in a process of its own, behind the quickstart's authorization server: start `cargo run --example quickstart`,
//! and with the client id and secret that it prints
//!
//! ```sh
//! DEMO_CLIENT_ID=… DEMO_CLIENT_SECRET=… cargo run --example resource_server
//! ```
//!
//! It has no store, no keys and no login: what a token is worth it asks the quickstart. `ISSUER` is where that runs, and
//! `PORT` the second one behind the quickstart's, which knows this resource by that.
use axum::{Json, Router, routing::get};
use grantor::{Principal, ResourceServer};
use std::error::Error;
use std::time::Duration;

#[allow(clippy::disallowed_methods, reason = "an app reads its own environment")]
fn from_env(name: &str, otherwise: Option<&str>) -> Result<String, String> {
    std::env::var(name)
        .ok()
        .or(otherwise.map(str::to_owned))
        .ok_or(format!("please set {name}, as the quickstart says"))
}

async fn reports(principal: Principal) -> Json<Vec<String>> {
    let user = principal.subject().map_or("nobody", |subject| subject.as_str());
    Json(vec![format!("what {user} did this week"), format!("asked for by {}", principal.client())])
}

async fn run() -> Result<(), Box<dyn Error>> {
    let issuer = from_env("ISSUER", Some("http://127.0.0.1:3000"))?;
    let port: u16 = from_env("PORT", Some("3002"))?.parse()?;
    let resource = ResourceServer::builder(&issuer, &format!("http://127.0.0.1:{port}/reports"))
        .client(&from_env("DEMO_CLIENT_ID", None)?, &from_env("DEMO_CLIENT_SECRET", None)?)
        .scopes("projects:read projects:write")
        .default_scopes("projects:read")
        .staleness(Duration::from_secs(2))
        .name("Planwerk's reports")
        .build()?;
    let app = Router::new()
        .route("/reports", get(reports).layer(resource.require("projects:read")?))
        .merge(grantor::axum::resource_routes(&resource));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("{} is up, for users of {issuer}", resource.resource());
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    if let Err(error) = run().await {
        eprintln!("resource_server: {error}");
        std::process::exit(1);
    }
}
