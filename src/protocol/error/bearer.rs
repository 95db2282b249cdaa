//! Refusals of the guard.

use serde::Serialize;

use super::{WireError, wire};

/// Why the guard turns a request away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BearerReason {
    /// There is no bearer token.
    #[error("there is no bearer token")]
    Missing,
    /// There are several `Authorization` headers, or one that cannot be read.
    #[error("the Authorization header is repeated or malformed")]
    Malformed,
    /// No such token was issued, or its secret is wrong.
    #[error("the token is unknown")]
    Unknown,
    /// The token has ended.
    #[error("the token has expired")]
    Expired,
    /// The grant of the token was revoked.
    #[error("the grant of the token was revoked")]
    Revoked,
    /// The host says that this user may not use the app any more.
    #[error("the user is not allowed any more")]
    UserNotAllowed,
    /// The token is for another resource.
    #[error("the token is for another resource")]
    OtherResource,
    /// The resource is no more.
    #[error("the resource was retired")]
    ResourceRetired,
    /// The request is for no resource.
    #[error("the request tells no resource")]
    NoResource,
    /// The token does not allow this.
    #[error("the token lacks a scope")]
    InsufficientScope,
    /// The request came under a name that is not this server's.
    #[error("the Host header is not one of this loopback server")]
    OtherHost,
    /// What is stored cannot be understood.
    #[error("the server failed")]
    ServerError,
    /// The store or the host cannot answer.
    #[error("the store or the host is unavailable")]
    Unavailable,
}

impl BearerReason {
    /// The RFC's code, the status and the text; the code is empty where the RFC wants none.
    #[must_use]
    pub const fn wire(&self) -> WireError {
        match self {
            // RFC 6750 §3.1: without credentials "SHOULD NOT include an error code"
            Self::Missing => wire("", 401, "A bearer token is required."),
            Self::Malformed => {
                wire("invalid_request", 400, "The Authorization header must be sent once, as Bearer and a token.")
            }
            Self::Unknown
            | Self::Expired
            | Self::Revoked
            | Self::UserNotAllowed
            | Self::OtherResource
            | Self::ResourceRetired => {
                wire("invalid_token", 401, "The token is unknown, has expired, was revoked or is for another resource.")
            }
            Self::NoResource => wire("invalid_target", 404, "There is no such resource."),
            Self::InsufficientScope => wire("insufficient_scope", 403, "The token does not allow this."),
            Self::OtherHost => wire("invalid_request", 421, "The request is for another host."),
            Self::ServerError => wire("server_error", 500, "The server failed."),
            Self::Unavailable => {
                wire("temporarily_unavailable", 503, "The server cannot reach its records at the moment.")
            }
        }
    }
}
