//! Every rule of every RFC, and nothing else: no input or output, no clock, no randomness.

pub mod client;
pub mod grant;
pub mod pkce;
pub mod prompt;
pub mod redirect;
pub mod resource;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod time;
