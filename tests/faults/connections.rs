//! Connections to PostgreSQL that break in the middle of an operation, and callers who try again.

use std::time::Duration;

use grantor::PostgresStorage;
use http::StatusCode;

use crate::postgres::shared_url;
use crate::proxy::{Moment, Proxy, soon};
use crate::scene::{Database, assert_temporary, assert_unavailable, grants_of, world};
use crate::support::refreshing::Tokens;
use crate::support::{API, CALLBACK, World};

/// What only the statement of one operation has in it.
mod statement {
    /// Of the few operations that are several statements.
    pub(super) const COMMIT: &str = "COMMIT";
    pub(super) const DECIDE: &str = ".decision (prompt, keep_until, approved)";
    pub(super) const REDEEM: &str = ".code c SET uses";
    pub(super) const ROTATE: &str = "kept_successor";
    pub(super) const REVOKE: &str = "SET revoked = true";
    pub(super) const LOOK_UP: &str = ".access_token t JOIN";
}

/// An app that reaches its database over a shaky way.
struct Shaky {
    database: Database,
    proxy: Proxy,
    world: World<PostgresStorage>,
}

impl Shaky {
    async fn new() -> Self {
        let database = Database::at(&shared_url()).await;
        let proxy = Proxy::to(&shared_url()).await;
        let storage = database.options().connect(proxy.url()).await.unwrap();
        Self { database, proxy, world: world(storage) }
    }

    /// Fails unless the connection broke, and the statement was carried out whole or not at all.
    async fn assert_cut(&self, before: &[String], moment: Moment) {
        assert!(self.proxy.has_cut(), "{moment:?}: there was no such statement");
        match moment.is_done() {
            Some(is_done) => assert_eq!(self.database.rows().await != before, is_done, "{moment:?}"),
            // It has heard the statement, so it will carry it out.
            None => soon("the statement", async || self.database.rows().await != before).await,
        }
    }

    async fn end(self) {
        self.database.end(&self.world.storage).await;
    }
}

fn name(moment: Moment) -> String {
    format!("{moment:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_refresh_whose_connection_breaks_gives_one_pair() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    let client = world.refreshing_client("client_secret_post").await;
    for moment in Moment::ALL {
        let start = world.tokens_of(&name(moment), &client, &[]).await;
        let before = shaky.database.rows().await;
        shaky.proxy.cut(statement::ROTATE, moment);
        assert_temporary(&world.refresh(&client, &start.refresh, &[]).await, &moment);
        shaky.assert_cut(&before, moment).await;

        let lost = shaky.database.rows().await;
        let pair = world.refreshed(&client, &start.refresh, &[]).await;
        if moment.is_done() != Some(false) {
            assert_eq!(shaky.database.rows().await, lost, "{moment:?}: the pair that got lost, and no other");
        }
        let kept = shaky.database.rows().await;
        assert_eq!(world.refreshed(&client, &start.refresh, &[]).await, pair, "{moment:?}: the very same pair");
        assert_eq!(shaky.database.rows().await, kept, "{moment:?}");
        assert!(world.is_live(&pair.access).await, "{moment:?}");
        world.refreshed(&client, &pair.refresh, &[]).await;
        assert_eq!(grants_of(world, &name(moment)).await, 1, "{moment:?}");
    }
    shaky.end().await;
}

/// RFC 6749 §4.1.2: a code is used once. Whoever tries it again, having heard nothing, ends its grant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_an_exchange_whose_connection_breaks_burns_no_code_for_nothing() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    let client = world.refreshing_client("none").await;
    for moment in Moment::ALL {
        let mut browser = world.browser_of(&name(moment));
        let code = browser.allow(&client.authorize()).await.redirect_parameter("code").unwrap();
        let before = shaky.database.rows().await;
        shaky.proxy.cut(statement::REDEEM, moment);
        assert_temporary(&world.exchange(&client, &code, &[]).await, &moment);
        shaky.assert_cut(&before, moment).await;

        let tokens = shaky.database.count("access_token").await;
        let again = world.exchange(&client, &code, &[]).await;
        if moment.is_done() == Some(false) {
            let tokens = Tokens::of(&again);
            assert!(world.is_live(&tokens.access).await, "{moment:?}: the code was not burned");
            world.refreshed(&client, &tokens.refresh, &[]).await;
            assert_eq!(grants_of(world, &name(moment)).await, 1, "{moment:?}");
        } else {
            again.assert_error(400, "invalid_grant");
            world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
            assert_eq!(grants_of(world, &name(moment)).await, 0, "{moment:?}: tokens that nobody has do not live on");
            assert_eq!(shaky.database.count("access_token").await, tokens, "{moment:?}: and there are no others");
        }
    }
    shaky.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_decision_whose_connection_breaks_is_made_once() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    let client = world.public_client().await;
    let mut unheard = Vec::new();
    for moment in Moment::ALL {
        for decision in ["allow", "deny"] {
            let name = format!("{moment:?}-{decision}");
            let mut browser = world.browser_of(&name);
            let page = browser.prompt(&client.authorize()).await;
            let before = shaky.database.rows().await;
            shaky.proxy.cut(statement::DECIDE, moment);
            let answer = browser.decide(&page, decision).await;
            assert_unavailable(&answer, &name);
            answer.assert_page(503);
            shaky.assert_cut(&before, moment).await;

            let again = browser.decide(&page, "allow").await;
            if moment.is_done() == Some(false) {
                let code = again.redirect_parameter("code").expect("nothing was decided before");
                let tokens = Tokens::of(&world.exchange(&client, &code, &[]).await);
                assert!(world.is_live(&tokens.access).await, "{name}");
                assert_eq!(grants_of(world, &name).await, 1, "{name}");
            } else {
                again.assert_page(409);
                assert!(!again.shows_a_code(), "a code that is shown to whoever comes second");
                unheard.push(name);
            }
        }
    }
    world.clock.advance(Duration::from_secs(60));
    for name in &unheard {
        assert_eq!(grants_of(world, name).await, 0, "{name}: a code that nobody has is no lasting grant");
        // The person begins anew.
        let code = world.browser_of(name).allow(&client.authorize()).await.redirect_parameter("code");
        assert!(code.is_some(), "{name}");
    }
    shaky.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_revocation_whose_connection_breaks_is_never_called_done() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    let client = world.refreshing_client("client_secret_post").await;
    for moment in Moment::ALL {
        let tokens = world.tokens_of(&name(moment), &client, &[]).await;
        let before = shaky.database.rows().await;
        shaky.proxy.cut(statement::REVOKE, moment);
        assert_temporary(&world.revoke(&client, &tokens.refresh, &[]).await, &moment);
        shaky.assert_cut(&before, moment).await;

        let is_live = moment.is_done() == Some(false);
        assert_eq!(world.is_live(&tokens.access).await, is_live, "{moment:?}");
        world.revoked(&client, &tokens.refresh).await;
        assert!(!world.is_live(&tokens.access).await, "{moment:?}");
        world.refresh(&client, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    }
    shaky.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_registration_whose_connection_breaks_can_be_made_again() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    for moment in Moment::ALL {
        let metadata = serde_json::json!({ "redirect_uris": [CALLBACK], "client_name": name(moment) });
        let before = shaky.database.rows().await;
        shaky.proxy.cut(statement::COMMIT, moment);
        assert_temporary(&world.register(&metadata).await, &moment);
        shaky.assert_cut(&before, moment).await;
        assert_eq!(world.register(&metadata).await.status(), StatusCode::CREATED, "{moment:?}");
    }
    shaky.end().await;
}

/// A look-up changes nothing, so it is made again over another connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn nobody_notices_a_look_up_whose_connection_breaks() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    let token = world.access_token(&world.public_client().await).await;
    for moment in Moment::ALL {
        shaky.proxy.cut(statement::LOOK_UP, moment);
        assert!(world.is_live(&token).await, "{moment:?}");
        assert!(shaky.proxy.has_cut(), "{moment:?}");
    }
    shaky.proxy.cut_all();
    assert!(world.is_live(&token).await, "all connections broke while they were idle");
    shaky.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_44_a_server_that_lets_nobody_in_is_no_answer() {
    let shaky = Shaky::new().await;
    let world = &shaky.world;
    let client = world.refreshing_client("none").await;
    let tokens = world.tokens(&client).await;
    for _ in 0..3 {
        shaky.proxy.refuse(true);
        assert_eq!(world.guard(API, "", &tokens.access).await, 503);
        assert_temporary(&world.refresh(&client, &tokens.refresh, &[]).await, &"refresh");
        assert_temporary(&world.revoke(&client, &tokens.refresh, &[]).await, &"revocation");
        shaky.proxy.refuse(false);
        assert!(world.is_live(&tokens.access).await, "it recovers at once");
    }
    world.refreshed(&client, &tokens.refresh, &[]).await;
    shaky.end().await;
}
