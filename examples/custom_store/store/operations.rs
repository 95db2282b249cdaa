//! The operations. Each is one transaction that holds off all other writers from its first statement, so
//! that nothing it has seen can change before its commit. One that is dropped is rolled back.

use grantor::protocol::grant::{AccessRecord, Grant, RefreshRecord};
use grantor::storage::{
    Approval, Decide, Decided, IssueAccess, Issued, Owner, RedeemCode, Redeemed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated,
};
use grantor::{ClientId, OrderedId, ScopeSet, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Params, Result, Transaction, TransactionBehavior};

use super::clients::{is_current, mark_granted};
use super::rows::{self, bits, joined, millis};

pub(super) fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// How many rows changed.
pub(super) fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize> {
    connection.prepare_cached(sql)?.execute(parameters)
}

pub(super) fn decide(connection: &mut Connection, op: &Decide) -> Result<Decided> {
    let transaction = begin(connection)?;
    if !is_current(&transaction, &op.client, op.client_revision)? {
        return Ok(Decided::ClientChanged);
    }
    let sql = "INSERT INTO oauth_decision (prompt, approved, keep_until) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    if execute(&transaction, sql, (op.prompt.as_bytes(), op.approval.is_some(), millis(op.keep_until)))? == 0 {
        let sql = "SELECT approved FROM oauth_decision WHERE prompt = ?1";
        let approved = transaction.query_row(sql, [op.prompt.as_bytes()], |row| row.get(0))?;
        return Ok(Decided::AlreadyDecided { approved });
    }
    if let Some(approval) = &op.approval
        && let Some(obstacle) = approve(&transaction, approval)?
    {
        return Ok(obstacle);
    }
    transaction.commit()?;
    Ok(Decided::First)
}

/// Adds what an approval brings; or what is in its way, and then the caller rolls back.
fn approve(transaction: &Transaction<'_>, approval: &Approval) -> Result<Option<Decided>> {
    let Approval { grant, code, consent, needs_consent, client_until } = approval;
    let resources = joined(&consent.resources);
    let about = (consent.subject.as_str(), consent.client.as_str(), consent.redirect_uri.as_str(), &resources);
    let sql = "SELECT scopes FROM oauth_consent
               WHERE subject = ?1 AND client = ?2 AND redirect_uri = ?3 AND resources = ?4";
    let given = transaction.prepare_cached(sql)?.query_row(about, |row| rows::scopes(row, "scopes")).optional()?;
    if *needs_consent && !given.as_ref().is_some_and(|given| given.contains_all(&consent.scopes)) {
        return Ok(Some(Decided::ConsentGone));
    }

    // It ends with its code unless that is redeemed.
    if !insert_grant(transaction, grant, code.expires_at)? {
        return Ok(Some(Decided::Collision));
    }
    mark_granted(transaction, &grant.client, *client_until)?;

    let sql = "INSERT INTO oauth_code (id, grant_id, hash, redirect_uri, challenge, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let (hash, challenge) = (code.hash.as_bytes(), code.challenge.as_bytes());
    let values = (bits(code.id), bits(code.grant), hash, &code.redirect_uri, challenge, millis(code.expires_at));
    if execute(transaction, sql, values)? == 0 {
        return Ok(Some(Decided::Collision));
    }

    let scopes = given.unwrap_or_else(ScopeSet::empty).union(&consent.scopes);
    let (subject, client, redirect_uri, resources) = about;
    let sql = "INSERT INTO oauth_consent (subject, client, redirect_uri, resources, scopes) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET scopes = excluded.scopes";
    execute(transaction, sql, (subject, client, redirect_uri, resources, scopes.as_str()))?;
    Ok(None)
}

/// `false` if the id is taken.
pub(super) fn insert_grant(transaction: &Transaction<'_>, grant: &Grant, expires_at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO oauth_grant (id, subject, client, scopes, resources, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let subject = grant.holder.subject().map(grantor::Subject::as_str);
    let (client, scopes, resources) = (grant.client.as_str(), grant.scopes.as_str(), joined(&grant.resources));
    let (created_at, expires_at) = (millis(grant.created_at), millis(expires_at));
    let values = (bits(grant.id), subject, client, scopes, resources, created_at, expires_at);
    Ok(execute(transaction, sql, values)? == 1)
}

pub(super) fn redeem_code(connection: &mut Connection, op: &RedeemCode) -> Result<Redeemed> {
    let transaction = begin(connection)?;
    let sql = "SELECT c.grant_id, c.redeemed, c.expires_at FROM oauth_code c JOIN oauth_grant g ON g.id = c.grant_id
               WHERE c.id = ?1 AND NOT g.revoked";
    let read = |row: &rusqlite::Row<'_>| {
        Ok((rows::id(row, "grant_id")?, row.get("redeemed")?, rows::time(row, "expires_at")?))
    };
    let Some((grant, redeemed, expires_at)) =
        transaction.prepare_cached(sql)?.query_row([bits(op.code)], read).optional()?
    else {
        return Ok(Redeemed::Gone);
    };
    // Before anything that the request brings is looked at: a thief must not choose whether this is noticed.
    if redeemed {
        revoke(&transaction, grant)?;
        transaction.commit()?;
        return Ok(Redeemed::Replayed);
    }
    if expires_at <= op.now {
        return Ok(Redeemed::Gone);
    }
    if !insert_access(&transaction, grant, &op.access)? {
        return Ok(Redeemed::Collision);
    }
    if let Some(refresh) = &op.refresh
        && !insert_refresh(&transaction, grant, refresh, None)?
    {
        return Ok(Redeemed::Collision);
    }
    execute(&transaction, "UPDATE oauth_code SET redeemed = 1 WHERE id = ?1", [bits(op.code)])?;
    lasts_until(&transaction, grant, op.grant_expires_at)?;
    transaction.commit()?;
    Ok(Redeemed::First)
}

pub(super) fn rotate_refresh(connection: &mut Connection, op: &RotateRefresh) -> Result<Rotated> {
    let transaction = begin(connection)?;
    let sql = "SELECT r.grant_id, r.predecessor, r.successor, r.grace_until, r.answer
               FROM oauth_refresh_token r JOIN oauth_grant g ON g.id = r.grant_id
               WHERE r.id = ?1 AND r.expires_at > ?2 AND NOT g.revoked";
    let read = |row: &rusqlite::Row<'_>| {
        let predecessor: Option<i64> = row.get("predecessor")?;
        Ok((rows::id(row, "grant_id")?, rows::rotation(row)?, predecessor))
    };
    let presented = (bits(op.refresh), millis(op.now));
    let Some((grant, rotation, predecessor)) =
        transaction.prepare_cached(sql)?.query_row(presented, read).optional()?
    else {
        return Ok(Rotated::Gone);
    };
    if let Some(rotation) = rotation {
        if rotation.answer.is_some() && op.now < rotation.grace_until {
            return Ok(Rotated::Repeated(rotation));
        }
        revoke(&transaction, grant)?;
        transaction.commit()?;
        return Ok(Rotated::Reused);
    }
    if !insert_refresh(&transaction, grant, &op.successor, Some(op.refresh))?
        || !insert_access(&transaction, grant, &op.access)?
    {
        return Ok(Rotated::Collision);
    }
    let sql = "UPDATE oauth_refresh_token SET successor = ?2, grace_until = ?3, answer = ?4 WHERE id = ?1";
    execute(&transaction, sql, (bits(op.refresh), bits(op.successor.id), millis(op.grace_until), &*op.answer))?;
    execute(&transaction, "UPDATE oauth_refresh_token SET answer = NULL WHERE id = ?1", [predecessor])?;
    lasts_until(&transaction, grant, op.grant_expires_at)?;
    transaction.commit()?;
    Ok(Rotated::First)
}

pub(super) fn issue_access(connection: &mut Connection, op: &IssueAccess) -> Result<Issued> {
    let transaction = begin(connection)?;
    let grant = op.access.grant;
    let sql = "SELECT 1 FROM oauth_grant WHERE id = ?1 AND NOT revoked AND expires_at > ?2";
    if !transaction.prepare_cached(sql)?.exists((bits(grant), millis(op.now)))? {
        return Ok(Issued::Gone);
    }
    if !insert_access(&transaction, grant, &op.access)? {
        return Ok(Issued::Collision);
    }
    lasts_until(&transaction, grant, op.access.expires_at)?;
    transaction.commit()?;
    Ok(Issued::Now)
}

/// `false` if the id is taken.
pub(super) fn insert_access(transaction: &Transaction<'_>, grant: OrderedId, token: &AccessRecord) -> Result<bool> {
    let sql = "INSERT INTO oauth_access_token (id, grant_id, hash, scopes, resource, issued_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let (hash, scopes, resource) = (token.hash.as_bytes(), token.scopes.as_str(), token.resource.as_str());
    let (issued_at, expires_at) = (millis(token.issued_at), millis(token.expires_at));
    let values = (bits(token.id), bits(grant), hash, scopes, resource, issued_at, expires_at);
    Ok(execute(transaction, sql, values)? == 1)
}

/// `false` if the id is taken.
fn insert_refresh(
    transaction: &Transaction<'_>,
    grant: OrderedId,
    token: &RefreshRecord,
    predecessor: Option<OrderedId>,
) -> Result<bool> {
    let sql = "INSERT INTO oauth_refresh_token (id, grant_id, hash, expires_at, predecessor)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let (hash, expires_at) = (token.hash.as_bytes(), millis(token.expires_at));
    let values = (bits(token.id), bits(grant), hash, expires_at, predecessor.map(bits));
    Ok(execute(transaction, sql, values)? == 1)
}

/// The end of a grant only ever moves on, so that none of its tokens outlives it.
fn lasts_until(transaction: &Transaction<'_>, grant: OrderedId, end: Timestamp) -> Result<()> {
    let sql = "UPDATE oauth_grant SET expires_at = max(expires_at, ?2) WHERE id = ?1";
    execute(transaction, sql, (bits(grant), millis(end))).map(|_| ())
}

fn revoke(transaction: &Transaction<'_>, grant: OrderedId) -> Result<()> {
    execute(transaction, "UPDATE oauth_grant SET revoked = 1 WHERE id = ?1", [bits(grant)]).map(|_| ())
}

pub(super) fn revoke_access(connection: &Connection, op: RevokeAccess) -> Result<Revoked> {
    let gone = execute(connection, "DELETE FROM oauth_access_token WHERE id = ?1", [bits(op.token)])?;
    Ok(if gone == 1 { Revoked::Now } else { Revoked::Unknown })
}

pub(super) fn revoke_grant(connection: &mut Connection, op: &RevokeGrant) -> Result<Revoked> {
    let transaction = begin(connection)?;
    let (sql, owner) = match &op.owner {
        Owner::User(subject) => ("SELECT revoked FROM oauth_grant WHERE id = ?1 AND subject = ?2", subject.as_str()),
        Owner::Client(client) => ("SELECT revoked FROM oauth_grant WHERE id = ?1 AND client = ?2", client.as_str()),
    };
    let found = transaction.prepare_cached(sql)?.query_row((bits(op.grant), owner), |row| row.get(0)).optional()?;
    let Some(already) = found else { return Ok(Revoked::Unknown) };
    revoke(&transaction, op.grant)?;
    let sql = "DELETE FROM oauth_consent
               WHERE (subject, client) = (SELECT subject, client FROM oauth_grant WHERE id = ?1)";
    execute(&transaction, sql, [bits(op.grant)])?;
    transaction.commit()?;
    Ok(if already { Revoked::Already } else { Revoked::Now })
}

pub(super) fn revoke_grants(connection: &mut Connection, op: &RevokeGrants) -> Result<u32> {
    let transaction = begin(connection)?;
    let ended = match &op.owner {
        Owner::Client(client) => revoke_all_of_client(&transaction, client)?,
        Owner::User(subject) => {
            execute(&transaction, "DELETE FROM oauth_consent WHERE subject = ?1", [subject.as_str()])?;
            let sql = "UPDATE oauth_grant SET revoked = 1 WHERE subject = ?1 AND NOT revoked";
            execute(&transaction, sql, [subject.as_str()])?
        }
    };
    transaction.commit()?;
    Ok(u32::try_from(ended).unwrap_or(u32::MAX))
}

/// Ends all that a client was given, and forgets the consent to it.
pub(super) fn revoke_all_of_client(transaction: &Transaction<'_>, client: &ClientId) -> Result<usize> {
    execute(transaction, "DELETE FROM oauth_consent WHERE client = ?1", [client.as_str()])?;
    let sql = "UPDATE oauth_grant SET revoked = 1 WHERE client = ?1 AND NOT revoked";
    execute(transaction, sql, [client.as_str()])
}

/// Tables and what says when a row ends, those first that hang on others.
const ENDING: [(&str, &str); 6] = [
    ("oauth_access_token", "expires_at"),
    ("oauth_refresh_token", "expires_at"),
    ("oauth_code", "expires_at"),
    ("oauth_decision", "keep_until"),
    ("oauth_grant", "expires_at"),
    ("oauth_claim", "keep_until"),
];

pub(super) fn purge(connection: &mut Connection, now: Timestamp, limit: u32) -> Result<u32> {
    let transaction = begin(connection)?;
    let mut gone = 0;
    for (table, end) in ENDING {
        let sql = format!("DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {end} <= ?1 LIMIT ?2)");
        let removed = execute(&transaction, &sql, (millis(now), limit.saturating_sub(gone)))?;
        gone = gone.saturating_add(u32::try_from(removed).unwrap_or(limit));
    }
    gone = gone.saturating_add(purge_clients(&transaction, now, limit.saturating_sub(gone))?);
    transaction.commit()?;
    Ok(gone)
}

/// Removes clients that have ended, with the consent to them.
fn purge_clients(transaction: &Transaction<'_>, now: Timestamp, limit: u32) -> Result<u32> {
    let sql = "DELETE FROM oauth_client WHERE id IN
               (SELECT id FROM oauth_client WHERE keep_until <= ?1 LIMIT ?2) RETURNING id";
    let mut statement = transaction.prepare_cached(sql)?;
    let ended = statement.query_map((millis(now), limit), |row| row.get(0))?.collect::<Result<Vec<String>>>()?;
    for client in &ended {
        execute(transaction, "DELETE FROM oauth_consent WHERE client = ?1", [client])?;
    }
    Ok(u32::try_from(ended.len()).unwrap_or(limit))
}

/// Removes up to `limit` sealed answers that are given no more. They do not count as rows.
pub(super) fn forget_answers(connection: &Connection, now: Timestamp, limit: u32) -> Result<u32> {
    let sql = "UPDATE oauth_refresh_token SET answer = NULL
               WHERE id IN (SELECT id FROM oauth_refresh_token
                            WHERE answer IS NOT NULL AND grace_until <= ?1 LIMIT ?2)";
    let forgotten = execute(connection, sql, (millis(now), limit))?;
    Ok(u32::try_from(forgotten).unwrap_or(limit))
}
