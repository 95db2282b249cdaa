//! Access tokens for grants that are live.

use std::collections::VecDeque;

use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::batch::{Answer, Call, Queues, Shared, by_number, numbers};
use super::redeem::column;
use super::text::Statements;
use crate::storage::sql::{bits, millis};
use crate::storage::{IssueAccess, Issued};

pub(super) const SQL: &str = "
WITH op AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[], $6::text[],
        $7::bigint[], $8::bigint[], $9::bigint[])
        AS o (n, grant_id, access, access_hash, scopes, resource, issued_at, access_end, now)
    WHERE grant_id BETWEEN 0 AND 9223372036854775807
), live AS (
    SELECT o.*, g.scopes AS granted, g.resources, g.expires_at
    FROM op o JOIN {}.grants g ON g.id = o.grant_id
    WHERE NOT g.revoked AND g.expires_at > o.now
    ORDER BY g.id
    FOR UPDATE OF g
), access_added AS (
    INSERT INTO {}.access_token (id, grant_id, expires_at, issued_at, hash, scopes, resource)
    SELECT access, grant_id, access_end, issued_at, access_hash,
        nullif(scopes, granted), nullif(resource, split_part(resources, ' ', 1))
    FROM live
), grant_changed AS (
    UPDATE {}.grants g SET expires_at = l.access_end
    FROM live l
    WHERE g.id = l.grant_id AND g.expires_at < l.access_end
)
SELECT n FROM live";

impl Shared for IssueAccess {
    type Outcome = Issued;
    const KIND: usize = 3;
    const MOST: usize = 64;
    const COLLISION: Issued = Issued::Collision;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>> {
        &mut queues.issue
    }

    fn touches(&self) -> [u64; 2] {
        [self.access.grant.to_bits(); 2]
    }

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(statements.issue.clone())
            .bind(numbers(ops))
            .bind(column(ops, |op| bits(op.access.grant)))
            .bind(column(ops, |op| bits(op.access.id)))
            .bind(column(ops, |op| &op.access.hash.as_bytes()[..]))
            .bind(column(ops, |op| op.access.scopes.as_str()))
            .bind(column(ops, |op| op.access.resource.as_str()))
            .bind(column(ops, |op| millis(op.access.issued_at)))
            .bind(column(ops, |op| millis(op.access.expires_at)))
            .bind(column(ops, |op| millis(op.now)))
    }

    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Issued>> {
        by_number(ops.len(), rows, || Issued::Gone, |_| Ok(Some(Issued::Now)))
    }
}
