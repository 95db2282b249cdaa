//! Connections that others hold, tables that others lock, and a server that is away for a while.

use std::time::Duration;

use grantor::PostgresStorage;
use grantor::storage::{AnyStorage, PostgresOptions};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::postgres::{Cluster, shared_url};
use crate::proxy::soon;
use crate::scene::{Database, Everyone, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_pool_that_the_app_holds_is_waited_for_and_no_longer() {
    let database = Database::at(&shared_url()).await;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(300));
    let pool = pool.connect(&shared_url()).await.unwrap();
    let options = PostgresOptions::new().schema(&database.schema);
    let storage = options.with_pool(pool.clone()).await.unwrap();
    let world = world(AnyStorage::new(storage.clone()));
    let mut everyone = Everyone::come(&world).await;
    for _ in 0..2 {
        let held = pool.acquire().await.unwrap();
        let before = database.rows().await;
        everyone.are_put_off(&world).await;
        assert_eq!(database.rows().await, before, "nothing was done");
        drop(held);
    }
    // One who gives it back while others wait puts nobody off.
    let held = pool.acquire().await.unwrap();
    let (_, ()) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(held);
        },
        everyone.are_served(&world)
    );
    database.end(&storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_locked_table_holds_nobody_for_long() {
    let database = Database::at(&shared_url()).await;
    let options = database.options().max_connections(2).statement_timeout(Duration::from_millis(500));
    let storage = options.connect(&shared_url()).await.unwrap();
    let world = world(AnyStorage::new(storage.clone()));
    let client = world.refreshing_client("none").await;
    let tokens = world.tokens(&client).await;
    let mut other = PgConnection::connect(&shared_url()).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    let lock = format!("LOCK TABLE \"{}\".grants IN ACCESS EXCLUSIVE MODE", database.schema);
    transaction.execute(AssertSqlSafe(lock)).await.unwrap();
    for _ in 0..4 {
        let answer = world.refresh(&client, &tokens.refresh, &[]).await;
        crate::scene::assert_temporary(&answer, &"a locked table");
        assert_eq!(world.guard(crate::support::API, "", &tokens.access).await, 503);
    }
    transaction.rollback().await.unwrap();
    soon("the store recovers", async || world.is_live(&tokens.access).await).await;
    let pair = world.refreshed(&client, &tokens.refresh, &[]).await;
    assert_eq!(world.refreshed(&client, &tokens.refresh, &[]).await, pair);
    assert_eq!(database.count("refresh_token").await, 2, "one successor, however often it was asked for");
    database.end(&storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_server_that_restarts_needs_no_restart_of_the_app() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let database = Database::at(cluster.url()).await;
    let own = database.options().connect(cluster.url()).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(3).acquire_timeout(Duration::from_millis(500));
    let pool = pool.connect(cluster.url()).await.unwrap();
    let pooled_in = Database::at(cluster.url()).await;
    let pooled = PostgresOptions::new().schema(&pooled_in.schema).with_pool(pool).await.unwrap();
    let stores: [(PostgresStorage, &Database); 2] = [(own, &database), (pooled, &pooled_in)];
    let mut apps = Vec::new();
    for (storage, _) in &stores {
        let world = world(AnyStorage::new(storage.clone()));
        let everyone = Everyone::come(&world).await;
        apps.push((world, everyone));
    }
    for is_killed in [false, true] {
        let before = [database.rows().await, pooled_in.rows().await];
        tokio::task::block_in_place(|| if is_killed { cluster.kill() } else { cluster.halt() });
        for (world, everyone) in &mut apps {
            everyone.are_put_off(world).await;
        }
        tokio::task::block_in_place(|| cluster.restart());
        assert_eq!([database.rows().await, pooled_in.rows().await], before, "nothing was done, and nothing is gone");
    }
    for (world, everyone) in &mut apps {
        everyone.are_served(world).await;
    }
    for (storage, database) in &stores {
        database.end(storage).await;
    }
}
