//! The store in PostgreSQL against PostgreSQL alone.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use grantor::storage::{PostgresOptions, PostgresStorage, Storage};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

use super::load::{self, START, median};
use super::{bare_postgres, growth, line, verdict};

const CALLERS: usize = 64;
const CONNECTIONS: u32 = 4;
const CLIENTS: usize = 16;
const EXCHANGES: usize = 16_000;
const ROUNDS: usize = 5;

pub(crate) async fn run() {
    let server = Server::start();
    println!("PostgreSQL, exchanges of a code for an access and a refresh token, durable (fsync, synchronous_commit)");
    let pool = PgPoolOptions::new().max_connections(2).connect(&server.url).await.unwrap();
    exchanges(&server, &pool).await;
    look_ups(&server, &pool).await;
    grow(&server, &pool).await;
    clean(&server, &pool).await;
    pool.close().await;
}

/// A server of our own, or the one that the environment names.
struct Server {
    url: String,
    own: Option<PathBuf>,
}

impl Server {
    fn start() -> Self {
        if let Ok(url) = std::env::var("GRANTOR_TEST_POSTGRES") {
            return Self { url, own: None };
        }
        let folder = std::env::temp_dir().join(format!("grantor-bench-postgres-{}", std::process::id()));
        let output = script("start", &folder);
        Self { url: output.trim().to_owned(), own: Some(folder) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(folder) = &self.own {
            script("stop", folder);
        }
    }
}

fn script(action: &str, folder: &std::path::Path) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");
    let output = Command::new(path).arg(action).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn pgbench() -> PathBuf {
    let newest = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = newest.map(|version| version.path().join("bin/pgbench")).filter(|path| path.exists()).max();
    found.unwrap_or_else(|| "pgbench".into())
}

async fn store(server: &Server, schema: &str) -> Arc<PostgresStorage> {
    let options = PostgresOptions::new().schema(schema).max_connections(CONNECTIONS);
    Arc::new(options.connect(&server.url).await.unwrap())
}

async fn drop_schema(pool: &PgPool, schema: &str) {
    pool.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}

async fn exchanges(server: &Server, pool: &PgPool) {
    let mut rounds = vec![];
    for _ in 0..ROUNDS {
        drop(store(server, "bench_bare").await);
        bare_postgres::fill(pool, "bench_bare", EXCHANGES as i64).await;
        let bare = bare_postgres::exchange_all(&pgbench(), &server.url, "bench_bare", CLIENTS, EXCHANGES);
        bare_postgres::assert_all_exchanged(pool, "bench_bare", EXCHANGES as i64).await;
        drop_schema(pool, "bench_bare").await;

        let store = store(server, "bench_ours").await;
        let ops = load::exchanges(&store, EXCHANGES, START).await;
        pool.execute("CHECKPOINT").await.unwrap();
        let ours = load::exchange_all(&store, ops, CALLERS).await.rate;
        drop(store);
        drop_schema(pool, "bench_ours").await;
        rounds.push([bare, ours]);
    }
    let rate = |which: usize| median(rounds.iter().map(|round| round[which]).collect());
    line(format!("pgbench, {CLIENTS} clients, one prepared statement an exchange"), rate(0), "/s");
    line(format!("PostgresStorage, {CALLERS} callers over {CONNECTIONS} connections"), rate(1), "/s");
    verdict("against pgbench", median(rounds.iter().map(|round| round[1] / round[0]).collect()), 2.5, true);
}

async fn look_ups(server: &Server, pool: &PgPool) {
    println!("PostgreSQL, look-ups of an access token with its grant, one caller");
    let store = store(server, "bench_reads").await;
    let mut ops = load::exchanges(&store, 2000, START).await;
    ops.truncate(2000);
    let ids: Vec<_> = ops.iter().map(|op| op.access.id).collect();
    load::exchange_all(&store, ops, CALLERS).await;
    let bits: Vec<_> = ids.iter().map(|id| id.to_bits() as i64).collect();
    let mut rounds = vec![];
    for _ in 0..ROUNDS {
        let bare = bare_postgres::look_up_all(pool, "bench_reads", &bits).await;
        let started = Instant::now();
        for id in &ids {
            assert!(store.access_token(*id).await.unwrap().is_some());
        }
        rounds.push([bare, ids.len() as f64 / started.elapsed().as_secs_f64()]);
    }
    drop(store);
    drop_schema(pool, "bench_reads").await;
    let rate = |which: usize| median(rounds.iter().map(|round| round[which]).collect());
    line("sqlx alone, prepared", rate(0), "/s");
    line("PostgresStorage::access_token", rate(1), "/s");
    let ratio = median(rounds.iter().map(|round| round[0] / round[1]).collect());
    verdict("time of a look-up against sqlx alone", ratio, 2.0, false);
}

async fn grow(server: &Server, pool: &PgPool) {
    println!("PostgreSQL, as it grows: an exchange with {CALLERS} callers, a look-up with one");
    let mut costs = Vec::new();
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let store = store(server, "bench_grown").await;
        let (made, end) = growth::GROWN;
        let ids = bare_postgres::fill_tokens(pool, "bench_grown", count, made, end).await;
        costs.push(growth::cost(&store, &ids, CALLERS, EXCHANGES / 2).await);
        drop(store);
        drop_schema(pool, "bench_grown").await;
    }
    growth::table(&costs);
}

async fn clean(server: &Server, pool: &PgPool) {
    println!("PostgreSQL, clean-up of a million rows that ended, beside exchanges");
    let store = store(server, "bench_cleaned").await;
    let fill = async |count| {
        let (made, end) = growth::ENDED;
        bare_postgres::fill_tokens(pool, "bench_cleaned", count, made, end).await;
    };
    growth::cleaning(&store, fill, CALLERS, EXCHANGES / 2).await;
    drop(store);
    drop_schema(pool, "bench_cleaned").await;
}
