//! Two checks that cookie-based pages need, whatever they do.

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::Address;

/// Refuses a form that another site sent: logging in, logging out and disconnecting are done by the
/// person, not by a page that they happen to visit.
pub(crate) async fn forms_only_from_our_own_pages(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_same_origin(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "This form was sent by another site.").into_response()
}

/// Browsers say where a form comes from: in `Sec-Fetch-Site`, older ones in `Origin` alone. What sends
/// neither is no browser, and has no cookies that another site could ride on.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    match (value("sec-fetch-site"), value(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin.strip_prefix("http://") == value(HOST.as_str()),
        (None, None) => true,
    }
}

/// Sends whoever comes as `localhost` to `127.0.0.1`, and refuses every other name: a cookie of
/// `localhost` would also go to the third-party app there, and a page of another site whose name was
/// pointed at this computer must not read anything.
pub(crate) async fn only_by_our_own_name(State(address): State<Address>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host == address.authority() {
        return next.run(request).await;
    }
    if host == format!("localhost:{}", address.port) && request.method().is_safe() {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Redirect::temporary(&format!("{}{path}", address.origin())).into_response();
    }
    StatusCode::MISDIRECTED_REQUEST.into_response()
}
