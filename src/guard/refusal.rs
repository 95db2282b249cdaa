//! The answer to a request that may not pass.

use std::fmt;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};

use super::cors_headers;
use crate::host::CorrelationId;
use crate::protocol::cors;
use crate::protocol::error::BearerReason;

/// Why a request may not pass: what to answer instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is a browser's question whether it may ask (Fetch §3.2.2): yes.
    Preflight,
    /// It has no token that allows it.
    Denied {
        /// Why.
        reason: BearerReason,
        /// The value of `WWW-Authenticate`.
        challenge: String,
        /// By which the refusal is found again: its event has it, and the answer's `Grantor-Reference` header.
        reference: CorrelationId,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preflight => f.write_str("it is a preflight, which needs no token"),
            Self::Denied { reason, reference, .. } => write!(f, "{reason} ({reference})"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// The answer to send.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        let mut response = match self {
            Self::Preflight => preflight(),
            Self::Denied { reason, challenge, reference } => denied(reason, challenge, *reference),
        };
        response.headers_mut().extend(cors_headers());
        response
    }
}

fn preflight() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in cors::PREFLIGHT_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(cors::RESOURCE_METHODS));
    headers.insert(VARY, HeaderValue::from_static("Origin, Access-Control-Request-Method"));
    response
}

fn denied(reason: &BearerReason, challenge: &str, reference: CorrelationId) -> Response<Bytes> {
    let wire = reason.wire();
    let code = if wire.code.is_empty() { "unauthorized" } else { wire.code };
    let body = format!(r#"{{"error":"{code}","error_description":"{}"}}"#, wire.description);
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    reference.add_to(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if wire.status == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    // RFC 6750 §3: with every refusal of a token; RFC 9728 §5.1
    if matches!(wire.status, 400 | 401 | 403)
        && let Ok(challenge) = HeaderValue::from_str(challenge)
    {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
