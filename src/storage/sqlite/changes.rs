//! Changes of clients, and what is taken back.

use rusqlite::{Connection, params};

use super::error::Failure;
use super::exchange::{execute, revoke};
use super::reads::one;
use crate::protocol::client::Client;
use crate::storage::{Inserted, Owner, RevokeAccess, RevokeGrant, Revoked, Updated, sql};

pub(super) fn insert_client(connection: &Connection, client: &Client) -> Result<Inserted, Failure> {
    let statement = "INSERT INTO client (id, revision, data) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let parameters = params![client.id.as_str(), client.revision, sql::client_text(client)?];
    Ok(if execute(connection, statement, parameters)? == 1 { Inserted::New } else { Inserted::Taken })
}

pub(super) fn update_client(connection: &Connection, client: &Client) -> Result<Updated, Failure> {
    let statement = "UPDATE client SET data = ?2, revision = (revision + 1) % 4294967296 WHERE id = ?1";
    let parameters = params![client.id.as_str(), sql::client_text(client)?];
    Ok(if execute(connection, statement, parameters)? == 1 { Updated::Now } else { Updated::Unknown })
}

pub(super) fn revoke_access(connection: &Connection, op: RevokeAccess) -> Result<Revoked, Failure> {
    let gone = execute(connection, "DELETE FROM access_token WHERE id = ?1", [sql::bits(op.token)])?;
    Ok(if gone == 1 { Revoked::Now } else { Revoked::Unknown })
}

pub(super) fn revoke_grant(connection: &Connection, op: &RevokeGrant) -> Result<Revoked, Failure> {
    let (user, client) = match &op.owner {
        Owner::User(subject) => (Some(subject.as_str()), None),
        Owner::Client(client) => (None, Some(client.as_str())),
    };
    let statement = "SELECT revoked, client, subject FROM grants WHERE id = ?1 AND (subject = ?2 OR client = ?3)";
    let found = one(connection, statement, params![sql::bits(op.grant), user, client], |row| {
        let revoked = row.number()? != 0;
        let (client, subject) = (row.text()?, row.some_text()?);
        Ok((revoked, subject.map(|subject| sql::digest(&[subject, client]))))
    })?;
    let Some((revoked, owner)) = found else { return Ok(Revoked::Unknown) };
    // What was agreed to goes with the grant, so that the user is asked again.
    if let Some(owner) = owner {
        execute(connection, "DELETE FROM consent WHERE owner = ?1", [&owner[..]])?;
    }
    if revoked {
        return Ok(Revoked::Already);
    }
    revoke(connection, op.grant)?;
    Ok(Revoked::Now)
}
