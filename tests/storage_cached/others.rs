//! What others change: heard of and noticed, or not heard of and never kept.

use grantor::storage::testkit::Call;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Cached, Change, Decided, Sharing, Storage};

use crate::feed::TestFeed;
use crate::scene::{Ending, Scene, waits};
use crate::staged::{Plan, Staged};

#[tokio::test]
async fn if_nobody_tells_every_look_up_gets_to_the_store() {
    let scene = Scene::new(Sharing::Unheard).await;
    let installed = scene.installed().await;
    for round in 1..=50 {
        assert!(scene.is_live(installed.token).await);
        assert!(scene.name().await.is_some());
        assert_eq!(scene.store.look_ups(), 2 * round);
    }
    // Another process, say.
    Ending::RevokedGrant.of(&scene.store, &installed).await.unwrap();
    let _ = scene.store.update_client(scene.renamed("Renamed")).await.unwrap();
    assert!(!scene.is_live(installed.token).await);
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

#[tokio::test]
async fn what_is_heard_of_is_noticed() {
    for is_everything in [false, true] {
        for (ending, of_a_token) in [(Ending::RevokedGrant, false), (Ending::RevokedToken, true)] {
            let (feed, sharing) = TestFeed::new();
            let scene = Scene::new(sharing).await;
            let (one, other) = (scene.kept().await, scene.kept().await);
            ending.of(&scene.store, &one).await.unwrap();
            assert!(scene.is_live(one.token).await, "it was not heard of yet");
            let change = if of_a_token { Change::AccessToken(one.token) } else { Change::Grant(one.grant.id) };
            feed.tell(if is_everything { &Change::All } else { &change });
            assert!(!scene.is_live(one.token).await, "{ending:?}");
            assert_eq!(scene.answers_itself(other.token).await, !is_everything);
            assert!(scene.answers_itself(other.token).await, "and then it is kept again");
        }
    }
}

#[tokio::test]
async fn a_change_of_a_client_that_is_heard_of_is_noticed() {
    for is_everything in [false, true] {
        let (feed, sharing) = TestFeed::new();
        let scene = Scene::new(sharing).await;
        assert_eq!(scene.name().await.unwrap(), "A client");
        let _ = scene.store.update_client(scene.renamed("Renamed")).await.unwrap();
        assert_eq!(scene.name().await.unwrap(), "A client", "it was not heard of yet");
        feed.tell(&if is_everything { Change::All } else { Change::Client(scene.client_id().clone()) });
        assert_eq!(scene.name().await.unwrap(), "Renamed");
    }
}

/// The look-up reads the store before the change, and what it read arrives after the change was heard of.
#[tokio::test]
async fn a_look_up_beside_news_keeps_nothing() {
    for is_everything in [false, true] {
        let (feed, sharing) = TestFeed::new();
        let scene = Scene::new(sharing).await;
        let installed = scene.installed().await;
        scene.store.plan(Call::AccessToken, Plan::HoldAnswer);
        let mut look_up = Box::pin(scene.is_live(installed.token));
        assert!(waits(&mut look_up));
        Ending::RevokedGrant.of(&scene.store, &installed).await.unwrap();
        feed.tell(&if is_everything { Change::All } else { Change::Grant(installed.grant.id) });
        scene.store.release();
        assert!(look_up.await, "it read before the end");
        assert!(!scene.is_live(installed.token).await);
    }
}

#[tokio::test]
async fn without_a_current_feed_nothing_is_answered_or_kept() {
    let (feed, sharing) = TestFeed::new();
    let scene = Scene::new(sharing).await;
    let (one, other) = (scene.kept().await, scene.installed().await);
    let _ = scene.name().await;
    feed.is_current(false);
    for _ in 0..3 {
        assert!(!scene.answers_itself(one.token).await);
        assert!(!scene.answers_itself(other.token).await);
        assert!(!scene.answers_the_client_itself().await);
    }
    Ending::RevokedGrant.of(&scene.store, &one).await.unwrap();
    assert!(!scene.is_live(one.token).await);
    feed.tell(&Change::All);
    feed.is_current(true);
    assert!(!scene.is_live(one.token).await);
    assert!(!scene.answers_itself(other.token).await, "nothing was kept meanwhile");
    assert!(scene.answers_itself(other.token).await);
}

/// Also if the feed says that something was missed as it breaks off, and not when it is back.
#[tokio::test]
async fn what_was_read_without_a_current_feed_is_not_kept() {
    let (feed, sharing) = TestFeed::new();
    let scene = Scene::new(sharing).await;
    let (one, other) = (scene.installed().await, scene.installed().await);
    feed.is_current(false);
    assert!(scene.is_live(one.token).await);
    feed.is_current(true);
    Ending::RevokedGrant.of(&scene.store, &one).await.unwrap();
    assert!(!scene.is_live(one.token).await, "it began without a feed");

    scene.store.plan(Call::AccessToken, Plan::HoldAnswer);
    let mut look_up = Box::pin(scene.is_live(other.token));
    assert!(waits(&mut look_up));
    feed.is_current(false);
    scene.store.release();
    assert!(look_up.await);
    feed.is_current(true);
    Ending::RevokedGrant.of(&scene.store, &other).await.unwrap();
    assert!(!scene.is_live(other.token).await, "it ended without a feed");
}

/// That the feed is current says nothing about what it tells afterwards: it is asked first.
#[tokio::test]
async fn what_the_feed_told_before_it_was_current_counts() {
    let (feed, sharing) = TestFeed::new();
    let scene = Scene::new(sharing).await;
    let installed = scene.kept().await;
    let _ = scene.name().await;
    Ending::RevokedGrant.of(&scene.store, &installed).await.unwrap();
    feed.tell_late(Change::Grant(installed.grant.id));
    assert!(!scene.is_live(installed.token).await);
    let _ = scene.store.update_client(scene.renamed("Renamed")).await.unwrap();
    feed.tell_late(Change::Client(scene.client_id().clone()));
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

/// Own changes are noticed at once, whatever the feed says.
#[tokio::test]
async fn own_changes_need_not_be_heard_of() {
    for ending in Ending::each() {
        let (feed, sharing) = TestFeed::new();
        let scene = Scene::new(sharing).await;
        let installed = scene.kept().await;
        feed.is_current(false);
        ending.of(&scene.cached, &installed).await.unwrap();
        feed.is_current(true);
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn a_decision_for_a_client_that_changed_elsewhere_forgets_what_is_kept() {
    let (_feed, sharing) = TestFeed::new();
    let scene = Scene::new(sharing).await;
    let _ = scene.name().await;
    let _ = scene.store.update_client(scene.renamed("Renamed")).await.unwrap();
    let outcome = scene.cached.decide(records::deny(records::prompt(NOW), &scene.client, NOW)).await.unwrap();
    assert_eq!(outcome, Decided::ClientChanged);
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

#[tokio::test]
async fn two_caches_on_one_store_hear_of_each_other() {
    let (feed, sharing) = TestFeed::new();
    let store = Staged::new(sharing);
    let here = Scene::over(store.clone()).await;
    let there = Scene { cached: Cached::new(store.clone()).capacity(100), ..Scene::over(store).await };
    for ending in Ending::OF_ONE {
        let installed = here.kept().await;
        assert!(there.is_live(installed.token).await && there.answers_itself(installed.token).await);
        ending.of(&there.cached, &installed).await.unwrap();
        assert!(!there.is_live(installed.token).await, "{ending:?}, at once where it happened");
        feed.tell(&match ending {
            Ending::RevokedToken => Change::AccessToken(installed.token),
            _ => Change::Grant(installed.grant.id),
        });
        assert!(!here.is_live(installed.token).await, "{ending:?}, and where it was heard of");
    }
    let _ = (here.name().await, there.name().await);
    let _ = here.cached.update_client(here.renamed("Renamed")).await.unwrap();
    feed.tell(&Change::Client(here.client_id().clone()));
    assert_eq!(there.name().await.unwrap(), "Renamed");
}
