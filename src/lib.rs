//! The OAuth 2.1 authorization server that you mount inside your own web app.

pub mod host;
#[cfg(feature = "pages")]
pub mod pages;
pub mod protocol;
pub mod storage;
