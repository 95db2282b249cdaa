//! What counts once.

use std::collections::VecDeque;

use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::batch::{Answer, Call, Queues, Shared, by_number, numbers};
use super::redeem::column;
use super::text::Statements;
use crate::storage::sql::millis;
use crate::storage::{ClaimOnce, Claimed};

/// In the order of the keys, so that operations wait for each other in one direction.
pub(super) const SQL: &str = "
WITH op AS (
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS o (n, key, keep_until)
), added AS (
    INSERT INTO {}.claim (key, keep_until)
    SELECT key, keep_until FROM op ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)
SELECT o.n FROM op o JOIN added a ON a.key = o.key";

impl Shared for ClaimOnce {
    type Outcome = Claimed;
    const KIND: usize = 5;
    const MOST: usize = 64;
    const COLLISION: Claimed = Claimed::Again;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>> {
        &mut queues.claim
    }

    fn touches(&self) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, ..] = self.key;
        [u64::from_be_bytes([a, b, c, d, e, f, g, h]); 2]
    }

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(statements.claim.clone())
            .bind(numbers(ops))
            .bind(column(ops, |op| &op.key[..]))
            .bind(column(ops, |op| millis(op.keep_until)))
    }

    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Claimed>> {
        by_number(ops.len(), rows, || Claimed::Again, |_| Ok(Some(Claimed::First)))
    }
}
