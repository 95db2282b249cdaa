//! What is in force of scopes that were changed: for machines and resource servers, in the SQL stores, and while
//! many requests ask at once.

use std::future::Future as _;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::{API, ISSUER, World};
use grantor::storage::Storage;
use grantor::storage::testkit::{Call, Faulty, Lost, Yielding};
use grantor::{Builder, MemoryStorage, NewClient, Retired, Scope};

/// For how long what was read counts.
const BOUND: Duration = Duration::from_millis(2000);

fn with_hierarchy(builder: Builder) -> Builder {
    let all = Scope::new("projects:all", "Do everything with your projects").implies("projects:write");
    builder.add_scope(Scope::new("projects:write", "Change your projects").implies("projects:read")).add_scope(all)
}

#[tokio::test]
async fn what_a_machine_gets_has_in_it_what_its_scopes_imply() {
    let world = World::with(with_hierarchy);
    let (machine, server) = (world.machine().await, world.resource_server(&[API]).await);
    let got = world.own_token(&machine, &[("scope", "projects:write")]).await;
    assert_eq!(got.scope, "projects:write", "it is told what it asked for");
    assert_eq!(world.guard(API, "projects:read", &got.access).await, 200);
    assert_eq!(world.guard(API, "projects:all", &got.access).await, 403);
    let told = world.introspect(&server, &got.access, &[]).await.json();
    assert_eq!(told["scope"], "projects:read projects:write", "a resource server checks names alone");

    let limited = NewClient::confidential("Limited").client_credentials().scopes("projects:write");
    let limited = world.created(limited).await;
    let got = world.own_token(&limited, &[]).await;
    assert_eq!(world.guard(API, "projects:read", &got.access).await, 200, "its limit has that in it");
}

#[tokio::test]
async fn a_dead_scope_is_told_of_no_token_and_given_to_no_machine() {
    let world = World::new();
    let (machine, server) = (world.machine().await, world.resource_server(&[API]).await);
    let both = [("scope", "projects:read projects:write")];
    let got = world.own_token(&machine, &both).await;
    let scopes = world.server.scopes();
    scopes.retire("projects:write", Retired::Dead).await.unwrap();
    scopes.add(Scope::new("projects:write", "Another one")).await.unwrap();
    let told = world.introspect(&server, &got.access, &[]).await.json();
    assert_eq!((&told["active"], &told["scope"]), (&true.into(), &"projects:read".into()));
    let anew = world.own_token(&machine, &both).await;
    assert_eq!(anew.scope, "projects:read projects:write");
    assert_eq!(world.guard(API, "projects:write", &anew.access).await, 200, "it is asked for anew");

    scopes.retire("projects:read", Retired::Dead).await.unwrap();
    scopes.retire("projects:write", Retired::Dead).await.unwrap();
    let told = world.introspect(&server, &anew.access, &[]).await.json();
    assert_eq!((&told["active"], told.get("scope")), (&true.into(), None));
    world.own_access(&machine, &both).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_limit_is_about_the_scope_that_there_was_by_that_name() {
    let world = World::new();
    let limited = world.created(NewClient::confidential("Old").client_credentials().scopes("projects:write")).await;
    let scopes = world.server.scopes();
    scopes.retire("projects:write", Retired::Dead).await.unwrap();
    scopes.add(Scope::new("projects:write", "Another one")).await.unwrap();
    world.own_access(&limited, &[("scope", "projects:write")]).await.assert_error(400, "invalid_scope");
    let summary = world.server.client(&limited.client_id()).await.unwrap().unwrap();
    assert_eq!(summary.scopes.as_str(), "", "nobody said that it may have the other one");
}

/// Scopes with ids of their own and scopes that come with others go through a store, and a restart.
async fn are_kept<S: Storage + Clone>(storage: S, again: impl AsyncFn() -> S) {
    let keys = || grantor::Keys::from_bytes([7; 32]);
    let world = World::at(ISSUER, storage, |builder| with_hierarchy(builder).keys(keys()));
    let client = world.refreshing_client("none").await;
    let scopes = world.server.scopes();
    scopes.retire("projects:write", Retired::Dead).await.unwrap();
    scopes.add(Scope::new("projects:write", "Another one").implies("projects:read")).await.unwrap();
    scopes.add(Scope::new("late", "Late").hidden()).await.unwrap();
    let got = world.tokens_of("alice", &client, &[("scope", "projects:write late")]).await;
    let clock = world.clock.clone();
    drop(world);

    let world =
        World::at(ISSUER, again().await, |builder| with_hierarchy(builder).keys(keys()).clock(move || clock.now()));
    let refreshed = world.refreshed(&client, &got.refresh, &[]).await;
    assert_eq!(refreshed.scope, "late projects:write");
    for token in [&got.access, &refreshed.access] {
        for scope in ["late", "projects:read", "projects:write"] {
            assert_eq!(world.guard(API, scope, token).await, 200, "{scope}");
        }
    }
    world.server.scopes().retire("projects:write", Retired::Dead).await.unwrap();
    for (scope, status) in [("late", 200), ("projects:read", 403), ("projects:write", 403)] {
        assert_eq!(world.guard(API, scope, &refreshed.access).await, status, "{scope}");
    }
    assert!(grantor::storage::invariants::check(&world.storage).await.unwrap().is_clean());
}

#[tokio::test]
async fn changed_scopes_are_kept_in_memory() {
    let storage = MemoryStorage::new();
    are_kept(storage.clone(), async || storage.clone()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn changed_scopes_are_kept_in_sqlite() {
    let folder = crate::scratch::Folder::new("scopes");
    let file = folder.fresh();
    let open = async || grantor::SqliteStorage::open(&file).await.unwrap();
    are_kept(open().await, open).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn changed_scopes_are_kept_in_postgres() {
    let (url, schema) = (crate::postgres::shared_url(), crate::postgres::fresh_schema());
    let options = || grantor::storage::PostgresOptions::new().schema(&schema);
    let open = async || options().connect(&url).await.unwrap();
    are_kept(open().await, open).await;
}

#[tokio::test]
async fn many_requests_at_once_read_the_scopes_once() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::new(Yielding::new(Arc::clone(&storage))), |builder| builder);
    let client = world.refreshing_client("none").await;
    let got = world.tokens(&client).await;
    for (nth, expected, next) in [(2, 200, 503), (1, 503, 200)] {
        world.clock.advance(BOUND);
        storage.lose(Lost::Request, Call::Policy, nth);
        let all = at_once(&world, &got, 40).await;
        assert_eq!(all, vec![expected; 40], "they wait for one look, and share what comes of it");
        world.clock.advance(BOUND);
        assert_eq!(world.guard(API, "projects:read", &got.access).await, next, "it was one");
    }
}

async fn at_once<S: Storage + Clone>(world: &World<S>, got: &Tokens, number: usize) -> Vec<u16> {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..number {
        let (world, token) = (world.clone(), got.access.clone());
        all.spawn(async move { world.guard(API, "projects:read", &token).await });
    }
    all.join_all().await.into_iter().collect()
}

#[tokio::test]
async fn a_request_that_is_given_up_while_it_reads_holds_up_nobody() {
    let world = World::at(ISSUER, Arc::new(Yielding::new(MemoryStorage::new())), |builder| builder);
    let client = world.refreshing_client("none").await;
    let got = world.tokens(&client).await;
    for polls in 1..8 {
        world.clock.advance(BOUND);
        let mut given_up = Box::pin(world.guard(API, "projects:read", &got.access));
        let mut context = Context::from_waker(Waker::noop());
        let mut is_done = false;
        for _ in 0..polls {
            is_done = is_done || given_up.as_mut().poll(&mut context) != Poll::Pending;
        }
        let waiting = tokio::spawn({
            let (world, token) = (world.clone(), got.access.clone());
            async move { world.guard(API, "projects:read", &token).await }
        });
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        drop(given_up);
        let answer = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("nobody waits for ever");
        assert_eq!(answer.unwrap(), 200, "after {polls}, done: {is_done}");
    }
}
