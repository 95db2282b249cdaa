//! How records are written in rows and read back.

use std::error::Error;
use std::sync::Arc;

use grantor::protocol::client::{Client, Tenure};
use grantor::protocol::grant::{AccessRecord, CodeRecord, Grant, Holder, RefreshRecord, Rotation};
use grantor::protocol::interaction::Consent;
use grantor::protocol::pkce::CodeChallenge;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::protocol::redirect::RedirectUri;
use grantor::protocol::resource::ResourceId;
use grantor::protocol::secret::SecretHash;
use grantor::storage::{Row as Shown, Scanned, StoredAccess, StoredCode, StoredGrant, StoredRefresh};
use grantor::{ClientId, OrderedId, ScopeSet, Subject, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Result, Row};

/// The columns of a grant that is joined as `g`.
pub(super) const GRANT: &str = "g.id AS grant_id, g.subject, g.client, g.scopes AS grant_scopes, g.resources, \
     g.created_at, g.expires_at AS grant_expires_at, g.revoked";

/// The columns of a client.
pub(super) const CLIENT: &str = "data, revision, keep_until, granted";

/// An id has 63 bits, so that it fits and is in order.
pub(super) const fn bits(id: OrderedId) -> i64 {
    id.to_bits().cast_signed()
}

/// The end of time is the end of 64 bits.
pub(super) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Ids have no space in them.
pub(super) fn joined(resources: &[ResourceId]) -> String {
    resources.iter().map(ResourceId::as_str).collect::<Vec<_>>().join(" ")
}

fn unreadable(why: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, why.into())
}

fn maybe_id(row: &Row<'_>, column: &str) -> Result<Option<OrderedId>> {
    let bits: Option<i64> = row.get(column)?;
    bits.map(|bits| OrderedId::from_bits(bits.cast_unsigned()).ok_or_else(|| unreadable("a negative id"))).transpose()
}

pub(super) fn id(row: &Row<'_>, column: &str) -> Result<OrderedId> {
    maybe_id(row, column)?.ok_or_else(|| unreadable("no id"))
}

pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    let millis: i64 = row.get(column)?;
    u64::try_from(millis).map(Timestamp::from_millis).map_err(unreadable)
}

/// A text that has a type of its own.
fn text<T, E>(row: &Row<'_>, column: &str, read: impl FnOnce(&str) -> std::result::Result<T, E>) -> Result<T>
where
    E: Error + Send + Sync + 'static,
{
    read(row.get_ref(column)?.as_str()?).map_err(unreadable)
}

fn hash(row: &Row<'_>) -> Result<SecretHash> {
    row.get("hash").map(SecretHash::from_bytes)
}

pub(super) fn scopes(row: &Row<'_>, column: &str) -> Result<ScopeSet> {
    text(row, column, ScopeSet::from_stored)
}

fn resources(row: &Row<'_>) -> Result<Vec<ResourceId>> {
    text(row, "resources", |all| all.split(' ').filter(|uri| !uri.is_empty()).map(ResourceId::parse).collect())
}

/// The revision, and how long it stays, are columns of their own, which count.
pub(super) fn client(row: &Row<'_>) -> Result<Arc<Client>> {
    let client: Client = text(row, "data", |data| serde_json::from_str(data))?;
    let tenure = match row.get_ref("keep_until")?.as_i64_or_null()? {
        Some(_) => Some(Tenure { until: time(row, "keep_until")?, granted: row.get("granted")? }),
        None => None,
    };
    Ok(Arc::new(Client { revision: row.get("revision")?, tenure, ..client }))
}

pub(super) fn policy(row: &Row<'_>) -> Result<Arc<PolicyRecords>> {
    let records: PolicyRecords = text(row, "data", |data| serde_json::from_str(data))?;
    Ok(Arc::new(PolicyRecords { revision: row.get("revision")?, ..records }))
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn consent(row: &Row<'_>) -> Result<Consent> {
    Ok(Consent {
        subject: Subject::new(row.get_ref("subject")?.as_str()?),
        client: text(row, "client", ClientId::parse)?,
        redirect_uri: text(row, "redirect_uri", RedirectUri::parse)?,
        resources: resources(row)?,
        scopes: scopes(row, "scopes")?,
    })
}

fn grant(row: &Row<'_>) -> Result<Arc<Grant>> {
    let holder = match row.get_ref("subject")?.as_str_or_null()? {
        Some(subject) => Holder::User(Subject::new(subject)),
        None => Holder::Client,
    };
    Ok(Arc::new(Grant {
        id: id(row, "grant_id")?,
        holder,
        client: text(row, "client", ClientId::parse)?,
        scopes: scopes(row, "grant_scopes")?,
        resources: resources(row)?.into(),
        created_at: time(row, "created_at")?,
    }))
}

pub(super) fn stored_grant(row: &Row<'_>) -> Result<StoredGrant> {
    Ok(StoredGrant { grant: grant(row)?, expires_at: time(row, "grant_expires_at")? })
}

fn code_record(row: &Row<'_>) -> Result<CodeRecord> {
    Ok(CodeRecord {
        id: id(row, "id")?,
        hash: hash(row)?,
        grant: id(row, "grant_id")?,
        redirect_uri: row.get("redirect_uri")?,
        challenge: CodeChallenge::from_bytes(row.get("challenge")?),
        expires_at: time(row, "expires_at")?,
    })
}

pub(super) fn code(row: &Row<'_>) -> Result<StoredCode> {
    let (redeemed, revoked) = (row.get("redeemed")?, row.get("revoked")?);
    Ok(StoredCode { code: code_record(row)?, redeemed, grant: grant(row)?, revoked })
}

fn access_record(row: &Row<'_>) -> Result<AccessRecord> {
    Ok(AccessRecord {
        id: id(row, "id")?,
        hash: hash(row)?,
        grant: id(row, "grant_id")?,
        scopes: scopes(row, "scopes")?,
        resource: text(row, "resource", ResourceId::parse)?,
        issued_at: time(row, "issued_at")?,
        expires_at: time(row, "expires_at")?,
    })
}

pub(super) fn access_token(row: &Row<'_>) -> Result<StoredAccess> {
    Ok(StoredAccess { token: access_record(row)?, grant: grant(row)?, revoked: row.get("revoked")? })
}

fn refresh_record(row: &Row<'_>) -> Result<RefreshRecord> {
    let (grant, expires_at) = (id(row, "grant_id")?, time(row, "expires_at")?);
    Ok(RefreshRecord { id: id(row, "id")?, hash: hash(row)?, grant, expires_at })
}

/// There is a successor if the token was used.
pub(super) fn rotation(row: &Row<'_>) -> Result<Option<Rotation>> {
    let Some(successor) = maybe_id(row, "successor")? else { return Ok(None) };
    let answer: Option<Vec<u8>> = row.get("answer")?;
    Ok(Some(Rotation { successor, answer: answer.map(Arc::from), grace_until: time(row, "grace_until")? }))
}

pub(super) fn refresh_token(row: &Row<'_>) -> Result<StoredRefresh> {
    let (rotation, revoked) = (rotation(row)?, row.get("revoked")?);
    Ok(StoredRefresh { token: refresh_record(row)?, rotation, grant: grant(row)?, revoked })
}

fn scanned(row: &Row<'_>, shown: Shown) -> Result<Scanned> {
    let (grant_expires_at, revoked) = (time(row, "grant_expires_at")?, row.get("revoked")?);
    Ok(Scanned { row: shown, grant: grant(row)?, grant_expires_at, revoked })
}

pub(super) fn scanned_grant(row: &Row<'_>) -> Result<Scanned> {
    scanned(row, Shown::Grant)
}

pub(super) fn scanned_code(row: &Row<'_>) -> Result<Scanned> {
    scanned(row, Shown::Code { code: code_record(row)?, redeemed: row.get("redeemed")? })
}

pub(super) fn scanned_access(row: &Row<'_>) -> Result<Scanned> {
    scanned(row, Shown::Access(access_record(row)?))
}

pub(super) fn scanned_refresh(row: &Row<'_>) -> Result<Scanned> {
    let (rotation, predecessor) = (rotation(row)?, maybe_id(row, "predecessor")?);
    scanned(row, Shown::Refresh { token: refresh_record(row)?, rotation, predecessor })
}
