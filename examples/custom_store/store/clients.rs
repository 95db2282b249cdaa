//! The operations on clients, and on the scopes that are kept as data.

use grantor::protocol::client::Client;
use grantor::storage::{
    ClaimOnce, Claimed, GrantClient, Granted, InsertClient, Inserted, RemoveClient, Removed, RenewClient, Renewed,
    SavePolicy, Saved, UpdateClient, Updated,
};
use grantor::{ClientId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Result, Transaction};

use super::operations::{begin, execute, insert_access, insert_grant, revoke_all_of_client};
use super::rows::{self, CLIENT, json, millis};

fn fold(client: &Client) -> Option<[u8; 32]> {
    client.registration.as_ref()?.fold
}

pub(super) fn insert_client(connection: &mut Connection, op: &InsertClient) -> Result<Inserted> {
    let transaction = begin(connection)?;
    let client = &*op.client;
    let until = client.tenure.map(|tenure| tenure.until);
    let sql = format!("SELECT {CLIENT} FROM oauth_client WHERE fold = ?1");
    let same = transaction.prepare_cached(&sql)?.query_row([fold(client)], rows::client).optional()?;
    if let Some(same) = same {
        if same.blocked {
            return Ok(Inserted::Blocked);
        }
        if let Some(until) = until {
            lasts_until(&transaction, &same.id, until)?;
        }
        transaction.commit()?;
        return Ok(Inserted::Folded(same.id.clone()));
    }
    let sql = "INSERT INTO oauth_client (id, revision, data, fold, keep_until, granted)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let granted = client.tenure.is_some_and(|tenure| tenure.granted);
    let values = (client.id.as_str(), client.revision, json(client)?, fold(client), until.map(millis), granted);
    if execute(&transaction, sql, values)? == 0 {
        return Ok(Inserted::Taken);
    }
    if let Some(budget) = op.budget {
        // Of those that never got a grant some stay besides the new one: those that would end last.
        let sql = "DELETE FROM oauth_client WHERE id IN (
                       SELECT id FROM oauth_client WHERE keep_until IS NOT NULL AND NOT granted AND id <> ?1
                       ORDER BY keep_until DESC, id DESC LIMIT -1 OFFSET ?2)";
        execute(&transaction, sql, (client.id.as_str(), budget.saturating_sub(1)))?;
    }
    transaction.commit()?;
    Ok(Inserted::New)
}

/// The end of a client only ever moves on; `false` if it has none.
fn lasts_until(connection: &Connection, client: &ClientId, until: Timestamp) -> Result<bool> {
    let sql = "UPDATE oauth_client SET keep_until = max(keep_until, ?2) WHERE id = ?1 AND keep_until IS NOT NULL";
    Ok(execute(connection, sql, (client.as_str(), millis(until)))? == 1)
}

pub(super) fn update_client(connection: &mut Connection, op: &UpdateClient) -> Result<Updated> {
    let transaction = begin(connection)?;
    let client = &*op.client;
    // How long it stays is left as it is.
    let sql = "UPDATE oauth_client SET data = ?3, fold = ?4, revision = (revision + 1) % 4294967296
               WHERE id = ?1 AND revision = ?2";
    let values = (client.id.as_str(), client.revision, json(client)?, fold(client));
    if execute(&transaction, sql, values)? == 0 {
        let sql = "SELECT 1 FROM oauth_client WHERE id = ?1";
        let is_there = transaction.prepare_cached(sql)?.exists([client.id.as_str()])?;
        return Ok(if is_there { Updated::Changed } else { Updated::Unknown });
    }
    if op.ends_access {
        revoke_all_of_client(&transaction, &client.id)?;
    }
    transaction.commit()?;
    Ok(Updated::Now)
}

pub(super) fn remove_client(connection: &mut Connection, op: &RemoveClient) -> Result<Removed> {
    let transaction = begin(connection)?;
    if execute(&transaction, "DELETE FROM oauth_client WHERE id = ?1", [op.client.as_str()])? == 0 {
        return Ok(Removed::Unknown);
    }
    revoke_all_of_client(&transaction, &op.client)?;
    transaction.commit()?;
    Ok(Removed::Now)
}

pub(super) fn renew_client(connection: &Connection, op: &RenewClient) -> Result<Renewed> {
    Ok(if lasts_until(connection, &op.client, op.until)? { Renewed::Now } else { Renewed::Unknown })
}

/// Whether the client is the one that was decided about.
pub(super) fn is_current(transaction: &Transaction<'_>, client: &ClientId, revision: u32) -> Result<bool> {
    let sql = "SELECT 1 FROM oauth_client WHERE id = ?1 AND revision = ?2";
    transaction.prepare_cached(sql)?.exists((client.as_str(), revision))
}

pub(super) fn mark_granted(transaction: &Transaction<'_>, client: &ClientId, until: Timestamp) -> Result<()> {
    let sql = "UPDATE oauth_client SET granted = 1, keep_until = max(keep_until, ?2)
               WHERE id = ?1 AND keep_until IS NOT NULL AND NOT granted";
    execute(transaction, sql, (client.as_str(), millis(until))).map(|_| ())
}

pub(super) fn grant_client(connection: &mut Connection, op: &GrantClient) -> Result<Granted> {
    let transaction = begin(connection)?;
    if !is_current(&transaction, &op.client, op.client_revision)? {
        return Ok(Granted::ClientChanged);
    }
    let added = insert_grant(&transaction, &op.grant, op.access.expires_at)?
        && insert_access(&transaction, op.grant.id, &op.access)?;
    if !added {
        return Ok(Granted::Collision);
    }
    transaction.commit()?;
    Ok(Granted::Now)
}

pub(super) fn claim_once(connection: &Connection, op: &ClaimOnce) -> Result<Claimed> {
    let sql = "INSERT INTO oauth_claim (key, keep_until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let is_first = execute(connection, sql, (op.key, millis(op.keep_until)))? == 1;
    Ok(if is_first { Claimed::First } else { Claimed::Again })
}

pub(super) fn save_policy(connection: &mut Connection, op: &SavePolicy) -> Result<Saved> {
    let transaction = begin(connection)?;
    let sql = "SELECT revision FROM oauth_policy";
    let stored: Option<u32> = transaction.query_row(sql, [], |row| row.get(0)).optional()?;
    if stored.unwrap_or(0) != op.records.revision {
        return Ok(Saved::Changed);
    }
    let sql = "INSERT OR REPLACE INTO oauth_policy (id, revision, data) VALUES (1, ?1, ?2)";
    execute(&transaction, sql, (op.records.revision.wrapping_add(1), json(&*op.records)?))?;
    transaction.commit()?;
    Ok(Saved::Now)
}
