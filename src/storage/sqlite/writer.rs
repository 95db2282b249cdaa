//! The one thread that writes: operations that come while it commits share the next commit.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::error::Failure;
use super::sweep::{Position, Step, forget_answers};
use crate::protocol::time::Timestamp;
use crate::storage::{StorageError, StorageErrorKind};

/// How many operations share a commit at most.
const GROUP: usize = 256;

/// How many operations may wait. More of them would wait for longer than their clients do.
const WAITING: usize = 16_384;

/// How long after their end rows are left to `purge`. A code that comes again soon after its end still
/// shows a theft.
const LINGER: Duration = Duration::from_secs(60);

/// An operation on its way: carried out, perhaps more than once, and answered when its last run is
/// committed.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), Failure>;
    fn answer(self: Box<Self>);
    fn fail(self: Box<Self>, error: StorageError);
    fn now(&self) -> Option<Timestamp>;
}

struct Operation<F, T> {
    act: F,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T, StorageError>>,
    now: Option<Timestamp>,
}

impl<F, T> Job for Operation<F, T>
where
    F: FnMut(&Connection) -> Result<T, Failure> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Failure> {
        self.outcome = Some((self.act)(connection)?);
        Ok(())
    }
    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // Nobody waits any more if the caller has gone away.
            let _gone = self.reply.send(Ok(outcome));
        }
    }
    fn fail(self: Box<Self>, error: StorageError) {
        let _gone = self.reply.send(Err(error));
    }
    fn now(&self) -> Option<Timestamp> {
        self.now
    }
}

/// The queue before the writer.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Box<dyn Job>>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work and takes what there is; `None` when there will be no more.
    fn take(&self, into: &mut Vec<Box<dyn Job>>) -> bool {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return false;
            }
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let count = state.jobs.len().min(GROUP);
        into.extend(state.jobs.drain(..count));
        true
    }
}

/// The writer, from outside. When this is dropped, the writer finishes what waits and ends.
pub(super) struct Writer {
    queue: Arc<Queue>,
}

impl Writer {
    /// Starts the thread, which holds `claim` until it ends.
    pub(super) fn start(connection: Arc<Mutex<Connection>>, claim: Option<File>) -> Result<Self, StorageError> {
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        let thread = thread::Builder::new().name("grantor-sqlite".to_owned());
        let started = thread.spawn(move || {
            write(&theirs, &connection);
            // The file is closed before somebody else may have it.
            drop((connection, claim));
        });
        started.map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error))?;
        Ok(Self { queue })
    }

    /// Hands an operation to the writer, which carries it out whether or not somebody waits for its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        now: Option<Timestamp>,
        act: impl FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        let operation = Operation { act, outcome: None, reply, now };
        {
            let mut state = self.queue.lock();
            if state.jobs.len() >= WAITING {
                return Err(StorageError::new(StorageErrorKind::Unavailable, "too many operations wait"));
            }
            state.jobs.push(Box::new(operation));
            if state.jobs.len() == 1 {
                self.queue.came.notify_one();
            }
        }
        answer.await.map_err(|_| StorageError::new(StorageErrorKind::Unavailable, "the writer has ended"))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.came.notify_one();
    }
}

fn write(queue: &Queue, connection: &Mutex<Connection>) {
    let (mut group, mut sweeper) = (Vec::with_capacity(GROUP), Sweeper::default());
    while queue.take(&mut group) {
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        run_group(&mut connection, &mut group, &mut sweeper);
    }
}

/// Carries out a group in one commit. If one of its operations fails, each gets a commit of its own, so
/// that one failure is not everybody's.
fn run_group(connection: &mut Connection, group: &mut Vec<Box<dyn Job>>, sweeper: &mut Sweeper) {
    match commit(connection, group, sweeper) {
        Ok(()) => group.drain(..).for_each(Job::answer),
        Err(NotCommitted::Operation(_)) if group.len() > 1 => {
            for job in group.drain(..) {
                run_group(connection, &mut vec![job], sweeper);
            }
        }
        Err(NotCommitted::Operation(failure) | NotCommitted::Transaction(failure)) => {
            fail_all(group, StorageError::from(failure));
        }
    }
}

/// The first hears the cause, the others of its kind.
fn fail_all(group: &mut Vec<Box<dyn Job>>, error: StorageError) {
    let kind = error.kind();
    let mut first = Some(error);
    for job in group.drain(..) {
        job.fail(first.take().unwrap_or_else(|| kind.into()));
    }
}

enum NotCommitted {
    /// An operation failed; all of the group was taken back.
    Operation(Failure),
    /// The transaction itself failed. Whether it took effect is not known.
    Transaction(Failure),
}

fn commit(connection: &mut Connection, group: &mut [Box<dyn Job>], sweeper: &mut Sweeper) -> Result<(), NotCommitted> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(|error| NotCommitted::Transaction(error.into()))?;
    for job in &mut *group {
        job.run(&transaction).map_err(NotCommitted::Operation)?;
    }
    let position = sweeper.position.clone();
    sweeper.sweep(&transaction, group).map_err(NotCommitted::Operation)?;
    transaction.commit().map_err(|error| {
        sweeper.position = position;
        NotCommitted::Transaction(error.into())
    })
}

/// Removes a few rows with every group, so that the file follows the load.
#[derive(Default)]
struct Sweeper {
    position: Position,
}

impl Sweeper {
    fn sweep(&mut self, connection: &Connection, group: &[Box<dyn Job>]) -> Result<(), Failure> {
        let Some(now) = group.iter().filter_map(|job| job.now()).max() else { return Ok(()) };
        let end = Timestamp::from_millis(now.as_millis().saturating_sub(LINGER.as_millis() as u64));
        // Faster than rows can come: an operation adds two or three.
        let rows = group.len() as u32 * 8 + 32;
        self.position.step(connection, end, Step { looks: rows, removes: rows })?;
        forget_answers(connection, now, rows)?;
        Ok(())
    }
}
