//! An app over a store that can fail, and what its endpoints say then.

use std::fmt::Debug;
use std::time::Duration;

use grantor::storage::{PostgresOptions, Storage, invariants};
use grantor::{Keys, PostgresStorage, Subject};
use http::StatusCode;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

use crate::postgres::fresh_schema;
use crate::support::refreshing::Tokens;
use crate::support::{API, Answer, CALLBACK, Client, ConsentPage, ISSUER, World};

/// An app over that store.
pub(crate) fn world<S: Storage + Clone>(storage: S) -> World<S> {
    World::at(ISSUER, storage, |builder| builder.keys(Keys::from_bytes([7; 32])))
}

/// A schema of its own on a server, and a way to it that nothing disturbs.
pub(crate) struct Database {
    pub(crate) schema: String,
    pub(crate) admin: PgPool,
}

impl Database {
    pub(crate) async fn at(url: &str) -> Self {
        let admin = PgPoolOptions::new().max_connections(2).connect(url).await.expect("the server answers");
        Self { schema: fresh_schema(), admin }
    }

    /// For a store in this schema that does not wait for long.
    pub(crate) fn options(&self) -> PostgresOptions {
        let short = Duration::from_millis(500);
        PostgresOptions::new().schema(&self.schema).acquire_timeout(short).statement_timeout(Duration::from_secs(2))
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let text = format!("SELECT count(*) FROM \"{}\".{table}", self.schema);
        sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&self.admin).await.unwrap()
    }

    /// Every row of every table.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["client", "decision", "consent", "grants", "code", "access_token", "refresh_token"] {
            let text = format!("SELECT t::text FROM \"{}\".{table} t ORDER BY 1", self.schema);
            let some: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&self.admin).await.unwrap();
            rows.extend(some.into_iter().map(|row| format!("{table} {row}")));
        }
        rows
    }

    /// Fails unless all that is there fits together.
    pub(crate) async fn end(&self, storage: &PostgresStorage) {
        assert_sound(storage).await;
        self.admin.execute(AssertSqlSafe(format!("DROP SCHEMA \"{}\" CASCADE", self.schema))).await.unwrap();
    }
}

/// Fails unless all that is stored fits together.
pub(crate) async fn assert_sound<S: Storage>(storage: &S) {
    let report = invariants::check(storage).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

pub(crate) fn assert_unavailable(answer: &Answer, why: &dyn Debug) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{why:?}: {:?} {}", answer.location(), answer.body());
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{why:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{why:?}");
    assert!(answer.location().is_none(), "{why:?}");
}

/// The same for an endpoint that answers in JSON.
pub(crate) fn assert_temporary(answer: &Answer, why: &dyn Debug) {
    assert_unavailable(answer, why);
    answer.assert_error(503, "temporarily_unavailable");
}

pub(crate) async fn grants_of<S: Storage + Clone>(world: &World<S>, name: &str) -> usize {
    world.server.grants(&Subject::new(name), None, 10).await.unwrap().len()
}

/// One who is about to do something at every endpoint.
pub(crate) struct Everyone {
    client: Client,
    /// Of one who is asked.
    page: ConsentPage,
    browser: crate::support::Browser<grantor::storage::AnyStorage>,
    code: String,
    refreshes: Tokens,
    revokes: Tokens,
}

type AnyWorld = World<grantor::storage::AnyStorage>;

impl Everyone {
    pub(crate) async fn come(world: &AnyWorld) -> Self {
        let client = world.refreshing_client("client_secret_post").await;
        let mut browser = world.browser_of("bob");
        Self {
            page: browser.prompt(&client.authorize()).await,
            browser,
            code: world.code(&client).await,
            refreshes: world.tokens_of("carol", &client, &[]).await,
            revokes: world.tokens_of("dave", &client, &[]).await,
            client,
        }
    }

    /// All are told to come again later, at once; nobody is told that anything was done.
    pub(crate) async fn are_put_off(&mut self, world: &AnyWorld) {
        self.are_put_off_writing(world).await;
        assert_eq!(world.guard(API, "", &self.refreshes.access).await, 503, "a token that nobody could look up");
        let answer = self.browser.get(&self.client.authorize()).await;
        assert_unavailable(&answer, &"page");
    }

    /// The same for those who want something changed.
    pub(crate) async fn are_put_off_writing(&mut self, world: &AnyWorld) {
        let metadata = serde_json::json!({ "redirect_uris": [CALLBACK] });
        let mut other = self.browser.clone();
        let (registered, decided, exchanged, refreshed, revoked) = tokio::join!(
            world.register(&metadata),
            other.decide(&self.page, "allow"),
            world.exchange(&self.client, &self.code, &[]),
            world.refresh(&self.client, &self.refreshes.refresh, &[]),
            world.revoke(&self.client, &self.revokes.refresh, &[]),
        );
        assert_temporary(&registered, &"registration");
        assert_unavailable(&decided, &"decision");
        decided.assert_page(503);
        assert_temporary(&exchanged, &"exchange");
        assert_temporary(&refreshed, &"refresh");
        assert_temporary(&revoked, &"revocation");
    }

    /// All come again, and nothing was half done. Whoever asks again gets the very same.
    pub(crate) async fn are_served(&mut self, world: &AnyWorld) {
        assert!(world.is_live(&self.revokes.access).await && world.is_live(&self.refreshes.access).await);
        let code = self.browser.decide(&self.page, "allow").await.redirect_parameter("code").expect("a code");
        for code in [&code, &self.code] {
            let tokens = Tokens::of(&world.exchange(&self.client, code, &[]).await);
            assert!(world.is_live(&tokens.access).await);
        }
        let pair = world.refreshed(&self.client, &self.refreshes.refresh, &[]).await;
        assert_eq!(world.refreshed(&self.client, &self.refreshes.refresh, &[]).await, pair);
        assert!(world.is_live(&pair.access).await);
        world.revoked(&self.client, &self.revokes.refresh).await;
        assert!(!world.is_live(&self.revokes.access).await);
        for (name, grants) in [("alice", 1), ("bob", 1), ("carol", 1), ("dave", 0)] {
            assert_eq!(grants_of(world, name).await, grants, "{name}");
        }
        assert_sound(&world.storage).await;
    }
}
