//! Attacks on refresh tokens, over HTTP and without a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::refreshing::{Standing, StrictApp, Tokens, Verdict};
use crate::support::{API, CALLBACK, Client, ISSUER, MCP, START, World};
use grantor::storage::testkit::Yielding;
use grantor::{ConsentPolicy, MemoryStorage, Subject};
use http::StatusCode;

const GRACE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_16_parallel_refreshes_give_everyone_one_pair() {
    let world = World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder);
    for method in ["none", "client_secret_basic"] {
        let client = world.refreshing_client(method).await;
        for _ in 0..4 {
            let start = world.tokens(&client).await;
            let tasks: Vec<_> = (0..64)
                .map(|_| {
                    let (world, client, token) = (world.clone(), client.clone(), start.refresh.clone());
                    tokio::spawn(async move { world.refreshed(&client, &token, &[]).await })
                })
                .collect();
            let mut all = Vec::new();
            for task in tasks {
                all.push(task.await.unwrap());
            }
            assert!(all.iter().all(|tokens| *tokens == all[0]), "{all:?}");
            assert_ne!(all[0].refresh, start.refresh);
            assert!(world.is_live(&all[0].access).await);
            world.refreshed(&client, &all[0].refresh, &[]).await;
        }
    }
}

#[tokio::test]
async fn attack_16_a_lost_answer_is_repeated_with_the_time_that_is_left() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    assert_eq!(first.expires_in, 3600);
    world.clock.advance(Duration::from_secs(45));
    let again = world.refreshed(&client, &start.refresh, &[]).await;
    assert_eq!(again, Tokens { expires_in: 3555, ..first.clone() });
    world.clock.advance(GRACE - Duration::from_secs(45) - Duration::from_millis(1));
    assert_eq!(world.refreshed(&client, &start.refresh, &[]).await.pair(), first.pair());
    assert!(world.is_live(&first.access).await);
    world.clock.advance(Duration::from_millis(1));
    world.refresh(&client, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn attack_16_a_retry_authenticates_the_client_again() {
    let world = World::new();
    let client = world.refreshing_client("client_secret_post").await;
    let start = world.tokens(&client).await;
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    for secret in ["", "grs_wrong", &start.refresh] {
        let answer = world.refresh(&client, &start.refresh, &[("client_secret", secret)]).await;
        answer.assert_error(401, "invalid_client");
        assert!(!answer.body().contains("gra_") && !answer.body().contains("grr_"), "{}", answer.body());
    }
    assert_eq!(world.refreshed(&client, &start.refresh, &[]).await, first);
}

#[tokio::test]
async fn attack_16_a_retry_is_refused_once_the_grant_is_revoked() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    for (name, by_user) in [("alice", true), ("bob", false)] {
        let start = world.tokens_of(name, &client, &[]).await;
        let first = world.refreshed(&client, &start.refresh, &[]).await;
        if by_user {
            let user = Subject::new(name);
            let apps = world.server.grants(&user, None, 1).await.unwrap();
            assert!(world.server.revoke_grant(&user, apps[0].id).await.unwrap());
        } else {
            world.revoked(&client, &first.refresh).await;
        }
        let answer = world.refresh(&client, &start.refresh, &[]).await;
        answer.assert_error(400, "invalid_grant");
        assert!(!answer.body().contains(&first.access), "{}", answer.body());
    }
}

#[tokio::test]
async fn attack_16_the_window_ends_when_the_successor_is_used() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    let second = world.refreshed(&client, &first.refresh, &[]).await;
    assert!(world.is_live(&second.access).await);
    world.refresh(&client, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
    assert!(!world.is_live(&second.access).await, "a thief or its victim came second: nobody knows which");
}

#[tokio::test]
async fn attack_16_a_repetition_for_something_else_keeps_the_one_successor() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens_of("alice", &client, &[("resource", API), ("resource", MCP)]).await;
    let first = world.refreshed(&client, &start.refresh, &[("resource", API)]).await;
    assert_eq!(world.refreshed(&client, &start.refresh, &[]).await, first, "the first resource is the default");

    let narrow = world.refreshed(&client, &start.refresh, &[("scope", "projects:read")]).await;
    assert_eq!((narrow.refresh.as_str(), narrow.scope.as_str()), (first.refresh.as_str(), "projects:read"));
    assert_ne!(narrow.access, first.access);
    assert_eq!(world.guard(API, "projects:read", &narrow.access).await, 200);
    assert_eq!(world.guard(API, "projects:write", &narrow.access).await, 403);

    let elsewhere = world.refreshed(&client, &start.refresh, &[("resource", MCP)]).await;
    assert_eq!(elsewhere.refresh, first.refresh);
    assert_eq!(world.guard(MCP, "projects:read", &elsewhere.access).await, 200);
    assert_eq!(world.guard(API, "projects:read", &elsewhere.access).await, 401);
    assert_eq!(world.guard(MCP, "projects:read", &first.access).await, 401);
    world.revoked(&client, &first.refresh).await;
    for token in [&first.access, &narrow.access, &elsewhere.access] {
        assert!(!world.is_live(token).await && world.guard(MCP, "projects:read", token).await == 401);
    }
}

#[tokio::test]
async fn attack_17_reuse_after_the_window_revokes_that_grant_alone() {
    let world = World::new();
    for method in ["none", "client_secret_basic"] {
        let client = world.refreshing_client(method).await;
        let (other, start) = (world.tokens(&client).await, world.tokens(&client).await);
        let first = world.refreshed(&client, &start.refresh, &[]).await;
        world.clock.advance(GRACE);
        assert!(world.is_live(&first.access).await);
        world.refresh(&client, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
        assert!(!world.is_live(&first.access).await && !world.is_live(&start.access).await);
        world.refresh(&client, &first.refresh, &[]).await.assert_error(400, "invalid_grant");
        assert!(world.is_live(&other.access).await, "another machine of hers stays signed in");
        world.refreshed(&client, &other.refresh, &[]).await;
    }
}

#[tokio::test]
async fn attack_17_a_reuse_is_noticed_whatever_it_asks_for() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    for changes in [("resource", MCP), ("scope", "projects:write"), ("scope", "nothing"), ("scope", "offline_access")] {
        let start = world.tokens(&client).await;
        let first = world.refreshed(&client, &start.refresh, &[]).await;
        world.clock.advance(GRACE);
        assert!(world.is_live(&first.access).await);
        world.refresh(&client, &start.refresh, &[changes]).await.assert_error(400, "invalid_grant");
        assert!(!world.is_live(&first.access).await, "{changes:?}");
    }
    // Whether its user may still use the app is not asked of a thief.
    let standing = Standing::default();
    let world = World::with(|builder| builder.host(StrictApp(standing.clone())));
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    world.clock.advance(GRACE);
    standing.set(Verdict::AliceMayNot);
    world.refresh(&client, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
    assert!(!world.is_live(&first.access).await);
}

#[tokio::test]
async fn attack_17_a_guess_logs_nobody_out() {
    let world = World::new();
    let (client, stranger) =
        (world.refreshing_client("client_secret_post").await, world.refreshing_client("client_secret_post").await);
    let public = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    world.clock.advance(GRACE * 2);
    // The id is in the first characters, the secret in the last.
    let guessed = format!("{}{}", &start.refresh[..20], &first.refresh[20..]);
    world.refresh(&client, &guessed, &[]).await.assert_error(400, "invalid_grant");
    for other in [&stranger, &public] {
        world.refresh(other, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
    }
    world.refresh(&client, &start.refresh, &[("client_secret", "grs_x")]).await.assert_error(401, "invalid_client");
    world.refresh(&client, &start.refresh, &[("client_secret", "")]).await.assert_error(401, "invalid_client");
    assert!(world.is_live(&first.access).await);
    world.refreshed(&client, &first.refresh, &[]).await;
}

#[tokio::test]
async fn attack_18_a_confidential_client_authenticates_on_refresh() {
    let world = World::new();
    for method in ["client_secret_basic", "client_secret_post"] {
        let (client, other) = (world.refreshing_client(method).await, world.refreshing_client(method).await);
        let start = world.tokens(&client).await;
        for secret in ["", "grs_wrong", other.secret.as_deref().unwrap()] {
            let answer = world.refresh(&client, &start.refresh, &[("client_secret", secret)]).await;
            answer.assert_error(401, "invalid_client");
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", start.refresh.as_str())];
        world.post("/oauth/token", &form, &[]).await.assert_error(401, "invalid_client");
        let basic = client.basic();
        let first = Tokens::of(&world.post("/oauth/token", &form, &[("authorization", &basic)]).await);
        assert!(world.is_live(&first.access).await);
    }
}

#[tokio::test]
async fn attack_18_a_refresh_token_works_for_its_client_only() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let others = [world.refreshing_client("none").await, world.refreshing_client("client_secret_post").await];
    let start = world.tokens(&client).await;
    for _ in 0..2 {
        for other in &others {
            world.refresh(other, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
        }
        world.refreshed(&client, &start.refresh, &[]).await;
    }
}

#[tokio::test]
async fn attack_19_a_disabled_user_is_refused() {
    let standing = Standing::default();
    let world = World::with(|builder| builder.host(StrictApp(standing.clone())));
    let client = world.refreshing_client("none").await;
    let alices = world.tokens(&client).await;
    let first = world.refreshed(&client, &alices.refresh, &[]).await;
    let bobs = world.tokens_of("bob", &client, &[]).await;

    standing.set(Verdict::AliceMayNot);
    for token in [&alices.refresh, &first.refresh] {
        world.refresh(&client, token, &[]).await.assert_error(400, "invalid_grant");
    }
    world.refreshed(&client, &bobs.refresh, &[]).await;
    standing.set(Verdict::CannotTell);
    let answer = world.refresh(&client, &first.refresh, &[]).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());

    standing.set(Verdict::AllMay);
    assert_eq!(world.refreshed(&client, &alices.refresh, &[]).await, first, "nothing was burned");
    world.refreshed(&client, &first.refresh, &[]).await;
}

/// Tokens of a grant that may only read.
async fn reading(world: &World, client: &Client) -> Tokens {
    world.tokens_of("alice", client, &[("scope", "projects:read offline_access")]).await
}

#[tokio::test]
async fn attack_20_scopes_never_widen() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = reading(&world, &client).await;
    assert_eq!(start.scope, "offline_access projects:read");
    let mut token = start.refresh;
    // Clients add `offline_access`, everything that the metadata names, and what was never heard of.
    for asked in
        ["", "offline_access", "projects:read projects:write offline_access", "projects:read admin x offline_access"]
    {
        let next = world.refreshed(&client, &token, &[("scope", asked)]).await;
        assert_eq!(next.scope, "offline_access projects:read", "{asked}");
        assert_eq!(world.guard(API, "projects:write", &next.access).await, 403);
        assert_eq!(world.guard(API, "admin", &next.access).await, 403);
        token = next.refresh;
    }
}

#[tokio::test]
async fn attack_20_a_scope_that_was_not_granted_burns_nothing() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = reading(&world, &client).await;
    for asked in ["projects:write", "admin", "unheard:of", "projects:write admin", "\"", "é"] {
        world.refresh(&client, &start.refresh, &[("scope", asked)]).await.assert_error(400, "invalid_scope");
    }
    world.clock.advance(GRACE * 2);
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    assert!(world.is_live(&first.access).await);
}

#[tokio::test]
async fn attack_20_the_successor_keeps_the_full_scope() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let narrow = world.refreshed(&client, &start.refresh, &[("scope", "projects:read")]).await;
    assert_eq!(narrow.scope, "projects:read");
    assert_eq!(world.guard(API, "projects:write", &narrow.access).await, 403);
    let full = world.refreshed(&client, &narrow.refresh, &[]).await;
    assert_eq!(full.scope, "projects:read projects:write");
    assert_eq!(world.guard(API, "projects:write", &full.access).await, 200);
}

#[tokio::test]
async fn attack_20_resources_never_widen() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens_of("alice", &client, &[("resource", API)]).await;
    for asked in [MCP, "https://app.example/other", "https://app.example/ap", "https://app.example/", "no url"] {
        world.refresh(&client, &start.refresh, &[("resource", asked)]).await.assert_error(400, "invalid_target");
    }
    let both = [("resource", API), ("resource", MCP)];
    world.refresh(&client, &start.refresh, &both).await.assert_error(400, "invalid_target");
    world.clock.advance(GRACE * 2);
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    assert_eq!(world.guard(API, "projects:read", &first.access).await, 200);
    assert_eq!(world.guard(MCP, "projects:read", &first.access).await, 401);
}

#[tokio::test]
async fn attack_21_malformed_refresh_tokens_are_merely_unknown() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let token = &start.refresh;
    let mut bad: Vec<String> = (0..token.len()).map(|end| token[..end].to_owned()).skip(1).collect();
    for at in 0..token.len() {
        for with in ["A", "_", "!", "%", " ", "é", "\0"] {
            let mut mutated = token.clone();
            mutated.replace_range(at..=at, with);
            bad.push(mutated);
        }
    }
    bad.retain(|bad| bad != token);
    let (swapped, long) = (start.access.replace("gra_", "grr_"), "grr_".repeat(5000));
    bad.extend([format!("{token}A"), format!("{token}="), format!(" {token}"), swapped, start.access.clone(), long]);
    for bad in &bad {
        world.refresh(&client, bad, &[]).await.assert_error(400, "invalid_grant");
        assert_eq!(world.revoke(&client, bad, &[("token_type_hint", "refresh_token")]).await.status(), StatusCode::OK);
        if *bad == start.access {
            assert!(!world.is_live(bad).await, "the hint is only a hint");
        }
    }
    world.refresh(&client, "", &[]).await.assert_error(400, "invalid_request");
    world
        .refresh(&client, token, &[("refresh_token", token), ("refresh_token", "x")])
        .await
        .assert_error(400, "invalid_request");
    world.refreshed(&client, token, &[]).await;
}

#[tokio::test]
async fn attack_21_a_refresh_token_ends_to_the_millisecond() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let thirty_days = Duration::from_secs(30 * 86_400);
    let (start, idle) = (world.tokens(&client).await, world.tokens(&client).await);
    world.clock.advance(thirty_days - Duration::from_millis(1));
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    assert_eq!(first.expires_in, 3600);
    world.clock.advance(Duration::from_millis(1));
    for token in [&start.refresh, &idle.refresh] {
        world.refresh(&client, token, &[]).await.assert_error(400, "invalid_grant");
    }
    assert!(world.is_live(&first.access).await, "what is over cannot be reused");
    world.refreshed(&client, &first.refresh, &[]).await;
}

#[tokio::test]
async fn attack_21_a_clock_that_jumps_breaks_nothing() {
    let world = World::new();
    // One that registered itself ends when nobody uses it for that long.
    let client = world.house_client("house", ConsentPolicy::Ask, &[CALLBACK]).await;
    for jump in [START - 1, START - 86_400_000, 1, 0, u64::MAX - 1, u64::MAX] {
        world.clock.jump_to(START);
        let (idle, used) = (world.tokens(&client).await, world.tokens(&client).await);
        let first = world.refreshed(&client, &used.refresh, &[]).await;
        world.clock.jump_to(jump);
        for token in [&idle.refresh, &used.refresh, &first.refresh] {
            for scope in ["", "projects:read"] {
                let answer = world.refresh(&client, token, &[("scope", scope)]).await;
                assert!(matches!(answer.status().as_u16(), 200 | 400), "{jump}: {}", answer.body());
                assert_eq!(answer.status() == StatusCode::OK, jump < START, "{jump}: {}", answer.body());
            }
        }
        assert_eq!(world.revoke(&client, &idle.refresh, &[]).await.status(), StatusCode::OK);
    }
    for start in [0, u64::MAX - 86_400_000] {
        world.clock.jump_to(start);
        let used = world.tokens(&client).await;
        let first = world.refreshed(&client, &used.refresh, &[]).await;
        assert_eq!(world.refreshed(&client, &used.refresh, &[]).await, first, "{start}");
        assert!(world.is_live(&first.access).await);
        world.refreshed(&client, &first.refresh, &[]).await;
    }
}

type YieldingWorld = World<Yielding<MemoryStorage>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_22_a_refresh_beside_a_revocation_revives_nothing() {
    const TASKS: usize = 4;
    const ROUNDS: usize = 2500;
    let world = World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder);
    let client = world.refreshing_client("none").await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (world, client) = (world.clone(), client.clone());
            tokio::spawn(async move {
                let mut refreshed = 0;
                for round in 0..ROUNDS {
                    refreshed += usize::from(race(&world, &client, format!("user{task}-{round}"), round).await);
                }
                refreshed
            })
        })
        .collect();
    let mut refreshed = 0;
    for task in tasks {
        refreshed += task.await.unwrap();
    }
    assert!((1..TASKS * ROUNDS).contains(&refreshed), "each comes first at times: {refreshed}");
}

/// A refresh beside a revocation, by the user in even rounds and by the client in odd ones; whether the
/// refresh came first.
async fn race(world: &YieldingWorld, client: &Client, name: String, round: usize) -> bool {
    let start = world.tokens_of(&name, client, &[]).await;
    let waiting = Arc::new(AtomicUsize::new(2));
    let refreshing = {
        let (world, client, token, waiting) =
            (world.clone(), client.clone(), start.refresh.clone(), Arc::clone(&waiting));
        tokio::spawn(async move {
            together(&waiting).await;
            world.refresh(&client, &token, &[]).await
        })
    };
    let revoking = {
        let (world, client, token) = (world.clone(), client.clone(), start.refresh.clone());
        let user = Subject::new(&name);
        let grant = world.server.grants(&user, None, 1).await.unwrap()[0].id;
        tokio::spawn(async move {
            together(&waiting).await;
            if round.is_multiple_of(2) {
                assert!(world.server.revoke_grant(&user, grant).await.unwrap());
            } else {
                world.revoked(&client, &token).await;
            }
        })
    };
    revoking.await.unwrap();
    let answer = refreshing.await.unwrap();
    let came_first = answer.status() == StatusCode::OK;
    let mut refreshes = vec![start.refresh];
    if came_first {
        let tokens = Tokens::of(&answer);
        assert!(!world.is_live(&tokens.access).await, "the grant was revoked beside the refresh");
        refreshes.push(tokens.refresh);
    } else {
        answer.assert_error(400, "invalid_grant");
    }
    assert!(!world.is_live(&start.access).await);
    for token in refreshes {
        world.refresh(client, &token, &[]).await.assert_error(400, "invalid_grant");
    }
    came_first
}

/// Woken by a signal, they would start one after the other.
async fn together(waiting: &AtomicUsize) {
    waiting.fetch_sub(1, Ordering::AcqRel);
    while waiting.load(Ordering::Acquire) > 0 {
        tokio::task::yield_now().await;
    }
}
