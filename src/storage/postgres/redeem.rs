//! Exchanges of codes.

use std::collections::VecDeque;

use sqlx::Postgres;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::batch::{Answer, Call, Queues, Shared, by_number, numbers};
use super::failure::failed;
use super::text::Statements;
use crate::storage::sql::{bits, millis};
use crate::storage::{RedeemCode, Redeemed};

/// Grants are locked first, in the order of their ids, so that operations wait for each other in one
/// direction. A statement that had to wait sees what it waited for only in the rows that it locks or
/// updates, so the code is updated whenever it is alive, and its counter tells a first use from a replay.
///
/// The range of ids makes planners expect one row, and so look each up by its key whatever they know of
/// the tables.
pub(super) const SQL: &str = "
WITH op AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::bigint[], $14::bigint[])
        AS o (n, grant_id, code, access, access_hash, scopes, resource,
            issued_at, access_end, refresh, refresh_hash, refresh_end, grant_end, now)
    WHERE grant_id BETWEEN 0 AND 9223372036854775807
), live AS (
    SELECT o.*, g.scopes AS granted, g.resources
    FROM op o JOIN {}.grants g ON g.id = o.grant_id
    WHERE NOT g.revoked
    ORDER BY g.id
    FOR UPDATE OF g
), used AS (
    UPDATE {}.code c SET uses = c.uses + 1
    FROM live l
    WHERE c.id = l.code AND c.grant_id = l.grant_id AND (c.uses > 0 OR c.expires_at > l.now)
    RETURNING l.*, c.uses
), access_added AS (
    INSERT INTO {}.access_token (id, grant_id, expires_at, issued_at, hash, scopes, resource)
    SELECT access, grant_id, access_end, issued_at, access_hash,
        nullif(scopes, granted), nullif(resource, split_part(resources, ' ', 1))
    FROM used WHERE uses = 1
), refresh_added AS (
    INSERT INTO {}.refresh_token (id, grant_id, expires_at, uses, hash)
    SELECT refresh, grant_id, refresh_end, 0, refresh_hash
    FROM used WHERE uses = 1 AND refresh IS NOT NULL
), grant_changed AS (
    UPDATE {}.grants g SET
        revoked = u.uses > 1,
        expires_at = CASE WHEN u.uses = 1 THEN greatest(g.expires_at, u.grant_end) ELSE g.expires_at END
    FROM used u
    WHERE g.id = u.grant_id
)
SELECT n, uses, {tell} FROM used";

impl Shared for RedeemCode {
    type Outcome = Redeemed;
    const KIND: usize = 1;
    /// So that the server works on some while others are sent and answered.
    const MOST: usize = 32;
    const COLLISION: Redeemed = Redeemed::Collision;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>> {
        &mut queues.redeem
    }

    fn touches(&self) -> [u64; 2] {
        [self.access.grant.to_bits(), self.code.to_bits()]
    }

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments> {
        let refresh = || ops.iter().map(|op| op.refresh.as_ref());
        sqlx::query(statements.redeem.clone())
            .bind(numbers(ops))
            .bind(column(ops, |op| bits(op.access.grant)))
            .bind(column(ops, |op| bits(op.code)))
            .bind(column(ops, |op| bits(op.access.id)))
            .bind(column(ops, |op| &op.access.hash.as_bytes()[..]))
            .bind(column(ops, |op| op.access.scopes.as_str()))
            .bind(column(ops, |op| op.access.resource.as_str()))
            .bind(column(ops, |op| millis(op.access.issued_at)))
            .bind(column(ops, |op| millis(op.access.expires_at)))
            .bind(refresh().map(|refresh| refresh.map(|token| bits(token.id))).collect::<Vec<_>>())
            .bind(refresh().map(|refresh| refresh.map(|token| &token.hash.as_bytes()[..])).collect::<Vec<_>>())
            .bind(refresh().map(|refresh| refresh.map(|token| millis(token.expires_at))).collect::<Vec<_>>())
            .bind(column(ops, |op| millis(op.grant_expires_at)))
            .bind(column(ops, |op| millis(op.now)))
    }

    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Redeemed>> {
        by_number(
            ops.len(),
            rows,
            || Redeemed::Gone,
            |row| {
                let uses: i32 = row.try_get(1).map_err(failed)?;
                Ok(Some(if uses == 1 { Redeemed::First } else { Redeemed::Replayed }))
            },
        )
    }
}

/// One value of each operation.
pub(super) fn column<'q, K, T>(ops: &[&'q K], value: impl Fn(&'q K) -> T) -> Vec<T> {
    ops.iter().map(|op| value(op)).collect()
}
