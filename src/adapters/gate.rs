//! Either guard, as the middleware of a framework asks it.

use bytes::Bytes;
#[cfg(any(feature = "rocket", feature = "warp"))]
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
#[cfg(feature = "tower")]
use http::{HeaderMap, HeaderValue, Response, header::CONNECTION};

#[cfg(feature = "tower")]
use crate::guard::cors_headers;
use crate::guard::{Guard, OptionalGuard, Principal, Refusal};
use crate::web::MAX_BODY;

#[derive(Debug, Clone)]
pub(super) enum Gate {
    Guard(Guard),
    Optional(OptionalGuard),
}

impl Gate {
    pub(super) async fn check(&self, request: &Parts) -> Result<Option<Principal>, Refusal> {
        match self {
            Self::Guard(guard) => guard.check(request).await.map(Some),
            Self::Optional(guard) => guard.check(request).await,
        }
    }

    /// Puts the [`Principal`] of a request that passes into its extensions, or `None::<Principal>` where an optional
    /// guard lets it through without one.
    #[cfg(feature = "tower")]
    pub(super) async fn admit(&self, request: &mut Parts) -> Result<(), Refusal> {
        match self.check(request).await? {
            Some(principal) => drop(request.extensions.insert(principal)),
            None => drop(request.extensions.insert(None::<Principal>)),
        }
        Ok(())
    }
}

/// What a page of another origin needs to read the answer, except where the app says something else.
#[cfg(feature = "tower")]
pub(super) fn add_cors(headers: &mut HeaderMap) {
    for (name, value) in cors_headers() {
        headers.entry(name).or_insert(value);
    }
}

impl From<&Guard> for Gate {
    fn from(guard: &Guard) -> Self {
        Self::Guard(guard.clone())
    }
}

impl From<&OptionalGuard> for Gate {
    fn from(guard: &OptionalGuard) -> Self {
        Self::Optional(guard.clone())
    }
}

/// A body that is too large or breaks off is handed on as this one, which is too large.
pub(super) const fn broken_body() -> Bytes {
    Bytes::from_static(&[0; MAX_BODY + 1])
}

/// The body of a request that is answered without it.
#[cfg(any(feature = "rocket", feature = "warp"))]
#[derive(PartialEq, Eq)]
pub(super) enum UnreadBody {
    None,
    /// It may be waited for, so that the connection takes the next request.
    Short,
    Long,
}

#[cfg(any(feature = "rocket", feature = "warp"))]
pub(super) fn unread_body(request: &Parts) -> UnreadBody {
    let is_chunked = request.headers.contains_key(TRANSFER_ENCODING);
    match request.headers.get(CONTENT_LENGTH).map(|length| length.to_str().ok()?.parse().ok()) {
        None | Some(Some(0)) if !is_chunked => UnreadBody::None,
        // RFC 9110 §10.1.1: whoever expects to be told to go on has sent nothing yet.
        Some(Some(1..=MAX_BODY)) if !is_chunked && !request.headers.contains_key(EXPECT) => UnreadBody::Short,
        _ => UnreadBody::Long,
    }
}

/// RFC 9112 §9.6: a server ends a connection whose request it did not read to its end, and should say so.
#[cfg(feature = "tower")]
pub(super) fn say_close<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
