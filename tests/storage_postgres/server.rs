//! The server that the tests use, and what they leave behind there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use grantor::storage::PostgresOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) admin: PgPool,
    schemas: Mutex<Vec<String>>,
}

impl Server {
    #[allow(clippy::disallowed_methods, reason = "a test is told where its server is")]
    pub(crate) async fn new() -> Self {
        let url = std::env::var("GRANTOR_TEST_POSTGRES").expect("GRANTOR_TEST_POSTGRES is the URL of a server");
        let admin = PgPoolOptions::new().max_connections(2).connect(&url).await.expect("the server answers");
        Self { url, admin, schemas: Mutex::default() }
    }

    /// A name for a schema that no other test uses.
    pub(crate) fn schema(&self) -> String {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        self.note(&name);
        name
    }

    pub(crate) fn note(&self, schema: &str) {
        self.schemas.lock().unwrap().push(schema.to_owned());
    }

    /// For a store of its own.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new().schema(&self.schema())
    }

    pub(crate) async fn run(&self, statement: &str) {
        self.admin.execute(AssertSqlSafe(statement.to_owned())).await.expect("the statement is right");
    }

    pub(crate) async fn clean_up(&self) {
        let schemas = std::mem::take(&mut *self.schemas.lock().unwrap());
        for schema in schemas {
            self.run(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE")).await;
        }
    }
}
