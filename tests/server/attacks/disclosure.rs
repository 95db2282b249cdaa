//! Attacks by what a server gives away or lets others say: caches, logs, metadata, foreign headers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{self, Answer, CALLBACK, Client, ConsentPage, ISSUER, World, pairs, request};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use grantor::host::{Entropy, EntropyError};
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{Builder, MemoryStorage, Registration};
use http::{Method, Response, StatusCode};
use tower::ServiceExt as _;

type Lossy = Arc<Faulty<MemoryStorage>>;

fn lossy() -> World<Lossy> {
    World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), Builder::registration_management)
}

/// Answers of the token and the registration endpoint in every status.
async fn answers_to_clients(world: &World<Lossy>, client: &Client) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    let confidential = world.client("client_secret_basic", &[CALLBACK]).await;
    let code = world.code(client).await;
    answers.push(("wrong verifier", world.exchange(client, &code, &[("code_verifier", &"x".repeat(43))]).await));
    answers.push(("token", world.exchange(client, &code, &[]).await));
    answers.push(("replay", world.exchange(client, &code, &[]).await));
    answers.push(("no grant type", world.exchange(client, &code, &[("grant_type", "")]).await));
    let form = confidential.token_request("x", &[("client_secret", "wrong")]);
    answers.push(("wrong secret", world.post("/oauth/token", &pairs(&form), &[]).await));
    answers.push(("no client", world.post("/oauth/token", &[], &[("authorization", "Basic !")]).await));
    answers.push(("no form", world.call(Method::POST, "/oauth/token", &[]).await));
    answers.push(("large token request", world.post("/oauth/token", &[("code", &"x".repeat(70_000))], &[]).await));
    answers.push(("token by GET", world.get("/oauth/token").await));
    for (lost, what) in [(Call::Client, "no client read"), (Call::Code, "no code read")] {
        world.storage.lose(Lost::Request, lost, 1);
        answers.push((what, world.exchange(client, &code, &[]).await));
    }
    let code = world.code(client).await;
    world.storage.lose(Lost::Answer, Call::RedeemCode, 1);
    answers.push(("answer lost", world.exchange(client, &code, &[]).await));

    answers.push(("registration", world.register(&serde_json::json!({"redirect_uris": [CALLBACK]})).await));
    answers.push(("no metadata", world.register(&serde_json::json!({})).await));
    answers.push(("large metadata", world.register(&serde_json::json!({"x": "x".repeat(70_000)})).await));
    answers.push(("metadata as a form", world.post("/oauth/register", &[("a", "b")], &[]).await));
    answers.push(("registration by GET", world.get("/oauth/register").await));
    world.storage.lose(Lost::Request, Call::InsertClient, 1);
    answers.push(("not inserted", world.register(&serde_json::json!({"redirect_uris": [CALLBACK]})).await));
    answers
}

/// Answers of the introspection endpoint, and to clients that manage their registration, in every status.
async fn answers_about_tokens_and_clients(world: &World<Lossy>, client: &Client) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    let (server, machine) = (world.resource_server(&[support::API]).await, world.machine().await);
    let token = world.access_token(client).await;
    answers.push(("active", world.introspect(&server, &token, &[]).await));
    answers.push(("inactive", world.introspect(&server, "x", &[]).await));
    answers.push(("no token", world.introspect(&server, "", &[("token", "")]).await));
    answers.push(("may not ask", world.introspect(&machine, &token, &[]).await));
    answers.push(("asks without a secret", world.introspect(client, &token, &[]).await));
    answers.push(("introspection by GET", world.get("/oauth/introspect").await));
    world.storage.lose(Lost::Request, Call::AccessToken, 1);
    answers.push(("token not told", world.introspect(&server, &token, &[]).await));
    answers.push(("own access", world.own_access(&machine, &[]).await));
    answers.push(("no own access", world.own_access(&server, &[]).await));

    let registered = world.register(&serde_json::json!({"redirect_uris": [CALLBACK]})).await.json();
    let id = registered["client_id"].as_str().unwrap();
    let path = format!("/oauth/register/{id}");
    let bearer = format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
    let change = serde_json::json!({"client_id": id, "redirect_uris": [CALLBACK]}).to_string();
    world.storage.lose(Lost::Request, Call::UpdateClient, 1);
    for (what, method, authorization, body) in [
        ("not changed", Method::PUT, bearer.as_str(), change.as_str()),
        ("changed", Method::PUT, &bearer, &change),
        ("no change", Method::PUT, &bearer, "{}"),
        ("read", Method::GET, &bearer, ""),
        ("not read", Method::GET, "Bearer x", ""),
        ("posted", Method::POST, &bearer, ""),
        ("removed", Method::DELETE, &bearer, ""),
        ("gone", Method::DELETE, &bearer, ""),
    ] {
        let builder = request(method, &path).header("authorization", authorization);
        let builder = builder.header("content-type", "application/json");
        answers.push((what, world.send(builder.body(Bytes::from(body.to_owned())).unwrap()).await));
    }
    answers
}

/// Answers of the authorization and the consent endpoint in every status.
async fn answers_to_browsers(world: &World<Lossy>, client: &Client) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    answers.push(("login", world.browser().get(&client.authorize()).await));
    let mut browser = world.browser_of("alice");
    let house = world.administrators_client("house", None, &[CALLBACK]).await;
    answers.push(("error redirect", browser.get(&house.authorize_with(&[("response_type", "x")])).await));
    answers.push(("error page", browser.get("/oauth/authorize").await));
    answers.push(("posted request", browser.post("/oauth/authorize", &[("client_id", "x")]).await));
    answers.push(("long request", browser.get(&format!("/oauth/authorize?{}", "x".repeat(17_000))).await));
    world.storage.lose(Lost::Request, Call::Client, 1);
    answers.push(("no client read", browser.get(&client.authorize()).await));
    answers.push(("put", world.call(Method::PUT, "/oauth/authorize", &[]).await));
    answers.push(("consent", browser.get(&client.authorize()).await));
    let page = ConsentPage::read(answers[7].1.body());
    answers.push(("cross-site", browser.post_with(&page.action, &page.form("allow"), &[("origin", "null")]).await));
    answers.push(("forged", browser.post(&page.action, &[("prompt", "x"), ("decision", "deny")]).await));
    answers.push(("consent by GET", browser.get(&page.action).await));
    world.storage.lose(Lost::Request, Call::Decide, 1);
    answers.push(("not decided", browser.decide(&page, "allow").await));
    answers.push(("approval", browser.decide(&page, "allow").await));
    answers.push(("decided", browser.decide(&page, "allow").await));
    let page = browser.prompt(&client.authorize()).await;
    answers.push(("denial", browser.decide(&page, "deny").await));
    answers
}

/// Answers of the guard in every status.
async fn answers_of_the_guard(world: &World<Lossy>, client: &Client) -> Vec<(&'static str, Answer)> {
    let token = world.access_token(client).await;
    let mut answers = Vec::new();
    for (what, scope, authorization) in [
        ("no token", "projects:read", String::new()),
        ("malformed", "projects:read", "Bearer".to_owned()),
        ("unknown", "projects:read", "Bearer x".to_owned()),
        ("too little", "admin", format!("Bearer {token}")),
        ("token not read", "projects:read", format!("Bearer {token}")),
    ] {
        if what == "token not read" {
            world.storage.lose(Lost::Request, Call::AccessToken, 1);
        }
        let guard = world.server.resource(support::API).unwrap().require(scope).unwrap();
        let request = request(Method::GET, "/api").header("authorization", authorization).body(()).unwrap();
        let refusal = guard.check(&request.into_parts().0).await.unwrap_err();
        answers.push((what, Answer(refusal.response())));
    }
    answers
}

#[tokio::test]
async fn attack_48_no_answer_but_metadata_may_be_kept() {
    let world = lossy();
    let client = world.public_client().await;
    let mut answers = answers_to_clients(&world, &client).await;
    answers.extend(answers_about_tokens_and_clients(&world, &client).await);
    answers.extend(answers_to_browsers(&world, &client).await);
    answers.extend(answers_of_the_guard(&world, &client).await);
    answers.push(("absent", world.get("/.well-known/openid-configuration").await));
    answers.push(("nowhere", world.get("/oauth/nowhere").await));
    answers.push(("metadata by POST", world.post("/.well-known/oauth-authorization-server", &[], &[]).await));
    let loopback = World::at("http://localhost:3000", MemoryStorage::new(), |builder| builder);
    answers.push(("rebound", loopback.call(Method::GET, "/oauth/token", &[("host", "evil.example")]).await));
    let closed = World::with(|builder| builder.registration(Registration::Off));
    answers.push(("no registration", closed.register(&serde_json::json!({"redirect_uris": [CALLBACK]})).await));

    let mut statuses = BTreeSet::new();
    for (what, answer) in answers {
        let kept = answer.0.headers().get_all("cache-control").iter().collect::<Vec<_>>();
        assert_eq!(kept, ["no-store"], "{what}: {} {:?}", answer.status(), answer.0.headers());
        for header in ["etag", "last-modified", "expires"] {
            assert!(answer.header(header).is_none(), "{what}: {header}");
        }
        statuses.insert(answer.status().as_u16());
    }
    let all = [200, 201, 204, 303, 400, 401, 403, 404, 405, 409, 413, 421, 503];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), all);
    let metadata = world.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.header("cache-control"), Some("public, max-age=300"), "which is the same for everybody");
}

const ISSUERS: [&str; 7] = [
    "https://app.example",
    "https://app.example/",
    "https://app.example/auth",
    "https://app.example/auth/",
    "https://app.example:8443/a/b/",
    "http://localhost:3000/",
    "http://127.0.0.1:3000/x",
];

#[tokio::test]
async fn attack_50_the_issuer_is_the_same_string_everywhere() {
    for issuer in ISSUERS {
        let world = World::at(issuer, MemoryStorage::new(), |builder| builder.base_path("/oauth"));
        let path = url::Url::parse(issuer).unwrap().path().trim_end_matches('/').to_owned();
        let metadata = world.get(&format!("/.well-known/oauth-authorization-server{path}")).await;
        assert!(metadata.body().contains(&format!(r#""issuer":"{issuer}""#)), "{}", metadata.body());
        for resource in ["", "/api", "/mcp"] {
            let document = world.get(&format!("/.well-known/oauth-protected-resource{resource}")).await;
            let expected = format!(r#""authorization_servers":["{issuer}"]"#);
            assert!(document.body().contains(&expected), "{}", document.body());
        }
        let client = world.public_client().await;
        let house = world.administrators_client("house", None, &[CALLBACK]).await;
        let mut browser = world.browser_of("alice");
        for answer in [
            browser.allow(&client.authorize()).await,
            browser.deny(&client.authorize()).await,
            browser.get(&house.authorize_with(&[("scope", "unknown")])).await,
        ] {
            assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(issuer), "{:?}", answer.location());
        }
    }
}

/// Randomness that is the same in each run.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes()[8 - chunk.len()..]);
        }
        Ok(())
    }
}

/// A whole life with such headers on every request: all answers, in full.
async fn transcript(headers: &[(&str, &str)]) -> Vec<String> {
    let world = World::with(|builder| builder.entropy(Counting(AtomicU64::new(1))).registration_management());
    let cookies = format!("session=alice.1; __Host-grantor={}", "c".repeat(43));
    let mut answers = Vec::new();
    let mut send = async |method: Method, path: &str, media_type: &str, body: String| {
        let honest = [("cookie", cookies.as_str()), ("origin", ISSUER), ("content-type", media_type)];
        let builder =
            honest.iter().chain(headers).fold(request(method, path), |all, (name, value)| all.header(*name, *value));
        let answer = world.send(builder.body(Bytes::from(body)).unwrap()).await;
        answers.push(format!("{} {:?} {}", answer.status(), answer.0.headers(), answer.body()));
        answer
    };
    let form = "application/x-www-form-urlencoded";
    let registered =
        send(Method::POST, "/oauth/register", "application/json", format!(r#"{{"redirect_uris":["{CALLBACK}"]}}"#))
            .await;
    let json = registered.json();
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let client =
        Client { id: text("client_id").unwrap(), secret: text("client_secret"), redirect_uri: CALLBACK.to_owned() };
    let managed = text("registration_client_uri").unwrap();
    assert_eq!(managed, format!("{ISSUER}/oauth/register/{}", client.id));
    let managed = format!("/oauth/register/{}", client.id);
    send(Method::GET, &managed, form, String::new()).await;
    send(Method::DELETE, &managed, form, String::new()).await;
    let asked = support::encode(&[("token", "x"), ("client_id", &client.id)]);
    send(Method::POST, "/oauth/introspect", form, asked).await;
    let page = ConsentPage::read(send(Method::GET, &client.authorize(), form, String::new()).await.body());
    let decided = send(Method::POST, &page.action, form, support::encode(&page.form("allow"))).await;
    let code = decided.redirect_parameter("code").unwrap();
    let exchange = support::encode(&pairs(&client.token_request(&code, &[])));
    assert_eq!(send(Method::POST, "/oauth/token", form, exchange.clone()).await.status(), StatusCode::OK);
    send(Method::POST, "/oauth/token", form, exchange).await;
    send(Method::POST, "/oauth/authorize", form, "client_id=x".to_owned()).await;
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/api",
        "/.well-known/openid-configuration",
        "/oauth/authorize?client_id=x",
        "/oauth/authorize/",
        "/admin",
    ] {
        send(Method::GET, path, form, String::new()).await;
    }
    let guard = world.server.resource(support::API).unwrap().require("projects:read").unwrap();
    let builder = headers.iter().fold(request(Method::GET, "/api"), |all, (name, value)| all.header(*name, *value));
    let refusal = guard.check(&builder.body(()).unwrap().into_parts().0).await.unwrap_err();
    answers.push(format!("{:?}", refusal.response()));
    answers
}

#[tokio::test]
async fn attack_51_the_names_that_a_request_brings_change_nothing() {
    let honest = transcript(&[("host", "app.example")]).await;
    assert!(honest.len() > 13 && honest.iter().all(|answer| !answer.contains("evil")));
    for spoofed in [
        ("host", "evil.example"),
        ("host", "app.example:8443"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "8080"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-server", "evil.example"),
        ("forwarded", "host=evil.example;proto=http;for=127.0.0.1"),
        ("x-host", "evil.example"),
        ("x-original-host", "evil.example"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 evil.example"),
        ("referer", "https://evil.example/"),
        ("accept", "text/evil"),
        ("accept-language", "de"),
    ] {
        assert_eq!(transcript(&[spoofed]).await, honest, "{spoofed:?}");
    }
    let absolute = World::new().get("http://evil.example/.well-known/oauth-authorization-server").await;
    assert_eq!(absolute.json()["issuer"], ISSUER, "nor the name in the request line");
}

/// Paths where clients look, for an issuer of that path, and nothing is.
fn absent(path: &str) -> Vec<String> {
    let mut absent: Vec<_> = [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/",
        "/.well-known/openid-configuration/api",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/api",
        "/.well-known/oauth-authorization-server/../x",
        "/.well-known/oauth-authorization-server/%2e%2e/x",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/unknown",
        "/.well-known/oauth-protected-resource/api/",
        "/.well-known/oauth-protected-resource/api/deeper",
        "/.well-known/oauth-protected-resource//api",
        "/.well-known/oauth-protected-resource/API",
        "/.well-known/oauth-protected-resource/oauth",
    ]
    .map(str::to_owned)
    .into();
    if !path.is_empty() {
        absent.push("/.well-known/oauth-authorization-server".to_owned());
        absent.push(format!("/.well-known/openid-configuration{path}"));
        absent.push(format!("/.well-known/oauth-authorization-server{path}/"));
        for known in ["openid-configuration", "oauth-authorization-server", "oauth-protected-resource"] {
            absent.extend(["", "/", "/api"].map(|rest| format!("{path}/.well-known/{known}{rest}")));
        }
    }
    absent
}

fn assert_not_found<B>(answer: &Response<B>, what: &str) {
    assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{what}");
    assert!(!answer.headers().contains_key("location"), "{what}");
}

#[tokio::test]
async fn attack_52_well_known_paths_that_do_not_exist_answer_404() {
    for (issuer, path) in [(ISSUER, ""), ("https://app.example/auth", "/auth"), ("https://app.example/a/b/", "/a/b")] {
        let world = World::at(issuer, MemoryStorage::new(), |builder| builder);
        let spa = Router::new().fallback(async || (StatusCode::OK, "<!doctype html>"));
        let app = spa.merge(grantor::axum::routes(&world.server));
        for absent in absent(path) {
            for method in [Method::GET, Method::HEAD, Method::POST] {
                let answer = world.call(method.clone(), &absent, &[("accept", "text/html")]).await;
                assert_not_found(&answer.0, &format!("{method} {absent} at {issuer}"));
                let request = request(method.clone(), &absent).body(Body::empty()).unwrap();
                let answer = app.clone().oneshot(request).await.unwrap();
                assert_not_found(&answer, &format!("{method} {absent} at {issuer} beside an app with a fallback"));
            }
        }
        let document = format!("/.well-known/oauth-authorization-server{path}");
        for there in [document.as_str(), "/.well-known/oauth-protected-resource/api"] {
            let request = request(Method::GET, there).body(Body::empty()).unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{there}");
            assert_eq!(answer.headers()["content-type"], "application/json");
        }
        for elsewhere in ["/.well-known/security.txt", "/authx/.well-known/openid-configuration", "/start"] {
            let request = request(Method::GET, elsewhere).body(Body::empty()).unwrap();
            assert_eq!(
                app.clone().oneshot(request).await.unwrap().status(),
                StatusCode::OK,
                "the app's own: {elsewhere}"
            );
        }
    }
}
