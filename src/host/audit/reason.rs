//! Why somebody was refused, at whatever place.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::name::variant_name;
use crate::protocol::error::{
    AuthorizeReason, BearerReason, DocumentReason, HttpReason, PageReason, RegistrationReason, TokenReason, WireError,
};

/// The exact reason of a refusal. What the client is told of it is [`Reason::wire`], and that is often less.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// An authorization request was answered with an error to the client's redirect URI.
    Authorize(AuthorizeReason),
    /// An authorization request or a consent form was answered with a page.
    Page(PageReason),
    /// A client was refused at the token, revocation or introspection endpoint.
    Token(TokenReason),
    /// A registration was refused.
    Registration(RegistrationReason),
    /// A request was turned away from a guarded route.
    Bearer(BearerReason),
    /// A request was refused before any endpoint looked at it.
    Http(HttpReason),
}

impl Reason {
    /// Its stable name, such as `code_expired`. That of a page that stands for an error redirect is that of the
    /// error.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Authorize(reason) | Self::Page(PageReason::RequestRefused(reason)) => variant_name(reason),
            Self::Page(PageReason::Document(reason)) => Self::document_name(reason),
            Self::Page(reason) => variant_name(reason),
            Self::Token(TokenReason::Assertion(reason)) => variant_name(reason),
            Self::Token(reason) => variant_name(reason),
            Self::Registration(reason) => variant_name(reason),
            Self::Bearer(reason) => variant_name(reason),
            Self::Http(reason) => variant_name(reason),
        }
    }

    /// The name of what is wrong with a metadata document.
    pub(super) fn document_name(reason: &DocumentReason) -> &'static str {
        match reason {
            DocumentReason::Url(reason) => variant_name(reason),
            DocumentReason::Metadata(reason) => variant_name(reason),
            other => variant_name(other),
        }
    }

    /// What the client or the person was told.
    #[must_use]
    pub const fn wire(&self) -> WireError {
        match self {
            Self::Authorize(reason) => reason.wire(),
            Self::Page(reason) => reason.wire(),
            Self::Token(reason) => reason.wire(),
            Self::Registration(reason) => reason.wire(),
            Self::Bearer(reason) => reason.wire(),
            Self::Http(reason) => reason.wire(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorize(reason) => reason.fmt(f),
            Self::Page(reason) => reason.fmt(f),
            Self::Token(reason) => reason.fmt(f),
            Self::Registration(reason) => reason.fmt(f),
            Self::Bearer(reason) => reason.fmt(f),
            Self::Http(reason) => reason.fmt(f),
        }
    }
}

/// `reason` with the name, `text` with the words.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Reason", 2)?;
        fields.serialize_field("reason", self.name())?;
        fields.serialize_field("text", &format_args!("{self}"))?;
        fields.end()
    }
}

macro_rules! reasons {
    ($($variant:ident($reason:ty)),+) => {
        $(impl From<$reason> for Reason {
            fn from(reason: $reason) -> Self {
                Self::$variant(reason)
            }
        })+
    };
}

reasons!(
    Authorize(AuthorizeReason),
    Page(PageReason),
    Token(TokenReason),
    Registration(RegistrationReason),
    Bearer(BearerReason),
    Http(HttpReason)
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::AssertionReason;
    use crate::protocol::redirect::InvalidRedirectUri;

    #[test]
    fn every_kind_of_reason_has_its_name_and_its_text() {
        for (reason, name) in [
            (Reason::from(TokenReason::CodeReplayed), "code_replayed"),
            (TokenReason::RepeatedParameter("code").into(), "repeated_parameter"),
            (TokenReason::Assertion(AssertionReason::Replayed).into(), "assertion_replayed"),
            (PageReason::PromptForged.into(), "prompt_forged"),
            (PageReason::RequestRefused(AuthorizeReason::ChallengeMissing).into(), "challenge_missing"),
            (AuthorizeReason::RepeatedParameter("scope").into(), "repeated_parameter"),
            (RegistrationReason::RedirectUri(InvalidRedirectUri::Scheme).into(), "redirect_uri"),
            (BearerReason::InsufficientScope.into(), "insufficient_scope"),
            (HttpReason::OtherHost.into(), "other_host"),
        ] {
            assert_eq!(reason.name(), name);
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!((&json["reason"], &json["text"]), (&name.into(), &reason.to_string().into()));
        }
    }
}
