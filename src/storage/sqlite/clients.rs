//! Clients: how they come, change and go.

use rusqlite::{Connection, params};

use super::changes::end_access;
use super::error::Failure;
use super::exchange::execute;
use super::reads::{client, one};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::time::Timestamp;
use crate::storage::{InsertClient, Inserted, RemoveClient, Removed, RenewClient, Renewed, UpdateClient, Updated, sql};

fn fold(client: &Client) -> Option<[u8; 32]> {
    client.registration.as_ref()?.fold
}

pub(super) fn insert_client(connection: &Connection, op: &InsertClient) -> Result<Inserted, Failure> {
    let client = &*op.client;
    let (until, granted) = client.tenure.map(|tenure| (sql::millis(tenure.until), tenure.granted)).unzip();
    if let Some(same) = same_kind(connection, client)? {
        if same.blocked {
            return Ok(Inserted::Blocked);
        }
        if let Some(until) = until {
            move_end(connection, &same.id, until)?;
        }
        return Ok(Inserted::Folded(same.id));
    }
    let statement = "INSERT INTO client (id, revision, data, fold, keep_until, granted) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";
    let (id, data, granted) = (client.id.as_str(), sql::client_text(client)?, granted.unwrap_or_default());
    if execute(connection, statement, params![id, client.revision, data, fold(client), until, granted])? != 1 {
        return Ok(Inserted::Taken);
    }
    if let Some(budget) = op.budget {
        keep_to_budget(connection, budget, &client.id)?;
    }
    Ok(Inserted::New)
}

/// The client that registered the very same before.
fn same_kind(connection: &Connection, new: &Client) -> Result<Option<Client>, Failure> {
    let Some(fold) = fold(new) else { return Ok(None) };
    let statement = "SELECT data, revision, keep_until, granted FROM client WHERE fold = ?1";
    one(connection, statement, [&fold[..]], |row| row.client())
}

/// Moves an end, never to an earlier time; whether the client has one.
fn move_end(connection: &Connection, client: &ClientId, until: i64) -> Result<bool, Failure> {
    let statement = "UPDATE client SET keep_until = max(keep_until, ?2) WHERE id = ?1 AND keep_until IS NOT NULL";
    Ok(execute(connection, statement, params![client.as_str(), until])? == 1)
}

/// Those that would end first give way, but not to themselves.
fn keep_to_budget(connection: &Connection, budget: u32, new: &ClientId) -> Result<(), Failure> {
    let count = "SELECT count(*) FROM client WHERE keep_until IS NOT NULL AND NOT granted";
    let count = one(connection, count, [], |row| row.number())?.unwrap_or_default();
    let too_many = count - i64::from(budget);
    if too_many > 0 {
        let statement = "DELETE FROM client WHERE id IN (SELECT id FROM client \
                         WHERE keep_until IS NOT NULL AND NOT granted AND id <> ?1 ORDER BY keep_until, id LIMIT ?2)";
        execute(connection, statement, params![new.as_str(), too_many])?;
    }
    Ok(())
}

pub(super) fn update_client(connection: &Connection, op: &UpdateClient) -> Result<Updated, Failure> {
    let new = &*op.client;
    let statement = "UPDATE client SET data = ?3, fold = ?4, revision = (revision + 1) % 4294967296 \
                     WHERE id = ?1 AND revision = ?2";
    let parameters = params![new.id.as_str(), new.revision, sql::client_text(new)?, fold(new)];
    if execute(connection, statement, parameters)? != 1 {
        return Ok(client(connection, &new.id)?.map_or(Updated::Unknown, |_| Updated::Changed));
    }
    if op.ends_access {
        end_access(connection, &new.id)?;
    }
    Ok(Updated::Now)
}

pub(super) fn remove_client(connection: &Connection, op: &RemoveClient) -> Result<Removed, Failure> {
    if execute(connection, "DELETE FROM client WHERE id = ?1", [op.client.as_str()])? != 1 {
        return Ok(Removed::Unknown);
    }
    end_access(connection, &op.client)?;
    Ok(Removed::Now)
}

pub(super) fn renew_client(connection: &Connection, op: &RenewClient) -> Result<Renewed, Failure> {
    let renewed = move_end(connection, &op.client, sql::millis(op.until))?;
    Ok(if renewed { Renewed::Now } else { Renewed::Unknown })
}

/// Marks that a client got a grant, if it is its first one.
pub(super) fn mark_granted(connection: &Connection, client: &ClientId, until: Timestamp) -> Result<(), Failure> {
    let statement = "UPDATE client SET granted = 1, keep_until = max(keep_until, ?2) \
                     WHERE id = ?1 AND keep_until IS NOT NULL AND NOT granted";
    execute(connection, statement, params![client.as_str(), sql::millis(until)])?;
    Ok(())
}
