//! Who passes, and what the others are told: as at the guard beside the server.

use std::time::Duration;

use grantor::protocol::error::BearerReason;
use grantor::{Guard, Refusal};
use http::{Method, Request};

use crate::scene::{Scene, check, told};
use crate::support::{API, MCP, request};

#[tokio::test]
async fn a_right_token_passes_and_says_the_same_as_beside_the_server() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let (here, there) = (scene.world.principal(API, &token).await, scene.check(&token).await.unwrap());
    assert_eq!(there.subject().unwrap().as_str(), "alice");
    assert_eq!(there.holder(), here.holder());
    assert_eq!((there.client(), there.scopes()), (here.client(), here.scopes()));
    assert_eq!((there.resource(), there.grant()), (here.resource(), here.grant()));
    assert!(there.has("projects:write") && !there.has("admin"));
}

#[tokio::test]
async fn attack_23_a_token_for_another_resource_is_refused_elsewhere_as_well() {
    let scene = Scene::new().await;
    let code = scene.world.code_for(&scene.client, &[("resource", MCP)]).await;
    let answer = scene.world.exchange(&scene.client, &code, &[]).await.json();
    let foreign = answer["access_token"].as_str().unwrap();
    assert_eq!(scene.world.guard(MCP, "", foreign).await, 200);
    assert_eq!(scene.status(foreign).await, 401, "the server does not tell of it");
    // A client that may introspect tokens for both is told of both.
    let both = scene.world.resource_server(&[API, MCP]).await;
    let resource = grantor::ResourceServer::builder(crate::support::ISSUER, API)
        .client(&both.id, both.secret.as_deref().unwrap())
        .transport(scene.line.clone())
        .clock({
            let clock = scene.world.clock.clone();
            move || clock.now()
        })
        .build()
        .unwrap();
    let guard = resource.require("").unwrap();
    let refusal = check(&guard, foreign).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Denied { reason: BearerReason::OtherResource, .. }), "{refusal:?}");
    assert!(check(&guard, &scene.token().await).await.is_ok());
}

#[tokio::test]
async fn attack_57_a_clients_own_access_has_no_subject_elsewhere_either() {
    let scene = Scene::new().await;
    let own = grantor::NewClient::confidential("alice").id("alice").client_credentials();
    let machine = scene.world.created(own).await;
    let token = scene.world.own_token(&machine, &[("resource", API)]).await.access;
    let principal = scene.check(&token).await.unwrap();
    assert_eq!((principal.subject(), principal.client().as_str()), (None, "alice"));
}

/// What both guards say of requests that must not pass.
async fn compare(here: &Guard, there: &Guard, requests: Vec<Request<()>>) {
    for request in requests {
        let parts = request.into_parts().0;
        let (one, other) = (here.check(&parts).await.unwrap_err(), there.check(&parts).await.unwrap_err());
        assert_eq!(told(&one), told(&other), "{parts:?}");
    }
}

#[tokio::test]
async fn every_refusal_has_the_bytes_of_the_guard_beside_the_server() {
    let scene = Scene::new().await;
    let expired = scene.token().await;
    scene.world.clock.advance(Duration::from_hours(2));
    let (narrow, revoked) =
        (scene.world.code_for(&scene.client, &[("scope", "projects:read")]).await, scene.token().await);
    let narrow =
        scene.world.exchange(&scene.client, &narrow, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    scene.world.revoked(&scene.client, &revoked).await;
    for scopes in ["", "projects:read", "projects:write", "admin projects:write"] {
        let here = scene.world.server.resource(API).unwrap().require(scopes).unwrap();
        let there = scene.guard(scopes);
        let plain = || request(Method::GET, "/api");
        let bearer = |token: &str| plain().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let mut requests = vec![
            plain().body(()).unwrap(),
            plain().header("authorization", "Basic YTpi").body(()).unwrap(),
            plain().header("authorization", "Bearer").body(()).unwrap(),
            plain().header("authorization", "Bearer a").header("authorization", "Bearer b").body(()).unwrap(),
            bearer("unknown"),
            bearer("gra_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            bearer(&expired),
            bearer(&revoked),
            request(Method::OPTIONS, "/api").body(()).unwrap(),
            request(Method::OPTIONS, "/api")
                .header("origin", "https://page.example")
                .header("access-control-request-method", "GET")
                .body(())
                .unwrap(),
        ];
        if scopes.contains("write") {
            requests.push(bearer(&narrow));
        }
        compare(&here, &there, requests).await;
    }
    let challenge = |refusal: &Refusal| told(refusal).2["www-authenticate"].to_str().unwrap().to_owned();
    let refusal = check(&scene.guard("projects:write"), &narrow).await.unwrap_err();
    let expected = r#"scope="projects:read projects:write""#;
    assert!(challenge(&refusal).contains(r#"error="insufficient_scope""#), "{refusal:?}");
    assert!(challenge(&refusal).ends_with(expected), "step-up names all: {refusal:?}");
    let principal = scene.check(&narrow).await.unwrap();
    assert!(challenge(&principal.require("projects:write").unwrap_err()).ends_with(expected));
}

#[tokio::test]
async fn what_was_never_a_token_is_not_asked_about() {
    let scene = Scene::new().await;
    for token in ["", "x", "gra_", "grr_AAAA", "gra_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA?"] {
        assert_eq!(scene.status(token).await, 401);
    }
    assert_eq!((scene.line.asked(), scene.line.discovered()), (0, 0));
}

#[tokio::test]
async fn attack_56_a_preflight_is_answered_and_any_other_options_needs_a_token() {
    let scene = Scene::new().await;
    let guard = scene.guard("projects:read");
    let options = || request(Method::OPTIONS, "/api").header("origin", "https://page.example");
    let preflight = options().header("access-control-request-method", "POST").body(()).unwrap().into_parts().0;
    assert_eq!(guard.check(&preflight).await.unwrap_err(), Refusal::Preflight);
    let other = options().body(()).unwrap().into_parts().0;
    assert_eq!(guard.check(&other).await.unwrap_err().response().status(), 401);
    assert_eq!(scene.line.asked(), 0);
}

#[tokio::test]
async fn attack_58_a_bad_token_elsewhere_never_falls_back_to_a_session() {
    let scene = Scene::new().await;
    let (guard, live) = (scene.guard("projects:read").optional(), scene.token().await);
    let parts = |token: Option<&str>| {
        let builder = request(Method::GET, "/api").header("cookie", "session=alice.1");
        let builder =
            token.iter().fold(builder, |builder, token| builder.header("authorization", format!("Bearer {token}")));
        builder.body(()).unwrap().into_parts().0
    };
    assert!(guard.check(&parts(None)).await.unwrap().is_none());
    assert!(guard.check(&parts(Some(&live))).await.unwrap().is_some());
    scene.world.revoked(&scene.client, &live).await;
    scene.world.clock.advance(Duration::from_secs(5));
    assert_eq!(guard.check(&parts(Some(&live))).await.unwrap_err().response().status(), 401);
    scene.line.breaks();
    scene.world.clock.advance(Duration::from_secs(5));
    assert_eq!(guard.check(&parts(Some(&live))).await.unwrap_err().response().status(), 503);
}
