//! Uses of refresh tokens.

use std::collections::VecDeque;
use std::sync::Arc;

use sqlx::Postgres;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::batch::{Answer, Call, Queues, Shared, by_number, numbers};
use super::failure::failed;
use super::redeem::column;
use super::text::Statements;
use crate::protocol::grant::Rotation;
use crate::storage::sql::{bits, id, millis, time};
use crate::storage::{RotateRefresh, Rotated, StorageError};

/// A token that was used before and whose answer is not to be given again.
pub(super) const REUSED: &str = "uses > 1 AND (kept_answer IS NULL OR kept_grace <= now)";

/// As for exchanges of codes. The answer is kept in the row of the token itself: a row of its own could
/// not be seen by a statement that had to wait for the first use.
pub(super) const SQL: &str = "
WITH op AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::bytea[], $14::bigint[],
        $15::bigint[], $16::bigint[])
        AS o (n, grant_id, presented, access, access_hash, scopes, resource,
            issued_at, access_end, successor, successor_hash, successor_end, answer, grace_until, grant_end, now)
    WHERE grant_id BETWEEN 0 AND 9223372036854775807
), live AS (
    SELECT o.*, g.scopes AS granted, g.resources
    FROM op o JOIN {}.grants g ON g.id = o.grant_id
    WHERE NOT g.revoked
    ORDER BY g.id
    FOR UPDATE OF g
), used AS (
    UPDATE {}.refresh_token t SET
        uses = t.uses + 1,
        successor = coalesce(t.successor, l.successor),
        grace_until = coalesce(t.grace_until, l.grace_until),
        answer = CASE WHEN t.uses = 0 THEN l.answer ELSE t.answer END
    FROM live l
    WHERE t.id = l.presented AND t.grant_id = l.grant_id AND t.expires_at > l.now
    RETURNING l.n, l.grant_id, l.presented, l.access, l.access_hash, l.scopes, l.resource, l.issued_at, l.access_end,
        l.successor, l.successor_hash, l.successor_end, l.grant_end, l.now, l.granted, l.resources,
        t.uses, t.predecessor, t.successor AS kept_successor, t.grace_until AS kept_grace, t.answer AS kept_answer
), access_added AS (
    INSERT INTO {}.access_token (id, grant_id, expires_at, issued_at, hash, scopes, resource)
    SELECT access, grant_id, access_end, issued_at, access_hash,
        nullif(scopes, granted), nullif(resource, split_part(resources, ' ', 1))
    FROM used WHERE uses = 1
), successor_added AS (
    INSERT INTO {}.refresh_token (id, grant_id, expires_at, predecessor, uses, hash)
    SELECT successor, grant_id, successor_end, presented, 0, successor_hash
    FROM used WHERE uses = 1
), answer_forgotten AS (
    UPDATE {}.refresh_token t SET answer = NULL
    FROM used u
    WHERE t.id = u.predecessor AND u.uses = 1 AND t.answer IS NOT NULL
), grant_changed AS (
    UPDATE {}.grants g SET
        revoked = u.uses > 1,
        expires_at = CASE WHEN u.uses = 1 THEN greatest(g.expires_at, u.grant_end) ELSE g.expires_at END
    FROM used u
    WHERE g.id = u.grant_id AND (u.uses = 1 OR {reused})
)
SELECT n, uses, {reused}, kept_successor, kept_grace, CASE WHEN uses > 1 THEN kept_answer END, {tell} FROM used";

impl Shared for RotateRefresh {
    type Outcome = Rotated;
    const KIND: usize = 2;
    const MOST: usize = 64;
    const COLLISION: Rotated = Rotated::Collision;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>> {
        &mut queues.rotate
    }

    fn touches(&self) -> [u64; 2] {
        [self.access.grant.to_bits(), self.refresh.to_bits()]
    }

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(statements.rotate.clone())
            .bind(numbers(ops))
            .bind(column(ops, |op| bits(op.access.grant)))
            .bind(column(ops, |op| bits(op.refresh)))
            .bind(column(ops, |op| bits(op.access.id)))
            .bind(column(ops, |op| &op.access.hash.as_bytes()[..]))
            .bind(column(ops, |op| op.access.scopes.as_str()))
            .bind(column(ops, |op| op.access.resource.as_str()))
            .bind(column(ops, |op| millis(op.access.issued_at)))
            .bind(column(ops, |op| millis(op.access.expires_at)))
            .bind(column(ops, |op| bits(op.successor.id)))
            .bind(column(ops, |op| &op.successor.hash.as_bytes()[..]))
            .bind(column(ops, |op| millis(op.successor.expires_at)))
            .bind(column(ops, |op| &op.answer[..]))
            .bind(column(ops, |op| millis(op.grace_until)))
            .bind(column(ops, |op| millis(op.grant_expires_at)))
            .bind(column(ops, |op| millis(op.now)))
    }

    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Rotated>> {
        by_number(ops.len(), rows, || Rotated::Gone, |row| outcome(row).map(Some))
    }
}

fn outcome(row: &PgRow) -> Result<Rotated, StorageError> {
    let uses: i32 = row.try_get(1).map_err(failed)?;
    if uses == 1 {
        return Ok(Rotated::First);
    }
    if row.try_get(2).map_err(failed)? {
        return Ok(Rotated::Reused);
    }
    let answer: &[u8] = row.try_get(5).map_err(failed)?;
    Ok(Rotated::Repeated(Rotation {
        successor: id(row.try_get(3).map_err(failed)?)?,
        answer: Some(Arc::from(answer)),
        grace_until: time(row.try_get(4).map_err(failed)?),
    }))
}
