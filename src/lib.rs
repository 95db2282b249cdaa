//! The OAuth 2.1 authorization server that you mount inside your own web app.

pub mod host;
pub mod manual;
pub mod protocol;
pub mod storage;
