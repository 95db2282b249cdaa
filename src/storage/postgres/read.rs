//! Look-ups and lists.

use std::sync::Arc;

use sqlx::SqlStr;
use sqlx::postgres::PgRow;

use super::Database;
use super::decide::subject_key;
use super::row::{Columns, Held};
use super::text::Texts;
use crate::protocol::client::{Client, ClientId, Tenure};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::sql::{bits, client, millis, time};
use crate::storage::{Row, Scanned, StorageError, StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table};

/// A client, as [`stored_client`] reads it.
const CLIENT: &str = "data, revision, keep_until, granted";
/// A grant, as [`Columns::grant`] reads it.
const GRANT: &str = "g.id, g.revoked, g.expires_at, g.created_at, g.subject, g.client, g.scopes, g.resources";
/// What comes behind it, as [`Columns`] reads it.
const CODE: &str = "t.id, t.expires_at, t.uses, t.hash, t.challenge, t.redirect_uri";
const ACCESS: &str = "t.id, t.expires_at, t.issued_at, t.hash, t.scopes, t.resource";
const REFRESH: &str = "t.id, t.expires_at, t.hash, t.successor, t.grace_until, t.answer, t.predecessor";

pub(super) struct Statements {
    client: SqlStr,
    clients: SqlStr,
    code: SqlStr,
    access: SqlStr,
    refresh: SqlStr,
    consents: SqlStr,
    grants: SqlStr,
    scan_grants: SqlStr,
    scan_codes: SqlStr,
    scan_access: SqlStr,
    scan_refresh: SqlStr,
}

impl Statements {
    pub(super) fn new(texts: &Texts) -> Self {
        let joined = |table, columns, rest| {
            let template =
                format!("SELECT {GRANT}, {columns} FROM {{}}.{table} t JOIN {{}}.grants g ON g.id = t.grant_id {rest}");
            texts.text(&template)
        };
        let look_up = |table, columns| joined(table, columns, "WHERE t.id = $1");
        let scan = |table, columns| joined(table, columns, "WHERE t.id > $1 ORDER BY t.id LIMIT $2");
        let grants = |rest| texts.text(&format!("SELECT {GRANT} FROM {{}}.grants g WHERE {rest}"));
        Self {
            client: texts.text(&format!("SELECT {CLIENT} FROM {{}}.client WHERE id = $1")),
            clients: texts.text(&format!("SELECT {CLIENT} FROM {{}}.client WHERE id > $1 ORDER BY id LIMIT $2")),
            code: look_up("code", CODE),
            access: look_up("access_token", ACCESS),
            refresh: look_up("refresh_token", REFRESH),
            consents: texts.text(
                "SELECT redirect_uri, resources, scopes FROM {}.consent
                WHERE subject_key = $1 AND subject = $2 AND client = $3 ORDER BY key",
            ),
            grants: grants(
                "subject_key = $1 AND subject = $2 AND id <= $3 AND NOT revoked AND expires_at > $4
                ORDER BY id DESC LIMIT $5",
            ),
            scan_grants: grants("id > $1 ORDER BY id LIMIT $2"),
            scan_codes: scan("code", CODE),
            scan_access: scan("access_token", ACCESS),
            scan_refresh: scan("refresh_token", REFRESH),
        }
    }
}

impl Database {
    async fn row(&self, text: &SqlStr, id: OrderedId) -> Result<Option<PgRow>, StorageError> {
        let rows = self.read(|| sqlx::query(text.clone()).bind(bits(id))).await?;
        Ok(rows.into_iter().next())
    }

    pub(super) async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let rows = self.read(|| sqlx::query(self.statements.reads.client.clone()).bind(id.as_str())).await?;
        rows.first().map(stored_client).transpose()
    }

    pub(super) async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        // No id is empty.
        let after = after.map_or("", ClientId::as_str);
        let text = &self.statements.reads.clients;
        let rows = self.read(|| sqlx::query(text.clone()).bind(after).bind(i64::from(limit))).await?;
        rows.iter().map(stored_client).collect()
    }

    pub(super) async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        let row = self.row(&self.statements.reads.code, id).await?;
        row.map(|row| {
            let mut columns = Columns::of(&row);
            let Held { grant, revoked, .. } = columns.grant()?;
            let (code, redeemed) = columns.code(grant.id)?;
            Ok(StoredCode { code, redeemed, grant, revoked })
        })
        .transpose()
    }

    pub(super) async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        let row = self.row(&self.statements.reads.access, id).await?;
        row.map(|row| {
            let mut columns = Columns::of(&row);
            let Held { grant, revoked, .. } = columns.grant()?;
            Ok(StoredAccess { token: columns.access(&grant)?, grant, revoked })
        })
        .transpose()
    }

    pub(super) async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        let row = self.row(&self.statements.reads.refresh, id).await?;
        row.map(|row| {
            let mut columns = Columns::of(&row);
            let Held { grant, revoked, .. } = columns.grant()?;
            let (token, rotation, _) = columns.refresh(grant.id)?;
            Ok(StoredRefresh { token, rotation, grant, revoked })
        })
        .transpose()
    }

    pub(super) async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        let (text, key) = (&self.statements.reads.consents, subject_key(subject));
        let query = || sqlx::query(text.clone()).bind(&key[..]).bind(subject.as_str().as_bytes()).bind(client.as_str());
        let rows = self.read(query).await?;
        rows.iter().map(|row| Columns::of(row).consent(subject, client)).collect()
    }

    pub(super) async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        let (text, key) = (&self.statements.reads.grants, subject_key(subject));
        let last = before.map_or(i64::MAX, |before| bits(before) - 1);
        let query = || {
            sqlx::query(text.clone())
                .bind(&key[..])
                .bind(subject.as_str().as_bytes())
                .bind(last)
                .bind(millis(now))
                .bind(i64::from(limit))
        };
        let rows = self.read(query).await?;
        rows.iter()
            .map(|row| {
                let Held { grant, expires_at, .. } = Columns::of(row).grant()?;
                Ok(StoredGrant { grant, expires_at })
            })
            .collect()
    }

    pub(super) async fn scan(
        &self,
        table: Table,
        after: Option<OrderedId>,
        limit: u32,
    ) -> Result<Vec<Scanned>, StorageError> {
        let reads = &self.statements.reads;
        let text = match table {
            Table::Grants => &reads.scan_grants,
            Table::Codes => &reads.scan_codes,
            Table::AccessTokens => &reads.scan_access,
            Table::RefreshTokens => &reads.scan_refresh,
        };
        let after = after.map_or(-1, bits);
        let rows = self.read(|| sqlx::query(text.clone()).bind(after).bind(i64::from(limit))).await?;
        rows.iter().map(|row| scanned(table, row)).collect()
    }
}

fn stored_client(row: &PgRow) -> Result<Arc<Client>, StorageError> {
    let mut columns = Columns::of(row);
    let client = client(columns.next()?, columns.next()?)?;
    let (until, granted): (Option<i64>, bool) = (columns.next()?, columns.next()?);
    let tenure = until.map(|until| Tenure { until: time(until), granted });
    Ok(Arc::new(Client { tenure, ..client }))
}

fn scanned(table: Table, row: &PgRow) -> Result<Scanned, StorageError> {
    let mut columns = Columns::of(row);
    let Held { grant, expires_at, revoked } = columns.grant()?;
    let row = match table {
        Table::Grants => Row::Grant,
        Table::Codes => {
            let (code, redeemed) = columns.code(grant.id)?;
            Row::Code { code, redeemed }
        }
        Table::AccessTokens => Row::Access(columns.access(&grant)?),
        Table::RefreshTokens => {
            let (token, rotation, predecessor) = columns.refresh(grant.id)?;
            Row::Refresh { token, rotation, predecessor }
        }
    };
    Ok(Scanned { row, grant, grant_expires_at: expires_at, revoked })
}
