//! Refusals that go to the client's redirect URI.

use serde::Serialize;

use super::{WireError, wire};
use crate::protocol::params::Repeated;

/// Why an authorization request is answered with an error to the client's redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthorizeReason {
    /// A parameter was sent twice.
    #[error("the parameter {0} was sent more than once")]
    RepeatedParameter(&'static str),
    /// There is no `response_type`.
    #[error("response_type is missing")]
    ResponseTypeMissing,
    /// The `response_type` is not `code`.
    #[error("response_type is not code")]
    ResponseTypeUnsupported,
    /// The `response_mode` is neither `query` nor `form_post`.
    #[error("response_mode is neither query nor form_post")]
    ResponseModeUnsupported,
    /// There is a `request` object (RFC 9101).
    #[error("request objects are not supported")]
    RequestObject,
    /// There is a `request_uri` (RFC 9101).
    #[error("request_uri is not supported")]
    RequestUri,
    /// There is no `code_challenge`.
    #[error("code_challenge is missing")]
    ChallengeMissing,
    /// The `code_challenge_method` is missing or not `S256`.
    #[error("code_challenge_method is not S256")]
    ChallengeMethodUnsupported,
    /// The `code_challenge` is not a SHA-256 in base64url.
    #[error("code_challenge is malformed")]
    ChallengeMalformed,
    /// The `scope` has characters that no scope has.
    #[error("scope is malformed")]
    ScopeMalformed,
    /// None of the scopes can be given to this client for this resource.
    #[error("no scope is left that the client may have")]
    ScopeEmpty,
    /// There is no `scope`, and no default set.
    #[error("scope is missing and there is no default")]
    ScopeMissing,
    /// A `resource` is not an absolute URL, or none that is known.
    #[error("resource is malformed or unknown")]
    ResourceUnknown,
    /// The client may not use the authorization code grant.
    #[error("the client may not use this grant type")]
    GrantNotAllowed,
    /// `prompt=none` comes with other values.
    #[error("prompt=none comes with other values")]
    PromptContradicts,
    /// `max_age` is not a number.
    #[error("max_age is not a number")]
    NumberMalformed,
    /// A login is needed and may not be asked for, or the app does not vouch for a fresh one.
    #[error("a login is needed, and none or no fresh one is to be had")]
    LoginRequired,
    /// Consent is needed and may not be asked for.
    #[error("consent is needed and may not be asked for")]
    ConsentRequired,
    /// The user said no.
    #[error("the user denied")]
    AccessDenied,
    /// The host says that this user may not even be asked.
    #[error("the app did not let the client ask")]
    Vetoed,
}

impl AuthorizeReason {
    /// The RFC's code and text; the status is that of a page if one has to be shown instead.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            // RFC 6749 §4.1.2.1: "includes a parameter more than once"
            Self::RepeatedParameter(_) => wire("invalid_request", 400, "A parameter was sent more than once."),
            Self::ResponseTypeMissing => wire("invalid_request", 400, "response_type is missing; it must be code."),
            Self::ResponseTypeUnsupported => wire("unsupported_response_type", 400, "response_type must be code."),
            Self::ResponseModeUnsupported => wire("invalid_request", 400, "response_mode must be query or form_post."),
            // OpenID Connect Core §3.1.2.6
            Self::RequestObject => wire("request_not_supported", 400, "Request objects are not supported."),
            Self::RequestUri => wire("request_uri_not_supported", 400, "request_uri is not supported."),
            // RFC 7636 §4.4.1
            Self::ChallengeMissing => {
                wire("invalid_request", 400, "code_challenge is required, with code_challenge_method=S256.")
            }
            Self::ChallengeMethodUnsupported => wire("invalid_request", 400, "code_challenge_method must be S256."),
            Self::ChallengeMalformed => {
                wire("invalid_request", 400, "code_challenge must be the base64url of a SHA-256.")
            }
            Self::ScopeMalformed => wire("invalid_scope", 400, "scope has characters that are not allowed."),
            Self::ScopeEmpty => {
                wire("invalid_scope", 400, "None of the scopes asked for can be given to this client here.")
            }
            Self::ScopeMissing => {
                wire("invalid_scope", 400, "scope is required: see scopes_supported in the metadata.")
            }
            // RFC 8707 §2
            Self::ResourceUnknown => {
                wire("invalid_target", 400, "resource is not one that this server issues tokens for.")
            }
            Self::GrantNotAllowed => {
                wire("unauthorized_client", 400, "The client is not registered for the authorization code grant.")
            }
            Self::PromptContradicts => {
                wire("invalid_request", 400, "prompt=none cannot be combined with other values.")
            }
            Self::NumberMalformed => wire("invalid_request", 400, "max_age must be a number of seconds."),
            // OpenID Connect Core §3.1.2.6
            Self::LoginRequired => wire("login_required", 400, "The user has to log in, or to log in again."),
            Self::ConsentRequired => wire("consent_required", 400, "The user has to give consent."),
            Self::AccessDenied => wire("access_denied", 403, "The user did not give consent."),
            // RFC 6749 §4.1.2.1: "The resource owner or authorization server denied the request."
            Self::Vetoed => wire("access_denied", 403, "The server does not allow this client to have this access."),
        }
    }
}

impl From<Repeated> for AuthorizeReason {
    fn from(Repeated(name): Repeated) -> Self {
        Self::RepeatedParameter(name)
    }
}
