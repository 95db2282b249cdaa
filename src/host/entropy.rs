//! Randomness.

use ring::rand::SecureRandom as _;

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct EntropyError;

/// A source of random bytes that nobody can guess. A test brings its own.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// If there are no random bytes to be had; nothing is issued then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        ring::rand::SystemRandom::new().fill(bytes).map_err(|_| EntropyError)
    }
}
