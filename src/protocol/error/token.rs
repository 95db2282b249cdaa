//! Refusals of the token endpoint.

use serde::Serialize;

use super::{AssertionReason, WireError, wire};
use crate::protocol::params::Repeated;

/// Why the token endpoint refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenReason {
    /// The body is not form-encoded.
    #[error("the body is not application/x-www-form-urlencoded")]
    NotForm,
    /// The body is larger than any honest one.
    #[error("the body is too large")]
    TooLarge,
    /// A parameter was sent twice.
    #[error("the parameter {0} was sent more than once")]
    RepeatedParameter(&'static str),
    /// There is no `grant_type`.
    #[error("grant_type is missing")]
    GrantTypeMissing,
    /// The `grant_type` is one that this server does not have.
    #[error("grant_type is not supported")]
    GrantTypeUnsupported,
    /// Nothing in the request names a client.
    #[error("the request names no client")]
    ClientMissing,
    /// The `Authorization` header cannot be read.
    #[error("the Basic credentials are malformed")]
    CredentialsMalformed,
    /// Two ways to authenticate in one request (RFC 6749 §2.3).
    #[error("the client used more than one authentication method")]
    TwoMethods,
    /// Two clients in one request.
    #[error("the request names two clients")]
    TwoClients,
    /// No client has that id.
    #[error("the client is unknown")]
    ClientUnknown,
    /// The secret is not the client's.
    #[error("the client secret is wrong")]
    SecretWrong,
    /// A confidential client sent no secret.
    #[error("the client secret is missing")]
    SecretMissing,
    /// A client that has no secret, as it is public or has keys, sent one.
    #[error("a client that has no secret sent one")]
    SecretUnexpected,
    /// The assertion of a client does not prove who it is.
    #[error("{0}")]
    Assertion(#[from] AssertionReason),
    /// A refresh token that a client got by proving who it is came without a proof.
    #[error("the refresh token was given to a client that proved who it is, and this one did not")]
    ProofMissing,
    /// The client was shut out by the app's own people.
    #[error("the client is blocked")]
    ClientBlocked,
    /// A public client asks for what takes a proof of who asks.
    #[error("a public client asks for what only a confidential one may have")]
    ClientNotConfidential,
    /// The client may not use this grant type.
    #[error("the client may not use this grant type")]
    GrantNotAllowed,
    /// There is no `code`.
    #[error("code is missing")]
    CodeMissing,
    /// No such code was issued, or its secret is wrong.
    #[error("the code is unknown")]
    CodeUnknown,
    /// The code has ended.
    #[error("the code has expired")]
    CodeExpired,
    /// The code was redeemed before; its grant is revoked.
    #[error("the code was redeemed before: its grant is revoked")]
    CodeReplayed,
    /// The code is another client's.
    #[error("the code was issued to another client")]
    CodeOfAnotherClient,
    /// There is no `refresh_token`.
    #[error("refresh_token is missing")]
    RefreshMissing,
    /// No such refresh token was issued, or its secret is wrong.
    #[error("the refresh token is unknown")]
    RefreshUnknown,
    /// The refresh token has ended.
    #[error("the refresh token has expired")]
    RefreshExpired,
    /// The refresh token was used before, too long ago to be a repetition; its grant is revoked.
    #[error("the refresh token was used before: its grant is revoked")]
    RefreshReused,
    /// The refresh token is another client's.
    #[error("the refresh token was issued to another client")]
    RefreshOfAnotherClient,
    /// There is no `token` to revoke or to tell about.
    #[error("token is missing")]
    TokenMissing,
    /// The token to revoke is another client's.
    #[error("the token was issued to another client")]
    TokenOfAnotherClient,
    /// The client may not introspect tokens.
    #[error("the client may not introspect tokens")]
    IntrospectionNotAllowed,
    /// The host says that this user may not use the app any more.
    #[error("the user is not allowed any more")]
    UserNotAllowed,
    /// The `scope` has characters that no scope has.
    #[error("scope is malformed")]
    ScopeMalformed,
    /// The grant was revoked.
    #[error("the grant was revoked")]
    GrantRevoked,
    /// The `redirect_uri` is not that of the authorization request.
    #[error("redirect_uri is not the one of the authorization request")]
    RedirectUriMismatch,
    /// There is no `code_verifier`.
    #[error("code_verifier is missing")]
    VerifierMissing,
    /// The verifier does not meet the challenge.
    #[error("code_verifier does not meet the challenge")]
    VerifierMismatch,
    /// The `resource` is not one of the grant's, or there are several.
    #[error("resource is not one of the grant")]
    ResourceNotGranted,
    /// The resource that is asked for was granted, and is no more.
    #[error("the resource was retired")]
    ResourceRetired,
    /// The `resource` of a client's own access is unknown, or there are several.
    #[error("resource is unknown or not one")]
    ResourceUnknown,
    /// Nothing of what a client asks for itself is open to it at that resource.
    #[error("the client may have no scope that it asks for at this resource")]
    ScopeNotAllowed,
    /// Nothing that was granted means anything at that resource.
    #[error("no scope of the grant means anything at this resource")]
    ScopeEmpty,
    /// The source of randomness or the like failed.
    #[error("the server failed")]
    ServerError,
    /// The store cannot be reached.
    #[error("the store is unavailable")]
    Unavailable,
}

impl TokenReason {
    /// The RFC's code, the status and the text.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            // RFC 6749 §5.2
            Self::NotForm => wire("invalid_request", 400, "The body must be application/x-www-form-urlencoded."),
            Self::TooLarge => wire("invalid_request", 413, "The body is too large."),
            Self::RepeatedParameter(_) => wire("invalid_request", 400, "A parameter was sent more than once."),
            Self::GrantTypeMissing => wire("invalid_request", 400, "grant_type is missing."),
            Self::GrantTypeUnsupported => wire("unsupported_grant_type", 400, "This grant_type is not supported."),
            Self::TwoMethods => wire("invalid_request", 400, "Only one client authentication method may be used."),
            Self::TwoClients => wire("invalid_request", 400, "The request names two different clients."),
            // One text for all of these: the answer must not tell which clients exist.
            Self::ClientMissing
            | Self::CredentialsMalformed
            | Self::ClientUnknown
            | Self::SecretWrong
            | Self::SecretMissing
            | Self::SecretUnexpected
            | Self::Assertion(_)
            | Self::ProofMissing
            | Self::ClientBlocked
            | Self::ClientNotConfidential => wire("invalid_client", 401, "Client authentication failed."),
            Self::GrantNotAllowed => wire("unauthorized_client", 400, "The client may not use this grant type."),
            Self::CodeMissing => wire("invalid_request", 400, "code is missing."),
            Self::CodeUnknown | Self::CodeExpired | Self::CodeReplayed | Self::CodeOfAnotherClient => {
                wire("invalid_grant", 400, "The code is unknown, has expired, was used before or was revoked.")
            }
            Self::RefreshMissing => wire("invalid_request", 400, "refresh_token is missing."),
            Self::RefreshUnknown | Self::RefreshExpired | Self::RefreshReused | Self::RefreshOfAnotherClient => {
                wire("invalid_grant", 400, "The refresh token is unknown, has expired, was used before or was revoked.")
            }
            // RFC 7662 §2.3 leaves this to RFC 6750 §3.1, whose status it is; its codes are for bearer tokens.
            Self::IntrospectionNotAllowed => {
                wire("unauthorized_client", 403, "The client is not allowed to introspect tokens.")
            }
            Self::TokenMissing => wire("invalid_request", 400, "token is missing."),
            // RFC 7009 §2.1: "the request is refused and the client is informed of the error"
            Self::TokenOfAnotherClient => wire("invalid_grant", 400, "The token was issued to another client."),
            Self::GrantRevoked | Self::UserNotAllowed => wire("invalid_grant", 400, "The access was taken back."),
            Self::ScopeMalformed => wire("invalid_scope", 400, "scope has characters that are not allowed."),
            Self::RedirectUriMismatch => {
                wire("invalid_grant", 400, "redirect_uri is not the one of the authorization request.")
            }
            Self::VerifierMissing => wire("invalid_request", 400, "code_verifier is missing."),
            // RFC 7636 §4.6
            Self::VerifierMismatch => wire("invalid_grant", 400, "code_verifier does not match the code_challenge."),
            // RFC 8707 §2.2
            Self::ResourceNotGranted => wire("invalid_target", 400, "resource must be one of those that were granted."),
            Self::ResourceRetired => wire("invalid_target", 400, "The resource that was granted is no more."),
            // RFC 8707 §2
            Self::ResourceUnknown => wire("invalid_target", 400, "resource must be one, and known to this server."),
            Self::ScopeNotAllowed => {
                wire("invalid_scope", 400, "No scope that was asked for is open to the client at this resource.")
            }
            Self::ScopeEmpty => wire("invalid_scope", 400, "Nothing that was granted applies to this resource."),
            Self::ServerError => wire("server_error", 500, "The server failed."),
            Self::Unavailable => {
                wire("temporarily_unavailable", 503, "The server cannot reach its records at the moment.")
            }
        }
    }
}

impl From<Repeated> for TokenReason {
    fn from(Repeated(name): Repeated) -> Self {
        Self::RepeatedParameter(name)
    }
}
