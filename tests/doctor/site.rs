//! A deployment on loopback: the real server behind a proxy that may spoil what goes through it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use grantor::doctor::{Examination, Report};
use grantor::host::{Fetch, FetchError, Fetched};
use grantor::{Builder, Fetcher, MemoryStorage, MetadataDocuments, Registration, Resource, Server};
use http::Method;
use tokio::net::TcpListener;

use crate::support::App;

/// What the proxy sees of a request.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) has_token: bool,
    pub(crate) has_origin: bool,
}

pub(crate) type Answer = http::Response<String>;
pub(crate) type Spoil = Arc<dyn Fn(&Asked, &mut Answer) + Send + Sync>;

/// No site has a document: the doctor does not sign in, so none is looked at.
struct NoDocuments;

impl Fetcher for NoDocuments {
    async fn fetch(&self, _: Fetch<'_>) -> Result<Fetched, FetchError> {
        Err(FetchError::unreachable("nobody signs in here"))
    }
}

pub(crate) fn documents() -> MetadataDocuments {
    MetadataDocuments::new(NoDocuments)
}

/// A deployment that lacks nothing; its origin.
pub(crate) async fn start(change: impl FnOnce(Builder) -> Builder, spoil: Spoil) -> String {
    let whole = |plain: Builder| {
        plain
            .scope("projects:read", "See your projects")
            .default_scopes("projects:read")
            .resource(Resource::new("/mcp").also_for_origin())
            .client_metadata_documents(documents())
            .registration(Registration::Open)
    };
    start_plain(|plain| change(whole(plain)), spoil).await
}

/// A deployment of a builder with nothing but a store and an app; its origin.
pub(crate) async fn start_plain(complete: impl FnOnce(Builder) -> Builder, spoil: Spoil) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let plain = Server::builder(&origin).storage(MemoryStorage::new()).host(App);
    let oauth = complete(plain).build().unwrap();
    let guard = oauth.resource("/mcp").unwrap().require("").unwrap();
    let app = Router::new()
        .route("/mcp", any(|| async { "in" }).layer(guard))
        .merge(grantor::axum::routes(&oauth))
        .layer(from_fn(move |request, next| proxy(request, next, Arc::clone(&spoil))));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    origin
}

async fn proxy(request: Request, next: Next, spoil: Spoil) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let asked = Asked {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        has_token: parts.headers.contains_key("authorization"),
        has_origin: parts.headers.contains_key("origin"),
    };
    let (mut parts, body) = next.run(Request::from_parts(parts, Body::from(body))).await.into_parts();
    let body = String::from_utf8(to_bytes(body, 1024 * 1024).await.unwrap().to_vec()).unwrap();
    parts.headers.remove("content-length");
    let mut answer = http::Response::from_parts(parts, body);
    spoil(&asked, &mut answer);
    answer.map(Bytes::from).map(Body::from).into_response()
}

pub(crate) async fn examine(origin: &str) -> Report {
    Examination::new(&format!("{origin}/mcp")).unwrap().run().await
}

pub(crate) async fn examine_registering(origin: &str) -> Report {
    Examination::new(&format!("{origin}/mcp")).unwrap().registering().run().await
}
