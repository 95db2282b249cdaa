//! One app, written for each framework: guarded routes, a session that the framework's middleware
//! finds, a start page for every unknown path, and grantor.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage as _, HttpRequest};
use axum::Router;
use axum::middleware::Next;
use axum::routing::any;
use grantor::host::EntropyError;
use grantor::tower::OAuthService;
use grantor::{Entropy, Guard, Host, HostError, MemoryStorage, Principal, SignIn, User};
use http::request::Parts;

use crate::support::World;

/// An app whose randomness and clock are the same each time.
pub(crate) fn world(issuer: &str) -> World {
    World::at(issuer, MemoryStorage::new(), |builder| {
        builder.host(App).entropy(Counter(AtomicU64::new(1))).registration_management()
    })
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            // splitmix64
            let mut mixed = self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Who is signed in, as the framework's middleware found out.
#[derive(Clone)]
pub(crate) struct Session(String);

impl Session {
    pub(crate) fn of<'a>(cookies: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut pairs = cookies.flat_map(|header| header.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
        let name = pairs.find_map(|pair| pair.strip_prefix(b"session="))?;
        Some(Self(String::from_utf8(name.to_owned()).ok()?))
    }
}

/// Looks into the extensions alone, and shows the bytes of a header to the user.
struct App;

impl Host for App {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let session = request.extensions.get::<Option<Session>>().cloned().flatten();
        let odd = request.headers.get_all("x-odd").iter().map(|value| value.as_bytes().escape_ascii().to_string());
        let odd = odd.collect::<Vec<_>>().join("+");
        Ok(session.map(|Session(name)| User::new(&name, format!("{name} {odd}"), format!("{name}.1"))))
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?by={}&return_to={}", request.method, ask.return_to))
    }
}

fn guard(world: &World, resource: &str, scopes: &str) -> Guard {
    world.server.resource(&format!("{}{resource}", world.origin())).unwrap().require(scopes).unwrap()
}

const START_PAGE: &str = "the start page";
const OWN_CORS: (&str, &str) = ("access-control-allow-origin", "https://one.example");

fn by_token(method: &str, principal: &Principal) -> String {
    format!("{method} by {} for {}", principal.subject().unwrap(), principal.resource())
}

fn by_either(method: &str, principal: Option<&Principal>, session: Option<&Session>) -> String {
    match (principal, session) {
        (Some(principal), _) => by_token(method, principal),
        (None, Some(Session(name))) => format!("{method} by the session of {name}"),
        (None, None) => format!("{method} by nobody"),
    }
}

pub(crate) fn axum_app(world: &World) -> Router {
    async fn token(method: http::Method, principal: Principal) -> String {
        by_token(method.as_str(), &principal)
    }
    async fn either(
        method: http::Method,
        principal: Option<Principal>,
        axum::Extension(session): axum::Extension<Option<Session>>,
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
        .layer(axum::middleware::from_fn(sessions))
}

async fn sessions(mut request: axum::extract::Request, next: Next) -> axum::response::Response {
    let session = Session::of(request.headers().get_all("cookie").iter().map(http::HeaderValue::as_bytes));
    request.extensions_mut().insert(session);
    next.run(request).await
}

/// The endpoints alone, as one service.
pub(crate) fn tower_app(world: &World) -> Router {
    let endpoints = OAuthService::new(&world.server);
    Router::new().fallback_service(endpoints).layer(axum::middleware::from_fn(sessions))
}

pub(crate) fn actix_app(world: &World) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<> {
    async fn token(method: actix_web::http::Method, principal: Principal) -> String {
        by_token(method.as_str(), &principal)
    }
    async fn either(request: HttpRequest, principal: Option<Principal>) -> String {
        by_either(request.method().as_str(), principal.as_ref(), session(request.clone()).await.as_ref())
    }
    async fn own_cors() -> impl actix_web::Responder {
        actix_web::Responder::customize("mine").insert_header(OWN_CORS)
    }
    async fn session(request: HttpRequest) -> Option<Session> {
        request.extensions().get::<Session>().cloned()
    }
    let (read, write) = (guard(world, "/api", "projects:read"), guard(world, "/api", "projects:write"));
    let (mcp, routes) = (guard(world, "/mcp", ""), grantor::actix::routes_with(&world.server, session));
    move |config| {
        config
            .service(web::resource("/api").wrap(read.clone()).to(token))
            .service(web::resource("/api/either").wrap(read.optional()).to(either))
            .service(web::resource("/api/token-for-either").wrap(read.clone()).to(either))
            .service(web::resource("/api/either-for-token").wrap(read.optional()).to(token))
            .service(web::resource("/api/own-cors").wrap(read.clone()).to(own_cors))
            .service(web::resource("/api/write").wrap(write).to(token))
            .service(web::resource("/mcp").wrap(mcp.clone()).to(token))
            .service(web::resource("/mcp/either").wrap(mcp.optional()).to(either))
            .service(web::resource("/open").to(token))
            .service(web::resource("/open/either").to(either))
            .service(web::scope("/nested").wrap(read).service(web::resource("/x").to(token)))
            .configure(routes)
            .default_service(web::to(|| async { START_PAGE }));
    }
}

/// The app's own middleware, to be wrapped around [`actix_app`].
pub(crate) async fn actix_sessions(
    request: ServiceRequest,
    next: actix_web::middleware::Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let session = Session::of(request.headers().get_all("cookie").map(|value| value.as_bytes()));
    session.map(|session| request.extensions_mut().insert(session));
    next.call(request).await
}
