//! Answers and their headers.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Response, StatusCode};

use super::routes::Methods;
use crate::guard::CORS_HEADERS;
use crate::host::Page;
use crate::protocol::cors;
use crate::protocol::error::RegistrationReason;
use crate::server::Refused;

/// An answer with a body that nobody may keep (RFC 6749 §5.1).
fn private(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Bytes> {
    private(status, "text/plain; charset=utf-8", text)
}

pub(super) fn json(status: StatusCode, body: String) -> Response<Bytes> {
    private(status, "application/json", body)
}

pub(super) fn absent() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "There is nothing here.")
}

fn status(refused: &Refused) -> StatusCode {
    StatusCode::from_u16(refused.wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A refusal in plain words, where no RFC has a form for it.
pub(super) fn refusal(refused: &Refused) -> Response<Bytes> {
    let mut response = text(status(refused), refused.wire.description);
    refused.correlation.add_to(response.headers_mut());
    response
}

/// RFC 6749 §5.2, RFC 7591 §3.2.2.
pub(super) fn error(refused: &Refused) -> Response<Bytes> {
    let wire = refused.wire;
    // The texts are constants without quotes and backslashes.
    let body = format!(r#"{{"error":"{}","error_description":"{}"}}"#, wire.code, wire.description);
    let status = status(refused);
    let mut response = json(status, body);
    refused.correlation.add_to(response.headers_mut());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    // RFC 6749 §5.2: 401 "MUST include the "WWW-Authenticate" response header field" if the client used
    // the header; without, a browser would ask its user for a password
    if status == StatusCode::UNAUTHORIZED && refused.used_basic {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="token endpoint", charset="UTF-8""#));
    }
    response
}

/// RFC 7591 §3.2.2, RFC 7592 §2.
pub(super) fn registration_error(refused: &Refused) -> Response<Bytes> {
    let mut response = error(refused);
    if response.status() == StatusCode::UNAUTHORIZED {
        // RFC 6750 §3.1: a request without a token gets no error code in the challenge
        let challenge = if refused.wire == RegistrationReason::TokenMissing.wire() {
            r#"Bearer realm="registration""#
        } else {
            r#"Bearer realm="registration", error="invalid_token""#
        };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Metadata: the same for everybody, for a while.
pub(super) fn document(body: Bytes) -> Response<Bytes> {
    let mut response = private(StatusCode::OK, "application/json", body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// A page for a refused request.
pub(super) fn refusal_page(refused: &Refused, content: Page) -> Response<Bytes> {
    let mut response = page(status(refused), content);
    refused.correlation.add_to(response.headers_mut());
    response
}

/// A page that a person sees.
pub(super) fn page(status: StatusCode, page: Page) -> Response<Bytes> {
    let mut response = private(status, page.content_type, page.body);
    let headers = response.headers_mut();
    // No `form-action`: browsers apply it to the redirect that answers the form as well.
    let mut policy = String::from("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
    if !page.content_security_policy.is_empty() {
        policy.push_str("; ");
        policy.push_str(&page.content_security_policy);
    }
    let policy =
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // With `no-referrer` an honest form would be sent with `Origin: null`.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// A redirect that is always followed by GET (RFC 9700 §4.12); `None` if the URL cannot be sent.
pub(super) fn see_other(location: &str) -> Option<Response<Bytes>> {
    let location = HeaderValue::from_str(location).ok()?;
    let mut response = text(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Some(response)
}

pub(super) fn options(methods: Methods) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods.list()));
    response
}

pub(super) fn method_not_allowed(refused: &Refused, methods: Methods) -> Response<Bytes> {
    let mut response = refusal(refused);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods.list()));
    response
}

/// Lets pages of any origin read the answer, without cookies.
pub(super) fn cross_origin(mut response: Response<Bytes>, method: &Method, methods: Methods) -> Response<Bytes> {
    let headers = response.headers_mut();
    for (name, value) in &CORS_HEADERS {
        headers.insert(name, value.clone());
    }
    if *method == Method::OPTIONS {
        for (name, value) in cors::PREFLIGHT_HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods.list()));
        headers.insert(VARY, HeaderValue::from_static("Access-Control-Request-Method"));
    }
    response
}
