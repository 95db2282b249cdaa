//! What an error of the database means, and when an operation may be tried again.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use crate::storage::{StorageError, StorageErrorKind};

/// How often an operation is tried that others get in the way of.
pub(super) const ATTEMPTS: u32 = 16;

/// What became of a statement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Others got in the way; it did nothing, and the same statement may succeed.
    Conflict,
    /// An id is taken; it did nothing.
    Collision,
    /// The server refused it for another reason; it did nothing.
    Refused,
    /// The connection is no good any more, and nobody knows what the statement did.
    Lost,
}

/// Class 08 and 57P0x: the server hangs up. 25006: it is one that may only be read from, as after a failover.
/// 40003: it does not know itself whether the statement was committed, as CockroachDB says then.
fn hangs_up(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57P") || matches!(code, "25006" | "40003")
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

pub(super) fn failure(error: &sqlx::Error) -> Failure {
    let Some(code) = code(error) else {
        // What was not even sent did nothing; an answer that is not understood may be to something that was done.
        return if matches!(error, sqlx::Error::Encode(_)) { Failure::Refused } else { Failure::Lost };
    };
    match code.as_str() {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Failure::Conflict,
        // unique_violation
        "23505" => Failure::Collision,
        code if hangs_up(code) => Failure::Lost,
        _ => Failure::Refused,
    }
}

const fn is_corrupt(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, ColumnIndexOutOfBounds, ColumnNotFound, Decode, TypeNotFound};
    matches!(
        error,
        ColumnDecode { .. } | ColumnIndexOutOfBounds { .. } | ColumnNotFound(_) | Decode(_) | TypeNotFound { .. }
    )
}

fn kind(error: &sqlx::Error) -> StorageErrorKind {
    if is_corrupt(error) {
        return StorageErrorKind::Corrupt;
    }
    match (error, code(error).as_deref()) {
        (_, Some("40001" | "40P01")) => StorageErrorKind::Conflict,
        // Class 53: out of resources. 57014: a statement took too long. 55P03: a lock did.
        (_, Some(code)) if hangs_up(code) || code.starts_with("53") || matches!(code, "57014" | "55P03") => {
            StorageErrorKind::Unavailable
        }
        (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_), None)
        | (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed, None) => {
            StorageErrorKind::Unavailable
        }
        _ => StorageErrorKind::Other,
    }
}

/// Whether the server may answer later.
pub(super) fn is_temporary(error: &sqlx::Error) -> bool {
    kind(error) == StorageErrorKind::Unavailable
}

pub(super) fn failed(error: sqlx::Error) -> StorageError {
    StorageError::new(kind(&error), error)
}

/// One error for each of the operations that shared a statement.
pub(super) fn failed_together(error: &Arc<sqlx::Error>) -> StorageError {
    let shared: Box<dyn Error + Send + Sync> = Box::new(Arc::clone(error));
    StorageError::new(kind(error), shared)
}

/// A server that does not answer in time.
pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// How long to stay out of each other's way after so many attempts.
pub(super) fn pause(attempts: u32) -> Duration {
    let limit = 2_000 << attempts.min(6);
    // A hasher's keys are random.
    Duration::from_micros(RandomState::new().build_hasher().finish() % limit)
}
