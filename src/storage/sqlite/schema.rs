//! The tables, and how a file comes to have them.

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::error::Failure;
use crate::storage::{StorageError, StorageErrorKind};

/// Each brings a file from the version of its position to the next one.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];

/// Says in the file whose it is: "gran".
const APPLICATION: i64 = 0x6772_616e;

/// What every connection needs.
pub(super) fn prepare(connection: &Connection) -> Result<(), Failure> {
    connection.busy_handler(Some(wait_for_others))?;
    connection.set_prepared_statement_cache_capacity(64);
    // The pages that every operation touches stay in memory: 8 MiB at most.
    connection.execute_batch("PRAGMA cache_size = -8192")?;
    // FULL: a commit is on the disk when it returns, also if the machine loses power then.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(())
}

/// Other processes hold the file for a commit at a time.
fn wait_for_others(times: i32) -> bool {
    std::thread::sleep(std::time::Duration::from_millis(1));
    times < 5000
}

/// Makes a file keep its changes in a log beside it, so that readers never wait for writers.
pub(super) fn use_log(connection: &Connection) -> Result<(), Failure> {
    // SQLite does not ask the busy handler here.
    for _ in 0..1000 {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let text = format!("the file cannot have a write-ahead log, only {mode}");
                return Err(StorageError::new(StorageErrorKind::Other, text).into());
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => wait_for_others(0),
            Err(error) => return Err(error.into()),
        };
    }
    Err(StorageErrorKind::Conflict.into())
}

/// Brings the tables of a file to the newest version. Of several processes that start at once one does
/// it, and the others wait.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let present = version(&transaction)?;
    for migration in MIGRATIONS.iter().skip(present) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    Ok(transaction.commit()?)
}

/// How many of the migrations a file has seen.
fn version(connection: &Connection) -> Result<usize, Failure> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let other = |text: String| Err(StorageError::new(StorageErrorKind::Other, text).into());
    match (number("application_id")?, usize::try_from(number("user_version")?)) {
        (APPLICATION, Ok(version)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION, _) => other("the file was made by a newer version of grantor".to_owned()),
        (0, Ok(0)) if tables == 0 => Ok(0),
        _ => other("the file is somebody else's: grantor needs one of its own".to_owned()),
    }
}
