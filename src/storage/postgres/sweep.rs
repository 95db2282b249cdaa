//! Clean-up: small steps through the ranges of keys, which are the order of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::SqlStr;
use tokio::sync::Mutex;

use super::Database;
use super::row::Columns;
use super::text::Texts;
use crate::protocol::time::Timestamp;
use crate::storage::StorageError;
use crate::storage::sql::millis;

/// Rows that a step looks at, and that it removes at most.
const LOOKED_AT: i64 = 1024;
const REMOVED: u32 = 256;
/// Operations for which one step is made by the way. An operation adds four rows at most, one to a table.
const OPERATIONS: u64 = 24;
/// How long rows stay beyond their end unless a purge asks for less, in milliseconds.
const LINGER: u64 = 60_000;

const TABLES: [(&str, &str, &str); 6] = [
    ("access_token", "id", "expires_at"),
    ("refresh_token", "id", "expires_at"),
    ("code", "id", "expires_at"),
    ("decision", "prompt", "keep_until"),
    ("grants", "id", "expires_at"),
    ("claim", "key", "keep_until"),
];

/// Where the answers of refresh tokens come; ended clients come after them.
const TURN_OF_ANSWERS: usize = TABLES.len();
/// Clients that go together, with the consent to them.
const CLIENTS: u32 = 32;

/// A row that somebody holds is left for another time: nobody waits, here or there.
const STEP: &str = "
WITH span AS (
    SELECT {key} AS key FROM {}.{table} WHERE {key} > $1 ORDER BY {key} LIMIT $2
), dead AS (
    SELECT {key} AS key FROM {}.{table}
    WHERE {key} > $1 AND {key} <= (SELECT key FROM span ORDER BY key DESC LIMIT 1) AND {end} <= $3
    ORDER BY {key} LIMIT $4
    FOR UPDATE SKIP LOCKED
), removed AS (
    DELETE FROM {}.{table} WHERE {key} IN (SELECT key FROM dead) RETURNING {key} AS key
)
SELECT
    (SELECT count(*) FROM span),
    (SELECT count(*) FROM removed),
    (SELECT key FROM span ORDER BY key DESC LIMIT 1),
    (SELECT key FROM removed ORDER BY key DESC LIMIT 1)";

const ANSWERS: &str = "
WITH over AS (
    SELECT id FROM {}.refresh_token
    WHERE answer IS NOT NULL AND grace_until <= $1
    ORDER BY grace_until LIMIT $2
    FOR UPDATE SKIP LOCKED
), forgotten AS (
    UPDATE {}.refresh_token SET answer = NULL WHERE id IN (SELECT id FROM over) RETURNING id
)
SELECT count(*) FROM forgotten";

pub(super) struct Statements {
    steps: [SqlStr; TABLES.len()],
    answers: SqlStr,
}

impl Statements {
    pub(super) fn new(texts: &Texts) -> Self {
        let step = |(table, key, end): (&str, &str, &str)| {
            texts.text(&STEP.replace("{table}", table).replace("{key}", key).replace("{end}", end))
        };
        Self { steps: TABLES.map(step), answers: texts.text(ANSWERS) }
    }
}

/// The key behind which a step begins.
#[derive(Clone, PartialEq, PartialOrd)]
enum Place {
    Id(i64),
    Bytes(Vec<u8>),
}

impl Place {
    fn first(table: usize) -> Self {
        if TABLES[table].1 == "id" { Self::Id(-1) } else { Self::Bytes(Vec::new()) }
    }
}

/// How far clean-up has come. Who holds the places cleans up; nobody else of this process does.
pub(super) struct Sweeper {
    operations: AtomicU64,
    /// The earliest clock among the operations since the last step, in milliseconds.
    earliest: AtomicU64,
    /// What ended until then goes in the step that runs by the way; 0 if none does.
    taking: AtomicU64,
    places: Mutex<Places>,
}

struct Places {
    tables: [Place; TABLES.len()],
    turn: usize,
}

impl Default for Sweeper {
    fn default() -> Self {
        let places = Places { tables: std::array::from_fn(Place::first), turn: 0 };
        Self {
            operations: AtomicU64::new(0),
            earliest: AtomicU64::new(u64::MAX),
            taking: AtomicU64::new(0),
            places: Mutex::new(places),
        }
    }
}

struct Step {
    removed: u32,
    /// Where to go on; `None` if the end of the table was reached.
    next: Option<Place>,
}

/// What an operation means for clean-up, before it begins.
///
/// A step may run long after the operation that caused it, and the clock may have gone back meanwhile. Either the
/// step finds the earlier clock and gives up, or the operation finds the step and waits for its end.
pub(super) async fn before_operation(database: &Arc<Database>, now: Timestamp) {
    let sweeper = &database.sweeper;
    sweeper.earliest.fetch_min(now.as_millis(), Ordering::SeqCst);
    if sweeper.taking.load(Ordering::SeqCst) > now.as_millis() {
        drop(sweeper.places.lock().await);
    }
    if sweeper.operations.fetch_add(1, Ordering::Relaxed).is_multiple_of(OPERATIONS) {
        let sweeping = Arc::clone(database);
        database.spawn(async move { sweeping.sweep_some(now).await });
    }
}

impl Database {
    /// One step, unless another is being made.
    async fn sweep_some(&self, now: Timestamp) {
        let Ok(mut places) = self.sweeper.places.try_lock() else { return };
        let before = now.as_millis().saturating_sub(LINGER);
        self.sweeper.taking.store(before, Ordering::SeqCst);
        if self.sweeper.earliest.swap(u64::MAX, Ordering::SeqCst) >= before
            && let Err(error) = self.sweep_in_turn(&mut places, Timestamp::from_millis(before)).await
        {
            tracing::debug!(%error, "a step of clean-up failed; the next one will do");
        }
        self.sweeper.taking.store(0, Ordering::SeqCst);
    }

    async fn sweep_in_turn(&self, places: &mut Places, before: Timestamp) -> Result<(), StorageError> {
        let turn = places.turn;
        places.turn = (turn + 1) % (TABLES.len() + 2);
        let Some(place) = places.tables.get(turn) else {
            return match turn {
                TURN_OF_ANSWERS => self.forget_answers(before).await.map(drop),
                _ => self.remove_ended(before, CLIENTS).await.map(drop),
            };
        };
        let step = self.step(turn, place, before, REMOVED).await?;
        places.tables[turn] = step.next.unwrap_or_else(|| Place::first(turn));
        Ok(())
    }

    pub(super) async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        if limit == 0 {
            return Ok(0);
        }
        let mut places = self.sweeper.places.lock().await;
        let mut left = limit;
        for table in 0..TABLES.len() {
            left -= self.purge_table(table, &mut places.tables[table], now, left).await?;
        }
        while left > 0 {
            let (asked, removed) = (left.min(CLIENTS), self.remove_ended(now, left.min(CLIENTS)).await?);
            left -= removed.min(left);
            if removed < asked {
                break;
            }
        }
        while self.forget_answers(now).await? == REMOVED {}
        Ok(limit - left)
    }

    /// Goes once around a table, or until `limit` rows went.
    async fn purge_table(
        &self,
        table: usize,
        place: &mut Place,
        now: Timestamp,
        limit: u32,
    ) -> Result<u32, StorageError> {
        let first = Place::first(table);
        let start = place.clone();
        let (mut left, mut is_around) = (limit, start == first);
        while left > 0 {
            let step = self.step(table, place, now, left.min(REMOVED)).await?;
            left = left.saturating_sub(step.removed);
            match step.next {
                Some(next) => *place = next,
                None if is_around => {
                    *place = first;
                    break;
                }
                None => {
                    *place = first.clone();
                    is_around = true;
                    continue;
                }
            }
            if is_around && start != first && *place >= start {
                break;
            }
        }
        Ok(limit - left)
    }

    async fn step(&self, table: usize, place: &Place, end: Timestamp, limit: u32) -> Result<Step, StorageError> {
        let text = &self.statements.sweeps.steps[table];
        let rows = self
            .write(|| {
                let query = sqlx::query(text.clone());
                let query = match place {
                    Place::Id(id) => query.bind(id),
                    Place::Bytes(bytes) => query.bind(bytes),
                };
                query.bind(LOOKED_AT).bind(millis(end)).bind(i64::from(limit))
            })
            .await?;
        let Some(row) = rows.first() else { return Ok(Step { removed: 0, next: None }) };
        let mut columns = Columns::of(row);
        let (looked_at, removed): (i64, i64) = (columns.next()?, columns.next()?);
        let mut key = || match place {
            Place::Id(_) => Ok::<_, StorageError>(columns.next::<Option<i64>>()?.map(Place::Id)),
            Place::Bytes(_) => Ok(columns.next::<Option<Vec<u8>>>()?.map(Place::Bytes)),
        };
        let (last, last_removed) = (key()?, key()?);
        let next = match removed >= i64::from(limit) {
            true => last_removed,
            false => last.filter(|_| looked_at >= LOOKED_AT),
        };
        Ok(Step { removed: u32::try_from(removed).unwrap_or(u32::MAX), next })
    }

    /// Forgets some of the answers that are not to be given again.
    async fn forget_answers(&self, now: Timestamp) -> Result<u32, StorageError> {
        let text = &self.statements.sweeps.answers;
        let rows = self.write(|| sqlx::query(text.clone()).bind(millis(now)).bind(i64::from(REMOVED))).await?;
        let forgotten: i64 = rows.first().map_or(Ok(0), |row| Columns::of(row).next())?;
        Ok(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}
