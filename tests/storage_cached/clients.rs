//! What is kept of clients that come, stay for a while and go, and what ends with them.

use std::time::Duration;

use grantor::Timestamp;
use grantor::storage::testkit::Call;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Decided, Granted, Inserted, Removed, Renewed, Sharing, Storage, Updated};

use crate::feed::TestFeed;
use crate::scene::{Ending, Scene, waits};
use crate::staged::Plan;

fn day(number: u32) -> Timestamp {
    NOW.after(Duration::from_secs(86_400) * number)
}

/// A scene whose client registered itself, ends after two days, and has a grant if that is wanted.
async fn registered(with_grant: bool) -> Scene {
    let client = records::registered("registered", Some([7; 32]), day(1));
    let scene = Scene { client, ..Scene::new(Sharing::Sole).await };
    let inserted = scene.cached.insert_client(records::register(scene.client.clone(), 1)).await.unwrap();
    assert_eq!(inserted, Inserted::New);
    if with_grant {
        let mut approval = records::approval(&records::subject("user"), &scene.client.id, NOW);
        approval.client_until = day(2);
        let op = records::approve(records::prompt(NOW), &scene.client, &approval, NOW);
        assert_eq!(scene.cached.decide(op).await.unwrap(), Decided::First);
    }
    scene
}

async fn end(scene: &Scene) -> Option<Timestamp> {
    let client = scene.cached.client(&scene.client.id).await.unwrap()?;
    client.tenure.map(|tenure| tenure.until)
}

/// Whether a look-up of the client does not get to the store.
async fn answers_itself(scene: &Scene) -> bool {
    let before = scene.store.look_ups();
    let _ = scene.cached.client(&scene.client.id).await.unwrap();
    scene.store.look_ups() == before
}

#[tokio::test]
async fn a_client_that_never_got_a_grant_is_not_kept() {
    let scene = registered(false).await;
    for _ in 0..3 {
        assert!(!answers_itself(&scene).await);
    }
    let other = records::registered("other", None, day(2));
    let _ = scene.cached.insert_client(records::register(other, 1)).await.unwrap();
    assert!(scene.cached.client(&scene.client.id).await.unwrap().is_none(), "it gave way");
}

#[tokio::test]
async fn a_client_with_a_grant_is_kept_until_its_end() {
    let scene = registered(true).await;
    assert_eq!(end(&scene).await, Some(day(2)));
    assert!(answers_itself(&scene).await);
    while scene.cached.purge(day(2), 100).await.unwrap() == 100 {}
    assert!(scene.cached.client(&scene.client.id).await.unwrap().is_none(), "it has ended");
}

#[tokio::test]
async fn a_use_of_a_client_shows_at_once() {
    let scene = registered(true).await;
    assert_eq!(end(&scene).await, Some(day(2)));
    let renew = records::renew(&scene.client.id, day(3), NOW);
    assert_eq!(scene.cached.renew_client(renew).await.unwrap(), Renewed::Now);
    assert_eq!(end(&scene).await, Some(day(3)));
    assert!(answers_itself(&scene).await);
    let again = records::register(records::registered("again", Some([7; 32]), day(4)), 1);
    let folded = Inserted::Folded(scene.client.id.clone());
    assert_eq!(scene.cached.insert_client(again).await.unwrap(), folded);
    assert_eq!(end(&scene).await, Some(day(4)));
}

#[tokio::test]
async fn a_removed_client_is_gone_at_once() {
    for plan in [None, Some(Plan::LoseAnswer)] {
        let scene = Scene::new(Sharing::Sole).await;
        let _ = scene.name().await;
        assert!(scene.answers_the_client_itself().await);
        if let Some(plan) = plan {
            scene.store.plan(Call::RemoveClient, plan);
        }
        let outcome = scene.cached.remove_client(records::remove(scene.client_id())).await;
        assert!(outcome.is_err() || outcome.is_ok_and(|outcome| outcome == Removed::Now));
        assert!(scene.cached.client(scene.client_id()).await.unwrap().is_none());
    }
}

/// The look-up of the client reads before the removal, and what it read arrives after it.
#[tokio::test]
async fn a_look_up_beside_a_removal_keeps_nothing() {
    let scene = Scene::new(Sharing::Sole).await;
    scene.store.plan(Call::Client, Plan::HoldAnswer);
    let mut look_up = Box::pin(scene.name());
    assert!(waits(&mut look_up));
    let _ = scene.cached.remove_client(records::remove(scene.client_id())).await.unwrap();
    scene.store.release();
    assert_eq!(look_up.await.unwrap(), "A client", "it read before the removal");
    assert!(scene.cached.client(scene.client_id()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_ends_all_of_somebody_does_not_touch_others() {
    for plan in [None, Some(Plan::LoseAnswer)] {
        for ending in Ending::OF_ALL {
            let scene = Scene::new(Sharing::Sole).await;
            let one = scene.kept().await;
            let other = Scene { client: records::client("other"), ..Scene::over(scene.store.clone()).await };
            let _ = scene.cached.insert_client(records::insert(other.client.clone())).await.unwrap();
            let elsewhere = other.installed_by("other user").await;
            assert!(scene.is_live(elsewhere.token).await && scene.answers_itself(elsewhere.token).await);
            if let Some(plan) = plan {
                scene.store.plan(ending.call(), plan);
            }
            let _ = ending.of(&scene.cached, &one).await;
            assert!(!scene.is_live(one.token).await, "{ending:?}");
            assert!(scene.answers_itself(elsewhere.token).await, "{ending:?}: another client of another user");
        }
    }
}

#[tokio::test]
async fn a_change_that_ends_nothing_keeps_the_tokens() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.kept().await;
    assert_eq!(scene.cached.update_client(scene.renamed("Renamed")).await.unwrap(), Updated::Now);
    assert!(scene.answers_itself(installed.token).await);
}

#[tokio::test]
async fn a_clients_own_token_ends_with_its_client() {
    for ending in [Ending::BlockedClient, Ending::RemovedClient, Ending::AllOfClient] {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.installed().await;
        let own = records::grant_client(&scene.client, NOW);
        let token = own.access.id;
        assert_eq!(scene.cached.grant_client(own).await.unwrap(), Granted::Now);
        assert!(scene.is_live(token).await && scene.answers_itself(token).await);
        Ending::AllOfUser.of(&scene.cached, &installed).await.unwrap();
        assert!(scene.answers_itself(token).await, "it is no user's");
        ending.of(&scene.cached, &installed).await.unwrap();
        assert!(!scene.is_live(token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn a_grant_for_a_client_that_changed_elsewhere_forgets_what_is_kept() {
    let (_feed, sharing) = TestFeed::new();
    let scene = Scene::new(sharing).await;
    let _ = scene.name().await;
    let _ = scene.store.update_client(scene.renamed("Renamed")).await.unwrap();
    let outcome = scene.cached.grant_client(records::grant_client(&scene.client, NOW)).await.unwrap();
    assert_eq!(outcome, Granted::ClientChanged);
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}
