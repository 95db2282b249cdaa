//! Caches in front of one database in PostgreSQL, as several processes have them.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use grantor::protocol::client::Client;
use grantor::protocol::secret::OrderedId;
use grantor::storage::testkit;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Approval, Cached, PostgresOptions, PostgresStorage, Sharing, Storage};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::sleep;

use crate::server::Server;
use crate::staged::Staged;

/// How outdated a look-up may be, as the store's feed says.
const BOUND: Duration = Duration::from_secs(2);

type Counted = Staged<PostgresStorage>;

/// The connections are named after the schema.
async fn open(user: PgConnectOptions, schema: &str) -> Cached<Counted> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(user.application_name(schema)).await.unwrap();
    Cached::new(Staged::over(PostgresOptions::new().schema(schema).with_pool(pool).await.unwrap()))
}

/// Cuts the connections that listen, and how many those were.
async fn cut(server: &Server, schema: &str) -> i64 {
    let statement = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE application_name = $1 AND query LIKE 'LISTEN %'";
    sqlx::query(statement).bind(schema).fetch_one(&server.admin).await.unwrap().get(0)
}

async fn token(store: &impl Storage, client: &Client) -> (Approval, OrderedId) {
    let approval = records::approval(&records::subject("user"), &client.id, NOW);
    let _ = store.decide(records::approve(records::prompt(NOW), client, &approval, NOW)).await.unwrap();
    let redeem = records::redeem(&approval, NOW);
    let token = redeem.access.id;
    let _ = store.redeem_code(redeem).await.unwrap();
    (approval, token)
}

async fn is_live(store: &impl Storage, token: OrderedId) -> bool {
    store.access_token(token).await.unwrap().is_some_and(|stored| !stored.revoked)
}

/// Looks a token up until the cache answers by itself.
async fn is_kept(cached: &Cached<Counted>, token: OrderedId) {
    let begin = Instant::now();
    loop {
        let before = cached.inner().look_ups();
        assert!(is_live(cached, token).await);
        if cached.inner().look_ups() == before {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "the token is never kept");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How long it takes until a token shows as ended.
async fn until_it_shows(store: &impl Storage, token: OrderedId) -> Duration {
    let begin = Instant::now();
    loop {
        let asked = begin.elapsed();
        if !is_live(store, token).await {
            return begin.elapsed();
        }
        assert!(asked <= BOUND, "a revoked token is live after {asked:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_cached_store_in_postgres_conforms() {
    let server = Server::new().await;
    testkit::run_all(|| async { Cached::new(server.options().connect(&server.url).await.unwrap()) }).await;
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn without_notifications_every_look_up_gets_to_the_store() {
    let server = Server::new().await;
    let store = server.options().notifications(false).connect(&server.url).await.unwrap();
    assert!(matches!(store.sharing(), Sharing::Unheard));
    let cached = Cached::new(Staged::over(store));
    let client = records::client("client");
    let _ = cached.insert_client(records::insert(client.clone())).await.unwrap();
    let (_, token) = token(&cached, &client).await;
    for round in 1..=20 {
        assert!(is_live(&cached, token).await);
        assert_eq!(cached.inner().look_ups(), round);
    }
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn what_one_process_revokes_another_notices_within_the_bound() {
    let server = Server::new().await;
    let schema = server.schema();
    let user = PgConnectOptions::from_str(&server.url).unwrap();
    let (here, there) = (open(user.clone(), &schema).await, open(user, &schema).await);
    let client = records::client("client");
    let _ = here.insert_client(records::insert(client.clone())).await.unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..30 {
        let (approval, token) = token(&here, &client).await;
        is_kept(&there, token).await;
        let _ = here.revoke_grant(records::revoke(&approval.grant, NOW)).await.unwrap();
        assert!(!is_live(&here, token).await, "at once where it happened");
        slowest = slowest.max(until_it_shows(&there, token).await);
    }
    println!("the slowest of 30 revocations showed elsewhere after {slowest:?}");
    let (_, token) = token(&here, &client).await;
    is_kept(&there, token).await;
    let _ = here.revoke_access(records::revoke_access(token, NOW)).await.unwrap();
    until_it_shows(&there, token).await;
    server.clean_up().await;
}

/// The connections that listen are cut, and no other can be opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn without_its_notifications_a_cache_answers_for_two_seconds_at_most() {
    let server = Server::new().await;
    let schema = server.schema();
    let role = schema.replace('-', "_");
    server.run(&format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'secret'")).await;
    let user = PgConnectOptions::from_str(&server.url).unwrap().username(&role).password("secret");
    let (here, there) = (open(user.clone(), &schema).await, open(user, &schema).await);
    let client = records::client("client");
    let _ = here.insert_client(records::insert(client.clone())).await.unwrap();
    let (approval, token) = token(&here, &client).await;
    is_kept(&here, token).await;
    is_kept(&there, token).await;

    server.run(&format!("ALTER ROLE {role} NOLOGIN")).await;
    assert_eq!(cut(&server, &schema).await, 2);
    let begin = Instant::now();
    let _ = here.revoke_grant(records::revoke(&approval.grant, NOW)).await.unwrap();
    assert!(!is_live(&here, token).await, "at once where it happened");
    until_it_shows(&there, token).await;
    let shown = begin.elapsed();
    println!("without notifications the revocation showed after {shown:?}");
    assert!(shown > BOUND / 4, "the cache did not answer any more, which proves nothing");
    for round in 1..=20 {
        let before = there.inner().look_ups();
        assert!(!is_live(&there, token).await, "round {round}");
        assert!(there.client(&client.id).await.unwrap().is_some());
        assert_eq!(there.inner().look_ups(), before + 2, "round {round}");
    }
    server.run(&format!("ALTER ROLE {role} LOGIN")).await;
    let (_, token) = self::token(&here, &client).await;
    is_kept(&there, token).await;

    drop((here, there));
    server.run(&format!("REASSIGN OWNED BY {role} TO CURRENT_USER")).await;
    server.clean_up().await;
    server.run(&format!("DROP OWNED BY {role}")).await;
    server.run(&format!("DROP ROLE {role}")).await;
}
