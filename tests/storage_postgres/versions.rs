//! A schema that an earlier version made is brought up to date, once, and nothing in it gets lost.

use grantor::protocol::client::{Client, ClientId};
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Inserted, PostgresOptions, Storage, Table, Updated};
use sqlx::{AssertSqlSafe, Row as _};

use super::server::Server;

const FIRST: &str = include_str!("../../src/storage/postgres/schema.sql");

/// A client as the first version wrote it.
const CLIENT: &str = r#"{"id":"client","origin":"dynamic","authentication":"none","metadata":{"redirect_uris":["https://client.example/callback"],"name":"A client","home_page":null,"logo":null,"auth_method":"none","grant_types":["authorization_code"]},"scope_ceiling":null,"consent_policy":"ask","created_at":1800000000000,"revision":3}"#;

/// Makes a schema as the first version did, with a row in most tables.
async fn first_version(server: &Server) -> String {
    let schema = server.schema();
    let run = async |text: &str| server.run(&text.replace("{}.", &format!("\"{schema}\"."))).await;
    server.run(&format!("CREATE SCHEMA \"{schema}\"")).await;
    run("CREATE TABLE {}.migration (version bigint PRIMARY KEY)").await;
    for statement in FIRST.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        run(statement).await;
    }
    run("INSERT INTO {}.migration (version) VALUES (1)").await;
    run(&format!("INSERT INTO {{}}.client (id, revision, data) VALUES ('client', 7, '{CLIENT}')")).await;
    let end = NOW.as_millis() + 3_600_000;
    run(&format!(
        "INSERT INTO {{}}.grants (id, expires_at, created_at, revoked, subject_key, subject, client, scopes, resources)
        VALUES (17, {end}, {}, false, '\\x00', 'user', 'client', 'a b', 'https://app.example/api')",
        NOW.as_millis()
    ))
    .await;
    run(&format!(
        "INSERT INTO {{}}.access_token (id, grant_id, expires_at, issued_at, hash)
        VALUES (18, 17, {end}, {}, decode(repeat('00', 32), 'hex'))",
        NOW.as_millis()
    ))
    .await;
    run("INSERT INTO {}.consent (key, subject_key, subject, client, redirect_uri, resources, scopes)
        VALUES ('\\x01', '\\x00', 'user', 'client', 'https://client.example/callback', '', 'a b')")
    .await;
    schema
}

async fn count(server: &Server, schema: &str, table: &str) -> i64 {
    let text = format!("SELECT count(*) FROM \"{schema}\".{table}");
    sqlx::query(AssertSqlSafe(text)).fetch_one(&server.admin).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_schema_of_the_first_version_is_brought_up_to_date_with_its_rows() {
    let server = Server::new().await;
    let schema = first_version(&server).await;
    let error = PostgresOptions::new().schema(&schema).migrate(false).connect(&server.url).await.unwrap_err();
    assert!(super::message(&error).contains("migrate"), "{}", super::message(&error));
    let store = PostgresOptions::new().schema(&schema).connect(&server.url).await.unwrap();

    let id = ClientId::parse("client").unwrap();
    let client = store.client(&id).await.unwrap().expect("the client is there");
    let expected = Client { revision: 7, ..records::client("client") };
    assert_eq!(format!("{client:?}"), format!("{expected:?}"), "it is what it was, and stays until it is removed");
    let [row] = &store.scan(Table::AccessTokens, None, 10).await.unwrap()[..] else { panic!("there is one token") };
    assert!(!row.revoked && store.access_token(row.id()).await.unwrap().is_some(), "the token is there");
    assert_eq!(count(&server, &schema, "consent").await, 1, "what was agreed to is remembered");
    assert_eq!(store.insert_client(records::insert(expected.clone())).await.unwrap(), Inserted::Taken);
    assert!(store.policy().await.unwrap().is_none());

    let blocked = Client { blocked: true, ..expected };
    assert_eq!(store.update_client(records::update_and_end(blocked)).await.unwrap(), Updated::Now);
    let stored = store.access_token(row.id()).await.unwrap();
    assert!(stored.is_none_or(|stored| stored.revoked), "what ends access ends what is older than the schema");
    assert_eq!(count(&server, &schema, "consent").await, 0);
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn ten_instances_that_start_at_once_bring_a_schema_up_to_date_once() {
    let server = Server::new().await;
    for _ in 0..3 {
        let schema = first_version(&server).await;
        let starts: Vec<_> = (0..10)
            .map(|_| {
                let (options, url) = (PostgresOptions::new().schema(&schema).max_connections(1), server.url.clone());
                tokio::spawn(async move { options.connect(&url).await })
            })
            .collect();
        for start in starts {
            let store = start.await.unwrap().expect("each of ten instances starts");
            let id = ClientId::parse("client").unwrap();
            assert_eq!(store.client(&id).await.unwrap().map(|client| client.revision), Some(7));
        }
        assert_eq!(count(&server, &schema, "migration").await, 2, "each step was made once");
    }
    server.clean_up().await;
}
