//! Where the sealing keys come from.

use super::entropy::{Entropy, EntropyError};
use crate::protocol::seal::{InvalidKeys, Keys};

/// The environment has no usable keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysFromEnvError {
    /// The variable is not set, or not text.
    #[error(
        "the environment variable {0} is not set: put 32 random bytes in base64 into it, for example from `openssl rand -base64 32`"
    )]
    Missing(String),
    /// The variable is set to something else than keys.
    #[error("the environment variable {0}: {1}")]
    Invalid(String, #[source] InvalidKeys),
}

impl Keys {
    /// Reads keys from an environment variable, as [`Keys::parse`] reads them.
    ///
    /// # Errors
    /// If the variable is not set or has something else than keys.
    pub fn from_env(variable: &str) -> Result<Self, KeysFromEnvError> {
        #[allow(clippy::disallowed_methods, reason = "this is where the environment is read")]
        let text = std::env::var(variable).map_err(|_| KeysFromEnvError::Missing(variable.to_owned()))?;
        Self::parse(&text).map_err(|error| KeysFromEnvError::Invalid(variable.to_owned(), error))
    }

    /// A key that ends with the process: for stores that do as well.
    ///
    /// # Errors
    /// If the source of randomness fails.
    pub fn ephemeral(entropy: &impl Entropy) -> Result<Self, EntropyError> {
        let mut key = [0; 32];
        entropy.fill(&mut key)?;
        Ok(Self::from_bytes(key))
    }
}
