//! A server that is away, refuses or lies: nobody passes, and no good token is called bad.

use std::time::Duration;

use grantor::ResourceServer;
use grantor::host::FetchError;
use http::Response;
use serde_json::{Value, json};

use crate::scene::{Scene, check};
use crate::support::{API, ISSUER};

#[tokio::test]
async fn attack_24_nobody_passes_while_the_server_is_away() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    scene.line.breaks();
    let refusal = scene.check(&token).await.unwrap_err().response();
    assert_eq!((refusal.status().as_u16(), &refusal.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    assert!(!refusal.headers().contains_key("www-authenticate"), "the token may be good");
    assert_eq!(scene.reasons(), ["unavailable"]);
    scene.line.is_mended();
    assert_eq!(scene.status(&token).await, 200);
    scene.line.breaks();
    scene.world.clock.advance(Duration::from_millis(4_999));
    assert_eq!(scene.status(&token).await, 200, "an answer is good for its staleness");
    scene.world.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.status(&token).await, 503, "and not for a moment longer");
    for failure in [|| FetchError::TimedOut, || FetchError::TooLarge, || FetchError::AddressNotPublic] {
        scene.line.spoil(move |_, _| Err(failure()));
        assert_eq!(scene.status(&token).await, 503);
    }
}

#[tokio::test]
async fn attack_44_a_server_that_cannot_answer_calls_no_token_bad() {
    let scene = Scene::without_cache().await;
    let token = scene.token().await;
    assert_eq!(scene.status(&token).await, 200);
    for status in [408, 429, 500, 502, 503, 504] {
        scene.line.answers(status, "application/json", r#"{"active":false}"#);
        assert_eq!(scene.status(&token).await, 503, "{status}");
    }
    let reasons = scene.reasons();
    assert!(reasons.len() == 6 && reasons.iter().all(|reason| reason == "unavailable"), "{reasons:?}");
}

#[tokio::test]
async fn a_wrong_secret_is_no_fault_of_the_caller() {
    let scene = Scene::new().await;
    let clock = scene.world.clock.clone();
    let wrong = |id: &str, secret: &str| {
        let clock = clock.clone();
        let builder = ResourceServer::builder(ISSUER, API).client(id, secret).transport(scene.line.clone());
        builder.clock(move || clock.now()).build().unwrap().require("").unwrap()
    };
    let (token, public) = (scene.token().await, scene.world.public_client().await);
    for guard in [wrong(&scene.asking.id, "wrong"), wrong("nobody", "wrong"), wrong(&public.id, "wrong")] {
        let refusal = check(&guard, &token).await.unwrap_err();
        assert_eq!(refusal.response().status(), 503);
        assert!(!refusal.response().headers().contains_key("www-authenticate"));
        assert!(refusal.to_string().contains("does not let this resource server ask"), "{refusal}");
    }
    // A client that may not introspect.
    let idle = scene.world.created(grantor::NewClient::confidential("Idle").client_credentials()).await;
    let refusal = check(&wrong(&idle.id, idle.secret.as_deref().unwrap()), &token).await.unwrap_err();
    assert!(refusal.to_string().contains("does not let this resource server ask"), "{refusal}");
    for status in [400, 401, 403, 404, 405] {
        scene.line.answers(status, "application/json", r#"{"active":true}"#);
        assert_eq!(scene.status(&token).await, 503);
        assert_eq!(scene.reasons(), ["introspection_refused"], "{status}");
    }
}

/// The honest answer about a token of alice, changed.
fn answer(scene: &Scene, change: impl FnOnce(&mut Value)) -> String {
    let exp = scene.world.clock.now().as_secs() + 60;
    let mut answer = json!({
        "active": true, "scope": "projects:read", "client_id": "c", "token_type": "Bearer", "exp": exp, "sub": "alice",
        "holder": "user", "grant_id": "0000000000000001", "aud": API, "iss": ISSUER,
    });
    change(&mut answer);
    answer.to_string()
}

fn without(name: &'static str) -> Box<dyn FnOnce(&mut Value)> {
    Box::new(move |answer| {
        answer.as_object_mut().unwrap().remove(name);
    })
}

fn with(name: &'static str, value: impl Into<Value>) -> Box<dyn FnOnce(&mut Value)> {
    let value = value.into();
    Box::new(move |answer| answer[name] = value)
}

#[tokio::test]
async fn attack_24_what_a_server_says_of_another_place_or_time_opens_nothing() {
    let scene = Scene::without_cache().await;
    let token = scene.token().await;
    scene.line.answers(200, "application/json", answer(&scene, |_| {}));
    assert_eq!(scene.status(&token).await, 200, "so the rest is refused for what it says");
    let now = scene.world.clock.now().as_secs();
    for (change, reason) in [
        (without("aud"), "other_resource"),
        (with("aud", "https://app.example/mcp"), "other_resource"),
        (with("aud", "https://app.example"), "other_resource"),
        (with("aud", json!(["https://app.example/apis", "https://other.example/api"])), "other_resource"),
        (with("aud", json!([])), "other_resource"),
        (with("iss", "https://evil.example"), "other_issuer"),
        (with("iss", "https://app.example/"), "other_issuer"),
        (with("exp", now), "expired"),
        (with("exp", 0), "expired"),
        (with("nbf", now + 1), "not_yet"),
        (with("token_type", "DPoP"), "other_token_type"),
        (without("token_type"), "other_token_type"),
        (with("active", false), "unknown"),
    ] {
        let body = answer(&scene, change);
        scene.line.answers(200, "application/json", body.clone());
        let refusal = scene.check(&token).await.unwrap_err().response();
        assert_eq!(refusal.status(), 401, "{body}");
        assert!(refusal.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"), "{body}");
        assert_eq!(scene.reasons(), [reason], "{body}");
    }
    scene.line.answers(200, "application/json", answer(&scene, without("scope")));
    assert_eq!(scene.status(&token).await, 403, "without scope it has none");
}

#[tokio::test]
async fn attack_54_an_answer_that_makes_no_sense_opens_nothing() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let honest = answer(&scene, |_| {});
    let json = "application/json";
    let spoilt = |change| (200, json, answer(&scene, change));
    for (status, content_type, body) in [
        spoilt(with("active", "true")),
        spoilt(with("active", 1)),
        spoilt(without("active")),
        spoilt(with("aud", 7)),
        spoilt(with("aud", json!([API, null]))),
        spoilt(without("exp")),
        spoilt(with("exp", "4102444800")),
        spoilt(with("exp", -1)),
        spoilt(with("scope", json!(["projects:read"]))),
        spoilt(with("scope", "projects:read \"")),
        spoilt(without("client_id")),
        spoilt(without("sub")),
        spoilt(with("sub", "")),
        spoilt(without("holder")),
        spoilt(with("holder", "admin")),
        spoilt(with("holder", "client")),
        spoilt(without("grant_id")),
        spoilt(with("iss", json!([ISSUER]))),
        (200, json, honest.replacen('{', r#"{"active":false,"#, 1)),
        (200, json, honest.replacen('{', r#"{"aud":"https://app.example/mcp","#, 1)),
        (200, json, String::new()),
        (200, json, "[]".to_owned()),
        (200, json, "null".to_owned()),
        (200, json, honest[..honest.len() - 1].to_owned()),
        (200, json, "[".repeat(60_000)),
        (200, json, "\u{0}\u{ffff}".to_owned()),
        (200, "text/html", honest.clone()),
        (200, "text/html", "<!doctype html><title>Log in</title>".to_owned()),
        (200, "application/token-introspection+jwt", honest.clone()),
        (200, json, format!("{honest}{}", " ".repeat(64 * 1024))),
        (201, json, honest.clone()),
        (204, json, honest.clone()),
        (206, json, honest.clone()),
        (301, json, honest.clone()),
        (302, json, honest.clone()),
        (307, json, honest),
    ] {
        scene.line.answers(status, content_type, body.clone());
        let refusal = scene.check(&token).await.unwrap_err().response();
        assert_eq!(refusal.status(), 503, "{status} {content_type} {}", &body[..body.len().min(200)]);
        assert_eq!(scene.reasons(), ["introspection_unreadable"]);
    }
    scene.line.is_mended();
    assert_eq!(scene.status(&token).await, 200, "none of them was kept");
}

#[tokio::test]
async fn attack_50_an_endpoint_is_taken_from_the_metadata_of_that_very_issuer() {
    let honest = json!({"issuer": ISSUER, "introspection_endpoint": "https://app.example/oauth/introspect"});
    let scene = Scene::new().await;
    let token = scene.token().await;
    let spoilt = |change: Box<dyn FnOnce(&mut Value)>| {
        let mut metadata = honest.clone();
        change(&mut metadata);
        metadata.to_string()
    };
    for (status, body) in [
        (200, spoilt(with("issuer", "https://evil.example"))),
        (200, spoilt(with("issuer", "https://app.example/"))),
        (200, spoilt(without("issuer"))),
        (200, spoilt(without("introspection_endpoint"))),
        (200, spoilt(with("introspection_endpoint", "http://app.example/oauth/introspect"))),
        (200, spoilt(with("introspection_endpoint", "/oauth/introspect"))),
        (200, spoilt(with("introspection_endpoint", "http://127.0.0.1:1/"))),
        (200, "<html>".to_owned()),
        (302, honest.to_string()),
        (404, honest.to_string()),
        (500, honest.to_string()),
    ] {
        let answer = body.clone();
        scene.line.spoil(move |_, _| Ok(Response::builder().status(status).body(answer.clone().into()).unwrap()));
        assert_eq!(scene.status(&token).await, 503, "{status} {body}");
    }
    assert_eq!(scene.line.asked(), 0, "the secret went nowhere");
    scene.line.is_mended();
    assert_eq!(scene.status(&token).await, 200, "a failure to read them is not kept");
}

#[tokio::test]
async fn attack_49_no_secret_is_in_events_or_debug_texts_and_tokens_go_in_bodies_alone() {
    let scene = Scene::without_cache().await;
    let token = scene.token().await;
    let (secret, basic) = (scene.asking.secret.clone().unwrap(), scene.asking.basic());
    let principal = scene.check(&token).await.unwrap();
    scene.line.breaks();
    let refusal = scene.check(&token).await.unwrap_err();
    scene.line.answers(401, "application/json", "{}");
    let refused = scene.check(&token).await.unwrap_err();
    let texts = [
        format!("{:?} {:?} {principal:?} {refusal:?} {refusal} {refused:?} {refused}", scene.resource, scene.guard("")),
        format!("{:?}", ResourceServer::builder(ISSUER, API).client(&scene.asking.id, &secret)),
        scene.events.lock().unwrap().join("\n"),
        scene.line.sent.lock().unwrap().join("\n"),
    ];
    for text in &texts {
        for hidden in [&token, &token[4..], &secret, &basic] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
    assert!(texts[3].contains("POST https://app.example/oauth/introspect"), "{}", texts[3]);
}
