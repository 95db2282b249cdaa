//! What counts once, and the scopes that are kept as data.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::error::Failure;
use super::exchange::execute;
use super::reads::one;
use crate::protocol::scope_records::ScopeRecords;
use crate::storage::{ClaimOnce, Claimed, SaveScopes, Saved, StorageError, StorageErrorKind, sql};

pub(super) fn claim_once(connection: &Connection, op: &ClaimOnce) -> Result<Claimed, Failure> {
    let statement = "INSERT INTO claim (key, keep_until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let is_first = execute(connection, statement, params![op.key, sql::millis(op.keep_until)])? == 1;
    Ok(if is_first { Claimed::First } else { Claimed::Again })
}

pub(super) fn scopes(connection: &Connection) -> Result<Option<Arc<ScopeRecords>>, Failure> {
    one(connection, "SELECT data, revision FROM scopes", [], |row| {
        let (data, revision) = (row.text()?, row.number()?);
        let records = serde_json::from_str(data).map_err(|error| sql::corrupt(error.to_string()))?;
        let revision = u32::try_from(revision).map_err(|_| sql::corrupt("a revision has more than 32 bits"))?;
        Ok(Arc::new(ScopeRecords { revision, records }))
    })
}

pub(super) fn save_scopes(connection: &Connection, op: &SaveScopes) -> Result<Saved, Failure> {
    let present = one(connection, "SELECT revision FROM scopes", [], |row| row.number())?;
    if present.unwrap_or_default() != i64::from(op.records.revision) {
        return Ok(Saved::Changed);
    }
    let statement = "INSERT OR REPLACE INTO scopes (id, revision, data) VALUES (1, ?1, ?2)";
    let revision = op.records.revision.wrapping_add(1);
    let data = serde_json::to_string(&op.records.records)
        .map_err(|error| StorageError::new(StorageErrorKind::Other, error))?;
    execute(connection, statement, params![revision, data])?;
    Ok(Saved::Now)
}
