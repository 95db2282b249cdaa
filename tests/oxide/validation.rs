//! What oxide-auth is told of our tokens, in each kind of runtime.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use grantor::host::SystemClock;
use grantor::oxide::{Issuer, RESOURCE};
use grantor::oxide_async;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{Clock as _, Guard, MemoryStorage, SqliteStorage};
use oxide_auth::primitives::grant::Value;
use oxide_auth::primitives::issuer::Issuer as Minting;
use oxide_auth_async::primitives::Issuer as Waiting;

use crate::{Scene, with_token};

fn guard(scene: &Scene) -> Guard {
    scene.app.oauth.resource("/api").unwrap().require("").unwrap()
}

#[tokio::test]
async fn a_grant_says_what_the_token_is_good_for() {
    let scene = Scene::new().await;
    let token = scene.token(&[("scope", "notes:read notes:write")]).await;
    let issuer = Issuer::new(&guard(&scene));
    let grant = issuer.recover_token(&token).unwrap().unwrap();
    assert_eq!((grant.owner_id.as_str(), grant.client_id.as_str()), ("ada", "helper"));
    assert_eq!(grant.scope, "notes:write notes:read".parse().unwrap());
    let resource = Value::public(Some("https://notes.example/api".to_owned()));
    assert!(
        grant
            .extensions
            .public()
            .any(|(name, value)| name == RESOURCE && Value::public(value.map(str::to_owned)) == resource)
    );
    let now = SystemClock.now();
    let until = SystemTime::from(grant.until).duration_since(UNIX_EPOCH).unwrap();
    assert!((60..86_400).contains(&(until.as_secs() - now.as_secs())), "{until:?}");
}

#[tokio::test]
async fn nothing_is_minted() {
    let scene = Scene::new().await;
    let token = scene.token(&[]).await;
    let mut issuer = Issuer::new(&guard(&scene));
    let grant = issuer.recover_token(&token).unwrap().unwrap();
    assert!(Minting::issue(&mut issuer, grant.clone()).is_err());
    assert!(Minting::refresh(&mut issuer, "x", grant.clone()).is_err());
    assert!(issuer.recover_refresh("x").is_err());
    let mut issuer = oxide_async::Issuer::new(&guard(&scene));
    assert!(Waiting::issue(&mut issuer, grant.clone()).await.is_err());
    assert!(Waiting::refresh(&mut issuer, "x", grant).await.is_err());
    assert!(Waiting::recover_refresh(&mut issuer, "x").await.is_err());
}

#[tokio::test]
async fn a_store_that_cannot_answer_is_an_error_and_no_verdict() {
    let store = Arc::new(Faulty::new(MemoryStorage::new()));
    let scene = Scene::over(Arc::clone(&store)).await;
    let token = scene.token(&[]).await;
    let issuer = Issuer::new(&guard(&scene));
    store.lose(Lost::Request, Call::AccessToken, 1);
    assert!(issuer.recover_token(&token).is_err());
    assert!(issuer.recover_token(&token).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_several_threads_waits_for_a_database() {
    let mut scene = Scene::over(SqliteStorage::in_memory().await.unwrap()).await;
    let token = scene.token(&[]).await;
    assert_eq!(scene.app.notes(with_token(&token)).unwrap(), "the notes of ada");
}

#[tokio::test]
async fn a_runtime_of_one_thread_does_not_wait_for_ever() {
    let store = Arc::new(Faulty::new(MemoryStorage::new()));
    let mut scene = Scene::over(Arc::clone(&store)).await;
    let token = scene.token(&[]).await;
    let held = store.hold(Lost::Request, Call::AccessToken, 1);
    assert!(scene.app.notes(with_token(&token)).is_err());
    drop(held);
    let held = store.hold(Lost::Request, Call::AccessToken, 1);
    let mut issuer = oxide_async::Issuer::new(&guard(&scene));
    let (grant, ()) = tokio::join!(Waiting::recover_token(&mut issuer, &token), async { drop(held) });
    assert_eq!(grant.unwrap().unwrap().owner_id, "ada");
}

#[test]
fn without_a_runtime_the_thread_waits() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut scene, token) = runtime.block_on(async {
        let scene = Scene::over(SqliteStorage::in_memory().await.unwrap()).await;
        let token = scene.token(&[]).await;
        (scene, token)
    });
    assert_eq!(scene.app.notes(with_token(&token)).unwrap(), "the notes of ada");
}
