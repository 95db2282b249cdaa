//! The answer of the authorization endpoint (RFC 6749 §4.1.2): to the client, by way of the browser.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::AuthorizeReason;
use super::policy::Policy;
use super::redirect::VerifiedRedirectUri;

/// How the parameters of the answer travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In a form that the browser posts to the redirect URI (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }
}

/// Where an answer goes, and what the client recognises it by.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) redirect_uri: VerifiedRedirectUri,
    pub(super) state: Option<String>,
    pub(super) mode: ResponseMode,
}

/// An answer of the authorization endpoint.
pub struct AuthorizeResponse {
    redirect_uri: VerifiedRedirectUri,
    mode: ResponseMode,
    parameters: Vec<(&'static str, String)>,
}

// The parameters may have a code.
impl fmt::Debug for AuthorizeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizeResponse(..)")
    }
}

impl AuthorizeResponse {
    pub(super) fn code(target: &Target, code: &str, policy: &Policy) -> Self {
        Self::new(target, vec![("code", code.to_owned())], policy)
    }

    pub(super) fn error(target: &Target, reason: AuthorizeReason, policy: &Policy) -> Self {
        let wire = reason.wire();
        let parameters = vec![("error", wire.code.to_owned()), ("error_description", wire.description.to_owned())];
        Self::new(target, parameters, policy)
    }

    fn new(target: &Target, mut parameters: Vec<(&'static str, String)>, policy: &Policy) -> Self {
        // RFC 6749 §4.1.2: "The exact value received from the client"
        parameters.extend(target.state.clone().map(|state| ("state", state)));
        // RFC 9207 §2: in every authorization response, errors included
        parameters.push(("iss", policy.issuer.as_str().to_owned()));
        Self { redirect_uri: target.redirect_uri.clone(), mode: target.mode, parameters }
    }

    /// How the parameters travel.
    #[must_use]
    pub const fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// Whether it has an error instead of a code.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.parameters.iter().any(|(name, _)| *name == "error")
    }

    /// The redirect URI, without parameters.
    #[must_use]
    pub const fn redirect_uri(&self) -> &VerifiedRedirectUri {
        &self.redirect_uri
    }

    /// The parameters of the answer. A code among them is a secret of the client.
    #[must_use]
    pub fn parameters(&self) -> &[(&'static str, String)] {
        &self.parameters
    }

    /// The redirect URI with the parameters in its query.
    #[must_use]
    pub fn location(&self) -> String {
        let pairs: Vec<_> = self.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.redirect_uri.with_query(&pairs)
    }
}
