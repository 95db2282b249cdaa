//! Who may register a client, where the app decides that itself.

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

/// The app's answer.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It is not taken in.
    Refuse,
    /// It is taken in, on these terms.
    Admit(Terms),
}
