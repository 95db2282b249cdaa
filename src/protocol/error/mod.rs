//! Why requests are refused, and what that is on the wire.
//!
//! The variant is for the log and for tests; the wire gets the RFC's code and a fixed text. Each
//! mapping is one exhaustive `match`, so a new reason cannot be forgotten.

mod assertion;
mod authorize;
mod bearer;
mod boundary;
mod document;
mod page;
mod registration;
mod token;

pub use assertion::AssertionReason;
pub use authorize::AuthorizeReason;
pub use bearer::BearerReason;
pub use boundary::HttpReason;
pub use document::DocumentReason;
pub use page::PageReason;
pub use registration::RegistrationReason;
pub use token::TokenReason;

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
