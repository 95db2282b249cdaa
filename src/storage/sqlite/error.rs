//! What can go wrong with SQLite, in the port's words.

use rusqlite::ErrorCode;

use crate::storage::{StorageError, StorageErrorKind};

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite's own reason.
    Engine(rusqlite::Error),
    /// What was read makes no sense.
    Storage(StorageError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<StorageErrorKind> for Failure {
    fn from(kind: StorageErrorKind) -> Self {
        Self::Storage(kind.into())
    }
}

impl From<rusqlite::types::FromSqlError> for Failure {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Storage(StorageError::new(StorageErrorKind::Corrupt, error))
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(error) => Self::new(kind(&error), error),
            Failure::Storage(error) => error,
        }
    }
}

fn kind(error: &rusqlite::Error) -> StorageErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageErrorKind::Conflict,
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted,
        ) => StorageErrorKind::Unavailable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageErrorKind::Corrupt,
        _ => StorageErrorKind::Other,
    }
}
