//! What is put under load: bare axum, and grantor and `oauth-as` as a host has them in axum.

use std::future::Ready;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use grantor_benches::oauth_as::OauthAs;
use grantor_benches::ours::Ours;

/// What a guarded route answers.
const ANSWER: &str = "the projects";

/// Serves on a free port, and says which, until it is killed. One thread does everything, so that its CPU time
/// is that of the server.
pub(crate) fn serve(name: &str) {
    let router = match name {
        "bare" => bare(),
        "grantor" => grantor(Arc::new(Ours::new())),
        "oauth-as" => oauth_as(Arc::new(OauthAs::new())),
        unknown => panic!("there is no server {unknown}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}

/// The same headers and bodies as grantor sends, from fixed answers.
fn bare() -> Router {
    let ours = Ours::new();
    let posted = |answer: http::Response<Bytes>| {
        let answer = Fixed::of(answer);
        post(move |_asked: Bytes| std::future::ready(answer))
    };
    let metadata = Fixed::of(grantor_benches::now(ours.server().handle(Ours::metadata())));
    Router::new()
        .route("/metadata", get(move || std::future::ready(metadata)))
        .route("/api", get(|| std::future::ready((grantor::guard::cors_headers(), ANSWER))))
        .route("/client_credentials", posted(ours.handle(Ours::client_credentials())))
        .route("/introspection", posted(ours.handle(ours.introspects(&ours.token()))))
        .route("/exchange", posted(ours.handle(ours.redeems())))
}

/// A ready answer, with as many headers as grantor's have.
#[derive(Clone)]
struct Fixed([(HeaderName, HeaderValue); 5], Bytes);

impl Fixed {
    fn of(answer: http::Response<Bytes>) -> Self {
        let headers: Vec<_> = answer.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self(headers.try_into().unwrap(), answer.into_body())
    }
}

impl IntoResponse for Fixed {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

fn projects() -> Ready<&'static str> {
    std::future::ready(ANSWER)
}

fn grantor(ours: Arc<Ours>) -> Router {
    let guarded = get(projects).layer(ours.guard().clone());
    let router = Router::new().route("/api", guarded).merge(grantor::axum::routes(ours.server()));
    let prepared = Arc::clone(&ours);
    router
        .route(
            "/prepare/codes/{count}",
            get(move |Path(count)| std::future::ready(lines(count, || ours.code(ours.asks())))),
        )
        .route("/prepare/tokens/{count}", get(move |Path(count)| std::future::ready(lines(count, || prepared.token()))))
}

fn oauth_as(theirs: Arc<OauthAs>) -> Router {
    let codes = |Path(count), Extension(theirs): Extension<Arc<OauthAs>>| {
        std::future::ready(lines(count, || theirs.code(&theirs.asks())))
    };
    let router: Router = theirs.service().into();
    router.route("/prepare/codes/{count}", get(codes)).layer(Extension(theirs))
}

/// What a load is made of, made ready before.
fn lines(count: usize, make: impl Fn() -> String) -> String {
    (0..count).map(|_| make() + "\n").collect()
}
