//! How a file is opened.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::Failure;
use super::lists::Lists;
use super::readers::Readers;
use super::schema;
use super::writer::Writer;
use super::{Inner, SqliteStorage};
use crate::storage::{Durability, Sharing, StorageError, StorageErrorKind};

/// How to open a file.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct SqliteOptions {
    exclusive: bool,
}

impl SqliteOptions {
    /// As [`SqliteStorage::open`] does.
    pub const fn new() -> Self {
        Self { exclusive: false }
    }

    /// Keeps other processes that use this crate from opening the file as well, so that a
    /// [`Cached`](crate::storage::Cached) store in front of this one knows of every change. A file named like the store with
    /// `-lock` at its end marks that.
    pub const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Opens a file. See [`SqliteStorage::open`].
    ///
    /// # Errors
    /// As there; also if another process has the file and one of the two wants it for itself.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStorage, StorageError> {
        let path = path.as_ref().to_owned();
        blocking(move || {
            let claim = claim(&path, self.exclusive)?;
            let mut writing = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
            schema::use_log(&writing)?;
            schema::migrate(&mut writing)?;
            let reading = || connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map(|one| Arc::new(Mutex::new(one)));
            let readers = (0..parallel_readers()).map(|_| reading()).collect::<Result<_, _>>()?;
            let sharing = if self.exclusive { Sharing::Sole } else { Sharing::Unheard };
            let inner = Inner {
                writer: Writer::start(Arc::new(Mutex::new(writing)), Some(claim))?,
                readers: Readers::new(readers),
                lists: Lists::start(reading()?)?,
                purged_to: Mutex::default(),
                durability: Durability::Persistent,
                sharing,
            };
            Ok(SqliteStorage(Arc::new(inner)))
        })
        .await
    }

    /// A new store in memory. See [`SqliteStorage::in_memory`].
    ///
    /// # Errors
    /// If SQLite cannot make it.
    pub async fn in_memory(self) -> Result<SqliteStorage, StorageError> {
        blocking(move || {
            let mut connection = Connection::open_in_memory()?;
            schema::prepare(&connection)?;
            schema::migrate(&mut connection)?;
            // There is no second connection to what one connection has in memory.
            let only = Arc::new(Mutex::new(connection));
            let inner = Inner {
                writer: Writer::start(Arc::clone(&only), None)?,
                readers: Readers::new(vec![Arc::clone(&only)]),
                lists: Lists::start(only)?,
                purged_to: Mutex::default(),
                durability: Durability::Process,
                sharing: Sharing::Sole,
            };
            Ok(SqliteStorage(Arc::new(inner)))
        })
        .await
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Failure> {
    // Each connection is behind a lock of ours.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    schema::prepare(&connection)?;
    Ok(connection)
}

fn parallel_readers() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 16))
}

/// Marks that the file is in use, by this process alone or not.
fn claim(path: &Path, exclusive: bool) -> Result<File, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let unavailable = |error| StorageError::new(StorageErrorKind::Unavailable, error);
    let options = File::options().create(true).truncate(false).write(true).to_owned();
    let file = options.open(PathBuf::from(name)).map_err(unavailable)?;
    let try_once = || if exclusive { file.try_lock() } else { file.try_lock_shared() };
    // A store that was dropped just now may still be writing.
    for _ in 0..200 {
        match try_once() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
        }
    }
    let text = "another process has the file, and one of the two wants it for itself";
    Err(StorageError::new(StorageErrorKind::Unavailable, text))
}

/// Does what takes a while on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, StorageError> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let started = thread::Builder::new().name("grantor-sqlite-open".to_owned()).spawn(move || {
        let _gone = reply.send(work());
    });
    started.map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error))?;
    let opened = answer.await.map_err(|_| StorageError::from(StorageErrorKind::Other))?;
    Ok(opened?)
}
