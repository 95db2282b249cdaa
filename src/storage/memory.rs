//! A store in memory.

/// A store in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage;
