//! The HTTP boundary: `Request<Bytes>` in, `Response<Bytes>` out, for every framework.

mod answer;
#[cfg(feature = "oxide-auth")]
mod asked;
mod cookie;
mod endpoints;
mod form_post;
mod origin;
mod resource_server;
mod routes;

use std::pin::pin;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, header};
use tracing::Instrument as _;

#[cfg(feature = "oxide-auth")]
pub(crate) use asked::page;
pub(crate) use routes::Endpoint;
pub use routes::RoutePattern;

use crate::guard::comes_by_loopback_name;
use crate::host::Place;
#[cfg(feature = "metrics")]
use crate::host::{Metrics, Stopwatch};
use crate::protocol::error::HttpReason;
use crate::server::Server;

/// The longest body that any endpoint reads, in bytes. An adapter need not read more than one byte
/// beyond it: the request is answered as too large then.
pub const MAX_BODY: usize = 64 * 1024;

/// The longest path and query.
const MAX_URI: usize = 16 * 1024;

impl Server {
    /// Answers any request to this server's endpoints, and with 404 any other.
    ///
    /// What the app's middleware put into the request's extensions is passed on to the host.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let endpoint = self.endpoint(parts.uri.path());
        if body.is_empty() && is_document(endpoint.as_ref()) {
            return self.document_to(endpoint.as_ref(), &parts).await;
        }
        self.answer_to(endpoint.as_ref(), &parts, &body).await
    }

    /// Answers a request for an endpoint.
    pub(crate) async fn answer_to(&self, endpoint: Option<&Endpoint>, parts: &Parts, body: &[u8]) -> Response<Bytes> {
        let dispatch = async |call: &Self, endpoint: &Endpoint| {
            if body.len() > MAX_BODY {
                call.too_large(endpoint).await
            } else {
                call.dispatch(endpoint, parts, body).await
            }
        };
        self.respond(endpoint, parts, dispatch).await
    }

    /// The same for a request without a body for a [document](is_document): its future takes little room.
    pub(crate) async fn document_to(&self, endpoint: Option<&Endpoint>, parts: &Parts) -> Response<Bytes> {
        self.respond(endpoint, parts, async |call: &Self, endpoint: &Endpoint| call.document(endpoint).await).await
    }

    async fn respond(
        &self,
        endpoint: Option<&Endpoint>,
        parts: &Parts,
        dispatch: impl AsyncFnOnce(&Self, &Endpoint) -> Response<Bytes>,
    ) -> Response<Bytes> {
        let call = self.begin(endpoint.map_or(Place::Elsewhere, Endpoint::place));
        // Pinned where it is: it is large, and to move it is dear.
        let answer = pin!(call.answer(endpoint, parts, dispatch));
        let response = call.timed(answer.instrument(call.span())).await;
        if parts.method == Method::HEAD { without_body(response) } else { response }
    }

    #[cfg(feature = "metrics")]
    async fn timed(&self, answer: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
        let watch = Stopwatch::start();
        let response = answer.await;
        Metrics::answered(self.place(), response.status(), watch.elapsed());
        response
    }

    #[cfg(not(feature = "metrics"))]
    async fn timed(&self, answer: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
        answer.await
    }

    async fn answer(
        &self,
        endpoint: Option<&Endpoint>,
        parts: &Parts,
        dispatch: impl AsyncFnOnce(&Self, &Endpoint) -> Response<Bytes>,
    ) -> Response<Bytes> {
        // RFC 9110 §15.5.20
        if self.issuer().is_loopback() && !comes_by_loopback_name(parts) {
            return answer::refusal(&self.refused(None, HttpReason::OtherHost));
        }
        let Some(endpoint) = endpoint else { return answer::absent() };
        let found;
        let endpoint = match endpoint {
            Endpoint::MaybeResourceMetadata(path) => {
                found = Box::pin(self.found(path)).await;
                &found
            }
            other => other,
        };
        let methods = endpoint.methods();
        let response = match (methods.admits(&parts.method), &parts.method) {
            (_, &Method::OPTIONS) => answer::options(methods),
            (false, _) => answer::method_not_allowed(&self.refused(None, HttpReason::MethodNotAllowed), methods),
            (true, _) if uri_len(&parts.uri) > MAX_URI => self.too_large(endpoint).await,
            (true, _) => dispatch(self, endpoint).await,
        };
        if endpoint.is_cross_origin() { answer::cross_origin(response, &parts.method, methods) } else { response }
    }
}

/// Whether there is nothing at an endpoint but what everybody may read.
pub(crate) fn is_document(endpoint: Option<&Endpoint>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.place() == Place::Metadata)
}

fn uri_len(uri: &http::Uri) -> usize {
    uri.path_and_query().map_or(0, |path| path.as_str().len())
}

/// RFC 9110 §9.3.2: the header fields of a GET, without its content.
fn without_body(response: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(parts, Bytes::new())
}
