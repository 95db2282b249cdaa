//! Clients that many instances change at once, and clients that were given very much.

use std::sync::Arc;
use std::time::Duration;

use grantor::protocol::client::{Client, Tenure};
use grantor::protocol::grant::Subject;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Decided, Inserted, PostgresOptions, PostgresStorage, Storage, Updated};
use sqlx::{AssertSqlSafe, Row as _};

use super::server::Server;

async fn two(server: &Server, schema: &str) -> [PostgresStorage; 2] {
    let options = || PostgresOptions::new().schema(schema);
    [options().connect(&server.url).await.unwrap(), options().connect(&server.url).await.unwrap()]
}

/// Each of them changes its client, and none of them waits for another that waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn first_approvals_over_two_instances_all_count() {
    let server = Server::new().await;
    let stores = two(&server, &server.schema()).await;
    let until = |seconds| NOW.after(Duration::from_secs(seconds));
    let clients: Vec<_> =
        (0..16).map(|number| Arc::new(records::registered(&format!("client {number}"), None, until(9)))).collect();
    for client in &clients {
        assert_eq!(stores[0].insert_client(records::insert(Arc::clone(client))).await.unwrap(), Inserted::New);
    }
    let approvals: Vec<_> = (0..8 * clients.len())
        .map(|number| {
            let (client, store) = (Arc::clone(&clients[number * 7 % clients.len()]), stores[number % 2].clone());
            tokio::spawn(async move {
                let mut approval = records::approval(&Subject::new(&format!("user {number}")), &client.id, NOW);
                approval.client_until = NOW.after(Duration::from_secs(100));
                store.decide(records::approve(records::prompt(NOW), &client, &approval, NOW)).await
            })
        })
        .collect();
    for approval in approvals {
        assert_eq!(approval.await.unwrap().unwrap(), Decided::First);
    }
    for client in &clients {
        let stored = stores[1].client(&client.id).await.unwrap().expect("the client is there");
        assert_eq!(stored.tenure, Some(Tenure { until: until(100), granted: true }));
        assert_eq!(stored.revision, client.revision);
    }
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_35_parallel_registrations_over_two_instances_keep_to_the_budget() {
    const BUDGET: u32 = 8;
    let server = Server::new().await;
    let stores = two(&server, &server.schema()).await;
    let registrations: Vec<_> = (0..96)
        .map(|number| {
            let end = NOW.after(Duration::from_secs(number * 31 % 96));
            let client = records::registered(&format!("client {number}"), Some(records::fold()), end);
            let store = stores[(number % 2) as usize].clone();
            tokio::spawn(async move {
                assert_eq!(store.insert_client(records::register(client, BUDGET)).await.unwrap(), Inserted::New);
                store.clients(None, 1000).await.unwrap().len()
            })
        })
        .collect();
    for registration in registrations {
        let clients = registration.await.unwrap();
        assert!(clients <= BUDGET as usize, "{clients} clients were there at once");
    }
    assert_eq!(stores[0].clients(None, 1000).await.unwrap().len(), BUDGET as usize);
    server.clean_up().await;
}

/// More than a statement ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn ten_thousand_grants_of_a_client_end_together() {
    let server = Server::new().await;
    let schema = server.schema();
    let [store, _] = two(&server, &schema).await;
    let client = records::client("client");
    for id in ["client", "other"] {
        assert_eq!(store.insert_client(records::insert(records::client(id))).await.unwrap(), Inserted::New);
    }
    let grants = format!(
        "INSERT INTO \"{schema}\".grants (id, expires_at, created_at, revoked, subject_key, subject, client, scopes, resources)
        SELECT n, {end}, 0, n % 10 = 0, '\\x00', 'user', CASE WHEN n % 5 = 1 THEN 'other' ELSE 'client' END, 'a', 'https://a.example'
        FROM generate_series(1, 15000) n",
        end = i64::MAX
    );
    let consents = format!(
        "INSERT INTO \"{schema}\".consent (key, subject_key, subject, client, redirect_uri, resources, scopes)
        SELECT decode(lpad(n::text, 64, '0'), 'hex'), '\\x00', 'user',
            CASE WHEN n % 3 = 0 THEN 'other' ELSE 'client' END, 'https://a.example', '', ''
        FROM generate_series(1, 15000) n"
    );
    for rows in [grants, consents] {
        server.run(&rows).await;
    }
    let count = async |what: &str| -> i64 {
        let text = format!("SELECT count(*) FROM \"{schema}\".{what}");
        sqlx::query(AssertSqlSafe(text)).fetch_one(&server.admin).await.unwrap().get(0)
    };
    assert_eq!(count("grants WHERE client = 'client' AND NOT revoked").await, 10_500);
    let ended = store.revoke_grants(records::revoke_all_of_client(&client.id, NOW)).await.unwrap();
    assert_eq!(ended, 10_500);
    assert_eq!(count("grants WHERE client = 'client' AND NOT revoked").await, 0);
    assert_eq!(count("consent WHERE client = 'client'").await, 0);
    assert_eq!(count("grants WHERE client = 'other' AND NOT revoked").await, 3000, "another client's");
    assert_eq!(count("consent WHERE client = 'other'").await, 5000, "another client's");
    let blocked = Client { blocked: true, ..records::client("other") };
    assert_eq!(store.update_client(records::update_and_end(blocked)).await.unwrap(), Updated::Now);
    assert_eq!(count("grants WHERE NOT revoked").await + count("consent").await, 0);
    server.clean_up().await;
}
