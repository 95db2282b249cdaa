//! Within one process nothing that ended is answered as alive, whoever else reads, goes away or fails.

use std::sync::Arc;

use grantor::storage::testkit::Call;
use grantor::storage::testkit::records::{self, NOW, TOKEN_LIFETIME};
use grantor::storage::{Cached, Durability, Sharing, Storage};

use crate::scene::{Ending, Scene, later, waits};
use crate::staged::{Plan, Staged};

#[tokio::test]
async fn what_is_kept_is_answered_without_the_store() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.installed().await;
    let stored = scene.cached.access_token(installed.token).await.unwrap().unwrap();
    let client = scene.cached.client(scene.client_id()).await.unwrap().unwrap();
    assert_eq!(scene.store.look_ups(), 2);
    let kept = scene.cached.access_token(installed.token).await.unwrap().unwrap();
    assert_eq!(format!("{kept:?}"), format!("{stored:?}"));
    assert!(kept.token.hash.matches(&stored.token.hash));
    assert!(Arc::ptr_eq(&scene.cached.client(scene.client_id()).await.unwrap().unwrap(), &client));
    assert_eq!(scene.store.look_ups(), 2);
}

#[tokio::test]
async fn it_is_the_store_otherwise() {
    let scene = Scene::new(Sharing::Sole).await;
    assert_eq!(scene.cached.durability(), Durability::Persistent);
    assert!(matches!(scene.cached.sharing(), Sharing::Sole));
    assert_eq!(scene.cached.inner().look_ups(), 0);
}

#[tokio::test]
async fn a_token_that_ended_is_not_answered() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.kept().await;
        ending.of(&scene.cached, &installed).await.unwrap();
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
        assert!(!scene.is_live(installed.token).await, "{ending:?}, the second time");
    }
}

#[tokio::test]
async fn a_client_that_changed_is_not_answered_as_it_was() {
    let scene = Scene::new(Sharing::Sole).await;
    assert_eq!(scene.name().await.unwrap(), "A client");
    assert!(scene.answers_the_client_itself().await);
    let _ = scene.cached.update_client(scene.renamed("Renamed")).await.unwrap();
    assert_eq!(scene.name().await.unwrap(), "Renamed");
    assert!(scene.answers_the_client_itself().await);
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

/// The look-up reads the store before the end, and what it read arrives after it.
#[tokio::test]
async fn a_look_up_beside_an_ending_keeps_nothing() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.installed().await;
        scene.store.plan(Call::AccessToken, Plan::HoldAnswer);
        let mut look_up = Box::pin(scene.is_live(installed.token));
        assert!(waits(&mut look_up));
        ending.of(&scene.cached, &installed).await.unwrap();
        scene.store.release();
        assert!(look_up.await, "{ending:?}: it read before the end");
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn a_look_up_beside_a_change_of_a_client_keeps_nothing() {
    let scene = Scene::new(Sharing::Sole).await;
    scene.store.plan(Call::Client, Plan::HoldAnswer);
    let mut look_up = Box::pin(scene.name());
    assert!(waits(&mut look_up));
    let _ = scene.cached.update_client(scene.renamed("Renamed")).await.unwrap();
    scene.store.release();
    assert_eq!(look_up.await.unwrap(), "A client", "it read before the change");
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

/// The look-up begins and ends while an operation runs, and the operation takes effect only then.
#[tokio::test]
async fn a_look_up_within_an_ending_keeps_nothing() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.kept().await;
        scene.store.plan(ending.call(), Plan::PutOff);
        let mut operation = Box::pin(ending.of(&scene.cached, &installed));
        assert!(waits(&mut operation));
        assert!(!scene.answers_itself(installed.token).await, "{ending:?}: it may have happened");
        assert_eq!(scene.store.carry_out().await, 1);
        assert!(!scene.is_live(installed.token).await, "{ending:?}: it has happened, unseen as yet");
        operation.await.unwrap();
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

/// The caller goes away, and the store goes on by itself.
#[tokio::test]
async fn an_operation_that_was_given_up_may_happen_later() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.kept().await;
        scene.store.plan(ending.call(), Plan::PutOff);
        let mut operation = Box::pin(ending.of(&scene.cached, &installed));
        assert!(waits(&mut operation));
        drop(operation);
        for _ in 0..2 {
            assert!(!scene.answers_itself(installed.token).await, "{ending:?}: it may happen at any time");
        }
        assert_eq!(scene.store.carry_out().await, 1);
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn a_change_of_a_client_that_was_given_up_may_happen_later() {
    let scene = Scene::new(Sharing::Sole).await;
    let _ = scene.name().await;
    scene.store.plan(Call::UpdateClient, Plan::PutOff);
    let mut operation = Box::pin(scene.cached.update_client(scene.renamed("Renamed")));
    assert!(waits(&mut operation));
    drop(operation);
    assert!(!scene.answers_the_client_itself().await);
    assert!(!scene.answers_the_client_itself().await);
    assert_eq!(scene.store.carry_out().await, 1);
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

/// The caller goes away after the operation happened and before the answer came.
#[tokio::test]
async fn an_operation_that_was_given_up_may_have_happened() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.kept().await;
        scene.store.plan(ending.call(), Plan::HoldAnswer);
        let mut operation = Box::pin(ending.of(&scene.cached, &installed));
        assert!(waits(&mut operation));
        drop(operation);
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn an_operation_that_failed_may_have_happened() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.kept().await;
        scene.store.plan(ending.call(), Plan::LoseAnswer);
        assert!(ending.of(&scene.cached, &installed).await.is_err());
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn an_operation_that_failed_may_happen_later() {
    for ending in Ending::each() {
        let scene = Scene::new(Sharing::Sole).await;
        let installed = scene.kept().await;
        scene.store.plan(ending.call(), Plan::LoseAnswerAndPutOff);
        assert!(ending.of(&scene.cached, &installed).await.is_err());
        assert!(!scene.answers_itself(installed.token).await, "{ending:?}");
        assert_eq!(scene.store.carry_out().await, 1);
        assert!(!scene.is_live(installed.token).await, "{ending:?}");
    }
}

#[tokio::test]
async fn a_change_of_a_client_that_failed_may_happen_later() {
    let scene = Scene::new(Sharing::Sole).await;
    let _ = scene.name().await;
    scene.store.plan(Call::UpdateClient, Plan::LoseAnswerAndPutOff);
    assert!(scene.cached.update_client(scene.renamed("Renamed")).await.is_err());
    assert_eq!(scene.name().await.unwrap(), "A client");
    assert_eq!(scene.store.carry_out().await, 1);
    assert_eq!(scene.name().await.unwrap(), "Renamed");
}

/// A second operation whose outcome is seen says nothing about the first.
#[tokio::test]
async fn a_later_success_does_not_settle_an_operation_that_was_given_up() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.kept().await;
    scene.store.plan(Call::RotateRefresh, Plan::LoseAnswerAndPutOff);
    assert!(Ending::ReusedRefresh.of(&scene.cached, &installed).await.is_err());
    let successor = records::rotate(installed.rotation.successor.id, &installed.grant, later());
    let _ = scene.cached.rotate_refresh(successor).await.unwrap();
    assert!(scene.is_live(installed.token).await);
    assert_eq!(scene.store.carry_out().await, 1);
    assert!(!scene.is_live(installed.token).await);
}

#[tokio::test]
async fn what_changes_nothing_costs_nothing() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.kept().await;
    let _ = scene.cached.rotate_refresh(installed.rotation.clone()).await.unwrap();
    assert!(scene.answers_itself(installed.token).await, "a repetition changes nothing");
    let successor = records::rotate(installed.rotation.successor.id, &installed.grant, NOW);
    let _ = scene.cached.rotate_refresh(successor).await.unwrap();
    assert!(scene.answers_itself(installed.token).await, "a first rotation takes nothing away");
}

#[tokio::test]
async fn one_ending_does_not_touch_other_grants_and_tokens() {
    for plan in [None, Some(Plan::LoseAnswer)] {
        let scene = Scene::new(Sharing::Sole).await;
        let (one, other) = (scene.kept().await, scene.kept().await);
        let _ = scene.name().await;
        for ending in Ending::OF_ONE {
            if let Some(plan) = plan {
                scene.store.plan(ending.call(), plan);
            }
            let _ = ending.of(&scene.cached, &one).await;
        }
        assert!(scene.answers_itself(other.token).await);
        assert!(scene.answers_the_client_itself().await);
    }
    let scene = Scene::new(Sharing::Sole).await;
    let one = scene.kept().await;
    let other = one.rotation.access.id;
    assert!(scene.is_live(other).await && scene.answers_itself(other).await);
    Ending::RevokedToken.of(&scene.cached, &one).await.unwrap();
    assert!(scene.answers_itself(other).await, "another token of the grant");
}

#[tokio::test]
async fn that_something_does_not_exist_is_not_kept() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.installed().await;
    let issue = records::issue(&installed.grant, NOW);
    let other = records::client("other");
    assert!(scene.cached.access_token(issue.access.id).await.unwrap().is_none());
    assert!(scene.cached.client(&other.id).await.unwrap().is_none());
    let token = issue.access.id;
    let _ = scene.cached.issue_access(issue).await.unwrap();
    let _ = scene.cached.insert_client(records::insert(other.clone())).await.unwrap();
    assert!(scene.is_live(token).await);
    assert!(scene.cached.client(&other.id).await.unwrap().is_some());
}

#[tokio::test]
async fn that_a_token_was_revoked_is_not_kept() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.installed().await;
    Ending::RevokedGrant.of(&scene.cached, &installed).await.unwrap();
    for look_ups in 1..=3 {
        assert!(!scene.is_live(installed.token).await);
        assert_eq!(scene.store.look_ups(), look_ups);
    }
}

#[tokio::test]
async fn with_no_capacity_every_look_up_gets_to_the_store() {
    let store = Staged::new(Sharing::Sole);
    let scene = Scene { cached: Cached::new(store.clone()).capacity(0), ..Scene::over(store).await };
    let installed = scene.installed().await;
    for round in 1..=3 {
        assert!(scene.is_live(installed.token).await && scene.name().await.is_some());
        assert_eq!(scene.store.look_ups(), 2 * round);
    }
}

#[tokio::test]
async fn a_token_that_ended_by_time_is_not_kept() {
    let scene = Scene::new(Sharing::Sole).await;
    let (one, another) = (scene.kept().await, scene.kept().await);
    // Any operation tells what time it is.
    let much_later = NOW.after(TOKEN_LIFETIME);
    let _ = scene.cached.revoke_grant(records::revoke(&another.grant, much_later)).await.unwrap();
    assert!(!scene.answers_itself(one.token).await);
    assert!(!scene.answers_itself(one.token).await);
}

#[tokio::test]
async fn a_token_that_was_purged_is_unknown() {
    let scene = Scene::new(Sharing::Sole).await;
    let installed = scene.kept().await;
    let end = NOW.after(TOKEN_LIFETIME);
    while scene.cached.purge(end, 100).await.unwrap() == 100 {}
    assert!(scene.cached.access_token(installed.token).await.unwrap().is_none());
}

#[tokio::test]
async fn it_keeps_no_more_than_its_capacity() {
    let store = Staged::new(Sharing::Sole);
    let scene = Scene { cached: Cached::new(store.clone()).capacity(16), ..Scene::over(store).await };
    let mut tokens = Vec::new();
    for _ in 0..200 {
        tokens.push(scene.installed().await.token);
    }
    for token in &tokens {
        assert!(scene.is_live(*token).await);
    }
    // From the last one on, so that what is looked up again pushes out only what was looked at before.
    let mut kept = 0;
    for token in tokens.iter().rev() {
        kept += u32::from(scene.answers_itself(*token).await);
    }
    assert!((1..=16).contains(&kept), "{kept}");
}
