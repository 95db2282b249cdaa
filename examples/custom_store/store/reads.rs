//! The reads. Each is one statement, so that what it joins is of one moment.

use std::sync::Arc;

use grantor::protocol::client::Client;
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::storage::{Scanned, StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table};
use grantor::{ClientId, OrderedId, Subject, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Params, Result, Row};

use super::rows::{self, CLIENT, GRANT, bits, millis};

fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(parameters, read)?.collect()
}

/// A row of `table` as `t`, with its grant.
fn joined(table: &str) -> String {
    format!("SELECT t.*, {GRANT} FROM {table} t JOIN oauth_grant g ON g.id = t.grant_id")
}

pub(super) fn client(connection: &Connection, id: &ClientId) -> Result<Option<Arc<Client>>> {
    one(connection, &format!("SELECT {CLIENT} FROM oauth_client WHERE id = ?1"), [id.as_str()], rows::client)
}

pub(super) fn clients(connection: &Connection, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>> {
    // No id is empty.
    let after = after.map_or("", ClientId::as_str);
    let sql = format!("SELECT {CLIENT} FROM oauth_client WHERE id > ?1 ORDER BY id LIMIT ?2");
    all(connection, &sql, (after, limit), rows::client)
}

pub(super) fn policy(connection: &Connection) -> Result<Option<Arc<PolicyRecords>>> {
    one(connection, "SELECT data, revision FROM oauth_policy", [], rows::policy)
}

pub(super) fn code(connection: &Connection, id: OrderedId) -> Result<Option<StoredCode>> {
    one(connection, &format!("{} WHERE t.id = ?1", joined("oauth_code")), [bits(id)], rows::code)
}

pub(super) fn access_token(connection: &Connection, id: OrderedId) -> Result<Option<StoredAccess>> {
    one(connection, &format!("{} WHERE t.id = ?1", joined("oauth_access_token")), [bits(id)], rows::access_token)
}

pub(super) fn refresh_token(connection: &Connection, id: OrderedId) -> Result<Option<StoredRefresh>> {
    one(connection, &format!("{} WHERE t.id = ?1", joined("oauth_refresh_token")), [bits(id)], rows::refresh_token)
}

pub(super) fn consents(connection: &Connection, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>> {
    let sql = "SELECT * FROM oauth_consent WHERE subject = ?1 AND client = ?2";
    all(connection, sql, (subject.as_str(), client.as_str()), rows::consent)
}

pub(super) fn grants(
    connection: &Connection,
    subject: &Subject,
    before: Option<OrderedId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<StoredGrant>> {
    let highest = before.map_or(i64::MAX, |before| bits(before) - 1);
    let sql = format!(
        "SELECT {GRANT} FROM oauth_grant g
         WHERE g.subject = ?1 AND g.id <= ?2 AND NOT g.revoked AND g.expires_at > ?3 ORDER BY g.id DESC LIMIT ?4"
    );
    all(connection, &sql, (subject.as_str(), highest, millis(now), limit), rows::stored_grant)
}

pub(super) fn scan(
    connection: &Connection,
    table: Table,
    after: Option<OrderedId>,
    limit: u32,
) -> Result<Vec<Scanned>> {
    let behind = (after.map_or(-1, bits), limit);
    let page = |table| format!("{} WHERE t.id > ?1 ORDER BY t.id LIMIT ?2", joined(table));
    match table {
        Table::Grants => {
            let sql = format!("SELECT {GRANT} FROM oauth_grant g WHERE g.id > ?1 ORDER BY g.id LIMIT ?2");
            all(connection, &sql, behind, rows::scanned_grant)
        }
        Table::Codes => all(connection, &page("oauth_code"), behind, rows::scanned_code),
        Table::AccessTokens => all(connection, &page("oauth_access_token"), behind, rows::scanned_access),
        Table::RefreshTokens => all(connection, &page("oauth_refresh_token"), behind, rows::scanned_refresh),
    }
}
