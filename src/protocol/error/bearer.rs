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
    /// The token is of another issuer.
    #[error("the token is of another issuer")]
    OtherIssuer,
    /// The token is no bearer token, such as one that is bound to a key.
    #[error("the token is no bearer token")]
    OtherTokenType,
    /// The token is not good yet.
    #[error("the token is not good yet")]
    NotYet,
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
    /// The store, the host or the authorization server cannot answer.
    #[error("the store, the host or the authorization server is unavailable")]
    Unavailable,
    /// The authorization server does not let this resource server ask: its id or secret is wrong, or it may not
    /// introspect.
    #[error("the authorization server does not let this resource server ask")]
    IntrospectionRefused,
    /// The authorization server gave an answer that cannot be understood.
    #[error("the answer of the authorization server cannot be understood")]
    IntrospectionUnreadable,
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
            | Self::OtherIssuer
            | Self::OtherTokenType
            | Self::NotYet
            | Self::ResourceRetired => {
                wire("invalid_token", 401, "The token is unknown, has expired, was revoked or is for another resource.")
            }
            Self::NoResource => wire("invalid_target", 404, "There is no such resource."),
            Self::InsufficientScope => wire("insufficient_scope", 403, "The token does not allow this."),
            Self::OtherHost => wire("invalid_request", 421, "The request is for another host."),
            Self::ServerError => wire("server_error", 500, "The server failed."),
            // It is no fault of the caller, who must not throw a good token away.
            Self::Unavailable | Self::IntrospectionRefused | Self::IntrospectionUnreadable => {
                wire("temporarily_unavailable", 503, "The server cannot reach its records at the moment.")
            }
        }
    }
}
