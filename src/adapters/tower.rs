//! A tower service for the endpoints, and the guard as a tower layer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use tower_layer::Layer;
use tower_service::Service;

use super::gate::{Gate, add_cors, broken_body, say_close};
use crate::guard::{Guard, OptionalGuard, ResourceServer};
use crate::server::Server;
use crate::web::{MAX_BODY, is_document};

type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// All endpoints as one service. It answers 404 for paths that are not the server's.
#[derive(Debug, Clone)]
pub struct OAuthService(Server);

impl OAuthService {
    /// The endpoints of `server`.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self(server.clone())
    }
}

/// The metadata of a resource in another process than its authorization server as a service. It answers 404 for paths
/// that are none of metadata.
#[derive(Debug, Clone)]
pub struct MetadataService(ResourceServer);

impl MetadataService {
    /// The metadata of `resource`.
    #[must_use]
    pub fn new(resource: &ResourceServer) -> Self {
        Self(resource.clone())
    }
}

impl<B> Service<Request<B>> for MetadataService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.0.handle(&request.into_parts().0).map(Full::new)))
    }
}

impl<B> Service<Request<B>> for OAuthService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Boxed<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.0.clone();
        let (parts, body) = request.into_parts();
        let endpoint = server.endpoint(parts.uri.path());
        if body.is_end_stream() && is_document(endpoint.as_ref()) {
            return Box::pin(async move { Ok(server.document_to(endpoint.as_ref(), &parts).await.map(Full::new)) });
        }
        Box::pin(async move {
            let body = read(body).await;
            Ok(server.answer_to(endpoint.as_ref(), &parts, &body).await.map(Full::new))
        })
    }
}

/// What of a body the server wants to see.
pub(super) async fn read<B>(body: B) -> Bytes
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Limited::new(body, MAX_BODY).collect().await.map_or_else(|_| broken_body(), Collected::to_bytes)
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { gate: self.into(), inner }
    }
}

impl<S> Layer<S> for OptionalGuard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { gate: self.into(), inner }
    }
}

/// A service behind a [`Guard`] or an [`OptionalGuard`]. Requests that pass carry their
/// [`Principal`](crate::Principal) in their extensions, and those that an optional guard lets through without one `None::<Principal>`.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    gate: Gate,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Boxed<Self::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; the clone waits for its own turn.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let gate = self.gate.clone();
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            match gate.admit(&mut parts).await {
                Ok(()) => {
                    let mut response = inner.call(Request::from_parts(parts, body)).await?;
                    add_cors(response.headers_mut());
                    Ok(response)
                }
                Err(refusal) => Ok(finished(&parts, body, refusal.response()).await.map(R::from)),
            }
        })
    }
}

/// The answer to a request that nobody reads, once its body is out of the way of the next one on the connection.
///
/// Under HTTP/1.1 a server ends a connection whose request was not read to its end, and a client that is about to use
/// it again finds that out too late: what will not be waited for must be said.
pub(super) async fn finished<B: Body + Send>(request: &Parts, body: B, mut answer: Response<Bytes>) -> Response<Bytes> {
    if request.version > Version::HTTP_11 || body.is_end_stream() {
        return answer;
    }
    let is_short = body.size_hint().exact().is_some_and(|bytes| bytes <= MAX_BODY as u64);
    // RFC 9110 §10.1.1: whoever expects to be told to go on has sent nothing yet.
    if !is_short || request.headers.contains_key(EXPECT) || pin!(body).collect().await.is_err() {
        say_close(&mut answer);
    }
    answer
}
