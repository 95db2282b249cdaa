//! The thread that reads lists.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::Failure;
use crate::storage::{StorageError, StorageErrorKind};

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Lists take longer than look-ups, and must not hold up the thread that asks. The thread behind this
/// ends when this is dropped.
pub(super) struct Lists(Sender<Job>);

impl Lists {
    /// Starts the thread.
    pub(super) fn start(connection: Arc<Mutex<Connection>>) -> Result<Self, StorageError> {
        let (sender, jobs) = channel();
        let thread = thread::Builder::new().name("grantor-sqlite-lists".to_owned());
        let started = thread.spawn(move || work(&jobs, &connection));
        started.map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error))?;
        Ok(Self(sender))
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let _gone = reply.send(look(connection));
        });
        let ended = |()| StorageError::new(StorageErrorKind::Unavailable, "the reader has ended");
        self.0.send(job).map_err(|_| ended(()))?;
        Ok(answer.await.map_err(|_| ended(()))??)
    }
}

fn work(jobs: &Receiver<Job>, connection: &Mutex<Connection>) {
    for job in jobs {
        job(&connection.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
