//! What is taken back.

use rusqlite::{Connection, params};

use super::error::Failure;
use super::exchange::{execute, revoke};
use super::reads::one;
use crate::protocol::client::ClientId;
use crate::storage::{Owner, RevokeAccess, RevokeGrant, RevokeGrants, Revoked, sql};

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

pub(super) fn revoke_grants(connection: &Connection, op: &RevokeGrants) -> Result<u32, Failure> {
    let subject = match &op.owner {
        Owner::Client(client) => return end_access(connection, client),
        Owner::User(subject) => subject.as_str(),
    };
    let ended = execute(connection, "UPDATE grants SET revoked = 1 WHERE subject = ?1 AND NOT revoked", [subject])?;
    execute(connection, "DELETE FROM consent WHERE subject = ?1", [subject])?;
    Ok(ended as u32)
}

/// Ends everything that a client was given, and forgets all consent to it; how many grants ended.
pub(super) fn end_access(connection: &Connection, client: &ClientId) -> Result<u32, Failure> {
    let client = client.as_str();
    let ended = execute(connection, "UPDATE grants SET revoked = 1 WHERE client = ?1 AND NOT revoked", [client])?;
    execute(connection, "DELETE FROM consent WHERE client = ?1", [client])?;
    Ok(ended as u32)
}
