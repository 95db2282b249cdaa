//! What counts once, and the scopes and resources that are kept as data.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::error::Failure;
use super::exchange::execute;
use super::reads::one;
use crate::protocol::policy_records::PolicyRecords;
use crate::storage::{ClaimOnce, Claimed, SavePolicy, Saved, sql};

pub(super) fn claim_once(connection: &Connection, op: &ClaimOnce) -> Result<Claimed, Failure> {
    let statement = "INSERT INTO claim (key, keep_until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let is_first = execute(connection, statement, params![op.key, sql::millis(op.keep_until)])? == 1;
    Ok(if is_first { Claimed::First } else { Claimed::Again })
}

pub(super) fn policy(connection: &Connection) -> Result<Option<Arc<PolicyRecords>>, Failure> {
    one(connection, "SELECT data, revision FROM scopes", [], |row| {
        let (data, revision) = (row.text()?, row.number()?);
        let revision = u32::try_from(revision).map_err(|_| sql::corrupt("a revision has more than 32 bits"))?;
        sql::policy(data, revision).map(Arc::new).map_err(Failure::from)
    })
}

pub(super) fn save_policy(connection: &Connection, op: &SavePolicy) -> Result<Saved, Failure> {
    let present = one(connection, "SELECT revision FROM scopes", [], |row| row.number())?;
    if present.unwrap_or_default() != i64::from(op.records.revision) {
        return Ok(Saved::Changed);
    }
    let statement = "INSERT OR REPLACE INTO scopes (id, revision, data) VALUES (1, ?1, ?2)";
    let revision = op.records.revision.wrapping_add(1);
    execute(connection, statement, params![revision, sql::policy_text(&op.records)?])?;
    Ok(Saved::Now)
}
