//! A decision about a prompt, and what it adds.

use rusqlite::{Connection, params};

use super::clients::mark_granted;
use super::error::Failure;
use super::exchange::execute;
use super::reads::one;
use crate::protocol::grant::{CodeRecord, Grant};
use crate::protocol::interaction::Consent;
use crate::protocol::scope::ScopeSet;
use crate::protocol::time::Timestamp;
use crate::storage::{Approval, Decide, Decided, sql};

/// Whether a client is still in the state that was decided about.
pub(super) const IS_CURRENT: &str = "SELECT 1 FROM client WHERE id = ?1 AND revision = ?2";

pub(super) fn decide(connection: &Connection, op: &Decide) -> Result<Decided, Failure> {
    if one(connection, IS_CURRENT, params![op.client.as_str(), op.client_revision], |row| row.number())?.is_none() {
        return Ok(Decided::ClientChanged);
    }
    let prompt = op.prompt.as_bytes();
    let earlier = one(connection, "SELECT approved FROM decision WHERE prompt = ?1", [prompt], |row| row.number())?;
    if let Some(approved) = earlier {
        return Ok(Decided::AlreadyDecided { approved: approved != 0 });
    }
    if let Some(approval) = &op.approval
        && let Some(refused) = approve(connection, approval)?
    {
        return Ok(refused);
    }
    let statement = "INSERT INTO decision (prompt, keep_until, approved) VALUES (?1, ?2, ?3)";
    execute(connection, statement, params![prompt, sql::millis(op.keep_until), op.approval.is_some()])?;
    Ok(Decided::First)
}

/// Adds what an approval adds, or says why nothing was added.
fn approve(connection: &Connection, approval: &Approval) -> Result<Option<Decided>, Failure> {
    let Approval { grant, code, consent, needs_consent, client_until } = approval;
    let key = sql::consent_key(consent);
    let given = one(connection, "SELECT scopes FROM consent WHERE key = ?1", [&key], |row| row.scopes())?;
    if *needs_consent && !given.as_ref().is_some_and(|given| given.contains_all(&consent.scopes)) {
        return Ok(Some(Decided::ConsentGone));
    }
    if !add_grant(connection, grant, code.expires_at)? {
        return Ok(Some(Decided::Collision));
    }
    if !add_code(connection, code)? {
        execute(connection, "DELETE FROM grants WHERE id = ?1", [sql::bits(grant.id)])?;
        return Ok(Some(Decided::Collision));
    }
    mark_granted(connection, &grant.client, *client_until)?;
    match given {
        Some(given) => add_scopes(connection, &key, &given, &consent.scopes)?,
        None => add_consent(connection, &key, consent)?,
    }
    Ok(None)
}

/// Adds a grant, unless its id is taken.
pub(super) fn add_grant(connection: &Connection, grant: &Grant, expires_at: Timestamp) -> Result<bool, Failure> {
    let statement = "INSERT INTO grants (id, expires_at, subject, client, scopes, resources, created_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let (id, end, created) = (sql::bits(grant.id), sql::millis(expires_at), sql::millis(grant.created_at));
    let subject = grant.holder.subject().map(|subject| subject.as_str());
    let (client, scopes) = (grant.client.as_str(), grant.scopes.as_str());
    let parameters = params![id, end, subject, client, scopes, sql::resources_text(&grant.resources), created];
    Ok(execute(connection, statement, parameters)? == 1)
}

/// Adds a code, unless its id is taken.
fn add_code(connection: &Connection, code: &CodeRecord) -> Result<bool, Failure> {
    let statement = "INSERT INTO code (id, expires_at, grant_id, hash, challenge, redirect_uri) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let (id, end, grant) = (sql::bits(code.id), sql::millis(code.expires_at), sql::bits(code.grant));
    let (hash, challenge) = (code.hash.as_bytes(), code.challenge.as_bytes());
    Ok(execute(connection, statement, params![id, end, grant, hash, challenge, &*code.redirect_uri])? == 1)
}

fn add_consent(connection: &Connection, key: &[u8; 32], consent: &Consent) -> Result<(), Failure> {
    let (subject, client) = (consent.subject.as_str(), consent.client.as_str());
    let statement = "INSERT INTO consent (key, owner, subject, client, redirect_uri, resources, scopes) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (owner, resources) = (sql::digest(&[subject, client]), sql::resources_text(&consent.resources));
    let parameters =
        params![key, owner, subject, client, consent.redirect_uri.as_str(), resources, consent.scopes.as_str()];
    execute(connection, statement, parameters)?;
    Ok(())
}

fn add_scopes(connection: &Connection, key: &[u8; 32], given: &ScopeSet, more: &ScopeSet) -> Result<(), Failure> {
    if !given.contains_all(more) {
        let all = given.union(more);
        execute(connection, "UPDATE consent SET scopes = ?2 WHERE key = ?1", params![key, all.as_str()])?;
    }
    Ok(())
}
