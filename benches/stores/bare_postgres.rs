//! PostgreSQL alone: `pgbench` with one statement for each exchange, on the store's own tables.

use std::path::Path;
use std::process::Command;

use sqlx::{AssertSqlSafe, Executor as _, PgPool, Row as _};

/// Milliseconds of an id are 21 bits up; the ids of one table lie this far apart.
const FIRST: i64 = 1_800_000_000_000 << 21;
const STEP: i64 = 40_000;
const HOUR: i64 = 3_600_000;

/// Fills the tables of a schema with grants and codes to exchange.
pub(crate) async fn fill(pool: &PgPool, schema: &str, count: i64) {
    let now = FIRST >> 21;
    let end = now + 1000 * HOUR;
    let grants = format!(
        "INSERT INTO {schema}.grants (id, expires_at, created_at, revoked, subject_key, subject, client, scopes, resources)
         SELECT {FIRST} + n * {STEP}, {end}, {now}, false, decode(md5(n::text), 'hex'), convert_to('user-' || n, 'UTF8'), 'client',
             'projects:read projects:write', 'https://app.example/api' FROM generate_series(0, {count}) AS s (n)"
    );
    let codes = format!(
        "INSERT INTO {schema}.code (id, grant_id, expires_at, uses, hash, challenge, redirect_uri)
         SELECT {FIRST} + n * {STEP}, {FIRST} + n * {STEP}, {end}, 0, sha256(convert_to(n::text, 'UTF8')),
             sha256(convert_to(n::text, 'UTF8')), convert_to('https://client.example/callback', 'UTF8')
         FROM generate_series(0, {count}) AS s (n)"
    );
    for statement in [grants, codes, "CHECKPOINT".to_owned()] {
        pool.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

/// The checks and writes of an exchange, as one statement: what a program would send that does no more.
fn script(schema: &str, clients: usize) -> String {
    let end = (FIRST >> 21) + 2000 * HOUR;
    format!(
        "\\set n :n + 1
\\set id {FIRST} + (:n * {clients} + :client_id) * {STEP}
WITH live AS (
    SELECT id, scopes, resources FROM {schema}.grants WHERE id = :id AND NOT revoked FOR UPDATE
), used AS (
    UPDATE {schema}.code c SET uses = c.uses + 1 FROM live l
    WHERE c.id = :id AND c.grant_id = l.id AND (c.uses > 0 OR c.expires_at > {now})
    RETURNING c.grant_id, c.uses, l.scopes, l.resources
), access_added AS (
    INSERT INTO {schema}.access_token (id, grant_id, expires_at, issued_at, hash, scopes, resource)
    SELECT :id, grant_id, {end}, {now}, sha256('token'),
        nullif(scopes, scopes), nullif('https://app.example/api', split_part(resources, ' ', 1))
    FROM used WHERE uses = 1
), refresh_added AS (
    INSERT INTO {schema}.refresh_token (id, grant_id, expires_at, uses, hash)
    SELECT :id, grant_id, {end}, 0, sha256('refresh') FROM used WHERE uses = 1
), grant_changed AS (
    UPDATE {schema}.grants g SET revoked = u.uses > 1,
        expires_at = CASE WHEN u.uses = 1 THEN greatest(g.expires_at, {end}) ELSE g.expires_at END
    FROM used u WHERE g.id = u.grant_id
)
SELECT uses FROM used;
",
        now = FIRST >> 21
    )
}

/// Exchanges a second by `clients` clients with a connection each.
pub(crate) fn exchange_all(pgbench: &Path, url: &str, schema: &str, clients: usize, count: usize) -> f64 {
    let path = std::env::temp_dir().join(format!("grantor-exchange-{}.sql", std::process::id()));
    std::fs::write(&path, script(schema, clients)).unwrap();
    let output = Command::new(pgbench)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--define=n=-1"])
        .arg(format!("--client={clients}"))
        .arg(format!("--transactions={}", count / clients))
        .arg(format!("--file={}", path.display()))
        .arg(url)
        .output()
        .unwrap();
    std::fs::remove_file(path).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap();
    rate.split(' ').next().unwrap().parse().unwrap()
}

/// That every exchange of the bare side was a first one.
pub(crate) async fn assert_all_exchanged(pool: &PgPool, schema: &str, count: i64) {
    let statement = format!(
        "SELECT (SELECT count(*) FROM {schema}.code WHERE uses = 1), (SELECT count(*) FROM {schema}.refresh_token)"
    );
    let row = pool.fetch_one(AssertSqlSafe(statement)).await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (count, count));
}

/// Look-ups a second of access tokens with their grants, over one connection.
pub(crate) async fn look_up_all(pool: &PgPool, schema: &str, ids: &[i64]) -> f64 {
    let statement = format!(
        "SELECT g.id, g.expires_at, g.revoked, g.subject, g.client, g.scopes, g.resources, g.created_at,
             t.id, t.expires_at, t.issued_at, t.hash, t.scopes, t.resource
         FROM {schema}.access_token t JOIN {schema}.grants g ON g.id = t.grant_id WHERE t.id = $1"
    );
    let mut connection = pool.acquire().await.unwrap();
    let started = std::time::Instant::now();
    for id in ids {
        let query = sqlx::query(AssertSqlSafe(statement.clone())).bind(id);
        let row = query.fetch_one(&mut *connection).await.unwrap();
        assert!(!row.get::<bool, _>(2) && row.get::<&[u8], _>(11).len() == 32);
    }
    ids.len() as f64 / started.elapsed().as_secs_f64()
}

/// Adds `count` grants with a token each, made from `made` on and ended at `end`, in milliseconds; the ids of
/// the tokens.
pub(crate) async fn fill_tokens(pool: &PgPool, schema: &str, count: usize, made: u64, end: u64) -> Vec<i64> {
    let (first, step) = ((made as i64) << 21, 2000_i64);
    let grants = format!(
        "INSERT INTO {schema}.grants (id, expires_at, created_at, revoked, subject_key, subject, client, scopes, resources)
         SELECT {first} + n * {step}, {end}, {made}, false, decode(md5(n::text), 'hex'), convert_to('filler-' || n, 'UTF8'),
             'client', 'projects:read projects:write', 'https://app.example/api' FROM generate_series(0, {count} - 1) AS s (n)"
    );
    let tokens = format!(
        "INSERT INTO {schema}.access_token (id, grant_id, expires_at, issued_at, hash)
         SELECT {first} + n * {step}, {first} + n * {step}, {end}, {made}, sha256(convert_to(n::text, 'UTF8'))
         FROM generate_series(0, {count} - 1) AS s (n)"
    );
    for statement in
        [grants, tokens, format!("ANALYZE {schema}.grants, {schema}.access_token"), "CHECKPOINT".to_owned()]
    {
        pool.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    (0..count as i64).map(|number| first + number * step).collect()
}
