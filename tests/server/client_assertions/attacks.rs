//! Attacks on assertions, and on who sends them.

use std::sync::Arc;
use std::time::Duration;

use grantor::storage::testkit::{Call, Faulty, Lost, Yielding};
use grantor::{ClientChange, MemoryStorage, NewClient};
use http::StatusCode;
use ring::hmac;
use serde_json::{Value, json};

use super::Scene;
use crate::support::refreshing::Tokens;
use crate::support::signing::{Key, changed, claims, encoded, jwks, own_access, own_access_with, post};
use crate::support::{API, CALLBACK, World};

#[tokio::test]
async fn attack_25_an_assertion_that_was_seen_on_its_way_is_good_no_more_until_its_end() {
    let scene = Scene::new().await;
    let seen = scene.key.sign(&changed(scene.claims(), &json!({ "exp": scene.world.clock.now().as_secs() + 3600 })));
    scene.accepts(&seen, "by its client").await;
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        let form = [("grant_type", "client_credentials"), ("token", "x")];
        let answer = post(&scene.world, path, &seen, &form).await;
        scene.assert_refused(&answer, "assertion_replayed", path);
    }
    // Signed anew it is still the same one.
    let claims = changed(scene.claims(), &json!({ "jti": "the same" }));
    scene.accepts(&scene.key.sign(&claims), "first").await;
    scene
        .refuses(
            &scene.key.sign(&changed(claims, &json!({ "exp": scene.world.clock.now().as_secs() + 9 }))),
            "assertion_replayed",
            "jti",
        )
        .await;
    for _ in 0..60 {
        scene.world.clock.advance(Duration::from_mins(1));
        scene.world.server.purge(100).await.unwrap();
        scene.refuses(&seen, "assertion_replayed", "as long as it would be good").await;
    }
    scene.world.clock.advance(Duration::from_mins(1));
    scene.refuses(&seen, "assertion_expired", "and not beyond that").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_25_of_64_racers_with_one_assertion_one_is_let_in() {
    for _ in 0..8 {
        let scene = Scene::over(Yielding::new(MemoryStorage::new()), |client| client).await;
        let assertion = scene.assertion();
        let racers: Vec<_> = (0..64)
            .map(|_| {
                let (world, assertion) = (scene.world.clone(), assertion.clone());
                tokio::spawn(async move { own_access(&world, &assertion).await })
            })
            .collect();
        let mut let_in = 0;
        for racer in racers {
            let answer = racer.await.unwrap();
            if answer.status() == StatusCode::OK {
                let_in += 1;
                assert!(scene.world.is_live(&Tokens::of(&answer).access).await);
            } else {
                scene.assert_refused(&answer, "assertion_replayed", "a racer");
            }
        }
        assert_eq!(let_in, 1);
    }
}

#[tokio::test]
async fn attack_25_every_claim_is_judged() {
    let scene = Scene::new().await;
    let now = scene.world.clock.now().as_secs();
    for (changes, reason) in [
        (json!({ "iss": null }), "assertion_two_names"),
        (json!({ "iss": "else" }), "assertion_two_names"),
        (json!({ "iss": ["nightly"] }), "assertion_two_names"),
        (json!({ "sub": null }), "assertion_malformed"),
        (json!({ "iss": "", "sub": "" }), "assertion_malformed"),
        (json!({ "iss": "n\u{e9}", "sub": "n\u{e9}" }), "assertion_malformed"),
        (json!({ "iss": "nobody", "sub": "nobody" }), "client_unknown"),
        (json!({ "aud": null }), "assertion_malformed"),
        (json!({ "aud": 7 }), "assertion_malformed"),
        (json!({ "aud": "" }), "assertion_audience"),
        (json!({ "aud": [] }), "assertion_audience"),
        (json!({ "aud": [7] }), "assertion_audience"),
        (json!({ "aud": "https://other.example" }), "assertion_audience"),
        (json!({ "aud": "https://app.example.evil.example" }), "assertion_audience"),
        (json!({ "aud": "https://app.example//" }), "assertion_audience"),
        (json!({ "aud": "https://APP.example" }), "assertion_audience"),
        (json!({ "aud": "https://app.example/oauth" }), "assertion_audience"),
        (json!({ "aud": "https://app.example/oauth/revoke" }), "assertion_audience"),
        (json!({ "aud": ["https://app.example", "https://other.example"] }), "assertion_audience"),
        (json!({ "aud": ["https://app.example", "https://app.example"] }), "assertion_audience"),
        (json!({ "exp": null }), "assertion_malformed"),
        (json!({ "exp": "1800000060" }), "assertion_malformed"),
        (json!({ "exp": -1 }), "assertion_malformed"),
        (json!({ "exp": 0 }), "assertion_expired"),
        (json!({ "exp": now - 60 }), "assertion_expired"),
        (json!({ "exp": now + 3661 }), "assertion_too_long"),
        (json!({ "exp": u64::MAX }), "assertion_too_long"),
        (json!({ "exp": 1e300 }), "assertion_malformed"),
        (json!({ "iat": now + 61 }), "assertion_too_early"),
        (json!({ "iat": "now" }), "assertion_malformed"),
        (json!({ "nbf": now + 61 }), "assertion_too_early"),
        (json!({ "nbf": now + 61, "iat": now }), "assertion_too_early"),
        (json!({ "nbf": [] }), "assertion_malformed"),
        (json!({ "jti": null }), "assertion_no_id"),
        (json!({ "jti": "" }), "assertion_no_id"),
        (json!({ "jti": 7 }), "assertion_no_id"),
        (json!({ "jti": "x".repeat(257) }), "assertion_no_id"),
        (json!({ "padding": "x".repeat(8 * 1024) }), "assertion_too_large"),
    ] {
        let assertion = scene.key.sign(&changed(scene.claims(), &changes));
        scene.refuses(&assertion, reason, &changes.to_string()).await;
    }
    // Of two values of one claim nobody can say which was meant.
    let honest = scene.claims().to_string();
    for (once, twice) in [
        (r#""aud":"https://app.example""#, r#""aud":"https://app.example","aud":"https://app.example""#),
        (r#""sub":"nightly""#, r#""sub":"other","sub":"nightly""#),
        (r#""sub":"nightly""#, r#""s\u0075b":"other","sub":"nightly""#),
    ] {
        assert!(honest.contains(once), "{honest}");
        let assertion = scene.key.sign_texts(&scene.key.header().to_string(), &honest.replace(once, twice));
        scene.refuses(&assertion, "assertion_malformed", twice).await;
    }
}

#[tokio::test]
async fn claims_are_taken_up_to_their_limits() {
    let scene = Scene::new().await;
    let now = scene.world.clock.now().as_secs();
    for changes in [
        json!({ "exp": now - 59 }),
        json!({ "exp": now + 3660 }),
        json!({ "iat": now + 60 }),
        json!({ "nbf": now + 60 }),
        json!({ "jti": "x".repeat(256) }),
    ] {
        let assertion = scene.key.sign(&changed(scene.claims(), &changes));
        let answer = own_access(&scene.world, &assertion).await;
        assert_eq!(answer.status(), 200, "{changes}: {}", answer.body());
    }
    let padded = |padding: usize| scene.key.sign(&changed(scene.claims(), &json!({ "padding": "x".repeat(padding) })));
    let longest = (5000..7000).map(padded).find(|assertion| assertion.len() == 8 * 1024).unwrap();
    assert_eq!(own_access(&scene.world, &longest).await.status(), 200);
}

#[tokio::test]
async fn attack_25_an_assertion_for_the_token_endpoint_is_taken_only_where_that_was_agreed() {
    let endpoint = json!({ "aud": "https://app.example/oauth/token" });
    let scene = Scene::new().await;
    let for_endpoint = || scene.key.sign(&changed(scene.claims(), &endpoint));
    scene.refuses(&for_endpoint(), "assertion_audience", "a hostile server may say that it is its own").await;
    let change = |may| ClientChange::new().token_endpoint_audience(may);
    scene.world.server.change_client(&scene.id(), change(true)).await.unwrap();
    scene.accepts(&for_endpoint(), "agreed").await;
    scene.accepts(&scene.assertion(), "and the issuer stays").await;
    for aud in ["https://app.example/oauth/token/", "https://app.example/oauth/revoke", "/oauth/token", "oauth/token"] {
        scene
            .refuses(&scene.key.sign(&changed(scene.claims(), &json!({ "aud": aud }))), "assertion_audience", aud)
            .await;
    }
    // New keys do not change it.
    scene.world.server.change_client(&scene.id(), ClientChange::new().keys(&jwks(&[&scene.key]))).await.unwrap();
    scene.accepts(&for_endpoint(), "agreed").await;
    scene.world.server.change_client(&scene.id(), change(false)).await.unwrap();
    scene.refuses(&for_endpoint(), "assertion_audience", "taken back").await;
    let scene = Scene::over(MemoryStorage::new(), NewClient::token_endpoint_audience).await;
    scene.accepts(&scene.key.sign(&changed(scene.claims(), &endpoint)), "agreed from the start").await;
}

#[tokio::test]
async fn attack_25_the_algorithm_is_one_of_the_list_and_of_the_key() {
    let scene = Scene::new().await;
    let claims = || scene.claims().to_string();
    for algorithm in ["none", "None", "NONE", "", "es256", "ES384", "ES512", "RS384", "HS256", "HS512", "EdDSA448"] {
        let header = json!({ "alg": algorithm, "kid": "one" }).to_string();
        let unsigned = format!("{}.{}.", encoded(&header), encoded(claims()));
        scene.refuses(&unsigned, "assertion_algorithm_not_allowed", algorithm).await;
        scene.refuses(&scene.key.sign_texts(&header, &claims()), "assertion_algorithm_not_allowed", algorithm).await;
    }
    // The public key as the secret of a MAC (CVE-2020-15222 and many before it).
    let jwk = scene.key.jwk().to_string();
    let (x, set) = (scene.key.jwk()["x"].as_str().unwrap().to_owned(), jwks(&[&scene.key]));
    for secret in [jwk.as_bytes(), x.as_bytes(), set.as_bytes(), b""] {
        for named in ["HS256", "ES256", "RS256", "EdDSA"] {
            let header = json!({ "alg": named, "kid": "one" }).to_string();
            let signed = format!("{}.{}", encoded(header), encoded(claims()));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            let reason = if named == "HS256" { "assertion_algorithm_not_allowed" } else { "assertion_signature" };
            scene.refuses(&format!("{signed}.{}", encoded(tag)), reason, named).await;
        }
    }
    // The signature of another curve, or of the right key under another algorithm's name.
    let p384 = Key::new("ES384", "one");
    let as_es256 = json!({ "alg": "ES256", "kid": "one" });
    scene.refuses(&p384.sign_with(&as_es256, &scene.claims()), "assertion_signature", "P-384").await;
    for algorithm in ["RS256", "PS256", "EdDSA"] {
        let header = json!({ "alg": algorithm, "kid": "one" });
        scene.refuses(&scene.key.sign_with(&header, &scene.claims()), "assertion_signature", algorithm).await;
    }
}

#[tokio::test]
async fn attack_25_a_key_is_good_for_the_algorithm_that_it_is_registered_for() {
    let world = World::new();
    for (registered, sent, is_good) in
        [("RS256", "RS256", true), ("RS256", "PS256", false), ("PS256", "RS256", false), ("PS256", "PS256", true)]
    {
        let key = Key::new(sent, "r");
        let set =
            json!({ "keys": [changed(key.jwk(), &json!({ "alg": registered, "use": "sig", "key_ops": ["verify"] }))] });
        let client = world.created(NewClient::with_keys("R", &set.to_string()).client_credentials()).await;
        let answer = own_access(&world, &key.sign(&claims(&world, &client.id))).await;
        assert_eq!(answer.status() == StatusCode::OK, is_good, "{registered} {sent}");
    }
}

#[tokio::test]
async fn attack_25_a_header_brings_no_key_and_nothing_that_must_be_understood() {
    let scene = Scene::new().await;
    let thief = Key::new("ES256", "one");
    for extra in [
        json!({ "jwk": thief.jwk() }),
        json!({ "jku": "https://evil.example/jwks" }),
        json!({ "x5u": "https://evil.example/x5u", "x5c": ["AAAA"] }),
        json!({ "kid": "../../dev/null" }),
        json!({ "kid": "one' OR '1'='1" }),
        json!({ "kid": null }),
    ] {
        let header = changed(thief.header(), &extra);
        scene.refuses(&thief.sign_with(&header, &scene.claims()), "assertion_signature", &extra.to_string()).await;
    }
    for (extra, reason) in [
        (json!({ "crit": ["b64"], "b64": false }), "assertion_critical"),
        (json!({ "crit": [] }), "assertion_critical"),
        (json!({ "kid": 1 }), "assertion_malformed"),
        (json!({ "typ": "at+jwt" }), "assertion_other_type"),
        (json!({ "typ": "dpop+jwt" }), "assertion_other_type"),
        (json!({ "typ": "application/" }), "assertion_other_type"),
        (json!({ "typ": "applicatioé" }), "assertion_other_type"),
        (json!({ "alg": null }), "assertion_algorithm_not_allowed"),
        (json!({ "alg": 7 }), "assertion_malformed"),
        (json!({ "kid": "two" }), "assertion_signature"),
    ] {
        let header = changed(scene.key.header(), &extra);
        scene.refuses(&scene.key.sign_with(&header, &scene.claims()), reason, &extra.to_string()).await;
    }
    let twice = r#"{"alg":"none","alg":"ES256","kid":"one"}"#;
    scene.refuses(&scene.key.sign_texts(twice, &scene.claims().to_string()), "assertion_malformed", twice).await;
}

#[tokio::test]
async fn attack_25_only_the_bytes_that_were_signed_count() {
    let scene = Scene::new().await;
    let honest = scene.assertion();
    let parts: Vec<_> = honest.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{honest}") };
    let other = encoded(changed(scene.claims(), &json!({ "jti": "other" })).to_string());
    for (text, reason) in [
        (String::new(), "assertion_missing"),
        ("a.b.c".to_owned(), "assertion_malformed"),
        ("..".to_owned(), "assertion_malformed"),
        (format!("{header}.{payload}"), "assertion_malformed"),
        (format!("{honest}."), "assertion_malformed"),
        (format!("{honest}="), "assertion_malformed"),
        (format!("{honest} "), "assertion_malformed"),
        (format!("{header}=.{payload}.{signature}"), "assertion_malformed"),
        (format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+")) + "+", "assertion_malformed"),
        (format!("{header}.{payload}."), "assertion_signature"),
        (format!("{header}.{payload}.{}", encoded([0; 64])), "assertion_signature"),
        (format!("{header}.{payload}.{}", &signature[..40]), "assertion_signature"),
        (format!("{header}.{other}.{signature}"), "assertion_signature"),
        (format!("{}.{payload}.{signature}", encoded(json!({ "alg": "ES256" }).to_string())), "assertion_signature"),
        (format!("{}.{payload}.{signature}", encoded("[]")), "assertion_malformed"),
        (format!("{header}.{}.{signature}", encoded("[]")), "assertion_malformed"),
        (format!("{header}.{}.{signature}", encoded("[".repeat(3000))), "assertion_malformed"),
    ] {
        scene.refuses(&text, reason, &text).await;
    }
    scene.accepts(&honest, "nothing of that used it up").await;
}

#[tokio::test]
async fn attack_25_nobody_uses_up_the_assertion_of_another() {
    let scene = Scene::new().await;
    let thief = Key::new("ES256", "one");
    let other = scene.world.created(NewClient::with_keys("Other", &jwks(&[&thief])).client_credentials()).await;
    let honest = scene.claims();
    let jti = &honest["jti"];
    scene.refuses(&thief.sign(&honest), "assertion_signature", "the key of another client").await;
    let theirs = changed(claims(&scene.world, &other.id), &json!({ "jti": jti }));
    scene.accepts(&thief.sign(&theirs), "the ids of two clients have nothing to do with each other").await;
    for changes in [json!({ "aud": "https://other.example" }), json!({ "exp": 1 }), json!({ "nbf": u32::MAX })] {
        assert_ne!(own_access(&scene.world, &scene.key.sign(&changed(honest.clone(), &changes))).await.status(), 200);
    }
    scene.world.server.block_client(&scene.id()).await.unwrap();
    assert_ne!(own_access(&scene.world, &scene.key.sign(&honest)).await.status(), StatusCode::OK);
    scene.world.server.unblock_client(&scene.id()).await.unwrap();
    scene.accepts(&scene.key.sign(&honest), "it was refused before it counted").await;
}

#[tokio::test]
async fn attack_26_an_assertion_beside_another_method_or_identity_is_refused() {
    let scene = Scene::new().await;
    let machine = scene.world.machine().await;
    let basic = format!("Basic {}", "bmlnaHRseTpz");
    let without_secret = format!("Basic {}", "bmlnaHRseTo=");
    for (changes, headers) in [
        (vec![("client_secret", "s")], vec![]),
        (vec![("client_secret", "s"), ("client_assertion_type", "")], vec![]),
        (vec![], vec![("authorization", basic.as_str())]),
        (vec![], vec![("authorization", without_secret.as_str())]),
        (vec![("client_id", machine.id.as_str())], vec![]),
        (vec![("client_assertion", "x"), ("client_assertion", "y")], vec![]),
    ] {
        let answer = own_access_with(&scene.world, &scene.assertion(), &changes, &headers).await;
        answer.assert_error(400, "invalid_request");
    }
    for kind in [
        "",
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "URN:ietf:params:oauth:client-assertion-type:jwt-bearer",
    ] {
        let changes = [("client_assertion_type", kind), ("client_id", &scene.client.id)];
        let answer = own_access_with(&scene.world, &scene.assertion(), &changes, &[]).await;
        scene.assert_refused(&answer, "assertion_other_assertion_type", kind);
    }
}

#[tokio::test]
async fn attack_28_a_client_with_keys_is_nobody_without_its_signature() {
    let scene = Scene::new().await;
    let id = scene.client.id.as_str();
    for (changes, reason) in [(vec![], "assertion_missing"), (vec![("client_secret", "guess")], "secret_unexpected")] {
        let form = [&[("grant_type", "client_credentials"), ("client_id", id)], &changes[..]].concat();
        let answer = scene.world.post("/oauth/token", &form, &[]).await;
        scene.assert_refused(&answer, reason, "no signature");
        let form = [&[("token", "x"), ("client_id", id)], &changes[..]].concat();
        for path in ["/oauth/revoke", "/oauth/introspect"] {
            scene.assert_refused(&scene.world.post(path, &form, &[]).await, reason, path);
        }
    }
    let query = format!("/oauth/token?client_assertion={}", scene.assertion());
    let form = [("grant_type", "client_credentials"), ("client_id", id)];
    scene.assert_refused(&scene.world.post(&query, &form, &[]).await, "assertion_missing", "the query is not read");
    // Who has no keys cannot sign, and a code or refresh token alone is worth nothing.
    for client in [scene.world.machine().await, scene.world.public_client().await] {
        let assertion = scene.key.sign(&claims(&scene.world, &client.id));
        scene.refuses(&assertion, "assertion_unexpected", "it has registered no keys").await;
    }
    let code = scene.world.code(&scene.client).await;
    scene.world.exchange(&scene.client, &code, &[]).await.assert_error(401, "invalid_client");
    let form = scene.client.token_request(&code, &[]);
    let tokens =
        Tokens::of(&post(&scene.world, "/oauth/token", &scene.assertion(), &crate::support::pairs(&form)).await);
    scene.world.refresh(&scene.client, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn attack_29_an_unknown_client_and_a_wrong_signature_get_the_same_answer() {
    let scene = Scene::new().await;
    let thief = Key::new("ES256", "one");
    let (machine, public) = (scene.world.machine().await, scene.world.public_client().await);
    let mut answers = Vec::new();
    for id in [scene.client.id.as_str(), "nobody", &machine.id, &public.id] {
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let form = [("grant_type", "client_credentials"), ("token", "x")];
            answers.push(post(&scene.world, path, &thief.sign(&claims(&scene.world, id)), &form).await.told());
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn attack_30_assertions_give_no_privileges_to_who_registered_itself() {
    let world = World::new();
    let key = Key::new("ES256", "k");
    let metadata: Value = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [key.jwk()] }, "grant_types": ["authorization_code", "client_credentials"],
        "introspects": [API], "token_endpoint_audience": true });
    let registered = world.register(&metadata).await.json();
    let id = registered["client_id"].as_str().unwrap();
    own_access(&world, &key.sign(&claims(&world, id))).await.assert_error(400, "unauthorized_client");
    let told = post(&world, "/oauth/introspect", &key.sign(&claims(&world, id)), &[("token", "x")]).await;
    told.assert_error(403, "unauthorized_client");
    let for_endpoint = changed(claims(&world, id), &json!({ "aud": "https://app.example/oauth/token" }));
    own_access(&world, &key.sign(&for_endpoint)).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn attack_44_nobody_is_let_in_while_the_store_cannot_say_whether_an_assertion_is_new() {
    let scene = Scene::over(Arc::new(Faulty::new(MemoryStorage::new())), |client| client).await;
    for (lost, call) in
        [(Lost::Request, Call::Client), (Lost::Request, Call::ClaimOnce), (Lost::Answer, Call::ClaimOnce)]
    {
        let assertion = scene.assertion();
        scene.world.storage.lose(lost, call, 1);
        let answer = own_access(&scene.world, &assertion).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some() && !answer.body().contains("gra_"));
        if let Lost::Answer = lost {
            scene.refuses(&assertion, "assertion_replayed", "it was used up: the client signs another").await;
        } else {
            scene.accepts(&assertion, "it was not used up").await;
        }
        scene.accepts(&scene.assertion(), "and then it works again").await;
    }
}
