//! The tables and their versions.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use super::connections::Connections;
use super::failure::failed;
use super::text::Texts;
use crate::storage::sql::digest;
use crate::storage::{StorageError, StorageErrorKind};

/// What leads from each version to the next.
const STEPS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];

/// Makes sure that the schema is of the version that this code knows. Any number of processes may do so
/// at once, and nothing needs the right to create anything if nothing is to be created.
pub(super) async fn run(connections: &Connections, schema: &str, migrate: bool) -> Result<(), StorageError> {
    let mut held = connections.acquire().await.map_err(failed)?;
    let connection = held.begin().map_err(failed)?;
    let found = version(connection, schema).await.map_err(failed)?;
    if !is_present(schema, found, migrate)? {
        migrate_alone(connection, schema, migrate).await?;
    }
    held.end();
    Ok(())
}

async fn migrate_alone(connection: &mut PgConnection, schema: &str, migrate: bool) -> Result<(), StorageError> {
    // Not the user's isolation level: what is read must be newer than the lock.
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    let [a, b, c, d, e, f, g, h, ..] = digest(&["grantor migration", schema]);
    let lock = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let locking = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock);
    locking.execute(&mut *transaction).await.map_err(failed)?;
    let found = version(&mut transaction, schema).await.map_err(failed)?;
    if !is_present(schema, found, migrate)? {
        apply(&mut transaction, schema, found).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// The version that is there; 0 if nothing is.
async fn version(connection: &mut PgConnection, schema: &str) -> Result<usize, sqlx::Error> {
    // Not `to_regclass`: it may remember from before the lock that there was none.
    let table = sqlx::query("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'migration'").bind(schema);
    if table.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(0);
    }
    let newest = Texts::new(schema, None).text("SELECT coalesce(max(version), 0) FROM {}.migration");
    let newest: i64 = sqlx::query(newest).fetch_one(connection).await?.try_get(0)?;
    Ok(usize::try_from(newest).unwrap_or_default())
}

fn is_present(schema: &str, found: usize, migrate: bool) -> Result<bool, StorageError> {
    let known = STEPS.len();
    if found > known {
        let what = format!("the schema {schema} is of version {found}, and this code knows {known}: update the app");
        return Err(StorageError::new(StorageErrorKind::Other, what));
    }
    if found < known && !migrate {
        let what = format!("the schema {schema} is of version {found}, and this code needs {known}: migrate it");
        return Err(StorageError::new(StorageErrorKind::Other, what));
    }
    Ok(found == known)
}

async fn apply(connection: &mut PgConnection, schema: &str, found: usize) -> Result<(), sqlx::Error> {
    let exists = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
    if exists.fetch_optional(&mut *connection).await?.is_none() {
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).await?;
    }
    let texts = Texts::new(schema, None);
    if found == 0 {
        let table = "CREATE TABLE {}.migration (version bigint PRIMARY KEY)";
        connection.execute(texts.text(table)).await?;
    }
    for (step, version) in STEPS.iter().zip(1_i64..).skip(found) {
        for statement in step.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            connection.execute(texts.text(statement)).await?;
        }
        let note = texts.text("INSERT INTO {}.migration (version) VALUES ($1)");
        sqlx::query(note).bind(version).execute(&mut *connection).await?;
    }
    Ok(())
}
