//! Concurrent operations of one kind share a statement, and so a round trip and a commit.
//!
//! An operation waits in a queue until a worker has time for it; under no load that is at once. It goes on
//! when its caller does not wait any more. Of operations that touch the same grant, only one is under way
//! at a time, so that they come in the order in which they were asked for.

use std::collections::{HashSet, VecDeque};
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::Database;
use super::connections::Held;
use super::failure::{ATTEMPTS, Failure, failed, failed_together, failure, pause};
use super::text::Statements;
use crate::storage::sql::corrupt;
use crate::storage::{
    ClaimOnce, Decide, GrantClient, IssueAccess, RedeemCode, RotateRefresh, StorageError, StorageErrorKind,
};

/// Statements for which a worker keeps its connection before it lets others have it.
const TURNS: usize = 16;
/// Operations that wait at most; more would wait for too long.
const LONGEST: usize = 10_000;
/// How long an operation waits for the batch before it, in the hope to share a commit with more of its kind.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often operations that share a statement are tried together.
const ATTEMPTS_TOGETHER: u32 = 2;

/// A kind of operation of which several share a statement.
pub(super) trait Shared: Sized + Send + Sync + 'static {
    type Outcome: Send + 'static;
    /// Its number among the kinds.
    const KIND: usize;
    /// The most that share one.
    const MOST: usize;
    /// What it means if an id is taken.
    const COLLISION: Self::Outcome;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>>;

    /// What no two operations under way may have in common.
    fn touches(&self) -> [u64; 2];

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments>;

    /// What became of each.
    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Self::Outcome>>;
}

/// What became of an operation; `None` if it has to be asked again.
pub(super) type Answer<T> = Result<Option<T>, StorageError>;

/// The connection is no good any more, of which the callers were told.
struct Lost;

pub(super) struct Call<K: Shared> {
    op: K,
    number: u64,
    since: Instant,
    reply: oneshot::Sender<Result<K::Outcome, StorageError>>,
}

impl<K: Shared> Call<K> {
    fn answer(self, outcome: Result<K::Outcome, StorageError>) {
        // Nobody may be waiting any more.
        let _ = self.reply.send(outcome);
    }
}

#[derive(Default)]
pub(super) struct Queues {
    pub(super) decide: VecDeque<Call<Decide>>,
    pub(super) redeem: VecDeque<Call<RedeemCode>>,
    pub(super) rotate: VecDeque<Call<RotateRefresh>>,
    pub(super) issue: VecDeque<Call<IssueAccess>>,
    pub(super) grant: VecDeque<Call<GrantClient>>,
    pub(super) claim: VecDeque<Call<ClaimOnce>>,
    /// How many operations there have been.
    numbers: u64,
    /// What the operations under way touch.
    touched: HashSet<u64>,
    /// How many batches of each kind are under way.
    running: [usize; KINDS],
    workers: usize,
    /// Whether one of the workers has not looked for work yet.
    is_one_starting: bool,
}

/// The kinds of operations, each with its [`Shared::KIND`].
const KINDS: usize = 6;

enum Batch {
    Decide(Vec<Call<Decide>>),
    Redeem(Vec<Call<RedeemCode>>),
    Rotate(Vec<Call<RotateRefresh>>),
    Issue(Vec<Call<IssueAccess>>),
    Grant(Vec<Call<GrantClient>>),
    Claim(Vec<Call<ClaimOnce>>),
}

impl Queues {
    fn len(&self) -> usize {
        let for_users = self.decide.len() + self.redeem.len() + self.rotate.len() + self.issue.len();
        for_users + self.grant.len() + self.claim.len()
    }

    /// Whether it is better to begin with the operations of a kind than to wait for more of them: those that
    /// come while a commit is under way share the next one.
    fn is_ripe<K: Shared>(&mut self) -> bool {
        let is_running = self.running[K::KIND] > 0;
        let queue = K::queue(self);
        queue.front().is_some_and(|call| !is_running || queue.len() >= K::MOST || call.since.elapsed() >= PATIENCE)
    }

    /// Whether one more worker has something to do. If so, it counts from now on.
    fn employ(&mut self, most_workers: usize) -> bool {
        let is_needed = self.workers < most_workers
            && !self.is_one_starting
            && (self.is_ripe::<Decide>()
                || self.is_ripe::<RedeemCode>()
                || self.is_ripe::<RotateRefresh>()
                || self.is_ripe::<IssueAccess>()
                || self.is_ripe::<GrantClient>()
                || self.is_ripe::<ClaimOnce>());
        if is_needed {
            self.workers += 1;
            self.is_one_starting = true;
        }
        is_needed
    }

    /// The next operations that may share a statement, of the kind that has waited longest.
    fn next(&mut self) -> Option<Batch> {
        let mut kinds = [
            (front(&self.decide), Decide::KIND),
            (front(&self.redeem), RedeemCode::KIND),
            (front(&self.rotate), RotateRefresh::KIND),
            (front(&self.issue), IssueAccess::KIND),
            (front(&self.grant), GrantClient::KIND),
            (front(&self.claim), ClaimOnce::KIND),
        ];
        kinds.sort_unstable();
        kinds.into_iter().find_map(|(_, kind)| match kind {
            Decide::KIND => self.take().map(Batch::Decide),
            RedeemCode::KIND => self.take().map(Batch::Redeem),
            RotateRefresh::KIND => self.take().map(Batch::Rotate),
            IssueAccess::KIND => self.take().map(Batch::Issue),
            GrantClient::KIND => self.take().map(Batch::Grant),
            _ => self.take().map(Batch::Claim),
        })
    }

    fn take<K: Shared>(&mut self) -> Option<Vec<Call<K>>> {
        if !self.is_ripe::<K>() {
            return None;
        }
        let (mut taken, mut passed) = (Vec::new(), Vec::new());
        // What one that has to wait touches is not for those behind it either.
        let mut reserved = HashSet::new();
        while taken.len() < K::MOST
            && let Some(call) = K::queue(self).pop_front()
        {
            let touches = call.op.touches();
            if touches.iter().any(|touch| self.touched.contains(touch) || reserved.contains(touch)) {
                reserved.extend(touches);
                passed.push(call);
            } else {
                self.touched.extend(touches);
                taken.push(call);
            }
        }
        for call in passed.into_iter().rev() {
            K::queue(self).push_front(call);
        }
        self.running[K::KIND] += usize::from(!taken.is_empty());
        (!taken.is_empty()).then_some(taken)
    }

    /// Refuses what has waited since before a certain moment.
    fn refuse<K: Shared>(&mut self, before: u64, error: &Arc<sqlx::Error>) {
        let queue = K::queue(self);
        while let Some(call) = queue.pop_front_if(|call| call.number < before) {
            call.answer(Err(failed_together(error)));
        }
    }
}

fn front<K: Shared>(queue: &VecDeque<Call<K>>) -> u64 {
    queue.front().map_or(u64::MAX, |call| call.number)
}

/// The queue and its workers.
pub(super) struct Batcher {
    queues: Mutex<Queues>,
    most_workers: usize,
}

impl Batcher {
    pub(super) fn new(connections: u32) -> Self {
        // One connection is left to those who read.
        let most_workers = connections.saturating_sub(1).max(1) as usize;
        Self { queues: Mutex::default(), most_workers }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an operation; whether another worker is needed for it.
    fn push<K: Shared>(&self, op: K, reply: oneshot::Sender<Result<K::Outcome, StorageError>>) -> bool {
        let mut queues = self.lock();
        if queues.len() >= LONGEST {
            let _ = reply.send(Err(StorageErrorKind::Unavailable.into()));
            return false;
        }
        let number = queues.numbers;
        queues.numbers += 1;
        K::queue(&mut queues).push_back(Call { op, number, since: Instant::now(), reply });
        queues.employ(self.most_workers)
    }

    fn employ(&self) -> bool {
        self.lock().employ(self.most_workers)
    }

    fn refuse(&self, before: u64, error: sqlx::Error) {
        let (error, mut queues) = (Arc::new(error), self.lock());
        queues.refuse::<Decide>(before, &error);
        queues.refuse::<RedeemCode>(before, &error);
        queues.refuse::<RotateRefresh>(before, &error);
        queues.refuse::<IssueAccess>(before, &error);
        queues.refuse::<GrantClient>(before, &error);
        queues.refuse::<ClaimOnce>(before, &error);
    }
}

/// Has an operation done.
pub(super) async fn share<K: Shared>(database: &Arc<Database>, op: K) -> Result<K::Outcome, StorageError> {
    let (reply, mut answer) = oneshot::channel();
    if database.batcher.push(op, reply) {
        work(database);
    }
    let answer = match timeout(PATIENCE, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => {
            // What it waits for may be held up by others.
            if database.batcher.employ() {
                work(database);
            }
            answer.await
        }
    };
    answer.unwrap_or_else(|_| Err(StorageErrorKind::Unavailable.into()))
}

/// Sends a worker to work who was counted.
fn work(database: &Arc<Database>) {
    let worker = Worker { database: Arc::clone(database), has_started: false, has_left: false };
    database.spawn(worker.run());
}

struct Worker {
    database: Arc<Database>,
    has_started: bool,
    has_left: bool,
}

impl Drop for Worker {
    /// A worker that is gone is not counted any more, however it went.
    fn drop(&mut self) {
        let database = Arc::clone(&self.database);
        self.leave(&mut database.batcher.lock());
    }
}

impl Worker {
    async fn run(mut self) {
        let database = Arc::clone(&self.database);
        while !self.has_left {
            let before = database.batcher.lock().numbers;
            match database.connections.acquire().await {
                Ok(mut held) => {
                    for _ in 0..TURNS {
                        let Some(batch) = self.next() else { break };
                        if !database.run(&mut held, batch).await {
                            break;
                        }
                    }
                }
                Err(error) => {
                    database.batcher.refuse(before, error);
                    let mut queues = database.batcher.lock();
                    if queues.len() == 0 {
                        self.leave(&mut queues);
                    }
                }
            }
        }
    }

    /// Leaves if there is nothing to do. What others have under way keeps some operations waiting: they look
    /// for more when they are done.
    fn next(&mut self) -> Option<Batch> {
        let database = Arc::clone(&self.database);
        let mut queues = database.batcher.lock();
        self.start(&mut queues);
        let batch = queues.next();
        if batch.is_none() {
            self.leave(&mut queues);
        }
        let is_another_needed = queues.employ(database.batcher.most_workers);
        drop(queues);
        if is_another_needed {
            work(&database);
        }
        batch
    }

    fn start(&mut self, queues: &mut Queues) {
        if !self.has_started {
            self.has_started = true;
            queues.is_one_starting = false;
        }
    }

    fn leave(&mut self, queues: &mut Queues) {
        self.start(queues);
        if !self.has_left {
            self.has_left = true;
            queues.workers -= 1;
        }
    }
}

/// Says that a batch is not under way any more, however it ended.
struct UnderWay<'b> {
    batcher: &'b Batcher,
    kind: usize,
    touches: Vec<[u64; 2]>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut queues = self.batcher.lock();
        queues.running[self.kind] -= 1;
        for touch in self.touches.iter().flatten() {
            queues.touched.remove(touch);
        }
    }
}

impl Database {
    /// Does what a batch asks for; whether the connection is still good.
    async fn run(&self, held: &mut Held<'_>, batch: Batch) -> bool {
        match batch {
            Batch::Decide(calls) => self.run_all(held, calls).await,
            Batch::Redeem(calls) => self.run_all(held, calls).await,
            Batch::Rotate(calls) => self.run_all(held, calls).await,
            Batch::Issue(calls) => self.run_all(held, calls).await,
            Batch::Grant(calls) => self.run_all(held, calls).await,
            Batch::Claim(calls) => self.run_all(held, calls).await,
        }
    }

    async fn run_all<K: Shared>(&self, held: &mut Held<'_>, calls: Vec<Call<K>>) -> bool {
        let touches = calls.iter().map(|call| call.op.touches()).collect();
        let _under_way = UnderWay { batcher: &self.batcher, kind: K::KIND, touches };
        let mut left = match self.run_together(held, calls).await {
            Ok(left) => left.into_iter(),
            Err(Lost) => return false,
        };
        while let Some(call) = left.next() {
            if let Err(Lost) = self.run_single(held, call).await {
                left.for_each(|call| call.answer(Err(StorageErrorKind::Unavailable.into())));
                return false;
            }
        }
        true
    }

    /// Does operations in one statement, and hands back those that have to be done singly.
    async fn run_together<K: Shared>(&self, held: &mut Held<'_>, calls: Vec<Call<K>>) -> Result<Vec<Call<K>>, Lost> {
        for attempt in 1..=ATTEMPTS_TOGETHER {
            if calls.len() < 2 {
                break;
            }
            match self.attempt(held, &calls).await {
                Ok(answers) => return Ok(answer(calls, answers)),
                Err(error) => match failure(&error) {
                    Failure::Conflict => sleep(pause(attempt)).await,
                    // One of them is the reason, and the others need not suffer.
                    Failure::Collision | Failure::Refused => break,
                    Failure::Lost => {
                        let error = Arc::new(error);
                        calls.into_iter().for_each(|call| call.answer(Err(failed_together(&error))));
                        return Err(Lost);
                    }
                },
            }
        }
        Ok(calls)
    }

    async fn run_single<K: Shared>(&self, held: &mut Held<'_>, call: Call<K>) -> Result<(), Lost> {
        for attempt in 1..=ATTEMPTS {
            let outcome = match self.attempt(held, slice::from_ref(&call)).await {
                Ok(answers) => answers.into_iter().next().unwrap_or(Ok(None)).transpose(),
                Err(error) => match failure(&error) {
                    Failure::Conflict if attempt < ATTEMPTS => None,
                    Failure::Collision => Some(Ok(K::COLLISION)),
                    Failure::Conflict | Failure::Refused => Some(Err(failed(error))),
                    Failure::Lost => {
                        call.answer(Err(failed(error)));
                        return Err(Lost);
                    }
                },
            };
            if let Some(outcome) = outcome {
                call.answer(outcome);
                return Ok(());
            }
            sleep(pause(attempt)).await;
        }
        call.answer(Err(StorageErrorKind::Conflict.into()));
        Ok(())
    }

    async fn attempt<K: Shared>(
        &self,
        held: &mut Held<'_>,
        calls: &[Call<K>],
    ) -> Result<Vec<Answer<K::Outcome>>, sqlx::Error> {
        let ops: Vec<_> = calls.iter().map(|call| &call.op).collect();
        let rows = self.rows(held, K::query(&self.statements, &ops)).await?;
        Ok(K::answers(&ops, &rows))
    }
}

/// Answers what has an answer, and hands back what has to be asked again.
fn answer<K: Shared>(calls: Vec<Call<K>>, answers: Vec<Answer<K::Outcome>>) -> Vec<Call<K>> {
    let mut again = Vec::new();
    for (call, answer) in calls.into_iter().zip(answers) {
        match answer {
            Ok(Some(outcome)) => call.answer(Ok(outcome)),
            Ok(None) => again.push(call),
            Err(error) => call.answer(Err(error)),
        }
    }
    again
}

/// What rows say that begin with the number of their operation; `absent` for an operation without a row.
pub(super) fn by_number<T>(
    count: usize,
    rows: &[PgRow],
    absent: impl Fn() -> T,
    decode: impl Fn(&PgRow) -> Answer<T>,
) -> Vec<Answer<T>> {
    let mut answers: Vec<_> = (0..count).map(|_| Ok(Some(absent()))).collect();
    for row in rows {
        let number = row.try_get::<i64, _>(0).ok().and_then(|number| usize::try_from(number).ok());
        match number.and_then(|number| answers.get_mut(number)) {
            Some(answer) => *answer = decode(row),
            None => return (0..count).map(|_| Err(corrupt("an operation has no number"))).collect(),
        }
    }
    answers
}

/// The numbers of operations in a statement.
pub(super) fn numbers<T>(ops: &[T]) -> Vec<i64> {
    (0_i64..).take(ops.len()).collect()
}
