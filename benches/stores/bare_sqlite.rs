//! SQLite alone, with the store's own tables and statements.

use std::path::Path;
use std::time::Instant;

use grantor::storage::RedeemCode;
use rusqlite::{Connection, params};

pub(crate) fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = FULL").unwrap();
    connection.set_prepared_statement_cache_capacity(64);
    connection
}

/// Exchanges a second with `group` of them in a commit.
pub(crate) fn exchange_all(connection: &Connection, ops: &[RedeemCode], group: usize) -> f64 {
    let started = Instant::now();
    for group in ops.chunks(group) {
        connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for op in group {
            exchange(connection, op);
        }
        connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    }
    ops.len() as f64 / started.elapsed().as_secs_f64()
}

/// The checks and writes of an exchange.
fn exchange(connection: &Connection, op: &RedeemCode) {
    let bits = |id: grantor::OrderedId| id.to_bits() as i64;
    let millis = |time: grantor::Timestamp| time.as_millis() as i64;
    let (code, grant) = (bits(op.code), bits(op.access.grant));
    let mut look = connection
        .prepare_cached(
            "SELECT t.grant_id, t.expires_at, t.uses, g.revoked FROM code t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1",
        )
        .unwrap();
    let (found, end, uses, revoked): (i64, i64, i64, i64) =
        look.query_row([code], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    assert!(found == grant && uses == 0 && revoked == 0 && end > millis(op.now));
    let access = &op.access;
    let added = connection
        .prepare_cached(
            "INSERT INTO access_token (id, expires_at, grant_id, issued_at, hash) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )
        .unwrap()
        .execute(params![bits(access.id), millis(access.expires_at), grant, millis(op.now), access.hash.as_bytes()])
        .unwrap();
    let refresh = op.refresh.as_ref().unwrap();
    let added_too = connection
        .prepare_cached(
            "INSERT INTO refresh_token (id, expires_at, grant_id, hash) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )
        .unwrap()
        .execute(params![bits(refresh.id), millis(refresh.expires_at), grant, refresh.hash.as_bytes()])
        .unwrap();
    assert_eq!(added + added_too, 2);
    connection.prepare_cached("UPDATE code SET uses = uses + 1 WHERE id = ?1").unwrap().execute([code]).unwrap();
    connection
        .prepare_cached("UPDATE grants SET expires_at = ?2 WHERE id = ?1 AND expires_at < ?2")
        .unwrap()
        .execute(params![grant, millis(op.grant_expires_at)])
        .unwrap();
}

/// Look-ups a second of access tokens with their grants.
pub(crate) fn look_up_all(connection: &Connection, ids: &[i64]) -> f64 {
    let mut statement = connection
        .prepare(
            "SELECT g.id, g.expires_at, g.revoked, g.subject, g.client, g.scopes, g.resources, g.created_at, \
             t.id, t.expires_at, t.issued_at, t.hash, t.scopes, t.resource \
             FROM access_token t JOIN grants g ON g.id = t.grant_id WHERE t.id = ?1",
        )
        .unwrap();
    let started = Instant::now();
    for id in ids {
        let found = statement
            .query_row([id], |row| {
                let mut bytes = 0;
                for column in 0..14 {
                    bytes += match row.get_ref(column)? {
                        rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => text.len(),
                        _ => 8,
                    };
                }
                Ok(bytes)
            })
            .unwrap();
        assert!(found > 100);
    }
    ids.len() as f64 / started.elapsed().as_secs_f64()
}

/// Adds `count` grants with a token each, made from `made` on and ended at `end`, in milliseconds; the ids of
/// the tokens.
pub(crate) fn fill(connection: &Connection, count: usize, made: u64, end: u64) -> Vec<i64> {
    let (first, step) = ((made as i64) << 21, 2000_i64);
    let numbers = format!("WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {})", count - 1);
    connection
        .execute_batch(&format!(
            "BEGIN;
             {numbers} INSERT INTO grants (id, expires_at, subject, client, scopes, resources, created_at)
             SELECT {first} + n * {step}, {end}, 'filler-' || n, 'client', 'projects:read projects:write',
                 'https://app.example/api', {made} FROM s;
             {numbers} INSERT INTO access_token (id, expires_at, grant_id, issued_at, hash)
             SELECT {first} + n * {step}, {end}, {first} + n * {step}, {made}, randomblob(32) FROM s;
             COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .unwrap();
    (0..count as i64).map(|number| first + number * step).collect()
}
