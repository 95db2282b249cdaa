//! Who may register a client, where the app decides that itself.

use super::user::User;
use crate::protocol::admission::Terms;
use crate::protocol::client::ClientMetadata;

/// A client that wants to be registered, as the app sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Applicant<'a> {
    /// What it says of itself. Nothing of it is verified.
    pub metadata: &'a ClientMetadata,
    /// Whether it asks to act for itself (RFC 6749 §4.4).
    pub wants_client_credentials: bool,
}

/// A client that is to be known by its metadata document, before that is fetched.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DocumentApplicant<'a> {
    /// The URL of the document, which is the client's id.
    pub url: &'a str,
    /// Its host, in lower-case ASCII, without a port.
    pub host: &'a str,
    /// Who is signed in and was sent here by the client, or by anybody's link.
    pub user: &'a User,
}

impl<'a> DocumentApplicant<'a> {
    pub(crate) const fn new(url: &'a str, host: &'a str, user: &'a User) -> Self {
        Self { url, host, user }
    }
}

/// The app's answer.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It is not taken in.
    Refuse,
    /// It is taken in, on these terms.
    Admit(Terms),
}
