//! The connections, and how a statement is run over one.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::batch::Batcher;
use super::connections::{Connections, Held};
use super::failure::{ATTEMPTS, Failure, failed, failure, pause, timed_out};
use super::options::PostgresOptions;
use super::sweep::Sweeper;
use super::text::{Statements, Texts};
use crate::storage::{StorageError, StorageErrorKind};

/// How often a look-up is tried whose connection turns out to be gone.
const READS: u32 = 3;

/// What the handles on a store share.
pub(super) struct Database {
    pub(super) connections: Arc<Connections>,
    pub(super) statements: Statements,
    pub(super) batcher: Batcher,
    pub(super) sweeper: Sweeper,
    /// For one registration at a time.
    pub(super) registrations: Arc<Semaphore>,
    pub(super) statement_timeout: Duration,
    runtime: Handle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Some,
}

impl Database {
    pub(super) fn new(connections: Arc<Connections>, texts: &Texts, options: &PostgresOptions) -> Self {
        let most = connections.most();
        Self {
            connections,
            statements: Statements::new(texts),
            batcher: Batcher::new(most),
            sweeper: Sweeper::default(),
            registrations: Arc::new(Semaphore::new(1)),
            statement_timeout: options.statement_timeout,
            runtime: Handle::current(),
        }
    }

    /// Has something done that nobody waits for.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // The runtime of the caller lives; that of the one who opened the store may not.
        Handle::try_current().unwrap_or_else(|_| self.runtime.clone()).spawn(work);
    }

    /// Runs a statement in a round trip and a transaction of its own.
    pub(super) async fn rows(
        &self,
        held: &mut Held<'_>,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let rows = timeout(self.statement_timeout, query.fetch_all(held.begin()?)).await;
        let rows = rows.unwrap_or_else(|_| Err(timed_out()));
        match &rows {
            Err(error) if failure(error) == Failure::Lost => held.close(),
            _ => held.end(),
        }
        rows
    }

    /// Runs a statement that changes nothing.
    pub(super) async fn read<'q>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StorageError> {
        self.run_alone(query, Effect::None).await
    }

    /// Runs a statement that is an operation of its own.
    pub(super) async fn write<'q>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StorageError> {
        self.run_alone(query, Effect::Some).await
    }

    /// Runs a statement until it has an answer; one without was run for nothing, as others got in the way.
    pub(super) async fn write_until<'q, T>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments> + Send + Sync,
        answer: impl Fn(&[PgRow]) -> Result<Option<T>, sqlx::Error> + Send + Sync,
    ) -> Result<T, StorageError> {
        for attempt in 1..=ATTEMPTS {
            let rows = self.write(&query).await?;
            if let Some(answer) = answer(&rows).map_err(failed)? {
                return Ok(answer);
            }
            sleep(pause(attempt)).await;
        }
        Err(StorageErrorKind::Conflict.into())
    }

    async fn run_alone<'q>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
        effect: Effect,
    ) -> Result<Vec<PgRow>, StorageError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut held = self.connections.acquire().await.map_err(failed)?;
            let error = match self.rows(&mut held, query()).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            drop(held);
            match failure(&error) {
                Failure::Conflict if attempt < ATTEMPTS => sleep(pause(attempt)).await,
                Failure::Lost if effect == Effect::None && attempt < READS => {}
                _ => return Err(failed(error)),
            }
        }
    }
}
