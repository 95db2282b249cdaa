//! The HTTP boundary: `Request<Bytes>` in, `Response<Bytes>` out, for every framework.

mod answer;
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

use routes::Endpoint;
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
        self.answer_to(&parts, &body).await
    }

    /// The same for an adapter, which has the request in its hands already.
    pub(crate) async fn answer_to(&self, parts: &Parts, body: &[u8]) -> Response<Bytes> {
        let endpoint = self.endpoint(parts.uri.path());
        let call = self.begin(place(endpoint.as_ref()));
        let dispatch = async |endpoint: &Endpoint| {
            if body.len() > MAX_BODY {
                call.too_large(endpoint).await
            } else {
                call.dispatch(endpoint, parts, body).await
            }
        };
        // Pinned where it is: it is large, and to move it is dear.
        let answer = pin!(call.answer(endpoint, parts, dispatch));
        call.finish(parts, answer).await
    }

    /// Whether a path is for what everybody may read: then [`document_to`](Self::document_to) gives the same answer as
    /// [`handle`](Self::handle), and its future takes little room.
    pub(crate) fn has_document_at(&self, path: &str) -> bool {
        self.endpoint(path).is_some_and(|endpoint| endpoint.is_document())
    }

    /// Answers a request without a body at a path with a document.
    pub(crate) async fn document_to(&self, parts: &Parts) -> Response<Bytes> {
        let endpoint = self.endpoint(parts.uri.path());
        let call = self.begin(place(endpoint.as_ref()));
        let answer = pin!(call.answer(endpoint, parts, async |endpoint: &Endpoint| call.document(endpoint).await));
        call.finish(parts, answer).await
    }

    async fn finish(&self, parts: &Parts, answer: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
        let response = self.timed(answer.instrument(self.span())).await;
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
        endpoint: Option<Endpoint>,
        parts: &Parts,
        dispatch: impl AsyncFnOnce(&Endpoint) -> Response<Bytes>,
    ) -> Response<Bytes> {
        // RFC 9110 §15.5.20
        if self.issuer().is_loopback() && !comes_by_loopback_name(parts) {
            return answer::refusal(&self.refused(None, HttpReason::OtherHost));
        }
        let Some(endpoint) = endpoint else { return answer::absent() };
        let endpoint = self.found(endpoint).await;
        let methods = endpoint.methods();
        let response = match (methods.admits(&parts.method), &parts.method) {
            (_, &Method::OPTIONS) => answer::options(methods),
            (false, _) => answer::method_not_allowed(&self.refused(None, HttpReason::MethodNotAllowed), methods),
            (true, _) if uri_len(&parts.uri) > MAX_URI => self.too_large(&endpoint).await,
            (true, _) => dispatch(&endpoint).await,
        };
        if endpoint.is_cross_origin() { answer::cross_origin(response, &parts.method, methods) } else { response }
    }
}

fn place(endpoint: Option<&Endpoint>) -> Place {
    endpoint.map_or(Place::Elsewhere, Endpoint::place)
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
