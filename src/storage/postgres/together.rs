//! Operations of several statements.
//!
//! They commit together or not at all. Each of them sees what was committed before it began, whatever the
//! isolation level of the connection is otherwise: one that follows a lock sees all that the lock was waited for.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::Database;
use super::connections::Held;
use super::failure::{ATTEMPTS, Failure, failed, failure, pause, timed_out};
use super::text::Statements;
use crate::storage::{StorageError, StorageErrorKind};

/// An operation of several statements.
pub(super) trait Together: Send + Sync + 'static {
    type Outcome: Send + 'static;

    /// Runs the statements. `None` if it has to be asked again: then they are undone.
    fn run(
        &self,
        statements: &Statements,
        steps: &mut Steps<'_>,
    ) -> impl Future<Output = Result<Option<Self::Outcome>, sqlx::Error>> + Send;
}

/// A transaction that is under way.
pub(super) struct Steps<'c> {
    transaction: Transaction<'c, Postgres>,
    statement_timeout: Duration,
}

impl<'c> Steps<'c> {
    async fn begin(connection: &'c mut PgConnection, statement_timeout: Duration) -> Result<Self, sqlx::Error> {
        let begun = timeout(statement_timeout, connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED")).await;
        let transaction = begun.unwrap_or_else(|_| Err(timed_out()))?;
        Ok(Self { transaction, statement_timeout })
    }

    /// Runs a statement.
    pub(super) async fn rows(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, sqlx::Error> {
        let rows = timeout(self.statement_timeout, query.fetch_all(&mut *self.transaction)).await;
        rows.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn commit(self) -> Result<(), sqlx::Error> {
        timeout(self.statement_timeout, self.transaction.commit()).await.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn undo(self) -> Result<(), sqlx::Error> {
        timeout(self.statement_timeout, self.transaction.rollback()).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

impl Database {
    /// Has an operation done. It goes on when its caller does not wait any more, so that its locks do not
    /// outlast it.
    pub(super) async fn together<W: Together>(self: &Arc<Self>, work: W) -> Result<W::Outcome, StorageError> {
        let (reply, answer) = oneshot::channel();
        let database = Arc::clone(self);
        self.spawn(async move {
            // Nobody may be waiting any more.
            let _ = reply.send(database.together_now(&work).await);
        });
        answer.await.unwrap_or_else(|_| Err(StorageErrorKind::Unavailable.into()))
    }

    pub(super) async fn together_now<W: Together>(&self, work: &W) -> Result<W::Outcome, StorageError> {
        for attempt in 1..=ATTEMPTS {
            let mut held = self.connections.acquire().await.map_err(failed)?;
            match self.attempt_together(&mut held, work).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Err(error) if failure(&error) != Failure::Conflict || attempt == ATTEMPTS => return Err(failed(error)),
                Ok(None) | Err(_) => drop(held),
            }
            sleep(pause(attempt)).await;
        }
        Err(StorageErrorKind::Conflict.into())
    }

    async fn attempt_together<W: Together>(
        &self,
        held: &mut Held<'_>,
        work: &W,
    ) -> Result<Option<W::Outcome>, sqlx::Error> {
        let outcome = self.run_together_once(held.begin()?, work).await;
        match &outcome {
            Err(error) if failure(error) == Failure::Lost => held.close(),
            _ => held.end(),
        }
        outcome
    }

    async fn run_together_once<W: Together>(
        &self,
        connection: &mut PgConnection,
        work: &W,
    ) -> Result<Option<W::Outcome>, sqlx::Error> {
        let mut steps = Steps::begin(connection, self.statement_timeout).await?;
        let outcome = work.run(&self.statements, &mut steps).await;
        match &outcome {
            Ok(Some(_)) => steps.commit().await?,
            // The connection is closed, which undoes it as well.
            Err(error) if failure(error) == Failure::Lost => {}
            Ok(None) | Err(_) => steps.undo().await?,
        }
        outcome
    }
}
