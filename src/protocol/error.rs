//! Why requests are refused, and what that is on the wire.
//!
//! The variant is for the log and for tests; the wire gets the RFC's code and a fixed text. Each
//! mapping is one exhaustive `match`, so a new reason cannot be forgotten.

use super::params::Repeated;
use super::redirect::InvalidRedirectUri;

/// An error as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireError {
    /// The RFC's code.
    pub code: &'static str,
    /// The HTTP status where the error is an answer of its own.
    pub status: u16,
    /// A fixed text for the client's developer, within the characters of RFC 6749 §5.2.
    pub description: &'static str,
}

const fn wire(code: &'static str, status: u16, description: &'static str) -> WireError {
    WireError { code, status, description }
}

/// Why an authorization request gets a page and never a redirect: there is nobody to redirect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageReason {
    /// There is no `client_id`, or several.
    #[error("client_id is missing or repeated")]
    ClientMissing,
    /// No client has that id.
    #[error("the client is unknown")]
    ClientUnknown,
    /// There is no `redirect_uri` though the client has several, or several were sent.
    #[error("redirect_uri is missing or repeated")]
    RedirectUriMissing,
    /// The client has not registered that URI.
    #[error("redirect_uri is not registered")]
    RedirectUriNotRegistered,
    /// The request is refused for a reason that goes to the client, but nobody has seen that client yet
    /// (RFC 9700 §4.11.2).
    #[error("{0}")]
    RequestRefused(AuthorizeReason),
    /// The form does not hold a prompt that this server sealed.
    #[error("the prompt cannot be opened")]
    PromptForged,
    /// The prompt has ended.
    #[error("the prompt has expired")]
    PromptExpired,
    /// The form comes from another browser than the one that the prompt was shown in.
    #[error("the prompt belongs to another browser")]
    OtherBrowser,
    /// Somebody else is signed in than the person that the prompt was shown to.
    #[error("the prompt belongs to another user or session")]
    OtherUser,
    /// Nobody is signed in any more.
    #[error("nobody is signed in")]
    NobodySignedIn,
    /// The client was changed or removed since the prompt was shown.
    #[error("the client changed meanwhile")]
    ClientChanged,
    /// The form was sent from another site.
    #[error("the form was sent from another origin")]
    CrossSite,
    /// The form has no decision, or several.
    #[error("the decision is missing or unknown")]
    DecisionMissing,
    /// The request is larger than any honest one.
    #[error("the request is too large")]
    TooLarge,
    /// The host or the source of randomness failed.
    #[error("the server failed")]
    ServerError,
    /// The store cannot be reached.
    #[error("the store is unavailable")]
    Unavailable,
}

impl PageReason {
    /// The RFC's code, the status of the page, and what is wrong in plain words.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            Self::ClientMissing => wire("invalid_request", 400, "The app did not say which app it is."),
            Self::ClientUnknown => wire("invalid_client", 400, "The app that sent you here is not known."),
            Self::RedirectUriMissing => wire("invalid_request", 400, "The app did not say where to send you back to."),
            // RFC 6749 §3.1.2.4: "MUST NOT automatically redirect the user-agent to the invalid redirection URI"
            Self::RedirectUriNotRegistered => {
                wire("invalid_request", 400, "The app asked to send you to an address that it has not registered.")
            }
            Self::RequestRefused(reason) => reason.wire(),
            Self::PromptForged => wire("invalid_request", 400, "This form was not made here, or it was changed."),
            Self::PromptExpired => wire("invalid_request", 400, "This page was open for too long."),
            Self::OtherBrowser => wire("invalid_request", 403, "This form was made for another browser."),
            Self::OtherUser => {
                wire("invalid_request", 403, "This form was made for another sign-in than the present one.")
            }
            Self::NobodySignedIn => wire("login_required", 403, "You are not signed in any more."),
            Self::ClientChanged => {
                wire("unauthorized_client", 403, "The app was changed or removed while this page was open.")
            }
            Self::CrossSite => wire("invalid_request", 403, "This form was sent from another site."),
            Self::DecisionMissing => wire("invalid_request", 400, "The form did not say whether to allow or to deny."),
            Self::TooLarge => wire("invalid_request", 413, "The request is larger than it can be."),
            Self::ServerError => wire("server_error", 500, "Something went wrong on our side."),
            Self::Unavailable => wire("temporarily_unavailable", 503, "We cannot reach our records at the moment."),
        }
    }

    /// What the reader of the page can do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ClientMissing | Self::RedirectUriMissing | Self::TooLarge => {
                "Nothing was shared. Go back to the app and try again; if it happens again, tell its makers."
            }
            Self::ClientUnknown => {
                "Nothing was shared. Remove the connection in the app and add it again, so that it registers anew."
            }
            Self::RedirectUriNotRegistered => {
                "Nothing was shared. If you did not start this yourself, close the page; otherwise tell the makers of the app."
            }
            Self::RequestRefused(_) => {
                "Nothing was shared. The app made a mistake that you cannot mend; if you started this yourself, you can go back to it."
            }
            Self::PromptForged | Self::CrossSite | Self::DecisionMissing => {
                "Nothing was shared. If you did not start this yourself, close the page; otherwise start again from the app."
            }
            Self::PromptExpired | Self::ClientChanged => "Nothing was shared. Start again from the app.",
            Self::OtherBrowser => {
                "Nothing was shared. Start again from the app in this browser, and allow cookies for this site."
            }
            Self::OtherUser | Self::NobodySignedIn => {
                "Nothing was shared. Sign in as the person who wants to connect the app, and start again from there."
            }
            Self::ServerError | Self::Unavailable => "Nothing was shared. Wait a moment and try again.",
        }
    }
}

/// Why an authorization request is answered with an error to the client's redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
    /// The `response_mode` is not `query`.
    #[error("response_mode is not query")]
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
    /// The user said no.
    #[error("the user denied")]
    AccessDenied,
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
            Self::ResponseModeUnsupported => wire("invalid_request", 400, "response_mode must be query."),
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
            Self::AccessDenied => wire("access_denied", 403, "The user did not give consent."),
        }
    }
}

impl From<Repeated> for AuthorizeReason {
    fn from(Repeated(name): Repeated) -> Self {
        Self::RepeatedParameter(name)
    }
}

/// Why the token endpoint refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
    /// A public client sent a secret.
    #[error("a public client sent a secret")]
    SecretUnexpected,
    /// The client uses a method that this server does not have.
    #[error("the authentication method is not supported")]
    MethodUnsupported,
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
            Self::GrantTypeUnsupported => {
                wire("unsupported_grant_type", 400, "grant_type is not one that this server supports.")
            }
            Self::TwoMethods => wire("invalid_request", 400, "Only one client authentication method may be used."),
            Self::TwoClients => wire("invalid_request", 400, "The request names two different clients."),
            // One text for all of these: the answer must not tell which clients exist.
            Self::ClientMissing
            | Self::CredentialsMalformed
            | Self::ClientUnknown
            | Self::SecretWrong
            | Self::SecretMissing
            | Self::SecretUnexpected
            | Self::MethodUnsupported => wire("invalid_client", 401, "Client authentication failed."),
            Self::GrantNotAllowed => {
                wire("unauthorized_client", 400, "The client is not registered for this grant type.")
            }
            Self::CodeMissing => wire("invalid_request", 400, "code is missing."),
            Self::CodeUnknown
            | Self::CodeExpired
            | Self::CodeReplayed
            | Self::CodeOfAnotherClient
            | Self::GrantRevoked => {
                wire("invalid_grant", 400, "The code is unknown, has expired, was used before or was revoked.")
            }
            Self::RedirectUriMismatch => {
                wire("invalid_grant", 400, "redirect_uri is not the one of the authorization request.")
            }
            Self::VerifierMissing => wire("invalid_request", 400, "code_verifier is missing."),
            // RFC 7636 §4.6
            Self::VerifierMismatch => wire("invalid_grant", 400, "code_verifier does not match the code_challenge."),
            // RFC 8707 §2.2
            Self::ResourceNotGranted => wire("invalid_target", 400, "resource must be one of those that were granted."),
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

/// Why a registration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationReason {
    /// The body is not JSON, or a field has the wrong type.
    #[error("the body is not client metadata in JSON")]
    NotMetadata,
    /// The body is larger than any honest one.
    #[error("the body is too large")]
    TooLarge,
    /// There is no redirect URI, or there are too many.
    #[error("redirect_uris is missing, empty or too long")]
    RedirectUrisMissing,
    /// A redirect URI cannot be accepted.
    #[error("{0}")]
    RedirectUri(#[from] InvalidRedirectUri),
    /// A name is longer than people read.
    #[error("client_name is too long")]
    NameTooLong,
    /// The way to authenticate is not one that this server has.
    #[error("token_endpoint_auth_method is not supported")]
    AuthMethodUnsupported,
    /// No grant type is left that this server has.
    #[error("no supported grant type is left")]
    NoGrantType,
    /// The source of randomness or the like failed.
    #[error("the server failed")]
    ServerError,
    /// The store cannot be reached.
    #[error("the store is unavailable")]
    Unavailable,
}

impl RegistrationReason {
    /// The RFC's code, the status and the text.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            // RFC 7591 §3.2.2
            Self::NotMetadata => wire("invalid_client_metadata", 400, "The body must be client metadata in JSON."),
            Self::TooLarge => wire("invalid_client_metadata", 413, "The body is too large."),
            Self::RedirectUrisMissing => wire("invalid_redirect_uri", 400, "redirect_uris must have 1 to 32 entries."),
            Self::RedirectUri(reason) => wire("invalid_redirect_uri", 400, redirect_text(reason)),
            Self::NameTooLong => wire("invalid_client_metadata", 400, "client_name must have at most 256 characters."),
            Self::AuthMethodUnsupported => wire(
                "invalid_client_metadata",
                400,
                "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post.",
            ),
            Self::NoGrantType => wire("invalid_client_metadata", 400, "grant_types must include authorization_code."),
            Self::ServerError => wire("server_error", 500, "The server failed."),
            Self::Unavailable => {
                wire("temporarily_unavailable", 503, "The server cannot reach its records at the moment.")
            }
        }
    }
}

const fn redirect_text(reason: InvalidRedirectUri) -> &'static str {
    match reason {
        InvalidRedirectUri::TooLong => "A redirect URI has more than 2048 bytes.",
        InvalidRedirectUri::Character => "A redirect URI has characters that RFC 3986 does not allow.",
        InvalidRedirectUri::NotAbsolute => "A redirect URI is not absolute.",
        InvalidRedirectUri::Fragment => "A redirect URI has a fragment.",
        InvalidRedirectUri::UserInfo => "A redirect URI has a user name.",
        InvalidRedirectUri::PlainHttp => "A redirect URI is plain http on a host that is not loopback.",
        InvalidRedirectUri::Scheme => "A redirect URI has a scheme that is not safe.",
        InvalidRedirectUri::ResponseParameter => "A redirect URI has a response parameter in its query.",
    }
}

/// Why the guard turns a request away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// The token is for another resource.
    #[error("the token is for another resource")]
    OtherResource,
    /// The token does not allow this.
    #[error("the token lacks a scope")]
    InsufficientScope,
    /// The request came under a name that is not this server's.
    #[error("the Host header is not one of this loopback server")]
    OtherHost,
    /// What is stored cannot be understood.
    #[error("the server failed")]
    ServerError,
    /// The store cannot be reached.
    #[error("the store is unavailable")]
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
            Self::Unknown | Self::Expired | Self::Revoked | Self::OtherResource => {
                wire("invalid_token", 401, "The token is unknown, has expired, was revoked or is for another resource.")
            }
            Self::InsufficientScope => wire("insufficient_scope", 403, "The token does not allow this."),
            Self::OtherHost => wire("invalid_request", 421, "The request is for another host."),
            Self::ServerError => wire("server_error", 500, "The server failed."),
            Self::Unavailable => {
                wire("temporarily_unavailable", 503, "The server cannot reach its records at the moment.")
            }
        }
    }
}
