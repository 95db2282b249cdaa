//! Connections that read, beside the one that writes.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use super::error::Failure;

/// A few connections, each for one look-up at a time. A look-up takes microseconds, so it is done where
/// it is asked for: handing it to another thread would take longer.
pub(super) struct Readers(Vec<Arc<Mutex<Connection>>>);

thread_local! {
    /// Where this thread looks first, so that two threads seldom want the same connection.
    static FIRST: Cell<usize> = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        Cell::new(THREADS.fetch_add(1, Ordering::Relaxed))
    };
}

impl Readers {
    /// There must be at least one.
    pub(super) const fn new(connections: Vec<Arc<Mutex<Connection>>>) -> Self {
        Self(connections)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        look(&self.free())
    }

    fn free(&self) -> MutexGuard<'_, Connection> {
        let first = FIRST.get() % self.0.len();
        let (before, from) = self.0.split_at(first);
        for connection in from.iter().chain(before) {
            match connection.try_lock() {
                Ok(connection) => return connection,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.0[first].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
