//! Attacks through keys that are fetched: on what is signed by them, and on whom they are fetched from.

use std::time::Duration;

use http::StatusCode;
use ring::hmac;
use serde_json::json;

use super::fetched_keys::{JWKS, Scene};
use super::site::{Answer, URL, document, json_answer};
use crate::support::pairs;
use crate::support::signing::{Key, changed, claims, encoded, jwks, own_access, post};

#[tokio::test]
async fn attack_25_what_fetched_keys_cannot_have_signed_is_refused() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    let honest = claims(&scene.world, URL).to_string();
    let (set, jwk) = (jwks(&[&scene.key]), scene.key.jwk().to_string());
    for algorithm in ["none", "NONE", "HS256", "RS512", ""] {
        let header = json!({ "alg": algorithm, "kid": "one" }).to_string();
        let signed = format!("{}.{}", encoded(header), encoded(&honest));
        // The public keys as the secret of a MAC.
        for secret in [set.as_bytes(), jwk.as_bytes(), b""] {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            for signature in [encoded(tag), String::new()] {
                let why = format!("{algorithm} {signature}");
                scene.refuses(&format!("{signed}.{signature}"), "assertion_algorithm_not_allowed", &why).await;
            }
        }
    }
    assert_eq!(scene.fetches(), 0, "and nothing is fetched for that");
    for algorithm in ["ES256", "EdDSA", "PS256"] {
        let header = json!({ "alg": algorithm, "kid": "one" });
        scene
            .refuses(&scene.key.sign_with(&header, &claims(&scene.world, URL)), "assertion_signature", algorithm)
            .await;
    }
    let thief = Key::new("ES256", "one");
    for extra in [json!({ "jwk": thief.jwk() }), json!({ "jku": "https://evil.example/jwks" })] {
        let header = changed(thief.header(), &extra);
        scene
            .refuses(&thief.sign_with(&header, &claims(&scene.world, URL)), "assertion_signature", "its own key")
            .await;
    }
    assert_eq!(scene.web.fetches_of("https://evil.example/jwks"), 0);
}

#[tokio::test]
async fn attack_25_a_fetched_set_with_a_shared_or_private_key_is_no_set() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    let jwk = scene.key.jwk();
    for keys in [
        json!([jwk, { "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }]),
        json!([changed(jwk.clone(), &json!({ "d": "AAAA" }))]),
        json!([]),
        json!(vec![&jwk; 17]),
        json!("x"),
    ] {
        scene.web.answer(JWKS, Answer::Is(json_answer(&json!({ "keys": keys }).to_string())));
        scene.world.clock.advance(Duration::from_mins(1));
        scene.refuses(&scene.assertion(), "assertion_keys_not_read", &keys.to_string()).await;
    }
    let twice = jwks(&[&scene.key]).replacen(r#""keys""#, r#""keys":[],"keys""#, 1);
    let deep = format!(r#"{{"x":{}1{},"keys":[{jwk}]}}"#, "[".repeat(40), "]".repeat(40));
    let honest = json_answer(&jwks(&[&scene.key]));
    for bad in [
        json_answer(&twice),
        json_answer(&deep),
        json_answer("<html>"),
        honest.clone().content_type("text/html"),
        honest.clone().with_status(301),
        honest.clone().with_status(206),
    ] {
        scene.web.answer(JWKS, Answer::Is(bad.clone()));
        scene.world.clock.advance(Duration::from_mins(1));
        scene.refuses(&scene.assertion(), "assertion_keys_not_read", &format!("{bad:?}")).await;
    }
    scene.web.answer(JWKS, Answer::Is(honest.content_type("application/jwk-set+json")));
    scene.accepts(&scene.assertion(), "none of that was kept").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_25_of_50_racers_with_one_assertion_and_fetched_keys_one_is_let_in() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    let assertion = scene.assertion();
    let racers: Vec<_> = (0..50)
        .map(|_| {
            let (world, assertion) = (scene.world.clone(), assertion.clone());
            tokio::spawn(async move { post(&world, "/oauth/revoke", &assertion, &[("token", "x")]).await.status() })
        })
        .collect();
    let mut let_in = 0;
    for racer in racers {
        let_in += usize::from(racer.await.unwrap() == StatusCode::OK);
    }
    assert_eq!((let_in, scene.fetches()), (1, 1));
}

#[tokio::test]
async fn attack_33_nothing_is_fetched_for_an_assertion_that_no_key_could_mend() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    let now = scene.world.clock.now().as_secs();
    for (changes, reason) in [
        (json!({ "aud": "https://other.example" }), "assertion_audience"),
        (json!({ "aud": "https://app.example/oauth/token" }), "assertion_signature"),
        (json!({ "exp": now - 60 }), "assertion_expired"),
        (json!({ "exp": now + 3661 }), "assertion_too_long"),
        (json!({ "nbf": now + 61 }), "assertion_too_early"),
        (json!({ "jti": null }), "assertion_no_id"),
        (json!({ "iss": "https://other.example/c" }), "assertion_two_names"),
        (json!({ "iss": JWKS, "sub": JWKS }), "client_unknown"),
    ] {
        let assertion = scene.key.sign(&changed(claims(&scene.world, URL), &changes));
        scene.refuses(&assertion, reason, &changes.to_string()).await;
    }
    scene.refuses("a.b.c", "assertion_malformed", "no JWT").await;
    let id = grantor::ClientId::parse(URL).unwrap();
    scene.world.server.block_client(&id).await.unwrap();
    scene.refuses(&scene.assertion(), "assertion_signature", "blocked").await;
    scene.world.server.unblock_client(&id).await.unwrap();
    assert_eq!(scene.fetches(), 0);
    scene.accepts(&scene.assertion(), "but for that").await;
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn attack_33_nothing_is_fetched_for_a_client_that_nobody_let_in() {
    let scene = Scene::of_stranger(&json!("private_key_jwt"), |rules| rules);
    scene.refuses(&scene.assertion(), "client_unknown", "nobody has seen its document").await;
    let mut browser = scene.world.browser_of("alice");
    let page = browser.prompt(&scene.client.authorize()).await;
    scene.refuses(&scene.assertion(), "assertion_signature", "nobody has agreed yet").await;
    let registered = scene
        .world
        .register(&json!({ "redirect_uris": ["https://x.example/cb"], "jwks_uri": JWKS,
            "token_endpoint_auth_method": "private_key_jwt" }))
        .await
        .json();
    let id = registered["client_id"].as_str().unwrap();
    own_access(&scene.world, &scene.key.sign(&claims(&scene.world, id))).await.assert_error(401, "invalid_client");
    assert_eq!(scene.fetches(), 0);
    let _ = browser.decide(&page, "allow").await;
    scene.accepts(&scene.assertion(), "alice has agreed").await;
    // Nor for one without keys, whatever it points to.
    scene.web.put(URL, &changed(document(URL), &json!({ "jwks_uri": JWKS })));
    scene.world.clock.advance(Duration::from_hours(2));
    let _ = scene.world.code(&scene.client).await;
    scene.refuses(&scene.assertion(), "assertion_unexpected", "a public client").await;
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn attack_33_the_lists_of_hosts_hold_for_keys_as_well() {
    let scene = Scene::of_stranger(&json!(["none", "private_key_jwt"]), |rules| rules.deny_hosts(["keys.example"]));
    let elsewhere = "https://keys.example/jwks.json";
    scene.web.answer(elsewhere, Answer::Is(json_answer(&jwks(&[&scene.key]))));
    let points = json!({ "token_endpoint_auth_method": ["none", "private_key_jwt"], "jwks_uri": elsewhere });
    scene.web.put(URL, &changed(document(URL), &points));
    let code = scene.world.code(&scene.client).await;
    scene.refuses(&scene.assertion(), "assertion_keys_not_read", "denied").await;
    assert_eq!(scene.web.fetches_of(elsewhere), 0);
    let form = scene.client.token_request(&code, &[]);
    assert_eq!(scene.world.post("/oauth/token", &pairs(&form), &[]).await.status(), StatusCode::OK, "without a proof");
}

#[tokio::test]
async fn attack_34_fifty_at_the_same_time_share_one_fetch_of_keys() {
    for fails in [false, true] {
        let scene = Scene::new(&json!("private_key_jwt")).await;
        if fails {
            scene.web.answer(JWKS, Answer::Unreachable);
        }
        let gate = scene.web.hold();
        let requests: Vec<_> = (0..50)
            .map(|_| {
                let (world, assertion) = (scene.world.clone(), scene.assertion());
                tokio::spawn(async move { post(&world, "/oauth/revoke", &assertion, &[("token", "x")]).await.status() })
            })
            .collect();
        while scene.fetches() == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(50);
        for request in requests {
            assert_eq!(request.await.unwrap(), if fails { 401 } else { 200 });
        }
        assert_eq!(scene.fetches(), 1);
    }
}

#[tokio::test]
async fn attack_34_a_request_for_keys_that_is_given_up_leaves_its_fetch_to_the_next() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    let gate = scene.web.hold();
    let send = || {
        let (world, assertion) = (scene.world.clone(), scene.assertion());
        tokio::spawn(async move { post(&world, "/oauth/revoke", &assertion, &[("token", "x")]).await.status() })
    };
    let first = send();
    while scene.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    let second = send();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(2);
    assert_eq!(second.await.unwrap(), 200);
    assert_eq!(scene.fetches(), 2);
}

#[tokio::test]
async fn attack_34_nobody_hammers_a_site_through_the_keys_of_clients() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    scene.web.answer(JWKS, Answer::Unreachable);
    for _ in 0..20 {
        scene
            .refuses(&scene.assertion(), "assertion_keys_not_read", "an error is not kept, and asked for so often")
            .await;
    }
    assert_eq!(scene.fetches(), 6, "so often for one client in a minute");
    // Many clients of one site have what the site has.
    let scene = Scene::of_stranger(&json!("private_key_jwt"), |rules| rules.fetches_per_site(10).fetches_per_user(99));
    let mut fetched = 0;
    for number in 0..20 {
        let (url, keys) = (format!("https://c{number}.example/c"), format!("https://client.example/{number}"));
        let points = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys });
        scene.web.put(&url, &changed(document(&url), &points));
        let _ = scene.world.code(&super::client(&url, super::CALLBACK)).await;
        let assertion = scene.key.sign(&claims(&scene.world, &url));
        scene.refuses(&assertion, "assertion_keys_not_read", &keys).await;
        fetched += scene.web.fetches_of(&keys);
    }
    assert_eq!(fetched, 10);
    scene.world.clock.advance(Duration::from_mins(1));
    let _ = scene.world.code(&scene.client).await;
    scene.accepts(&scene.assertion(), "a minute later there is more").await;
}
