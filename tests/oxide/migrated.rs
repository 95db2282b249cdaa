//! An app of oxide-auth before and after.

use oxide_auth::frontends::simple::request::{Request, Status};
use oxide_auth::primitives::registrar::{Client, ExactUrl};

use crate::support::encode;
use crate::{CALLBACK, Scene, before, pressed, with_token};

fn parameters(pairs: &[(&str, &str)]) -> std::collections::HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn before_oxide_auth_does_it_all() {
    let redirect = ExactUrl::new(CALLBACK.to_owned()).unwrap().into();
    let mut app = before::App::new([Client::public("helper", redirect, "notes:read".parse().unwrap())]);
    let mut query = parameters(&[("response_type", "code"), ("client_id", "helper"), ("redirect_uri", CALLBACK)]);
    let page = app.authorize(Request { query: query.clone(), ..Request::default() }).unwrap();
    assert!(page.body.unwrap().as_str().contains("helper wants to read your notes"));
    query.insert("decision".to_owned(), "allow".to_owned());
    let allowed = app.authorize(Request { query, ..Request::default() }).unwrap();
    let back = allowed.location.unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let exchange = [
        ("grant_type", "authorization_code"),
        ("client_id", "helper"),
        ("redirect_uri", CALLBACK),
        ("code", code.as_str()),
    ];
    let token = app.token(Request { urlbody: parameters(&exchange), ..Request::default() }).unwrap();
    let token: serde_json::Value = serde_json::from_str(token.body.unwrap().as_str()).unwrap();
    let read = app.notes(with_token(token["access_token"].as_str().unwrap()));
    assert_eq!(read.unwrap(), "the notes of ada");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token["refresh_token"].as_str().unwrap())];
    let renewed = app.refresh(Request { urlbody: parameters(&refresh), ..Request::default() }).unwrap();
    assert_eq!(renewed.status, Status::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_guard_accepts_our_tokens() {
    let mut scene = Scene::new().await;
    let token = scene.token(&[]).await;
    assert_eq!(scene.app.notes(with_token(&token)).unwrap(), "the notes of ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_guard_refuses_revoked_tokens_and_those_for_something_else() {
    let mut scene = Scene::new().await;
    let (revoked, wrong_place) =
        (scene.token(&[]).await, scene.token(&[("resource", "https://notes.example/photos")]).await);
    scene.revoke(&revoked).await;
    let wrong_scope = scene.token(&[("scope", "notes:write")]).await;
    for token in [&revoked, &wrong_place, &wrong_scope, "gra_x", "", "\u{e9}", "a\nb"] {
        let refused = scene.app.notes(with_token(token)).unwrap_err();
        assert_eq!(refused.status, Status::Unauthorized, "{token:?}");
        assert!(refused.www_authenticate.is_some_and(|challenge| challenge.starts_with("Bearer")), "{token:?}");
    }
    assert!(scene.app.notes(Request::default()).is_err());
}

#[tokio::test]
async fn after_the_forms_of_its_consent_page_still_count() {
    let scene = Scene::new().await;
    let (page, cookies) = scene.asked(&[]).await;
    assert!(page.body().contains("helper wants to read your notes"), "{}", page.body());
    let denied = scene.send("POST", &pressed(&page, "Deny"), &cookies, "").await;
    assert_eq!(denied.redirect_parameter("error").unwrap(), "access_denied");
    assert_eq!(denied.redirect_parameter("state").unwrap(), "of the client");
    // RFC 6749 §10.5: a decision counts once.
    let twice = scene.send("POST", &pressed(&page, "Allow"), &cookies, "").await;
    assert_eq!(twice.redirect_parameter("code"), None, "{}", encode(&[("body", twice.body())]));
}
