//! Pending authorization requests.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The name of one prompt: 48 bits of milliseconds and 80 of randomness, so that the marks of decided
/// prompts lie in the order of time and two prompts never share a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptId([u8; 16]);

impl PromptId {
    /// Names a prompt that is made `now`.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The 16 bytes of the name, as a store keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PromptId({:032x})", u128::from_be_bytes(self.0))
    }
}
