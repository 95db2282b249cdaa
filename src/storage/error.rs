//! Why a store could not answer.

use std::error::Error;

/// What kind of trouble a store is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// The store cannot be reached; the same call may succeed later.
    Unavailable,
    /// Other operations got in the way too often; the same call may succeed later.
    Conflict,
    /// What is stored cannot be understood.
    Corrupt,
    /// Anything else.
    Other,
}

/// A store could not answer. Whether the operation took effect is unknown to the caller.
#[derive(Debug, thiserror::Error)]
#[error("the store could not answer ({kind:?})")]
pub struct StorageError {
    kind: StorageErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StorageError {
    /// An error with what caused it.
    pub fn new(kind: StorageErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self.kind, StorageErrorKind::Unavailable | StorageErrorKind::Conflict)
    }
}

impl From<StorageErrorKind> for StorageError {
    fn from(kind: StorageErrorKind) -> Self {
        Self { kind, source: None }
    }
}
