//! The store in PostgreSQL, by the conformance suite and by what only it has.
//!
//! `GRANTOR_TEST_POSTGRES` is the URL of a server on this machine, as a superuser. Each store has a schema of
//! its own there, which is dropped in the end.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod clients;
mod feed;
mod server;
mod versions;

use std::str::FromStr as _;

use grantor::Timestamp;
use grantor::storage::testkit::{self, Yielding, records};
use grantor::storage::{Claimed, Inserted, PostgresOptions, PostgresStorage, Sharing, Storage, StorageErrorKind};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use server::Server;

/// A pool of a user who prefers another isolation level.
async fn pool(server: &Server, isolation: &str) -> PgPool {
    let options = PgConnectOptions::from_str(&server.url).unwrap();
    let options = options.options([("default_transaction_isolation", isolation)]);
    PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn the_store_in_postgres_conforms() {
    let server = Server::new().await;
    testkit::run_all(|| async { server.options().connect(&server.url).await.unwrap() }).await;
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn it_conforms_over_one_connection_and_without_notifications() {
    let server = Server::new().await;
    let options = || server.options().max_connections(1).notifications(false);
    testkit::run_all(|| async { options().connect(&server.url).await.unwrap() }).await;
    let store = options().connect(&server.url).await.unwrap();
    assert!(matches!(store.sharing(), Sharing::Unheard));
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn it_conforms_when_every_call_gives_way_to_others() {
    let server = Server::new().await;
    testkit::run_all(|| async { Yielding::new(server.options().connect(&server.url).await.unwrap()) }).await;
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn it_conforms_over_a_pool_that_is_serializable() {
    let server = Server::new().await;
    let pool = pool(&server, "serializable").await;
    testkit::run_all(|| async { server.options().with_pool(pool.clone()).await.unwrap() }).await;
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn it_conforms_over_a_pool_with_repeatable_reads() {
    let server = Server::new().await;
    let pool = pool(&server, "repeatable read").await;
    testkit::run_all(|| async { server.options().with_pool(pool.clone()).await.unwrap() }).await;
    server.clean_up().await;
}

/// A step of clean-up that had to wait takes nothing that was made meanwhile, by a clock that went back.
#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_late_step_of_clean_up_takes_nothing_of_a_clock_that_went_back() {
    let server = Server::new().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url).await.unwrap();
    let schema = server.schema();
    let store = PostgresOptions::new().schema(&schema).with_pool(pool.clone()).await.unwrap();
    let now = records::NOW;
    let earlier = Timestamp::from_millis(now.as_millis() - 86_400_000);
    let claim_at = |key: [u8; 32], now| {
        let store = store.clone();
        tokio::spawn(async move { store.claim_once(records::claim(key, now)).await.unwrap() })
    };
    for first in 0..23 {
        assert_eq!(claim_at([first; 32], now).await.unwrap(), Claimed::First);
    }
    for round in 1..=9_u8 {
        // The only connection is taken while a step becomes due, which the second of each 24 operations makes it.
        let connection = pool.acquire().await.unwrap();
        let mut claims = Vec::new();
        let keys: Vec<_> = (0..24).map(|number| [round * 24 + number; 32]).collect();
        for (number, key) in keys.iter().enumerate() {
            claims.push(claim_at(*key, if number < 2 { now } else { earlier }));
            tokio::task::yield_now().await;
        }
        drop(connection);
        for claim in claims {
            assert_eq!(claim.await.unwrap(), Claimed::First);
        }
        // It waits for the step.
        assert_eq!(store.purge(Timestamp::from_millis(0), 1).await.unwrap(), 0);
        let count = format!("SELECT count(*) FROM \"{schema}\".claim WHERE key = ANY($1)");
        let kept: i64 = sqlx::query_scalar(AssertSqlSafe(count)).bind(&keys).fetch_one(&pool).await.unwrap();
        assert_eq!(kept, 24, "round {round}");
    }
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn ten_instances_that_start_at_once_share_one_schema() {
    let server = Server::new().await;
    for _ in 0..3 {
        let options = server.options();
        let starts: Vec<_> = (0..10)
            .map(|_| {
                let (options, url) = (options.clone().max_connections(1), server.url.clone());
                tokio::spawn(async move { options.connect(&url).await })
            })
            .collect();
        let mut stores = Vec::new();
        for start in starts {
            stores.push(start.await.unwrap().expect("each of ten instances starts"));
        }
        let client = records::client("client");
        assert_eq!(
            stores[0].insert_client(grantor::storage::testkit::records::insert(client.clone())).await.unwrap(),
            Inserted::New
        );
        for store in &stores {
            assert!(store.client(&client.id).await.unwrap().is_some(), "they have the same tables");
        }
    }
    server.clean_up().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_schema_that_is_newer_or_older_is_refused() {
    let server = Server::new().await;
    let schema = server.schema();
    let options = || PostgresOptions::new().schema(&schema);
    let error = options().migrate(false).connect(&server.url).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Other, "there is nothing yet");
    assert!(message(&error).contains("migrate"), "{}", message(&error));

    options().connect(&server.url).await.unwrap();
    options().migrate(false).connect(&server.url).await.unwrap();
    server.run(&format!("INSERT INTO \"{schema}\".migration (version) VALUES (1000)")).await;
    for migrate in [true, false] {
        let error = options().migrate(migrate).connect(&server.url).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Other);
        assert!(message(&error).contains("1000"), "{}", message(&error));
    }
    server.clean_up().await;
}

fn message(error: &grantor::StorageError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// An app's own role often may not create anything.
#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_role_that_may_create_nothing_opens_a_schema_that_is_there() {
    let server = Server::new().await;
    let schema = server.schema();
    PostgresOptions::new().schema(&schema).connect(&server.url).await.unwrap();
    let role = schema.replace('-', "_");
    server.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    server.run(&format!("GRANT USAGE ON SCHEMA \"{schema}\" TO {role}")).await;
    let rights = "SELECT, INSERT, UPDATE, DELETE";
    server.run(&format!("GRANT {rights} ON ALL TABLES IN SCHEMA \"{schema}\" TO {role}")).await;
    let options = PgConnectOptions::from_str(&server.url).unwrap().username(&role).password("secret");
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    let store = PostgresOptions::new().schema(&schema).with_pool(pool.clone()).await.unwrap();
    testkit::an_approval_adds_its_grant_and_code(store).await;
    let other = PostgresOptions::new().schema(&server.schema()).with_pool(pool.clone()).await;
    assert!(other.is_err(), "it cannot create another");
    pool.close().await;
    server.run(&format!("DROP OWNED BY {role}")).await;
    server.run(&format!("DROP ROLE {role}")).await;
    server.clean_up().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_schema_is_named_as_it_was_asked_for() {
    let server = Server::new().await;
    let (lower, upper) = (server.schema(), server.schema().to_uppercase());
    server.note(&upper);
    let client = records::client("client");
    for schema in [&lower, &upper] {
        let store = PostgresOptions::new().schema(schema).connect(&server.url).await.unwrap();
        assert_eq!(
            store.insert_client(grantor::storage::testkit::records::insert(client.clone())).await.unwrap(),
            Inserted::New,
            "{schema} is apart"
        );
    }
    let count = format!("SELECT count(*) FROM \"{upper}\".client");
    let row = sqlx::query(AssertSqlSafe(count)).fetch_one(&server.admin).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
    for name in ["", "a\"b", "a.b", "a b", "é", &"a".repeat(64)] {
        assert!(PostgresOptions::new().schema(name).connect(&server.url).await.is_err(), "{name:?}");
    }
    server.clean_up().await;
}

/// The pool of the app itself, with the app's own work on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_store_over_the_pool_of_an_app_leaves_it_its_connections() {
    let server = Server::new().await;
    let pool = PgPoolOptions::new().max_connections(2).connect(&server.url).await.unwrap();
    let store = server.options().with_pool(pool.clone()).await.unwrap();
    testkit::attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once(store.clone()).await;
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(both);
    let app = tokio::spawn(async move {
        for _ in 0..100 {
            sqlx::query("SELECT 1").execute(&pool).await.unwrap();
        }
    });
    testkit::attack_16_parallel_rotations_give_one_successor(server.options().connect(&server.url).await.unwrap())
        .await;
    app.await.unwrap();
    drop(store);
    server.clean_up().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn handles_on_a_store_share_it() {
    let server = Server::new().await;
    let store: PostgresStorage = server.options().connect(&server.url).await.unwrap();
    let client = records::client("client");
    assert_eq!(
        store.clone().insert_client(grantor::storage::testkit::records::insert(client.clone())).await.unwrap(),
        Inserted::New
    );
    assert!(store.client(&client.id).await.unwrap().is_some());
    server.clean_up().await;
}
