//! An authorization server, a resource server that asks it, and the line between the two.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use grantor::guard::ResourceServerBuilder;
use grantor::host::{FetchError, Transport};
use grantor::{Event, Guard, Principal, Refusal, ResourceServer};
use http::{HeaderMap, Method, Request, Response};
use tokio::sync::RwLock;

use crate::support::{API, Client, ISSUER, World, request};

pub(crate) type Answer = Result<Response<Bytes>, FetchError>;
type Spoil = dyn Fn(&Request<Bytes>, Response<Bytes>) -> Answer + Send + Sync;

/// Carries requests to a server in this process, counts them, and may spoil the answers.
#[derive(Clone)]
pub(crate) struct Line {
    world: World,
    asked: Arc<AtomicUsize>,
    discovered: Arc<AtomicUsize>,
    /// Whoever holds it for writing holds all answers back.
    pub(crate) gate: Arc<RwLock<()>>,
    spoil: Arc<Mutex<Arc<Spoil>>>,
    /// What was sent, headers included.
    pub(crate) sent: Arc<Mutex<Vec<String>>>,
}

impl Line {
    fn to(world: &World) -> Self {
        Self {
            world: world.clone(),
            asked: Arc::default(),
            discovered: Arc::default(),
            gate: Arc::default(),
            spoil: Arc::new(Mutex::new(Arc::new(|_, answer| Ok(answer)))),
            sent: Arc::default(),
        }
    }

    pub(crate) fn spoil(&self, spoil: impl Fn(&Request<Bytes>, Response<Bytes>) -> Answer + Send + Sync + 'static) {
        *self.spoil.lock().unwrap() = Arc::new(spoil);
    }

    /// Every answer to an introspection is this one.
    pub(crate) fn answers(&self, status: u16, content_type: &str, body: impl Into<Bytes>) {
        let answer = (status, content_type.to_owned(), body.into());
        self.spoil(move |request, honest| {
            if request.method() != Method::POST {
                return Ok(honest);
            }
            let (status, content_type, body) = answer.clone();
            let builder = Response::builder().status(status).header("content-type", content_type);
            Ok(builder.header("location", ISSUER).body(body).unwrap())
        });
    }

    pub(crate) fn breaks(&self) {
        self.spoil(|_, _| Err(FetchError::unreachable("nobody answers")));
    }

    pub(crate) fn is_mended(&self) {
        self.spoil(|_, answer| Ok(answer));
    }

    /// How many tokens were asked about since this was asked before.
    pub(crate) fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn discovered(&self) -> usize {
        self.discovered.load(Ordering::SeqCst)
    }
}

impl Transport for Line {
    async fn send(&self, request: Request<Bytes>) -> Answer {
        let is_question = request.method() == Method::POST;
        (if is_question { &self.asked } else { &self.discovered }).fetch_add(1, Ordering::SeqCst);
        self.sent.lock().unwrap().push(format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
        let copy = request.clone();
        let answer = self.world.server.handle(request).await;
        drop(self.gate.read().await);
        let spoil = Arc::clone(&self.spoil.lock().unwrap());
        spoil(&copy, answer)
    }
}

/// An authorization server with a client of its users, and a resource server for its API.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) line: Line,
    pub(crate) client: Client,
    /// As whom the resource server asks.
    pub(crate) asking: Client,
    pub(crate) resource: ResourceServer,
    pub(crate) events: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn without_cache() -> Self {
        Self::with(|builder| builder.staleness(Duration::ZERO)).await
    }

    pub(crate) async fn with(change: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Self {
        let world = World::new();
        let (client, asking) = (world.public_client().await, world.resource_server(&[API]).await);
        let (line, clock, events) = (Line::to(&world), world.clock.clone(), Arc::<Mutex<Vec<String>>>::default());
        let noted = Arc::clone(&events);
        let builder = ResourceServer::builder(ISSUER, API)
            .client(&asking.id, asking.secret.as_deref().unwrap())
            .scopes("projects:read projects:write admin")
            .default_scopes("projects:read")
            .name("Plan API")
            .transport(line.clone())
            .clock(move || clock.now())
            .audit(move |event: &Event| noted.lock().unwrap().push(serde_json::to_string(event).unwrap()));
        Self { resource: change(builder).build().unwrap(), world, line, client, asking, events }
    }

    pub(crate) async fn token(&self) -> String {
        self.world.access_token(&self.client).await
    }

    pub(crate) fn guard(&self, scopes: &str) -> Guard {
        self.resource.require(scopes).unwrap()
    }

    pub(crate) async fn check(&self, token: &str) -> Result<Principal, Refusal> {
        check(&self.guard("projects:read"), token).await
    }

    /// What is said of a request with that token: 200, or the status of the refusal.
    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.check(token).await.map_or_else(|refusal| refusal.response().status().as_u16(), |_| 200)
    }

    /// The reasons of all refusals since this was asked before.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let reason = |event: &String| serde_json::from_str::<serde_json::Value>(event).unwrap()["reason"].to_string();
        events.iter().map(|event| reason(event).trim_matches('"').to_owned()).collect()
    }
}

pub(crate) async fn check(guard: &Guard, token: &str) -> Result<Principal, Refusal> {
    let request = request(Method::GET, "/api").header("authorization", format!("Bearer {token}"));
    guard.check(&request.body(()).unwrap().into_parts().0).await
}

/// What two refusals must have in common: all but their own references.
pub(crate) fn told(refusal: &Refusal) -> (u16, Bytes, HeaderMap) {
    let (mut parts, body) = refusal.response().into_parts();
    parts.headers.remove("grantor-reference");
    (parts.status.as_u16(), body, parts.headers)
}
