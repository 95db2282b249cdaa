//! The ways to the app: with and without a framework, in memory and over a socket.

use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{BodySize, MessageBody, to_bytes};
use actix_web::dev::Service as _;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, http as old};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use grantor::MemoryStorage;
use http::{HeaderValue, Request, Response, header};
use tower::ServiceExt as _;

use crate::apps::{Session, actix_app, actix_sessions, axum_app, poem_app, rocket_app, salvo_app, tower_app, warp_app};
use crate::served;
use crate::support::World;

type Send = Box<dyn Fn(Request<Bytes>) -> Pin<Box<dyn Future<Output = Response<Bytes>>>>>;

pub(crate) struct Front<S = MemoryStorage> {
    pub(crate) name: &'static str,
    pub(crate) world: World<S>,
    /// Whether the whole app answers, and not its server alone.
    pub(crate) is_app: bool,
    /// What its framework hands on of a request, if anything.
    hears: fn(&Request<Bytes>) -> Option<Request<Bytes>>,
    /// Where it listens, if it does.
    pub(crate) origin: Option<String>,
    send: Send,
}

impl<S> Front<S> {
    fn new<F>(name: &'static str, world: World<S>, send: impl Fn(Request<Bytes>) -> F + 'static) -> Self
    where
        F: Future<Output = Response<Bytes>> + 'static,
    {
        Self {
            name,
            world,
            is_app: true,
            hears: |request| Some(request.clone()),
            origin: None,
            send: Box::new(move |request| Box::pin(send(request))),
        }
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        (self.send)(request).await
    }

    pub(crate) fn hears(&self, request: &Request<Bytes>) -> Option<Request<Bytes>> {
        (self.hears)(request)
    }

    /// The app in memory that hears what this one's framework hands on.
    pub(crate) fn reference(&self, world: World<S>) -> Self {
        let (axum, hears) = (Self::axum(world), self.hears);
        let (send, world) = (Rc::new(axum.send), axum.world);
        let hearing = Self::new("axum", world, move |request| {
            let (send, heard) = (Rc::clone(&send), hears(&request));
            async move {
                match heard {
                    Some(request) => send(request).await,
                    None => Response::new(Bytes::new()),
                }
            }
        });
        Self { hears, ..hearing }
    }

    /// Every framework, as it serves the app over a socket, with worlds of this kind.
    pub(crate) async fn sockets(world: impl Fn() -> World<S>) -> Vec<Self> {
        vec![
            Self::axum_socket(world()).await,
            Self::actix_socket(world()),
            Self::poem_socket(world()).await,
            Self::rocket_socket(world()).await,
            Self::salvo_socket(world()).await,
            Self::warp_socket(world()).await,
        ]
    }

    pub(crate) fn plain(world: World<S>) -> Self {
        let handling = world.server.clone();
        let plain = Self::new("Server::handle", world, move |mut request| {
            let server = handling.clone();
            let session = Session::of(request.headers().get_all("cookie").iter().map(HeaderValue::as_bytes));
            request.extensions_mut().insert(session);
            async move { server.handle(request).await }
        });
        Self { is_app: false, ..plain }
    }

    pub(crate) fn axum(world: World<S>) -> Self {
        let router = axum_app(&world.server);
        Self::routed("axum", world, router)
    }

    pub(crate) fn tower(world: World<S>) -> Self {
        let router = tower_app(&world.server);
        Self { is_app: false, ..Self::routed("tower", world, router) }
    }

    fn routed(name: &'static str, world: World<S>, router: Router) -> Self {
        Self::new(name, world, move |request| {
            let router = router.clone();
            async move {
                let (parts, body) = router.oneshot(request.map(Body::from)).await.unwrap().into_parts();
                Response::from_parts(parts, axum::body::to_bytes(body, usize::MAX).await.unwrap())
            }
        })
    }

    pub(crate) async fn actix(world: World<S>) -> Self {
        let app = App::new().configure(actix_app(&world.server)).wrap(from_fn(actix_sessions));
        let service = Rc::new(actix_web::test::init_service(app).await);
        Self::new("actix", world, move |request| {
            let service = Rc::clone(&service);
            async move {
                let (parts, body) = request.into_parts();
                let mut old = actix_web::test::TestRequest::with_uri(&parts.uri.to_string())
                    .method(old::Method::from_bytes(parts.method.as_str().as_bytes()).unwrap());
                for (name, value) in &parts.headers {
                    let value = old::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
                    old = old.append_header((name.as_str(), value));
                }
                let answer = service.call(old.set_payload(body).to_request()).await.unwrap();
                answer_of(answer.into_parts().1, parts.method == http::Method::HEAD).await
            }
        })
    }

    /// As axum serves it over a socket.
    pub(crate) async fn axum_socket(world: World<S>) -> Self {
        let router = axum_app(&world.server);
        Self::served("axum at a socket", world, router).await
    }

    pub(crate) async fn tower_socket(world: World<S>) -> Self {
        let router = tower_app(&world.server);
        Self { is_app: false, ..Self::served("tower at a socket", world, router).await }
    }

    async fn served(name: &'static str, world: World<S>, router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self::socket(name, world, origin)
    }

    /// As actix serves it over a socket.
    pub(crate) fn actix_socket(world: World<S>) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let app = actix_app(&world.server);
        let http = HttpServer::new(move || App::new().configure(app.clone()).wrap(from_fn(actix_sessions)));
        tokio::spawn(http.workers(1).disable_signals().listen(listener).unwrap().run());
        Self::socket("actix at a socket", world, origin)
    }

    pub(crate) async fn poem_socket(world: World<S>) -> Self {
        let origin = served::poem(poem_app(&world.server)).await;
        Self::socket("poem", world, origin)
    }

    pub(crate) async fn salvo_socket(world: World<S>) -> Self {
        let origin = served::salvo(salvo_app(&world.server)).await;
        Self::socket("salvo", world, origin)
    }

    pub(crate) async fn warp_socket(world: World<S>) -> Self {
        let origin = served::warp(warp_app(&world.server)).await;
        Self::socket("warp", world, origin)
    }

    pub(crate) async fn rocket_socket(world: World<S>) -> Self {
        let origin = served::rocket(rocket_app(&world.server)).await;
        Self { hears: rocket_hears, ..Self::socket("rocket", world, origin) }
    }

    fn socket(name: &'static str, world: World<S>, origin: String) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let listening = Some(origin.clone());
        let front = Self::new(name, world, move |request| {
            let (parts, body) = request.into_parts();
            let request = client.request(parts.method, format!("{origin}{}", parts.uri)).headers(parts.headers);
            let request = if body.is_empty() { request } else { request.body(body) };
            async move {
                let answer = request.send().await.unwrap();
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = answer.status();
                response.headers_mut().clone_from(answer.headers());
                *response.body_mut() = answer.bytes().await.unwrap();
                response
            }
        });
        Self { origin: listening, ..front }
    }
}

/// Rocket refuses methods that it does not know, and drops header fields that are not UTF-8.
fn rocket_hears(request: &Request<Bytes>) -> Option<Request<Bytes>> {
    let known = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PATCH"];
    let is_text = |value: &HeaderValue| str::from_utf8(value.as_bytes()).is_ok();
    let mut heard = request.clone();
    heard.headers_mut().clear();
    heard.headers_mut().extend(
        request.headers().iter().filter(|(_, value)| is_text(value)).map(|(name, value)| (name.clone(), value.clone())),
    );
    known.contains(&request.method().as_str()).then_some(heard)
}

/// What actix would send: it writes the length of a body, and nothing else of one to HEAD.
async fn answer_of(answer: actix_web::HttpResponse<impl MessageBody>, is_head: bool) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::from_u16(answer.status().as_u16()).unwrap();
    for (name, value) in answer.headers() {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).unwrap();
        response.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    if let BodySize::Sized(length) = answer.body().size() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    let body = to_bytes(answer.into_body()).await.unwrap_or_else(|_| panic!("a body breaks off"));
    if !is_head {
        *response.body_mut() = body;
    }
    response
}
