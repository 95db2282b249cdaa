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
        let endpoint = self.endpoint(parts.uri.path());
        let place = endpoint.as_ref().map_or(Place::Elsewhere, Endpoint::place);
        let call = self.begin(place);
        // Pinned where it is: it is large, and to move it is dear.
        let answer = pin!(call.answer(endpoint, &parts, &body));
        let response = call.timed(place, answer.instrument(call.span())).await;
        if parts.method == Method::HEAD { without_body(response) } else { response }
    }

    #[cfg(feature = "metrics")]
    async fn timed(&self, place: Place, answer: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
        let watch = Stopwatch::start();
        let response = answer.await;
        Metrics::answered(place, response.status(), watch.elapsed());
        response
    }

    #[cfg(not(feature = "metrics"))]
    async fn timed(&self, _: Place, answer: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
        answer.await
    }

    async fn answer(&self, endpoint: Option<Endpoint>, parts: &Parts, body: &[u8]) -> Response<Bytes> {
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
            (true, _) if body.len() > MAX_BODY || uri_len(&parts.uri) > MAX_URI => self.too_large(&endpoint).await,
            (true, _) => self.dispatch(&endpoint, parts, body).await,
        };
        if endpoint.is_cross_origin() { answer::cross_origin(response, &parts.method, methods) } else { response }
    }
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
