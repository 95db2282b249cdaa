//! How old an answer may be, and how often the server is asked.

use std::sync::Arc;
use std::time::Duration;

use grantor::protocol::secret::{Bearer, BearerKind, BearerSeed};
use tokio::task::JoinSet;

use crate::scene::{Scene, check};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_revoked_token_opens_nothing_once_the_staleness_is_over() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    assert_eq!((scene.status(&token).await, scene.line.asked()), (200, 1));
    scene.world.revoked(&scene.client, &token).await;
    scene.world.clock.advance(Duration::from_millis(4_999));
    assert_eq!((scene.status(&token).await, scene.line.asked()), (200, 0), "that is the staleness");
    scene.world.clock.advance(Duration::from_millis(1));
    assert_eq!((scene.status(&token).await, scene.line.asked()), (401, 1));
    assert_eq!((scene.status(&token).await, scene.line.asked()), (401, 0), "that is kept as well");
    scene.world.clock.advance(5 * SECOND);
    assert_eq!((scene.status(&token).await, scene.line.asked()), (401, 1));
}

#[tokio::test]
async fn using_a_kept_answer_does_not_make_it_younger() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    assert_eq!(scene.status(&token).await, 200);
    scene.world.revoked(&scene.client, &token).await;
    for _ in 0..4 {
        scene.world.clock.advance(SECOND);
        assert_eq!(scene.status(&token).await, 200);
    }
    scene.world.clock.advance(SECOND);
    assert_eq!(scene.status(&token).await, 401);
}

#[tokio::test]
async fn without_staleness_every_request_asks() {
    let scene = Scene::without_cache().await;
    let token = scene.token().await;
    assert_eq!((scene.status(&token).await, scene.status(&token).await), (200, 200));
    assert_eq!(scene.line.asked(), 2);
    scene.world.revoked(&scene.client, &token).await;
    assert_eq!(scene.status(&token).await, 401, "at once");
}

#[tokio::test]
async fn without_staleness_nobody_shares_the_question_of_another() {
    let scene = Arc::new(Scene::without_cache().await);
    let token = scene.token().await;
    assert_eq!((scene.status(&token).await, scene.line.asked()), (200, 1));
    let held = scene.line.gate.write().await;
    let mut requests = JoinSet::new();
    for _ in 0..2 {
        let (scene, token) = (Arc::clone(&scene), token.clone());
        requests.spawn(async move { scene.status(&token).await });
    }
    let both = async {
        let mut asked = 0;
        while asked < 2 {
            tokio::task::yield_now().await;
            asked += scene.line.asked();
        }
    };
    tokio::time::timeout(5 * SECOND, both).await.expect("each asks for itself");
    drop(held);
    assert_eq!(requests.join_all().await, [200; 2]);
}

#[tokio::test]
async fn no_answer_is_used_beyond_the_end_of_its_token() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    scene.world.clock.advance(Duration::from_hours(1) - 2 * SECOND);
    assert_eq!((scene.status(&token).await, scene.line.asked()), (200, 1));
    scene.world.clock.advance(2 * SECOND - Duration::from_millis(1));
    assert_eq!((scene.status(&token).await, scene.line.asked()), (200, 0));
    scene.world.clock.advance(Duration::from_millis(1));
    assert_eq!((scene.status(&token).await, scene.line.asked()), (401, 0), "the answer is 2 seconds old");
    assert_eq!(scene.reasons(), ["expired"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_requests_at_once_are_one_question() {
    let scene = Arc::new(Scene::new().await);
    let (token, other) = (scene.token().await, scene.token().await);
    assert_eq!((scene.status(&other).await, scene.line.asked()), (200, 1), "the endpoint is known");
    let held = scene.line.gate.write().await;
    let mut requests = JoinSet::new();
    for _ in 0..64 {
        let (guard, token) = (scene.guard("projects:read"), token.clone());
        requests.spawn(async move { check(&guard, &token).await.is_ok() });
    }
    assert_eq!(scene.status(&other).await, 200, "who has another token waits for nobody");
    drop(held);
    assert_eq!(requests.join_all().await, [true; 64]);
    assert_eq!(scene.line.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_wait_hear_of_a_failure_and_the_next_one_asks_again() {
    let scene = Arc::new(Scene::new().await);
    let token = scene.token().await;
    let held = scene.line.gate.write().await;
    scene.line.breaks();
    let mut requests = JoinSet::new();
    for _ in 0..16 {
        let (scene, token) = (Arc::clone(&scene), token.clone());
        requests.spawn(async move { scene.status(&token).await });
    }
    drop(held);
    assert_eq!(requests.join_all().await, [503; 16]);
    scene.line.is_mended();
    assert_eq!(scene.status(&token).await, 200, "a failure is not kept");
}

#[tokio::test]
async fn a_question_that_is_given_up_is_asked_by_who_waits() {
    let scene = Arc::new(Scene::new().await);
    let token = scene.token().await;
    assert_eq!(scene.status(&scene.token().await).await, 200);
    scene.line.asked();
    let held = scene.line.gate.write().await;
    let ask = || {
        let (scene, token) = (Arc::clone(&scene), token.clone());
        tokio::spawn(async move { scene.status(&token).await })
    };
    let first = ask();
    while scene.line.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let second = ask();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(held);
    assert_eq!((second.await.unwrap(), scene.line.asked()), (200, 1));
}

#[tokio::test]
async fn the_metadata_of_the_server_are_read_once() {
    let scene = Scene::without_cache().await;
    let token = scene.token().await;
    for _ in 0..3 {
        assert_eq!(scene.status(&token).await, 200);
    }
    assert_eq!(scene.line.discovered(), 1);
    let told = Scene::with(|builder| builder.introspection_endpoint("https://app.example/oauth/introspect")).await;
    assert_eq!(told.status(&told.token().await).await, 200);
    assert_eq!(told.line.discovered(), 0);
}

/// Tokens that look well and were never issued.
fn forged(number: u32) -> String {
    let mut random = [9; 36];
    random[..4].copy_from_slice(&number.to_be_bytes());
    random[32..].copy_from_slice(&number.to_be_bytes());
    let now = grantor::Timestamp::from_millis(crate::support::START);
    Bearer::mint(BearerKind::Access, now, &BearerSeed::from_random(&random)).0.expose().to_owned()
}

#[tokio::test]
async fn attack_36_a_flood_of_tried_tokens_makes_nobody_ask_again() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    assert_eq!(scene.status(&token).await, 200);
    for number in 0..3_000 {
        assert_eq!(scene.status(&forged(number)).await, 401);
    }
    assert_eq!(scene.line.asked(), 3_001);
    assert_eq!((scene.status(&token).await, scene.line.asked()), (200, 0), "it is kept beside them all");
    assert_eq!((scene.status(&forged(2_999)).await, scene.line.asked()), (401, 0), "and so is the last of them");
    assert_eq!((scene.status(&forged(0)).await, scene.line.asked()), (401, 1), "but not all of them");
}
