//! Clients that are brought over.

use std::sync::atomic::{AtomicU32, Ordering};

use grantor::oxide::{ImportError, Registrar, import_confidential, import_public};
use grantor::server::CreateClientError;
use grantor::{ClientId, NewClient};
use oxide_auth::primitives::registrar::{
    Argon2, BoundClient, Client, ClientUrl, EncodedClient, ExactUrl, PasswordPolicy, RegisteredUrl, Registrar as _,
    RegistrarError,
};
use std::borrow::Cow;

use crate::support::encode;
use crate::{CALLBACK, Scene};

fn url(text: &str) -> RegisteredUrl {
    ExactUrl::new(text.to_owned()).unwrap().into()
}

fn confidential(passphrase: &str, policy: &dyn PasswordPolicy) -> EncodedClient {
    let scope = "notes:read".parse().unwrap();
    let client = Client::confidential("office", url("https://office.example/cb"), scope, passphrase.as_bytes());
    client.with_additional_redirect_uris(vec![url("https://office.example/other")]).encode(policy)
}

/// Counts its checks.
#[derive(Default)]
struct Counted(AtomicU32);

impl PasswordPolicy for Counted {
    fn store(&self, _: &str, passphrase: &[u8]) -> Vec<u8> {
        passphrase.to_vec()
    }

    fn check(&self, _: &str, passphrase: &[u8], stored: &[u8]) -> Result<(), RegistrarError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if passphrase == stored { Ok(()) } else { Err(RegistrarError::Unspecified) }
    }
}

#[tokio::test]
async fn a_public_client_keeps_its_id_its_uris_and_its_scopes() {
    let scene = Scene::new().await;
    let theirs = Client::public("phone", url("https://phone.example/cb"), "notes:read".parse().unwrap());
    let theirs = theirs.with_additional_redirect_uris(vec![url("http://127.0.0.1/cb")]).encode(&Counted::default());
    let imported = import_public(&scene.app.oauth, &theirs).await.unwrap();
    assert!(imported.secret.is_none());
    let uris: Vec<_> = imported.client.redirect_uris.iter().map(|uri| uri.as_str()).collect();
    assert_eq!((imported.client.id.as_str(), uris), ("phone", vec!["https://phone.example/cb", "http://127.0.0.1/cb"]));
    assert_eq!(imported.client.scopes.without("offline_access").as_str(), "notes:read");
    let again = import_public(&scene.app.oauth, &theirs).await;
    assert!(matches!(again, Err(ImportError::Create(CreateClientError::Taken))), "{again:?}");
}

#[tokio::test]
async fn a_weak_passphrase_is_checked_by_its_own_policy_once_and_then_replaced() {
    let scene = Scene::new().await;
    let (oauth, policy) = (&scene.app.oauth, Argon2::default());
    let theirs = confidential("swordfish", &policy);
    for wrong in ["", "swordfisH", "swordfish "] {
        let refused = import_confidential(oauth, &theirs, &policy, wrong.as_bytes()).await;
        assert!(matches!(refused, Err(ImportError::NotProven)), "{refused:?}");
        assert!(oauth.client(&ClientId::parse("office").unwrap()).await.unwrap().is_none(), "nothing is here yet");
    }
    let imported = import_confidential(oauth, &theirs, &policy, b"swordfish").await.unwrap();
    let secret = imported.secret.expect("a new one").expose().to_owned();
    let again = import_confidential(oauth, &theirs, &policy, b"swordfish").await;
    assert!(matches!(again, Err(ImportError::Create(CreateClientError::Taken))), "{again:?}");
    for (passphrase, is_good) in [("swordfish", false), (secret.as_str(), true)] {
        let body = encode(&[("token", "x"), ("client_id", "office"), ("client_secret", passphrase)]);
        let answer = scene.send("POST", "/oauth/revoke", "", &body).await;
        assert_eq!(answer.status() == 200, is_good, "{passphrase}: {}", answer.body());
    }
}

#[tokio::test]
async fn a_strong_passphrase_stays() {
    let scene = Scene::new().await;
    let (policy, strong) = (Counted::default(), "fPq3kZ0uXh8YtB2mWcV7nLr5sJd1oEaG9xIiTQyKRUw");
    let imported = import_confidential(&scene.app.oauth, &confidential(strong, &policy), &policy, strong.as_bytes())
        .await
        .unwrap();
    assert!(imported.secret.is_none());
    assert_eq!(policy.0.load(Ordering::SeqCst), 1);
    let registrar = Registrar::new(&scene.app.oauth);
    assert!(registrar.check("office", Some(strong.as_bytes())).is_ok());
    assert_eq!(policy.0.load(Ordering::SeqCst), 1, "its policy is asked no more");
}

#[tokio::test]
async fn a_client_is_brought_over_as_what_it_is() {
    let scene = Scene::new().await;
    let policy = Counted::default();
    let (public, secret) = (
        Client::public("phone", url(CALLBACK), "notes:read".parse().unwrap()).encode(&policy),
        confidential("x", &policy),
    );
    assert!(matches!(import_public(&scene.app.oauth, &secret).await, Err(ImportError::NotProven)));
    for passphrase in [b"".as_slice(), b"x"] {
        let refused = import_confidential(&scene.app.oauth, &public, &policy, passphrase).await;
        assert!(matches!(refused, Err(ImportError::NotProven)), "{refused:?}");
    }
    let unsafe_uri = Client::public("old", url("http://old.example/cb"), "notes:read".parse().unwrap()).encode(&policy);
    let refused = import_public(&scene.app.oauth, &unsafe_uri).await;
    assert!(matches!(refused, Err(ImportError::Create(CreateClientError::Invalid(_)))), "{refused:?}");
}

#[tokio::test]
async fn the_registrar_reads_our_clients() {
    let scene = Scene::new().await;
    let (oauth, registrar) = (&scene.app.oauth, Registrar::new(&scene.app.oauth));
    let secret =
        oauth.create_client(NewClient::confidential("Office").id("office").redirect_uri(CALLBACK)).await.unwrap();
    let secret = secret.secret.unwrap().expose().to_owned();
    let asks = |id: &'static str, uri: Option<&str>| {
        let redirect_uri = uri.map(|uri| Cow::Owned(ExactUrl::new(uri.to_owned()).unwrap()));
        registrar.bound_redirect(ClientUrl { client_id: Cow::Borrowed(id), redirect_uri })
    };
    assert_eq!(asks("helper", Some(CALLBACK)).unwrap().redirect_uri.as_str(), CALLBACK);
    assert_eq!(asks("helper", None).unwrap().redirect_uri.as_str(), CALLBACK, "the only one");
    for (id, uri) in [("helper", "https://client.example/cb/"), ("nobody", CALLBACK), ("n\u{f6}body", CALLBACK)] {
        assert!(matches!(asks(id, Some(uri)), Err(RegistrarError::Unspecified)), "{id} {uri}");
    }
    let negotiated = |scope: Option<&str>| {
        let client = BoundClient { client_id: Cow::Borrowed("helper"), redirect_uri: Cow::Owned(url(CALLBACK)) };
        registrar.negotiate(client, scope.map(|scope| scope.parse().unwrap())).unwrap().scope.to_string()
    };
    assert_eq!(negotiated(None), "notes:read", "the default");
    assert_eq!(negotiated(Some("notes:write unknown")), "notes:write");
    assert!(registrar.check("helper", None).is_ok() && registrar.check("office", Some(secret.as_bytes())).is_ok());
    for (id, secret) in [("helper", Some("x")), ("office", None), ("office", Some("x")), ("nobody", None)] {
        let refused = registrar.check(id, secret.map(str::as_bytes));
        assert!(matches!(refused, Err(RegistrarError::Unspecified)), "{id} {secret:?}");
    }
    oauth.block_client(&ClientId::parse("helper").unwrap()).await.unwrap();
    assert!(registrar.check("helper", None).is_err() && asks("helper", None).is_err(), "blocked");
}
