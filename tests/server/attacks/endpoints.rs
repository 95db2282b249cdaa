//! What no endpoint may do: read without bound, or leave things half done when the store is down.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::{self, API, Answer, Browser, CALLBACK, ISSUER, World, pairs};
use bytes::Bytes;
use grantor::MemoryStorage;
use grantor::protocol::grant::Subject;
use grantor::storage::testkit::{Call, Faulty, Lost};
use http::{Method, Request, StatusCode};
use tower::ServiceExt as _;

const MAX_BODY: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// A form with a parameter that nobody knows, so that it has `length` bytes.
fn padded(form: &[(&str, &str)], length: usize) -> Bytes {
    let form = support::encode(form);
    let padding = "x".repeat(length - form.len() - "&padding=".len());
    Bytes::from(format!("{form}&padding={padding}"))
}

async fn send(world: &World, method: Method, path: &str, content_type: &str, body: Bytes) -> Answer {
    let request = support::request(method, path).header("content-type", content_type);
    world.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn attack_36_a_token_request_beyond_the_limit_has_no_effect() {
    let world = World::new();
    let client = world.public_client().await;
    let code = world.code(&client).await;
    let form = client.token_request(&code, &[]);
    for length in [MAX_BODY + 1, 10 * MAX_BODY] {
        let answer = send(&world, Method::POST, "/oauth/token", FORM, padded(&pairs(&form), length)).await;
        answer.assert_error(413, "invalid_request");
    }
    let answer = send(&world, Method::POST, "/oauth/token", FORM, padded(&pairs(&form), MAX_BODY)).await;
    assert_eq!(answer.status(), StatusCode::OK, "the limit itself is allowed, and the code was not burned");
}

#[tokio::test]
async fn attack_36_a_registration_beyond_the_limit_has_no_effect() {
    let world = World::new();
    let metadata = serde_json::json!({ "redirect_uris": [CALLBACK] }).to_string();
    for (length, status) in [(MAX_BODY, 201), (MAX_BODY + 1, 413), (10 * MAX_BODY, 413)] {
        let body = Bytes::from(format!("{metadata}{}", " ".repeat(length - metadata.len())));
        let answer = send(&world, Method::POST, "/oauth/register", "application/json", body).await;
        assert_eq!(answer.status().as_u16(), status, "{length}: {}", answer.body());
        if status != 201 {
            answer.assert_error(413, "invalid_client_metadata");
        }
    }
    let many: Vec<_> = (0..2000).map(|number| format!("https://client.example/{number}")).collect();
    let answer = world.register(&serde_json::json!({ "redirect_uris": many })).await;
    answer.assert_error(400, "invalid_redirect_uri");
    let long = format!("https://client.example/{}", "x".repeat(2048));
    world.register(&serde_json::json!({ "redirect_uris": [long] })).await.assert_error(400, "invalid_redirect_uri");
    let named = serde_json::json!({ "redirect_uris": [CALLBACK], "client_name": "x".repeat(60_000) });
    world.register(&named).await.assert_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn attack_36_a_decision_beyond_the_limit_has_no_effect() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let padding = "x".repeat(MAX_BODY);
    let form = [&page.form("allow")[..], &[("padding", padding.as_str())]].concat();
    browser.post(&page.action, &form).await.assert_page(413);
    assert!(world.server.grants(&Subject::new("alice"), None, 10).await.unwrap().is_empty());
    assert!(browser.decide(&page, "allow").await.redirect_parameter("code").is_some());
}

#[tokio::test]
async fn attack_36_requests_to_every_other_path_are_bounded_too() {
    let world = World::new();
    let client = world.public_client().await;
    let large = Bytes::from(vec![b'a'; MAX_BODY + 1]);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/api",
    ] {
        let answer = send(&world, Method::GET, path, "text/plain", large.clone()).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    send(&world, Method::POST, "/oauth/introspect", FORM, large.clone()).await.assert_error(413, "invalid_request");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = send(&world, method, "/oauth/register/x", "application/json", large.clone()).await;
        answer.assert_error(413, "invalid_client_metadata");
    }
    for method in [Method::GET, Method::POST] {
        send(&world, method, "/oauth/authorize", FORM, large.clone()).await.assert_page(413);
    }
    let state = "x".repeat(16 * 1024);
    world.browser_of("alice").get(&client.authorize_with(&[("state", &state)])).await.assert_page(413);
    let query = format!("/oauth/token?{state}");
    world.post(&query, &[], &[]).await.assert_error(413, "invalid_request");
    let page = world.browser_of("alice").get(&client.authorize_with(&[("state", &"x".repeat(8 * 1024))])).await;
    assert_eq!(page.status(), StatusCode::OK, "what is merely long is allowed");
}

#[tokio::test]
async fn attack_36_the_depth_of_json_is_bounded() {
    let world = World::new();
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let depth = 6_000;
    let bombs = [
        nested("[", "]", depth),
        nested(r#"{"a":"#, "}", depth),
        nested(r#"[{"a":"#, "}]", depth),
        "[".repeat(60_000),
        r#"{"a":"#.repeat(12_000),
    ];
    for bomb in &bombs {
        for body in [
            bomb.clone(),
            format!(r#"{{"redirect_uris":["{CALLBACK}"],"unknown":{bomb}}}"#),
            format!(r#"{{"redirect_uris":["{CALLBACK}"],"jwks":{{"keys":{bomb}}}}}"#),
            format!(r#"{{"redirect_uris":["{CALLBACK}"],"\"":"\\","unknown":{bomb}}}"#),
            format!(r#"{{"redirect_uris":{bomb}}}"#),
            format!(r#"{{"redirect_uris":["{CALLBACK}"],"token_endpoint_auth_method":{bomb}}}"#),
        ] {
            let start = body[..body.len().min(90)].to_owned();
            let answer = send(&world, Method::POST, "/oauth/register", "application/json", body.into()).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{start}");
            answer.assert_error(400, "invalid_client_metadata");
        }
    }
    let honest = serde_json::json!({ "redirect_uris": [CALLBACK], "client_name": "[{".repeat(100),
        "jwks": { "keys": [{ "kty": "EC", "x5c": ["a"], "other": { "b": ["\\\"[[["] } }] } });
    assert_eq!(world.register(&honest).await.status(), StatusCode::CREATED, "brackets in a text are no depth");
}

/// A body without end that counts what is read of it.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1024, Ordering::SeqCst);
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[b'a'; 1024])))))
    }
}

#[tokio::test]
async fn attack_36_an_endless_body_is_not_read_beyond_the_limit() {
    let world = World::new();
    for path in ["/oauth/token", "/oauth/register", "/oauth/consent", "/oauth/authorize", "/elsewhere"] {
        let read = Arc::new(AtomicUsize::new(0));
        let request = Request::builder().method(Method::POST).uri(path).header("origin", ISSUER);
        let request = request.header("content-type", FORM).body(Endless(Arc::clone(&read))).unwrap();
        let answer = grantor::tower::OAuthService::new(&world.server).oneshot(request).await.unwrap();
        assert!(matches!(answer.status().as_u16(), 404 | 413), "{path}: {}", answer.status());
        assert!(
            read.load(Ordering::SeqCst) <= MAX_BODY + 1024,
            "{path}: {} bytes were read",
            read.load(Ordering::SeqCst)
        );
    }
}

type Shaky = Arc<Faulty<MemoryStorage>>;

fn shaky() -> World<Shaky> {
    World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder)
}

fn assert_temporary(answer: &Answer) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body());
    assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("www-authenticate").is_none() && answer.location().is_none());
}

async fn grants_of_alice(world: &World<Shaky>) -> usize {
    world.server.grants(&Subject::new("alice"), None, 10).await.unwrap().len()
}

async fn assert_page_then(browser: &mut Browser<Shaky>, path: &str) {
    let answer = browser.get(path).await;
    assert_temporary(&answer);
    answer.assert_page(503);
    assert!(!answer.body().contains("was made to fail"), "the cause is for the log");
    assert_eq!(browser.get(path).await.status(), StatusCode::OK, "and then it works again");
}

#[tokio::test]
async fn attack_44_a_store_that_is_down_leaves_nothing_half_done() {
    let world = shaky();
    world.storage.lose(Lost::Request, Call::InsertClient, 1);
    let answer = world.register(&serde_json::json!({ "redirect_uris": [CALLBACK] })).await;
    assert_temporary(&answer);
    answer.assert_error(503, "temporarily_unavailable");
    let client = world.public_client().await;

    let mut browser = world.browser_of("alice");
    world.storage.lose(Lost::Request, Call::Client, 1);
    assert_page_then(&mut browser, &client.authorize()).await;

    let page = browser.prompt(&client.authorize()).await;
    for call in [Call::Client, Call::Decide] {
        for decision in ["allow", "deny"] {
            world.storage.lose(Lost::Request, call, 1);
            let answer = browser.decide(&page, decision).await;
            assert_temporary(&answer);
            answer.assert_page(503);
            assert_eq!(grants_of_alice(&world).await, 0, "nothing was granted");
        }
    }
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();

    for call in [Call::Client, Call::Code, Call::RedeemCode] {
        world.storage.lose(Lost::Request, call, 1);
        let answer = world.exchange(&client, &code, &[]).await;
        assert_temporary(&answer);
        answer.assert_error(503, "temporarily_unavailable");
    }
    let answer = world.exchange(&client, &code, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "the code was not burned: {}", answer.body());
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();

    world.storage.lose(Lost::Request, Call::AccessToken, 1);
    assert_eq!(world.guard(API, "", &token).await, 503);
    assert_eq!(world.guard(API, "", &token).await, 200);
}

#[tokio::test]
async fn attack_44_discovery_needs_no_store() {
    let world = shaky();
    for call in [Call::Client, Call::Code, Call::AccessToken, Call::Grants] {
        world.storage.lose(Lost::Request, call, 1);
    }
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/api"] {
        assert_eq!(world.get(path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn attack_44_a_withdrawal_that_fails_is_never_called_done() {
    let world = shaky();
    let client = world.public_client().await;
    let token = world.access_token(&client).await;
    let alice = Subject::new("alice");
    world.storage.lose(Lost::Request, Call::Grants, 1);
    assert!(world.server.grants(&alice, None, 10).await.is_err(), "an error is no empty list");
    world.storage.lose(Lost::Request, Call::Client, 1);
    assert!(world.server.grants(&alice, None, 10).await.is_err(), "nor is half a list");
    let grant = world.server.grants(&alice, None, 10).await.unwrap()[0].id;

    world.storage.lose(Lost::Request, Call::RevokeGrant, 1);
    assert!(world.server.revoke_grant(&alice, grant).await.is_err());
    assert!(world.is_live(&token).await, "so it was right to say so");
    world.storage.lose(Lost::Answer, Call::RevokeGrant, 1);
    assert!(world.server.revoke_grant(&alice, grant).await.is_err());
    assert!(!world.is_live(&token).await);
    assert!(!world.server.revoke_grant(&alice, grant).await.unwrap(), "a retry finds it done");
    world.storage.lose(Lost::Request, Call::Purge, 1);
    assert!(world.server.purge(10).await.is_err());
}

#[tokio::test]
async fn attack_44_an_answer_that_gets_lost_fails_safely() {
    let world = shaky();
    world.storage.lose(Lost::Answer, Call::InsertClient, 1);
    assert_temporary(&world.register(&serde_json::json!({ "redirect_uris": [CALLBACK] })).await);
    let client = world.public_client().await;

    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    world.storage.lose(Lost::Answer, Call::Decide, 1);
    assert_temporary(&browser.decide(&page, "allow").await);
    let again = browser.decide(&page, "allow").await;
    again.assert_page(409);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(grants_of_alice(&world).await, 0, "a code that nobody has is no lasting grant");

    let code = world.code(&client).await;
    world.storage.lose(Lost::Answer, Call::RedeemCode, 1);
    let answer = world.exchange(&client, &code, &[]).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert!(!answer.body().contains("access_token"));
    assert_eq!(grants_of_alice(&world).await, 1);
    world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(grants_of_alice(&world).await, 0, "a token that nobody has is not left alive");
}
