//! The frameworks: each adapter turns its framework's requests into [`http::Request`]s and back.

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "actix")]
mod actix_guard;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(any(feature = "actix", feature = "tower"))]
mod gate;
#[cfg(feature = "oxide-auth")]
pub mod oxide;
#[cfg(feature = "oxide-auth-async")]
pub mod oxide_async;
#[cfg(feature = "oxide-auth")]
mod oxide_clients;
#[cfg(feature = "oxide-auth")]
mod oxide_consent;
#[cfg(feature = "poem")]
pub mod poem;
#[cfg(feature = "rocket")]
pub mod rocket;
#[cfg(feature = "rocket")]
mod rocket_guard;
#[cfg(feature = "salvo")]
pub mod salvo;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "warp")]
pub mod warp;
