//! Refusals of clients that are known by a metadata document.

use serde::Serialize;

use super::{RegistrationReason, WireError, wire};
use crate::protocol::document_url::InvalidDocumentUrl;

/// Why a client is not known by its metadata document. A person sees a page; nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocumentReason {
    /// The client id cannot be the URL of a document.
    #[error("{0}")]
    Url(#[from] InvalidDocumentUrl),
    /// The lists of hosts do not have its host, or exclude it.
    #[error("the document's host is not among those that are allowed")]
    HostNotAllowed,
    /// The app does not take the client in.
    #[error("the app does not take the client in")]
    NotAdmitted,
    /// That site, or for that user, too much was fetched within a minute.
    #[error("too many documents were fetched from that site or for that user")]
    TooManyFetches,
    /// The host's name leads to an address that is not a public one.
    #[error("the document's host has an address that is not public")]
    AddressNotPublic,
    /// The name has no address, nobody answers there, the certificate is another's, or what comes is not HTTP.
    #[error("the document cannot be fetched")]
    Unreachable,
    /// The answer took too long.
    #[error("the document took too long")]
    TimedOut,
    /// The answer is larger than any honest document.
    #[error("the document is too large")]
    DocumentTooLarge,
    /// The site says that it has a trouble of its own.
    #[error("the document's site fails")]
    SiteFails,
    /// The answer is not 200. Redirects are not followed.
    #[error("the document's site does not answer with 200")]
    Status,
    /// The answer says that it is something else than JSON.
    #[error("the document is not JSON by its media type")]
    ContentType,
    /// The `client_id` in the document is not its URL.
    #[error("client_id in the document is not its URL")]
    OtherDocument,
    /// There is a secret in the document.
    #[error("the document has a secret in it")]
    SecretInDocument,
    /// The only ways to authenticate that it names need a shared secret, or are not supported.
    #[error("token_endpoint_auth_method in the document is not one for a document")]
    AuthMethod,
    /// The document is no client's metadata.
    #[error("{0}")]
    Metadata(#[from] RegistrationReason),
}

impl DocumentReason {
    /// The RFC's code, the status of the page, and what is wrong in plain words.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            Self::Url(_) => wire("invalid_client", 400, "The app that sent you here is not known."),
            Self::HostNotAllowed | Self::NotAdmitted => {
                wire("unauthorized_client", 403, "The app that sent you here is not admitted.")
            }
            Self::TooManyFetches => {
                wire("temporarily_unavailable", 429, "Too many apps of that kind came at the same time.")
            }
            Self::AddressNotPublic | Self::Unreachable | Self::TimedOut | Self::SiteFails | Self::Status => {
                wire("invalid_client", 400, "The page on which the app describes itself could not be read.")
            }
            Self::DocumentTooLarge
            | Self::ContentType
            | Self::OtherDocument
            | Self::SecretInDocument
            | Self::AuthMethod
            | Self::Metadata(_) => {
                wire("invalid_client", 400, "The page on which the app describes itself has a mistake in it.")
            }
        }
    }

    /// Whether the site may well have the document again later, so that what was last read of it is good for a while.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut | Self::SiteFails | Self::TooManyFetches => true,
            Self::Url(_)
            | Self::HostNotAllowed
            | Self::NotAdmitted
            | Self::AddressNotPublic
            | Self::DocumentTooLarge
            | Self::Status
            | Self::ContentType
            | Self::OtherDocument
            | Self::SecretInDocument
            | Self::AuthMethod
            | Self::Metadata(_) => false,
        }
    }
}
