//! Refusals of the registration endpoint.

use serde::Serialize;

use super::{WireError, wire};
use crate::protocol::document_url::InvalidDocumentUrl;
use crate::protocol::jwk::InvalidKeys;
use crate::protocol::redirect::InvalidRedirectUri;

/// Why a registration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
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
    /// A client that would authenticate by its keys brings none.
    #[error("jwks is missing")]
    KeysMissing,
    /// The keys lie elsewhere, and this server fetches none.
    #[error("jwks_uri is not supported")]
    KeysElsewhere,
    /// The keys lie where nothing is fetched for a client.
    #[error("jwks_uri will not do: {0}")]
    KeysUrl(#[from] InvalidDocumentUrl),
    /// The keys come twice, and could be other ones.
    #[error("both jwks and jwks_uri are present")]
    KeysTwice,
    /// What it brings are no keys.
    #[error("jwks will not do: {0}")]
    Keys(#[from] InvalidKeys),
    /// No grant type is left that this server has.
    #[error("no supported grant type is left")]
    NoGrantType,
    /// Who has registered the very same before is blocked.
    #[error("the client is blocked")]
    Blocked,
    /// The app does not take the client in.
    #[error("the app does not take the client in")]
    NotAdmitted,
    /// The request has no token, or several.
    #[error("a token is missing")]
    TokenMissing,
    /// The token is not one for this.
    #[error("the token is unknown, over, used before or another's")]
    TokenInvalid,
    /// The request is about another client than the one whose registration it would change.
    #[error("client_id is not that of the client")]
    OtherClient,
    /// The request brings another secret than that of the client.
    #[error("client_secret is not that of the client")]
    OtherSecret,
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
                "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or private_key_jwt.",
            ),
            Self::KeysMissing => {
                wire("invalid_client_metadata", 400, "private_key_jwt needs the public keys: send jwks.")
            }
            Self::KeysElsewhere => {
                wire("invalid_client_metadata", 400, "jwks_uri is not supported: send jwks instead.")
            }
            Self::KeysUrl(_) => {
                wire("invalid_client_metadata", 400, "jwks_uri must be an https URL with a public host name.")
            }
            // RFC 7591 §2: "The "jwks_uri" and "jwks" parameters MUST NOT both be present"
            Self::KeysTwice => wire("invalid_client_metadata", 400, "jwks and jwks_uri must not both be present."),
            Self::Keys(reason) => wire("invalid_client_metadata", 400, keys_text(reason)),
            Self::NoGrantType => wire("invalid_client_metadata", 400, "grant_types must include authorization_code."),
            // The RFC has no code for it; that of RFC 6749 §4.1.2.1 says what it is.
            Self::Blocked => wire("access_denied", 403, "This client is blocked."),
            Self::NotAdmitted => wire("access_denied", 403, "This client is not admitted."),
            // RFC 7591 §3, RFC 7592 §2: a token as in RFC 6750 §3.1
            Self::TokenMissing => wire("invalid_token", 401, "A token is needed for this."),
            Self::TokenInvalid => wire("invalid_token", 401, "The token is not good for this."),
            Self::OtherClient => wire("invalid_client_metadata", 400, "client_id must be that of the client."),
            Self::OtherSecret => wire("invalid_client_metadata", 400, "client_secret must be that of the client."),
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

const fn keys_text(reason: InvalidKeys) -> &'static str {
    match reason {
        InvalidKeys::NotKeySet => "jwks must be a JWK Set, with no member twice.",
        InvalidKeys::TooMany => "jwks must have at most 16 keys.",
        InvalidKeys::Symmetric => "jwks has a symmetric key: only public keys may be in it.",
        InvalidKeys::Private => "jwks has a private key: only public keys may be in it. Do not use that key any more.",
        InvalidKeys::Malformed => "A key of jwks is malformed.",
        InvalidKeys::Size => "An RSA key of jwks has not 2048 to 8192 bits.",
        InvalidKeys::NoneUsable => "jwks has no key for ES256, RS256, PS256 or EdDSA with Ed25519.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reason: impl Into<RegistrationReason>) -> (&'static str, &'static str) {
        let wire = reason.into().wire();
        assert_eq!(wire.status, 400);
        (wire.code, wire.description)
    }

    #[test]
    fn a_client_is_told_which_rule_its_redirect_uri_or_its_keys_break() {
        for (reason, expected) in [
            (InvalidRedirectUri::TooLong, "2048"),
            (InvalidRedirectUri::Character, "characters"),
            (InvalidRedirectUri::NotAbsolute, "not absolute"),
            (InvalidRedirectUri::Fragment, "fragment"),
            (InvalidRedirectUri::UserInfo, "user name"),
            (InvalidRedirectUri::PlainHttp, "plain http"),
            (InvalidRedirectUri::Scheme, "scheme"),
            (InvalidRedirectUri::ResponseParameter, "response parameter"),
        ] {
            let (code, text) = told(reason);
            assert_eq!(code, "invalid_redirect_uri");
            assert!(text.starts_with("A redirect URI ") && text.contains(expected), "{reason:?}: {text}");
        }
        for (reason, expected) in [
            (InvalidKeys::NotKeySet, "JWK Set"),
            (InvalidKeys::TooMany, "16 keys"),
            (InvalidKeys::Symmetric, "symmetric"),
            (InvalidKeys::Private, "private"),
            (InvalidKeys::Malformed, "malformed"),
            (InvalidKeys::Size, "bits"),
            (InvalidKeys::NoneUsable, "no key"),
        ] {
            let (code, text) = told(reason);
            assert_eq!(code, "invalid_client_metadata");
            assert!(text.contains("jwks") && text.contains(expected), "{reason:?}: {text}");
        }
    }
}
