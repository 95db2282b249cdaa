//! Look-ups and lists.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::error::Failure;
use super::rows::{Reader, access_columns, code_columns, grant_columns, refresh_columns};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::redirect::RedirectUri;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Row, Scanned, StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, sql};

/// The one row of a look-up, if there is one.
pub(super) fn one<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(statement)?;
    let found = statement.query_row(parameters, |row| Ok(read(&mut Reader::new(row)))).optional()?;
    found.transpose()
}

/// All rows of a list.
pub(super) fn all<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&mut Reader::new(row))?);
    }
    Ok(found)
}

fn read_client(row: &mut Reader<'_>) -> Result<Arc<Client>, Failure> {
    Ok(Arc::new(row.client()?))
}

pub(super) fn client(connection: &Connection, id: &ClientId) -> Result<Option<Arc<Client>>, Failure> {
    let statement = "SELECT data, revision, keep_until, granted FROM client WHERE id = ?1";
    one(connection, statement, [id.as_str()], read_client)
}

pub(super) fn clients(
    connection: &Connection,
    after: Option<&ClientId>,
    limit: u32,
) -> Result<Vec<Arc<Client>>, Failure> {
    // No id is empty.
    let after = after.map_or("", ClientId::as_str);
    let statement = "SELECT data, revision, keep_until, granted FROM client WHERE id > ?1 ORDER BY id LIMIT ?2";
    all(connection, statement, params![after, limit], read_client)
}

pub(super) fn code(connection: &Connection, id: OrderedId) -> Result<Option<StoredCode>, Failure> {
    let statement = concat!(
        "SELECT ",
        grant_columns!(),
        ", ",
        code_columns!(),
        " FROM code t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1"
    );
    one(connection, statement, [sql::bits(id)], |row| {
        let state = row.grant()?;
        let (code, redeemed) = row.code(state.grant.id)?;
        Ok(StoredCode { code, redeemed, grant: state.grant, revoked: state.revoked })
    })
}

pub(super) fn access_token(connection: &Connection, id: OrderedId) -> Result<Option<StoredAccess>, Failure> {
    let statement = concat!(
        "SELECT ",
        grant_columns!(),
        ", ",
        access_columns!(),
        " FROM access_token t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1"
    );
    one(connection, statement, [sql::bits(id)], |row| {
        let state = row.grant()?;
        let token = row.access(&state.grant)?;
        Ok(StoredAccess { token, grant: state.grant, revoked: state.revoked })
    })
}

pub(super) fn refresh_token(connection: &Connection, id: OrderedId) -> Result<Option<StoredRefresh>, Failure> {
    let statement = concat!(
        "SELECT ",
        grant_columns!(),
        ", ",
        refresh_columns!(),
        " FROM refresh_token t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1"
    );
    one(connection, statement, [sql::bits(id)], |row| {
        let state = row.grant()?;
        let (token, _, rotation) = row.refresh(state.grant.id)?;
        Ok(StoredRefresh { token, rotation, grant: state.grant, revoked: state.revoked })
    })
}

pub(super) fn grants(
    connection: &Connection,
    subject: &Subject,
    before: Option<OrderedId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<StoredGrant>, Failure> {
    let statement = concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants g WHERE subject = ?1 AND (?2 IS NULL OR id < ?2) AND NOT revoked AND expires_at > ?3",
        " ORDER BY id DESC LIMIT ?4"
    );
    let parameters = params![subject.as_str(), before.map(sql::bits), sql::millis(now), limit];
    all(connection, statement, parameters, |row| {
        let state = row.grant()?;
        Ok(StoredGrant { grant: state.grant, expires_at: state.expires_at })
    })
}

pub(super) fn consents(connection: &Connection, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, Failure> {
    let owner = sql::digest(&[subject.as_str(), client.as_str()]);
    let statement = "SELECT redirect_uri, resources, scopes FROM consent WHERE owner = ?1 ORDER BY key";
    all(connection, statement, [&owner[..]], |row| {
        let redirect_uri = RedirectUri::parse(row.text()?).map_err(|error| sql::corrupt(error.to_string()))?;
        let (resources, scopes) = (sql::resources(row.text()?), row.scopes()?);
        Ok(Consent { subject: subject.clone(), client: client.clone(), redirect_uri, resources, scopes })
    })
}

pub(super) fn scan(
    connection: &Connection,
    table: Table,
    after: Option<OrderedId>,
    limit: u32,
) -> Result<Vec<Scanned>, Failure> {
    macro_rules! page {
        ($columns:expr, $from:literal) => {
            concat!("SELECT ", grant_columns!(), $columns, " FROM ", $from, " t JOIN grants g ON g.id = t.grant_id ")
        };
    }
    let select = match table {
        Table::Grants => concat!("SELECT ", grant_columns!(), " FROM grants g JOIN grants t ON t.id = g.id "),
        Table::Codes => page!(concat!(", ", code_columns!()), "code"),
        Table::AccessTokens => page!(concat!(", ", access_columns!()), "access_token"),
        Table::RefreshTokens => page!(concat!(", ", refresh_columns!()), "refresh_token"),
    };
    let statement = format!("{select} WHERE t.id > ?1 ORDER BY t.id LIMIT ?2");
    all(connection, &statement, params![after.map_or(-1, sql::bits), limit], |row| {
        let state = row.grant()?;
        let shown = match table {
            Table::Grants => Row::Grant,
            Table::Codes => {
                let (code, redeemed) = row.code(state.grant.id)?;
                Row::Code { code, redeemed }
            }
            Table::AccessTokens => Row::Access(row.access(&state.grant)?),
            Table::RefreshTokens => {
                let (token, predecessor, rotation) = row.refresh(state.grant.id)?;
                Row::Refresh { token, rotation, predecessor }
            }
        };
        let (grant_expires_at, revoked) = (state.expires_at, state.revoked);
        Ok(Scanned { row: shown, grant: state.grant, grant_expires_at, revoked })
    })
}
