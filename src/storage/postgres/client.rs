//! Registrations, changes and ends of clients.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Database;
use super::failure::failed;
use super::revoke::{end_access, forget_consents};
use super::text::Statements;
use super::together::{Steps, Together};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::time::Timestamp;
use crate::storage::sql::{client_text, millis};
use crate::storage::{
    InsertClient, Inserted, Owner, RemoveClient, Removed, RenewClient, Renewed, StorageError, StorageErrorKind,
    UpdateClient, Updated,
};

/// One that registered the very same is renewed only if that moves its end, so that those who register a client
/// that many use do not wait for each other. One that slips away meanwhile is looked for again.
pub(super) const FOLD: &str = "
WITH same AS (
    SELECT id, blocked, keep_until FROM {}.client WHERE fold = $1
), renewed AS (
    UPDATE {}.client c SET keep_until = $2
    FROM same s
    WHERE c.id = s.id AND c.fold = $1 AND NOT c.blocked AND c.keep_until < $2
    RETURNING c.id
)
SELECT s.id, s.blocked, coalesce(s.keep_until < $2 AND r.id IS NULL, false), {tell}
FROM same s LEFT JOIN renewed r ON r.id = s.id";

pub(super) const INSERT: &str = "
WITH added AS (
    INSERT INTO {}.client (id, revision, data, fold, blocked, keep_until, granted)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT a.id IS NOT NULL, EXISTS (SELECT 1 FROM {}.client WHERE id = $1),
    EXISTS (SELECT 1 FROM {}.client WHERE fold = $4), {tell}
FROM (SELECT 1) AS one LEFT JOIN added a ON true";

/// Whoever comes second sees what the first one added.
pub(super) const ONE_AFTER_THE_OTHER: &str = "SELECT pg_advisory_xact_lock($1)";

/// One that gets its first grant at this moment is waited for and stays.
pub(super) const EVICT: &str = "
WITH too_many AS (
    SELECT id FROM {}.client
    WHERE keep_until IS NOT NULL AND NOT granted AND id <> $1
    ORDER BY keep_until DESC, id DESC OFFSET $2
), held AS (
    SELECT c.id FROM {}.client c JOIN too_many t ON t.id = c.id
    WHERE NOT c.granted
    ORDER BY c.id
    FOR UPDATE OF c
), evicted AS (
    DELETE FROM {}.client c USING held h WHERE c.id = h.id AND NOT c.granted RETURNING c.id
)
SELECT {tell} FROM evicted";

/// A revision has 32 bits.
pub(super) const UPDATE: &str = "
WITH found AS (
    SELECT id, revision FROM {}.client WHERE id = $1 FOR UPDATE
), changed AS (
    UPDATE {}.client c SET revision = (c.revision + 1) % 4294967296, data = $3, fold = $4, blocked = $5
    FROM found f
    WHERE c.id = f.id AND f.revision = $2
    RETURNING c.id
)
SELECT c.id IS NOT NULL, {tell} FROM found f LEFT JOIN changed c ON c.id = f.id";

pub(super) const REMOVE: &str = "
WITH removed AS (DELETE FROM {}.client WHERE id = $1 RETURNING id)
SELECT {tell} FROM removed";

pub(super) const RENEW: &str = "
WITH found AS (
    SELECT id, keep_until FROM {}.client WHERE id = $1 AND keep_until IS NOT NULL
), renewed AS (
    UPDATE {}.client c SET keep_until = $2 FROM found f WHERE c.id = f.id AND c.keep_until < $2 RETURNING c.id
)
SELECT f.keep_until >= $2 OR r.id IS NOT NULL, {tell} FROM found f LEFT JOIN renewed r ON r.id = f.id";

pub(super) const HAVE_ENDED: &str = "SELECT 1 FROM {}.client WHERE keep_until <= $1 LIMIT 1";

/// One that somebody holds is left for another time.
pub(super) const REMOVE_ENDED: &str = "
WITH ended AS (
    SELECT id FROM {}.client WHERE keep_until <= $1 ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED
), removed AS (
    DELETE FROM {}.client c USING ended e WHERE c.id = e.id AND c.keep_until <= $1 RETURNING c.id, c.granted
)
SELECT id, granted, {tell} FROM removed";

/// What is beside a client in its row.
struct Columns<'c> {
    revision: i64,
    text: String,
    fold: Option<&'c [u8]>,
    until: Option<i64>,
    is_granted: bool,
}

impl<'c> Columns<'c> {
    fn of(client: &'c Client) -> Result<Self, sqlx::Error> {
        Ok(Self {
            revision: i64::from(client.revision),
            text: client_text(client).map_err(|error| sqlx::Error::Encode(error.into()))?,
            fold: client
                .registration
                .as_ref()
                .and_then(|registration| registration.fold.as_ref())
                .map(|fold| &fold[..]),
            until: client.tenure.map(|tenure| millis(tenure.until)),
            is_granted: client.tenure.is_some_and(|tenure| tenure.granted),
        })
    }
}

/// A registration that has its turn.
pub(super) struct Registration {
    op: InsertClient,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Together for Registration {
    type Outcome = Inserted;

    async fn run(&self, statements: &Statements, steps: &mut Steps<'_>) -> Result<Option<Inserted>, sqlx::Error> {
        let (client, columns) = (&self.op.client, Columns::of(&self.op.client)?);
        if let Some(fold) = columns.fold {
            let query = sqlx::query(statements.fold_client.clone()).bind(fold).bind(columns.until);
            if let Some(row) = steps.rows(query).await?.first() {
                return folded(row);
            }
        }
        let query = sqlx::query(statements.insert_client.clone())
            .bind(client.id.as_str())
            .bind(columns.revision)
            .bind(&columns.text)
            .bind(columns.fold)
            .bind(client.blocked)
            .bind(columns.until)
            .bind(columns.is_granted);
        let rows = steps.rows(query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (is_added, is_id_taken, is_fold_taken): (bool, bool, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if !is_added {
            // Another that was added at this moment can be seen from now on.
            return Ok((is_id_taken && !is_fold_taken).then_some(Inserted::Taken));
        }
        if let Some(budget) = self.op.budget {
            let is_counted = client.tenure.is_some_and(|tenure| !tenure.granted);
            let others = i64::from(budget).saturating_sub(i64::from(is_counted)).max(0);
            let waiting = sqlx::query(statements.one_after_the_other.clone()).bind(statements.registrations);
            steps.rows(waiting).await?;
            steps.rows(sqlx::query(statements.evict.clone()).bind(client.id.as_str()).bind(others)).await?;
        }
        Ok(Some(Inserted::New))
    }
}

/// What it means that there is one that registered the very same.
fn folded(row: &PgRow) -> Result<Option<Inserted>, sqlx::Error> {
    let (is_blocked, has_slipped): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
    let same = ClientId::parse(row.try_get(0)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(match (is_blocked, has_slipped) {
        (true, _) => Some(Inserted::Blocked),
        (false, false) => Some(Inserted::Folded(same)),
        (false, true) => None,
    })
}

impl Together for UpdateClient {
    type Outcome = Updated;

    async fn run(&self, statements: &Statements, steps: &mut Steps<'_>) -> Result<Option<Updated>, sqlx::Error> {
        let (id, columns) = (&self.client.id, Columns::of(&self.client)?);
        let query = sqlx::query(statements.update_client.clone())
            .bind(id.as_str())
            .bind(columns.revision)
            .bind(&columns.text)
            .bind(columns.fold)
            .bind(self.client.blocked);
        let rows = steps.rows(query).await?;
        let Some(row) = rows.first() else { return Ok(Some(Updated::Unknown)) };
        if !row.try_get(0)? {
            return Ok(Some(Updated::Changed));
        }
        if self.ends_access {
            end_access(statements, steps, &Owner::Client(id.clone())).await?;
        }
        Ok(Some(Updated::Now))
    }
}

impl Together for RemoveClient {
    type Outcome = Removed;

    async fn run(&self, statements: &Statements, steps: &mut Steps<'_>) -> Result<Option<Removed>, sqlx::Error> {
        let rows = steps.rows(sqlx::query(statements.remove_client.clone()).bind(self.client.as_str())).await?;
        if rows.is_empty() {
            return Ok(Some(Removed::Unknown));
        }
        end_access(statements, steps, &Owner::Client(self.client.clone())).await?;
        Ok(Some(Removed::Now))
    }
}

/// A removal of some clients that have ended by a certain time, with the consent to them.
struct RemoveEnded {
    by: Timestamp,
    limit: u32,
}

impl Together for RemoveEnded {
    type Outcome = u32;

    async fn run(&self, statements: &Statements, steps: &mut Steps<'_>) -> Result<Option<u32>, sqlx::Error> {
        let query = sqlx::query(statements.remove_ended.clone()).bind(millis(self.by)).bind(i64::from(self.limit));
        let rows = steps.rows(query).await?;
        for row in &rows {
            // Without a grant there is no consent either.
            if row.try_get(1)? {
                let client = ClientId::parse(row.try_get(0)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
                forget_consents(statements, steps, &Owner::Client(client)).await?;
            }
        }
        Ok(Some(u32::try_from(rows.len()).unwrap_or(u32::MAX)))
    }
}

impl Database {
    /// Registrations with a budget come one after the other, and wait without a connection: there may be any
    /// number of them, and others need one. Those of a client that is there need not wait.
    pub(super) async fn insert_client(self: &Arc<Self>, op: InsertClient) -> Result<Inserted, StorageError> {
        let mut turn = None;
        if op.budget.is_some() {
            if let Some(found) = self.fold_client(&op.client).await? {
                return Ok(found);
            }
            let waiting = timeout(self.statement_timeout, Arc::clone(&self.registrations).acquire_owned()).await;
            turn = Some(waiting.ok().and_then(Result::ok).ok_or(StorageErrorKind::Unavailable)?);
        }
        self.together(Registration { op, _turn: turn }).await
    }

    async fn fold_client(&self, client: &Client) -> Result<Option<Inserted>, StorageError> {
        let columns = Columns::of(client).map_err(failed)?;
        let Some(fold) = columns.fold else { return Ok(None) };
        let query = || sqlx::query(self.statements.fold_client.clone()).bind(fold).bind(columns.until);
        let answer = |rows: &[PgRow]| rows.first().map_or(Ok(Some(None)), |row| Ok(folded(row)?.map(Some)));
        self.write_until(query, answer).await
    }

    pub(super) async fn renew_client(&self, op: &RenewClient) -> Result<Renewed, StorageError> {
        let (id, until, statement) = (op.client.as_str(), millis(op.until), &self.statements.renew_client);
        let query = || sqlx::query(statement.clone()).bind(id).bind(until);
        self.write_until(query, |rows| {
            let Some(row) = rows.first() else { return Ok(Some(Renewed::Unknown)) };
            let is_so: bool = row.try_get(0)?;
            Ok(is_so.then_some(Renewed::Now))
        })
        .await
    }

    pub(super) async fn remove_ended(&self, by: Timestamp, limit: u32) -> Result<u32, StorageError> {
        let query = || sqlx::query(self.statements.have_ended.clone()).bind(millis(by));
        if self.read(query).await?.is_empty() {
            return Ok(0);
        }
        self.together_now(&RemoveEnded { by, limit }).await
    }
}
