//! The one thread that writes: operations that come while it commits share the next commit.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::error::Failure;
use super::queue::Queue;
use super::sweep::{Position, Step, forget_answers, remove_by_end};
use crate::protocol::time::Timestamp;
use crate::storage::{StorageError, StorageErrorKind};

/// How long after their end rows are left to `purge`. A code that comes again soon after its end still
/// shows a theft.
const LINGER: Duration = Duration::from_secs(60);

/// An operation on its way: carried out, perhaps more than once, and answered when its last run is
/// committed.
pub(super) trait Job: Send {
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
        self.queue.push(Box::new(operation))?;
        answer.await.map_err(|_| StorageError::new(StorageErrorKind::Unavailable, "the writer has ended"))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn write(queue: &Queue, connection: &Mutex<Connection>) {
    let (mut group, mut sweeper) = (Vec::new(), Sweeper::default());
    while queue.begin(&mut group) {
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        run_group(&mut connection, &mut group, &mut sweeper, queue);
    }
}

/// Carries out a group in one commit. If one of its operations fails, each gets a commit of its own, so
/// that one failure is not everybody's.
fn run_group(connection: &mut Connection, group: &mut Vec<Box<dyn Job>>, sweeper: &mut Sweeper, queue: &Queue) {
    match commit(connection, group, sweeper, Some(queue)) {
        Ok(took) => {
            let count = group.len();
            group.drain(..).for_each(Job::answer);
            queue.answered(count, took);
        }
        Err(NotCommitted::Operation(failure)) if group.len() == 1 => fail_all(group, failure.into()),
        Err(NotCommitted::Operation(_)) => {
            for job in group.drain(..) {
                run_alone(connection, job, sweeper);
            }
        }
        Err(NotCommitted::Transaction(failure)) => fail_all(group, failure.into()),
    }
}

fn run_alone(connection: &mut Connection, job: Box<dyn Job>, sweeper: &mut Sweeper) {
    let mut alone = vec![job];
    match commit(connection, &mut alone, sweeper, None) {
        Ok(_) => alone.drain(..).for_each(Job::answer),
        Err(NotCommitted::Operation(failure) | NotCommitted::Transaction(failure)) => {
            fail_all(&mut alone, failure.into());
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

/// Runs a group, and what comes to it from the queue meanwhile, and commits it; how long the commit took.
#[allow(clippy::disallowed_methods, reason = "how long a commit takes decides how long others are waited for")]
fn commit(
    connection: &mut Connection,
    group: &mut Vec<Box<dyn Job>>,
    sweeper: &mut Sweeper,
    queue: Option<&Queue>,
) -> Result<Duration, NotCommitted> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(|error| NotCommitted::Transaction(error.into()))?;
    let (started, mut done) = (Instant::now(), 0);
    loop {
        for job in &mut group[done..] {
            job.run(&transaction).map_err(NotCommitted::Operation)?;
        }
        done = group.len();
        if !queue.is_some_and(|queue| queue.more(group, started.elapsed())) {
            break;
        }
    }
    let position = sweeper.position.clone();
    sweeper.sweep(&transaction, group).map_err(NotCommitted::Operation)?;
    let finished = Instant::now();
    transaction.commit().map_err(|error| {
        sweeper.position = position;
        NotCommitted::Transaction(error.into())
    })?;
    Ok(finished.elapsed())
}

/// Removes a few rows by the way, so that the file follows the load.
#[derive(Default)]
struct Sweeper {
    position: Position,
    /// Operations since the last step.
    operations: u32,
}

/// Under load, operations from one step of clean-up to the next.
const BETWEEN: u32 = 128;

impl Sweeper {
    fn sweep(&mut self, connection: &Connection, group: &[Box<dyn Job>]) -> Result<(), Failure> {
        // Nothing may go that an operation of this group still counts on.
        let Some(now) = group.iter().filter_map(|job| job.now()).min() else { return Ok(()) };
        self.operations += group.len() as u32;
        if group.len() > 8 && self.operations < BETWEEN {
            return Ok(());
        }
        let end = Timestamp::from_millis(now.as_millis().saturating_sub(LINGER.as_millis() as u64));
        // Faster than rows can come: an operation adds two or three.
        let rows = self.operations * 8 + 32;
        self.operations = 0;
        self.position.step(connection, end, Step { looks: rows, removes: rows, made_by: end })?;
        remove_by_end(connection, end, rows)?;
        forget_answers(connection, now, rows)?;
        Ok(())
    }
}
