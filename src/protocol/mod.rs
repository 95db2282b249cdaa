//! Every rule of every RFC, and nothing else: no input or output, no clock, no randomness.

pub mod authorize;
pub mod bearer;
pub mod client;
pub mod client_auth;
pub mod commit;
pub mod cors;
pub mod error;
pub mod grant;
pub mod interaction;
pub mod issuer;
pub mod metadata;
pub mod params;
pub mod pkce;
pub mod policy;
pub mod prompt;
pub mod redirect;
pub mod refresh;
pub mod registration;
pub mod resource;
pub mod response;
pub mod revocation;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod time;
pub mod token;
