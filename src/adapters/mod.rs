//! The frameworks: each adapter turns its framework's requests into [`http::Request`]s and back.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tower")]
pub mod tower;
