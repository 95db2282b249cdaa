//! Codes and refresh tokens become tokens. Each function runs within the writer's transaction; whatever
//! it answers but an error leaves nothing half done.

use rusqlite::{Connection, params};

use super::decide::{IS_CURRENT, add_grant};
use super::error::Failure;
use super::reads::one;
use super::rows::Reader;
use crate::protocol::grant::{AccessRecord, RefreshRecord};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{GrantClient, Granted, IssueAccess, Issued, RedeemCode, Redeemed, RotateRefresh, Rotated, sql};

/// Runs a statement; how many rows it changed.
pub(super) fn execute(
    connection: &Connection,
    statement: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(statement)?.execute(parameters)?)
}

pub(super) fn redeem_code(connection: &Connection, op: &RedeemCode) -> Result<Redeemed, Failure> {
    let statement = "SELECT t.grant_id, t.expires_at, t.uses, g.revoked, g.scopes, g.resources \
                     FROM code t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1";
    let found = one(connection, statement, [sql::bits(op.code)], |row| {
        let head = (row.id()?, row.time()?, row.number()?, row.number()? != 0);
        Ok((head, Own::of(&op.access, row)?))
    })?;
    let Some(((grant, expires_at, uses, false), own)) = found else { return Ok(Redeemed::Gone) };
    // RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST
    // deny the request and SHOULD revoke […] all tokens previously issued based on that authorization code."
    if uses > 0 {
        revoke(connection, grant)?;
        return Ok(Redeemed::Replayed);
    }
    if expires_at <= op.now {
        return Ok(Redeemed::Gone);
    }
    if !add_tokens(connection, grant, (&op.access, own), op.refresh.as_ref(), None)? {
        return Ok(Redeemed::Collision);
    }
    execute(connection, "UPDATE code SET uses = uses + 1 WHERE id = ?1", [sql::bits(op.code)])?;
    lasts_until(connection, grant, op.grant_expires_at)?;
    Ok(Redeemed::First)
}

pub(super) fn rotate_refresh(connection: &Connection, op: &RotateRefresh) -> Result<Rotated, Failure> {
    let presented = sql::bits(op.refresh);
    let statement = "SELECT t.grant_id, t.expires_at, g.revoked, t.uses, t.successor, t.grace_until, t.answer, \
                     t.predecessor, g.scopes, g.resources \
                     FROM refresh_token t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1";
    let found = one(connection, statement, [presented], |row| {
        let head = (row.id()?, row.time()?, row.number()? != 0, row.number()?);
        Ok((head, row.rotation()?, row.some_number()?, Own::of(&op.access, row)?))
    })?;
    let Some(((grant, expires_at, false, uses), rotation, predecessor, own)) = found else {
        return Ok(Rotated::Gone);
    };
    if expires_at <= op.now {
        return Ok(Rotated::Gone);
    }
    if uses > 0 {
        return match rotation {
            Some(rotation) if rotation.answer.is_some() && op.now < rotation.grace_until => {
                Ok(Rotated::Repeated(rotation))
            }
            // RFC 9700 §4.14.2: reuse revokes what hangs on the grant
            Some(_) | None => {
                revoke(connection, grant)?;
                Ok(Rotated::Reused)
            }
        };
    }
    if !add_tokens(connection, grant, (&op.access, own), Some(&op.successor), Some(op.refresh))? {
        return Ok(Rotated::Collision);
    }
    let statement =
        "UPDATE refresh_token SET uses = uses + 1, successor = ?2, grace_until = ?3, answer = ?4 WHERE id = ?1";
    let parameters = params![presented, sql::bits(op.successor.id), sql::millis(op.grace_until), &*op.answer];
    execute(connection, statement, parameters)?;
    // Once a successor is used, its predecessor's answer is given no more.
    if let Some(predecessor) = predecessor {
        execute(connection, "UPDATE refresh_token SET answer = NULL WHERE id = ?1", [predecessor])?;
    }
    lasts_until(connection, grant, op.grant_expires_at)?;
    Ok(Rotated::First)
}

pub(super) fn issue_access(connection: &Connection, op: &IssueAccess) -> Result<Issued, Failure> {
    let statement = "SELECT id, scopes, resources FROM grants WHERE id = ?1 AND NOT revoked AND expires_at > ?2";
    let parameters = params![sql::bits(op.access.grant), sql::millis(op.now)];
    let found = one(connection, statement, parameters, |row| Ok((row.id()?, Own::of(&op.access, row)?)))?;
    let Some((grant, own)) = found else { return Ok(Issued::Gone) };
    if !add_access(connection, grant, &op.access, own)? {
        return Ok(Issued::Collision);
    }
    lasts_until(connection, grant, op.access.expires_at)?;
    Ok(Issued::Now)
}

pub(super) fn grant_client(connection: &Connection, op: &GrantClient) -> Result<Granted, Failure> {
    let parameters = params![op.client.as_str(), op.client_revision];
    if one(connection, IS_CURRENT, parameters, |row| row.number())?.is_none() {
        return Ok(Granted::ClientChanged);
    }
    if !add_grant(connection, &op.grant, op.access.expires_at)? {
        return Ok(Granted::Collision);
    }
    let (scopes, resource) =
        (op.access.scopes != op.grant.scopes, op.grant.resources.first() != Some(&op.access.resource));
    if !add_access(connection, op.grant.id, &op.access, Own { scopes, resource })? {
        execute(connection, "DELETE FROM grants WHERE id = ?1", [sql::bits(op.grant.id)])?;
        return Ok(Granted::Collision);
    }
    Ok(Granted::Now)
}

pub(super) fn revoke(connection: &Connection, grant: OrderedId) -> Result<(), Failure> {
    execute(connection, "UPDATE grants SET revoked = 1 WHERE id = ?1", [sql::bits(grant)])?;
    Ok(())
}

/// Moves the end of a grant on; it never comes to be earlier, for what hangs on the grant.
fn lasts_until(connection: &Connection, grant: OrderedId, end: Timestamp) -> Result<(), Failure> {
    let statement = "UPDATE grants SET expires_at = ?2 WHERE id = ?1 AND expires_at < ?2";
    execute(connection, statement, params![sql::bits(grant), sql::millis(end)])?;
    Ok(())
}

/// Adds tokens of a live grant, or, if an id is taken, none.
fn add_tokens(
    connection: &Connection,
    grant: OrderedId,
    (access, own): (&AccessRecord, Own),
    refresh: Option<&RefreshRecord>,
    predecessor: Option<OrderedId>,
) -> Result<bool, Failure> {
    if !add_access(connection, grant, access, own)? {
        return Ok(false);
    }
    let Some(refresh) = refresh else { return Ok(true) };
    let statement = "INSERT INTO refresh_token (id, expires_at, grant_id, hash, predecessor) \
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let id = sql::bits(refresh.id);
    let (end, hash) = (sql::millis(refresh.expires_at), refresh.hash.as_bytes());
    let parameters = params![id, end, sql::bits(grant), hash, predecessor.map(sql::bits)];
    let added = execute(connection, statement, parameters)? == 1;
    if !added {
        execute(connection, "DELETE FROM access_token WHERE id = ?1", [sql::bits(access.id)])?;
    }
    Ok(added)
}

/// What a token says that its grant does not.
#[derive(Clone, Copy)]
struct Own {
    /// It has fewer scopes.
    scopes: bool,
    /// It is not for the first resource.
    resource: bool,
}

impl Own {
    /// Compares with `scopes, resources` of the grant.
    fn of(access: &AccessRecord, row: &mut Reader<'_>) -> Result<Self, Failure> {
        let scopes = row.text()? != access.scopes.as_str();
        let resource = row.text()?.split(' ').next() != Some(access.resource.as_str());
        Ok(Self { scopes, resource })
    }
}

fn add_access(connection: &Connection, grant: OrderedId, access: &AccessRecord, own: Own) -> Result<bool, Failure> {
    let statement = "INSERT INTO access_token (id, expires_at, grant_id, issued_at, hash, scopes, resource) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let (id, end) = (sql::bits(access.id), sql::millis(access.expires_at));
    let (issued, hash) = (sql::millis(access.issued_at), access.hash.as_bytes());
    let scopes = own.scopes.then(|| access.scopes.as_str());
    let resource = own.resource.then(|| access.resource.as_str());
    let parameters = params![id, end, sql::bits(grant), issued, hash, scopes, resource];
    Ok(execute(connection, statement, parameters)? == 1)
}
