//! Refusals before any endpoint looks at a request.

use serde::Serialize;

use super::{WireError, wire};

/// Why a request gets to no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HttpReason {
    /// The request came under a name that is not this server's.
    #[error("the Host header is not one of this loopback server")]
    OtherHost,
    /// The path has no such method.
    #[error("the method is not for this path")]
    MethodNotAllowed,
    /// The request for a document is larger than any honest one.
    #[error("the request is too large")]
    TooLarge,
}

impl HttpReason {
    /// The status and the text; there is no RFC's code for these.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            // RFC 9110 §15.5.20
            Self::OtherHost => wire("", 421, "This server answers under the names of this machine alone."),
            // RFC 9110 §15.5.6
            Self::MethodNotAllowed => wire("", 405, "This method is not for this path."),
            // RFC 9110 §15.5.14
            Self::TooLarge => wire("", 413, "The request is too large."),
        }
    }
}
