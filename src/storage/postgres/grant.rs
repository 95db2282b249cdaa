//! Grants of clients' own.

use std::collections::VecDeque;

use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::batch::{Answer, Call, Queues, Shared, by_number, numbers};
use super::redeem::column;
use super::text::Statements;
use crate::storage::sql::{bits, millis, resources_text};
use crate::storage::{GrantClient, Granted};

/// The clients stay as they are until the grants exist.
pub(super) const SQL: &str = "
WITH op AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
        $8::text[], $9::bigint[], $10::bytea[], $11::text[], $12::text[], $13::bigint[], $14::bigint[])
        AS o (n, client, revision, grant_id, created_at, grant_client, granted, resources,
            access, access_hash, scopes, resource, issued_at, access_end)
    WHERE n BETWEEN 0 AND 9223372036854775807
), unchanged AS (
    SELECT o.*
    FROM op o JOIN {}.client c ON c.id = o.client
    WHERE c.revision = o.revision
    ORDER BY c.id
    FOR SHARE OF c
), grant_added AS (
    INSERT INTO {}.grants (id, expires_at, created_at, revoked, client, scopes, resources)
    SELECT grant_id, access_end, created_at, false, grant_client, granted, resources
    FROM unchanged
), access_added AS (
    INSERT INTO {}.access_token (id, grant_id, expires_at, issued_at, hash, scopes, resource)
    SELECT access, grant_id, access_end, issued_at, access_hash,
        nullif(scopes, granted), nullif(resource, split_part(resources, ' ', 1))
    FROM unchanged
)
SELECT n FROM unchanged";

impl Shared for GrantClient {
    type Outcome = Granted;
    const KIND: usize = 4;
    const MOST: usize = 64;
    const COLLISION: Granted = Granted::Collision;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>> {
        &mut queues.grant
    }

    fn touches(&self) -> [u64; 2] {
        [self.grant.id.to_bits(); 2]
    }

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments> {
        let grants = sqlx::query(statements.grant.clone())
            .bind(numbers(ops))
            .bind(column(ops, |op| op.client.as_str()))
            .bind(column(ops, |op| i64::from(op.client_revision)))
            .bind(column(ops, |op| bits(op.grant.id)))
            .bind(column(ops, |op| millis(op.grant.created_at)))
            .bind(column(ops, |op| op.grant.client.as_str()))
            .bind(column(ops, |op| op.grant.scopes.as_str()))
            .bind(column(ops, |op| resources_text(&op.grant.resources)));
        grants
            .bind(column(ops, |op| bits(op.access.id)))
            .bind(column(ops, |op| &op.access.hash.as_bytes()[..]))
            .bind(column(ops, |op| op.access.scopes.as_str()))
            .bind(column(ops, |op| op.access.resource.as_str()))
            .bind(column(ops, |op| millis(op.access.issued_at)))
            .bind(column(ops, |op| millis(op.access.expires_at)))
    }

    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Granted>> {
        by_number(ops.len(), rows, || Granted::ClientChanged, |_| Ok(Some(Granted::Now)))
    }
}
