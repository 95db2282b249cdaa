//! Withdrawals.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _, SqlStr};

use super::Database;
use super::decide::subject_key;
use super::failure::failed;
use super::text::Statements;
use super::together::{Steps, Together};
use crate::storage::sql::bits;
use crate::storage::{Owner, RevokeAccess, RevokeGrant, RevokeGrants, Revoked, StorageError};

/// How many rows of an owner one statement ends, so that none takes too long.
const AT_ONCE: i64 = 4096;

pub(super) const ACCESS: &str = "
WITH gone AS (DELETE FROM {}.access_token WHERE id = $1 RETURNING id)
SELECT id, {tell} FROM gone";

pub(super) const GRANT: &str = "
WITH theirs AS (
    SELECT g.id, g.revoked, g.subject_key, g.subject, g.client
    FROM {}.grants g WHERE g.id = $1 AND {owner}
    FOR UPDATE
), revoked_now AS (
    UPDATE {}.grants g SET revoked = true
    FROM theirs t WHERE g.id = t.id AND NOT t.revoked
), forgotten AS (
    DELETE FROM {}.consent WHERE key IN (
        SELECT c.key FROM {}.consent c
        JOIN theirs t ON c.subject_key = t.subject_key AND c.subject = t.subject AND c.client = t.client
        ORDER BY c.key
        FOR UPDATE OF c
    )
)
SELECT revoked, {tell} FROM theirs";

/// In the order of the ids, as exchanges lock them. Those that come now are not for this operation.
pub(super) const GRANTS: &str = "
WITH theirs AS (
    SELECT g.id FROM {}.grants g
    WHERE {owner} AND NOT g.revoked AND g.id > $1
    ORDER BY g.id LIMIT $2
    FOR UPDATE
), ended AS (
    UPDATE {}.grants g SET revoked = true FROM theirs t WHERE g.id = t.id AND NOT g.revoked RETURNING g.id
)
SELECT count(*), max(id), max({tell})
FROM (SELECT id, count(*) OVER () AS size, row_number() OVER () AS place FROM ended) AS e";

/// A few grants are told one by one; for more, anything may have changed.
pub(super) const TOLD: &str = "size <= 64 OR place = 1";
pub(super) const TELL: &str = "CASE WHEN size <= 64 THEN 'g' || id ELSE '*' END";

pub(super) const CONSENTS: &str = "
WITH theirs AS (
    SELECT c.key FROM {}.consent c WHERE {owner} ORDER BY c.key LIMIT $1 FOR UPDATE
), forgotten AS (
    DELETE FROM {}.consent c USING theirs t WHERE c.key = t.key RETURNING c.key
)
SELECT count(*) FROM forgotten";

/// Statements about what belongs to a user or to a client.
pub(super) struct ByOwner {
    user: SqlStr,
    client: SqlStr,
}

impl ByOwner {
    /// `first` is the number of the first value by which a statement knows the owner.
    pub(super) fn new(first: u8, statement: impl Fn(&str) -> SqlStr) -> Self {
        Self {
            user: statement(&format!("subject_key = ${first} AND subject = ${}", first + 1)),
            client: statement(&format!("client = ${first}")),
        }
    }
}

fn of_owner<'q>(
    query: impl Fn(&SqlStr) -> Query<'q, Postgres, PgArguments>,
    texts: &ByOwner,
    owner: &'q Owner,
) -> Query<'q, Postgres, PgArguments> {
    match owner {
        Owner::User(subject) => {
            query(&texts.user).bind(subject_key(subject).to_vec()).bind(subject.as_str().as_bytes())
        }
        Owner::Client(client) => query(&texts.client).bind(client.as_str()),
    }
}

/// Ends all grants of an owner and forgets the consent that goes with them; how many grants it ended.
pub(super) async fn end_access(
    statements: &Statements,
    steps: &mut Steps<'_>,
    owner: &Owner,
) -> Result<u32, sqlx::Error> {
    let (mut all, mut after) = (0, -1);
    loop {
        let query = |text: &SqlStr| sqlx::query(text.clone()).bind(after).bind(AT_ONCE);
        let rows = steps.rows(of_owner(query, &statements.revoke_grants, owner)).await?;
        let (ended, last) = ended(&rows)?;
        all += ended;
        match last {
            Some(last) if ended >= AT_ONCE => after = last,
            _ => break,
        }
    }
    // Afterwards: what a grant that is made at this moment relies on may go, and its user is asked again.
    forget_consents(statements, steps, owner).await?;
    Ok(u32::try_from(all).unwrap_or(u32::MAX))
}

pub(super) async fn forget_consents(
    statements: &Statements,
    steps: &mut Steps<'_>,
    owner: &Owner,
) -> Result<(), sqlx::Error> {
    loop {
        let query = |text: &SqlStr| sqlx::query(text.clone()).bind(AT_ONCE);
        let rows = steps.rows(of_owner(query, &statements.forget_consents, owner)).await?;
        let forgotten: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        if forgotten < AT_ONCE {
            return Ok(());
        }
    }
}

fn ended(rows: &[PgRow]) -> Result<(i64, Option<i64>), sqlx::Error> {
    rows.first().map_or(Ok((0, None)), |row| Ok((row.try_get(0)?, row.try_get(1)?)))
}

impl Together for RevokeGrants {
    type Outcome = u32;

    async fn run(&self, statements: &Statements, steps: &mut Steps<'_>) -> Result<Option<u32>, sqlx::Error> {
        end_access(statements, steps, &self.owner).await.map(Some)
    }
}

impl Database {
    pub(super) async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        let rows = self.write(|| sqlx::query(self.statements.revoke_access.clone()).bind(bits(op.token))).await?;
        Ok(if rows.is_empty() { Revoked::Unknown } else { Revoked::Now })
    }

    pub(super) async fn revoke_grant(&self, op: &RevokeGrant) -> Result<Revoked, StorageError> {
        let grant = bits(op.grant);
        let rows = match &op.owner {
            Owner::User(subject) => {
                let (text, owner) = (&self.statements.revoke_by_user, subject.as_str().as_bytes());
                self.write(|| sqlx::query(text.clone()).bind(grant).bind(owner)).await?
            }
            Owner::Client(client) => {
                let (text, owner) = (&self.statements.revoke_by_client, client.as_str());
                self.write(|| sqlx::query(text.clone()).bind(grant).bind(owner)).await?
            }
        };
        let Some(row) = rows.first() else { return Ok(Revoked::Unknown) };
        let was_revoked: bool = row.try_get(0).map_err(failed)?;
        Ok(if was_revoked { Revoked::Already } else { Revoked::Now })
    }
}
