//! Attacks with client credentials and by registration.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::{self, API, Answer, CALLBACK, Client, ISSUER, MCP, VERIFIER, World, pairs};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantor::MemoryStorage;
use grantor::storage::testkit::{Call, Faulty, Lost};
use http::{Method, StatusCode};
use serde_json::json;

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

/// A token request that fails only because of its code, so that its answer tells how the client fared.
async fn authenticate(world: &World, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
    let honest = [("grant_type", "authorization_code"), ("code", "grc_unknown"), ("code_verifier", VERIFIER)];
    world.post("/oauth/token", &[&honest, form].concat(), headers).await
}

/// Fails unless the client was authenticated.
fn assert_authenticated(answer: &Answer, what: &str) {
    assert_eq!((answer.status().as_u16(), answer.error().as_str()), (400, "invalid_grant"), "{what}");
}

/// Fails unless the client was not, with a challenge exactly if it used Basic credentials.
fn assert_unauthenticated(answer: &Answer, used_basic: bool, what: &str) {
    assert_eq!((answer.status().as_u16(), answer.error().as_str()), (401, "invalid_client"), "{what}");
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge.is_some_and(|value| value.starts_with("Basic realm=")), used_basic, "{what}: {challenge:?}");
    assert_eq!(challenge.is_some(), used_basic, "{what}: {challenge:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn attack_26_two_methods_or_two_identities_are_an_invalid_request() {
    let world = World::new();
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    let other = world.client("client_secret_post", &[CALLBACK]).await;
    let code = world.code(&client).await;
    let (own, others) = (client.basic(), other.basic());
    let without_basic: &[(&str, &str)] = &[];
    let with_basic = &[("authorization", own.as_str())][..];
    let assertion = ("client_assertion", "a.b.c");
    let cases = [
        (with_basic, vec![]),
        (with_basic, vec![("client_secret", "wrong")]),
        (with_basic, vec![("client_secret", ""), ("client_id", other.id.as_str())]),
        (with_basic, vec![("client_secret", ""), assertion]),
        (&[("authorization", &own), ("authorization", &own)], vec![("client_secret", "")]),
        (&[("authorization", &own), ("authorization", &others)], vec![("client_secret", "")]),
        (&[("authorization", &own), ("authorization", "Bearer x")], vec![("client_secret", "")]),
        (without_basic, vec![("client_id", &client.id), ("client_id", &client.id)]),
        (without_basic, vec![("client_id", &client.id), ("client_id", &other.id)]),
        (without_basic, vec![("client_secret", client.secret.as_deref().unwrap()), ("client_secret", "x")]),
        (without_basic, vec![("client_secret", client.secret.as_deref().unwrap()), assertion]),
    ];
    for (headers, changes) in cases {
        let form = client.token_request(&code, &changes);
        let answer = world.post("/oauth/token", &pairs(&form), headers).await;
        assert_eq!(answer.error(), "invalid_request", "{headers:?} {changes:?}");
        answer.assert_error(400, "invalid_request");
        assert!(answer.header("www-authenticate").is_none());
    }
    let form = client.token_request(&code, &[("client_secret", "")]);
    let answer = world.post("/oauth/token", &pairs(&form), with_basic).await;
    assert_eq!(answer.status(), StatusCode::OK, "the same id in both places is fine: {}", answer.body());
}

#[tokio::test]
async fn attack_26_a_method_that_is_not_offered_is_refused() {
    let world = World::new();
    let client = world.public_client().await;
    for (name, value) in [
        ("client_assertion", "a.b.c"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
    ] {
        let answer = authenticate(&world, &[], &[("client_id", &client.id), (name, value)]).await;
        assert_unauthenticated(&answer, false, name);
    }
    let offered = world.get("/.well-known/oauth-authorization-server").await.json();
    let offered = offered["token_endpoint_auth_methods_supported"].as_array().unwrap().clone();
    let offered: BTreeSet<_> = offered.iter().map(|method| method.as_str().unwrap()).collect();
    assert_eq!(offered, ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"].into());
}

#[tokio::test]
async fn attack_27_basic_credentials_are_decoded_exactly_once() {
    let world = World::new();
    for (id, secret) in [("a", "s:t"), ("a b", "s+%/=&"), ("a%20b", "other"), ("c:d", "100%"), ("+", "%41")] {
        world.administrators_client(id, Some(secret), &[CALLBACK]).await;
    }
    for (sent, is_right) in [
        ("a:s:t", true),
        ("a:s%3At", true),
        ("%61:s:t", true),
        ("a:s", false),
        ("a+b:s%2B%25%2F%3D%26", true),
        ("a%20b:s+%/=&", true),
        ("a b:s+%/=&", true),
        ("a%2520b:other", true),
        ("a%20b:other", false),
        ("a%252520b:other", false),
        ("a%2520b:s+%/=&", false),
        ("c%3Ad:100%", true),
        ("c%3Ad:100%25", true),
        ("c%3ad:100%2525", false),
        ("c:d:100%", false),
        ("%2B:%41", true),
        ("%2B:%2541", true),
        ("%2B:A", false),
        ("+:%41", false),
    ] {
        let answer = authenticate(&world, &[("authorization", &basic(sent))], &[]).await;
        if is_right {
            assert_authenticated(&answer, sent);
        } else {
            assert_unauthenticated(&answer, true, sent);
        }
    }
}

#[tokio::test]
async fn attack_27_the_form_of_basic_credentials_is_judged_strictly() {
    let world = World::new();
    world.administrators_client("a", Some("s"), &[CALLBACK]).await;
    world.administrators_client("public", None, &[CALLBACK]).await;
    let encoded = STANDARD.encode("a:s");
    for good in [format!("Basic {encoded}"), format!("basic {encoded}"), format!("BASIC  {encoded} ")] {
        assert_authenticated(&authenticate(&world, &[("authorization", &good)], &[]).await, &good);
    }
    let empty_secret = basic("public:");
    assert_authenticated(&authenticate(&world, &[("authorization", &empty_secret)], &[]).await, "public, no secret");
    for bad in [
        "Basic ".to_owned(),
        "Basic !!!!".to_owned(),
        format!("Basic {}", &encoded[1..]),
        format!("Basic {encoded}="),
        format!("Basic {encoded},{encoded}"),
        "Basic a:s".to_owned(),
        "Basic /////w==".to_owned(),
        basic(""),
        basic(":"),
        basic(":s"),
        basic("a"),
        basic("a:"),
        basic("A:s"),
        basic(" a:s"),
        basic("a\0:s"),
        basic("a:s\0"),
        basic("a: s"),
        basic("\u{e9}:s"),
        basic("%FF:s"),
        basic(&format!("{}:s", "a".repeat(3000))),
    ] {
        let answer = authenticate(&world, &[("authorization", &bad)], &[]).await;
        assert_unauthenticated(&answer, true, &bad);
        let answer = authenticate(&world, &[("authorization", &bad)], &[("client_id", "a")]).await;
        assert!(matches!(answer.status().as_u16(), 400 | 401), "{bad}");
        assert_ne!(answer.error(), "invalid_grant", "{bad}: bad credentials never count as none");
    }
    for other_scheme in ["Bearer x", &format!("Basic{encoded}"), "Digest username=\"a\"", ""] {
        let answer = authenticate(&world, &[("authorization", other_scheme)], &[]).await;
        assert_unauthenticated(&answer, false, other_scheme);
    }
}

#[tokio::test]
async fn attack_28_the_registered_class_of_authentication_is_enforced() {
    let world = World::new();
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = world.client(method, &[CALLBACK]).await;
        let (id, secret) = (("client_id", client.id.as_str()), client.secret.as_deref().unwrap());
        let own = client.basic();
        assert_authenticated(&authenticate(&world, &[("authorization", &own)], &[]).await, method);
        assert_authenticated(&authenticate(&world, &[], &[id, ("client_secret", secret)]).await, method);
        assert_unauthenticated(&authenticate(&world, &[], &[id]).await, false, "no secret");
        assert_unauthenticated(&authenticate(&world, &[], &[id, ("client_secret", "")]).await, false, "an empty one");
        let nothing = basic(&format!("{}:", client.id));
        assert_unauthenticated(&authenticate(&world, &[("authorization", &nothing)], &[]).await, true, "nor in Basic");
        let shorter = ("client_secret", &secret[..secret.len() - 1]);
        assert_unauthenticated(&authenticate(&world, &[], &[id, shorter]).await, false, "all of the secret counts");
    }
    let public = world.public_client().await;
    let id = ("client_id", public.id.as_str());
    assert_authenticated(&authenticate(&world, &[], &[id]).await, "public");
    assert_unauthenticated(&authenticate(&world, &[], &[id, ("client_secret", "x")]).await, false, "unexpected secret");
    let secret = basic(&format!("{}:x", public.id));
    assert_unauthenticated(&authenticate(&world, &[("authorization", &secret)], &[]).await, true, "unexpected secret");
}

#[tokio::test]
async fn attack_28_credentials_in_the_query_are_ignored() {
    let world = World::new();
    let client = world.client("client_secret_post", &[CALLBACK]).await;
    let public = world.public_client().await;
    let secret = client.secret.as_deref().unwrap();
    let code = world.code(&client).await;
    let everything = client.token_request(&code, &[]);
    let query = format!("/oauth/token?{}", support::encode(&pairs(&everything)));

    assert_unauthenticated(&world.post(&query, &[], &[]).await, false, "everything in the query");
    let without = client.token_request(&code, &[("client_secret", "")]);
    assert_unauthenticated(&world.post(&query, &pairs(&without), &[]).await, false, "the secret in the query");
    let without = client.token_request(&code, &[("client_secret", ""), ("client_id", "")]);
    assert_unauthenticated(&world.post(&query, &pairs(&without), &[]).await, false, "both in the query");
    let answer = world.call(Method::GET, &query, &[]).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);

    let theirs = format!("/oauth/token?client_id={}&client_secret=x&grant_type=password&code=x", public.id);
    let answer = world.post(&theirs, &pairs(&everything), &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "a query neither helps nor hurts: {}", answer.body());
    assert!(!answer.body().contains(secret));
}

/// All that a client can see of an answer.
/// All of it but the number that every refusal has of its own.
fn whole(answer: &Answer) -> String {
    let mut headers = answer.0.headers().clone();
    assert!(headers.remove("grantor-reference").is_some());
    format!("{} {headers:?} {}", answer.status(), answer.body())
}

#[tokio::test]
async fn attack_29_an_unknown_client_and_a_wrong_secret_get_the_same_answer() {
    let world = World::new();
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    let public = world.public_client().await;
    let unknown = format!("{}A", &client.id[..client.id.len() - 1]);
    let (mut by_basic, mut by_post) = (BTreeSet::new(), BTreeSet::new());
    for (id, secret) in [
        (client.id.as_str(), "wrong"),
        (&client.id, ""),
        (&unknown, "wrong"),
        (&unknown, ""),
        (&public.id, "unexpected"),
        ("no such client", "x"),
        ("\u{e9}", "x"),
    ] {
        let header = basic(&format!("{id}:{secret}"));
        by_basic.insert(whole(&authenticate(&world, &[("authorization", &header)], &[]).await));
        let form = [("client_id", id), ("client_secret", secret)];
        by_post.insert(whole(&authenticate(&world, &[], &form).await));
    }
    assert_eq!((by_basic.len(), by_post.len()), (1, 1), "{by_basic:#?} {by_post:#?}");
    assert!(by_basic.iter().chain(&by_post).all(|answer| answer.starts_with("401")));
}

#[tokio::test]
async fn attack_29_the_store_is_asked_for_an_unknown_client_as_for_a_known_one() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let client = world.client("client_secret_post", &[CALLBACK]).await;
    for (id, secret) in [(client.id.as_str(), "wrong"), (&client.id, ""), ("unknown", "wrong"), ("unknown", "")] {
        let form = [("client_id", id), ("client_secret", secret)];
        storage.lose(Lost::Request, Call::Client, 1);
        world.post("/oauth/token", &form, &[]).await.assert_error(503, "temporarily_unavailable");
        // Once and no more: a second look-up would show in the time.
        storage.lose(Lost::Request, Call::Client, 2);
        world.post("/oauth/token", &form, &[]).await.assert_error(401, "invalid_client");
        world.post("/oauth/token", &form, &[]).await.assert_error(503, "temporarily_unavailable");
    }
}

/// Fields that only an administrator decides about, in the names of many servers.
fn presumptuous() -> serde_json::Value {
    let text = r#"{
        "redirect_uris": ["CALLBACK"], "client_name": "Helper", "token_endpoint_auth_method": "client_secret_basic",
        "client_id": "mine", "client_secret": "mine", "client_id_issued_at": 1, "client_secret_expires_at": 1,
        "id": "mine", "revision": 9, "created_at": 0, "registration_access_token": "mine", "secret": "mine",
        "grant_types": ["client_credentials", "password", "implicit", "authorization_code",
            "urn:ietf:params:oauth:grant-type:token-exchange"],
        "response_types": ["token", "code", "id_token"], "scope": "admin projects:read", "scopes": ["admin"],
        "scope_ceiling": "admin", "default_scope": "admin", "allowed_scopes": ["admin"], "resource": "*",
        "origin": "administrator", "first_party": true, "trusted": true, "is_admin": true, "internal": true,
        "skip_consent": true, "consent": "skip", "consent_policy": "skip", "require_consent": false, "auto_approve": true, "prompt": "none",
        "introspection": true, "introspects": ["https://app.example/api"], "introspect": "*", "require_pkce": false, "software_statement": "a.b.c", "verified": true,
        "authentication": "none", "subject": "alice", "sub": "alice", "role": "admin", "permissions": ["admin"],
        "metadata": { "origin": "administrator" }, "client": { "origin": "administrator" }
    }"#;
    serde_json::from_str(&text.replace("CALLBACK", CALLBACK)).unwrap()
}

#[tokio::test]
async fn attack_30_registration_sets_no_privileged_field() {
    let world = World::new();
    let answer = world.register(&presumptuous()).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
    let json = answer.json();
    let fields: BTreeSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let known = [
        "client_id",
        "client_id_issued_at",
        "client_name",
        "client_secret",
        "client_secret_expires_at",
        "grant_types",
        "redirect_uris",
        "response_types",
        "scope",
        "token_endpoint_auth_method",
    ];
    assert_eq!(fields, known.into(), "nothing that was not taken over is echoed");
    assert_ne!(json["client_id"], "mine");
    assert!(json["client_secret"].as_str().unwrap().len() > 40);
    assert_eq!(json["client_secret_expires_at"], 0);
    assert_eq!((&json["grant_types"], &json["response_types"]), (&json!(["authorization_code"]), &json!(["code"])));
    assert_eq!(json["scope"], "projects:read projects:write");

    let client = Client {
        id: json["client_id"].as_str().unwrap().to_owned(),
        secret: json["client_secret"].as_str().map(str::to_owned),
        redirect_uri: CALLBACK.to_owned(),
    };
    let mut browser = world.browser_of("alice");
    for _ in 0..2 {
        let answer = browser.get(&client.authorize()).await;
        assert_eq!(answer.status(), StatusCode::OK, "consent is asked for, every time");
        assert!(answer.body().contains("<form"), "{}", answer.body());
        assert!(browser.allow(&client.authorize()).await.redirect_parameter("code").is_some());
    }
    let no_challenge = client.authorize_with(&[("code_challenge", ""), ("code_challenge_method", "")]);
    browser.get(&no_challenge).await.assert_page(400);
}

#[tokio::test]
async fn attack_30_a_stranger_gets_no_token_without_a_user() {
    let world = World::new();
    let refused = json!({ "redirect_uris": [CALLBACK], "grant_types": ["client_credentials"] });
    world.register(&refused).await.assert_error(400, "invalid_client_metadata");
    let json = world.register(&presumptuous()).await.json();
    let header = basic(&format!("{}:{}", json["client_id"].as_str().unwrap(), json["client_secret"].as_str().unwrap()));
    let public = world.public_client().await;
    for grant_type in [
        "client_credentials",
        "password",
        "implicit",
        "Refresh_Token",
        "AUTHORIZATION_CODE",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        let form = [("grant_type", grant_type), ("scope", "admin"), ("username", "alice"), ("resource", API)];
        for (headers, id) in [(&[("authorization", header.as_str())][..], ""), (&[], &public.id)] {
            let answer = world.post("/oauth/token", &[&form[..], &[("client_id", id)]].concat(), headers).await;
            let is_known = grant_type == "client_credentials";
            answer.assert_error(400, if is_known { "unauthorized_client" } else { "unsupported_grant_type" });
        }
    }
    let stolen = world.tokens(&world.refreshing_client("none").await).await.refresh;
    for token in ["", &stolen] {
        let answer = world.refresh(&public, token, &[("scope", "admin")]).await;
        answer.assert_error(400, "unauthorized_client");
    }
    for response_type in ["token", "id_token", "code token", "none"] {
        let request = public.authorize_with(&[("response_type", response_type)]);
        world.browser_of("alice").get(&request).await.assert_page(400);
    }
}

#[tokio::test]
async fn attack_30_a_reserved_scope_is_never_given_to_who_registered_itself() {
    let world = World::with(|builder| builder.default_scopes("admin projects:read"));
    let client = world.public_client().await;
    for asked in ["admin projects:read", "projects:read admin admin", ""] {
        let mut browser = world.browser_of("alice");
        let page = browser.prompt(&client.authorize_with(&[("scope", asked)])).await;
        assert!(!page.html.contains("Administer everything"), "nobody is asked for it");
        let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
        let answer = world.exchange(&client, &code, &[("scope", "admin projects:read")]).await;
        assert_eq!(answer.json()["scope"], "projects:read", "{asked:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!((world.guard(API, "admin", &token).await, world.guard(API, "", &token).await), (403, 200));
    }
    for asked in ["admin", "Admin", "admin unknown"] {
        let answer = world.browser_of("alice").get(&client.authorize_with(&[("scope", asked)])).await;
        answer.assert_page(400);
        assert!(answer.body().contains("invalid_scope"), "{}", answer.body());
    }
}

#[tokio::test]
async fn attack_30_a_reserved_scope_is_not_advertised() {
    let world = World::with(|builder| builder.default_scopes("admin projects:read"));
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/api",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(!answer.body().contains("admin"), "{path}: {}", answer.body());
    }
    let registered = world.register(&presumptuous()).await;
    assert!(!registered.body().contains("admin"), "{}", registered.body());
    for resource in [API, MCP] {
        let guard = world.server.resource(resource).unwrap().require("").unwrap();
        let request = support::request(Method::GET, "/api").body(()).unwrap().into_parts().0;
        let answer = Answer(guard.check(&request).await.unwrap_err().response());
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains(r#"scope="projects:read""#), "{challenge}");
    }
}

#[tokio::test]
async fn attack_30_a_client_of_the_house_may_get_a_reserved_scope() {
    let world = World::new();
    let client = world.administrators_client("house", Some("secret"), &[CALLBACK]).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize_with(&[("scope", "admin")])).await;
    assert!(page.html.contains("Administer everything"), "its user is asked all the same");
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
    let answer = world.exchange(&client, &code, &[]).await;
    assert_eq!(answer.json()["scope"], "admin");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!((world.guard(API, "admin", &token).await, world.guard(API, "projects:read", &token).await), (200, 403));
}
