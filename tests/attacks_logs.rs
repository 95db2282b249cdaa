//! Attack 49: a reader of the log learns every reason and no secret. Alone in this file: what one test
//! listens to depends on what others of the same process listen to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grantor::storage::MemoryStorage;
use grantor::storage::testkit::{Call, Faulty, Lost};
use http::{Method, StatusCode};
use support::secrets::Secrets;
use support::{API, CALLBACK, Client, ISSUER, VERIFIER, World, pairs, request};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Listens to this thread at every level.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(self.clone());
        subscriber.finish().set_default()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

type Lossy = Arc<Faulty<MemoryStorage>>;

/// Requests that end at the token endpoint, well and badly.
async fn exchanges(world: &World<Lossy>, client: &Client, secrets: &mut Secrets) {
    let mut browser = world.browser_of("session-of-alice");
    let page = browser.prompt(&client.authorize()).await;
    secrets.add(&page.prompt);
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
    browser.decide(&page, "deny").await.assert_page(409);
    secrets.add_browser(&browser);
    secrets.add(&code);
    let other = world.client("client_secret_post", &[CALLBACK]).await;
    for wrong in [client, &other] {
        secrets.add(wrong.secret.as_deref().unwrap());
        secrets.add(&wrong.basic()[6..]);
    }
    let guess = "a-guessed-verifier-of-forty-three-characters";
    let wrong_secret = "grs_a-wrong-secret-that-somebody-typed-into-it";
    [guess, wrong_secret].iter().for_each(|secret| secrets.add(secret));
    let form = |changes: &[(&str, &str)]| client.token_request(&code, changes);
    for changes in [
        &[("code_verifier", guess)][..],
        &[("client_secret", wrong_secret)],
        &[("client_secret", "")],
        &[("code", ""), ("code_verifier", VERIFIER)],
        &[("redirect_uri", "https://evil.example/")],
        &[("grant_type", "password")],
        &[("client_assertion", wrong_secret)],
    ] {
        assert_ne!(world.post("/oauth/token", &pairs(&form(changes)), &[]).await.status(), StatusCode::OK);
    }
    world.exchange(&other, &code, &[]).await.assert_error(400, "invalid_grant");
    let basic = [("authorization", client.basic())];
    let both = world.post("/oauth/token", &pairs(&form(&[])), &[(basic[0].0, &basic[0].1)]).await;
    both.assert_error(400, "invalid_request");
    for call in [Call::Client, Call::Code, Call::RedeemCode] {
        world.storage.lose(Lost::Request, call, 1);
        assert_eq!(world.exchange(client, &code, &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let token = world.exchange(client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    secrets.add(&token);
    guarded(world, &token).await;
    world.exchange(client, &code, &[]).await.assert_error(400, "invalid_grant");
    guarded(world, &token).await;
}

/// Requests to a guarded route, with the token and with what resembles it.
async fn guarded(world: &World<Lossy>, token: &str) {
    for presented in [token, &token[..50], &token.replace("gra_", "grc_"), &token.replace(&token[30..], &token[29..57])]
    {
        for scopes in ["projects:read", "admin"] {
            world.guard(API, scopes, presented).await;
            world.guard(support::MCP, "projects:read", presented).await;
        }
    }
    world.storage.lose(Lost::Request, Call::AccessToken, 1);
    assert_eq!(world.guard(API, "projects:read", token).await, 503);
}

/// Requests that end at the consent form, badly.
async fn decisions(world: &World<Lossy>, client: &Client, secrets: &mut Secrets) {
    let mut browser = world.browser_of("session-of-bob");
    secrets.add_browser(&browser);
    let page = browser.prompt(&client.authorize()).await;
    secrets.add(&page.prompt);
    secrets.add_browser(&browser);
    let mut other = world.browser_of("session-of-mallory");
    other.decide(&page, "allow").await.assert_page(403);
    other.prompt(&client.authorize()).await;
    other.decide(&page, "allow").await.assert_page(403);
    secrets.add_browser(&other);
    browser.post_with(&page.action, &page.form("allow"), &[("origin", "null")]).await.assert_page(403);
    browser.post(&page.action, &[("prompt", &page.prompt)]).await.assert_page(400);
    browser.post(&page.action, &[("prompt", &page.prompt[1..]), ("decision", "allow")]).await.assert_page(400);
    let own = browser.cookies.clone();
    browser.sign_in("session-of-eve");
    secrets.add_browser(&browser);
    browser.decide(&page, "allow").await.assert_page(403);
    browser.sign_out();
    browser.decide(&page, "allow").await.assert_page(403);
    browser.cookies = own;
    for call in [Call::Client, Call::Decide] {
        world.storage.lose(Lost::Request, call, 1);
        browser.decide(&page, "allow").await.assert_page(503);
    }
    world.clock.advance(Duration::from_mins(11));
    browser.decide(&page, "allow").await.assert_page(400);
    browser.get(&client.authorize_with(&[("redirect_uri", "https://evil.example/")])).await.assert_page(400);
    browser.get(&client.authorize_with(&[("code_challenge", "")])).await.assert_page(400);
    browser.get(&client.authorize_with(&[("client_id", "nobody")])).await.assert_page(400);
}

/// Requests that are refused for their form.
async fn malformed(world: &World<Lossy>) {
    world.call(Method::POST, "/oauth/token", &[]).await;
    world.post("/oauth/token", &[("x", &"x".repeat(70_000))], &[]).await;
    world.post("/oauth/token", &[], &[]).await;
    world.post("/oauth/register", &[], &[]).await;
    world.register(&serde_json::json!({"x": "x".repeat(70_000)})).await;
    world.register(&serde_json::json!({"redirect_uris": ["javascript:alert(1)"]})).await;
    world.storage.lose(Lost::Request, Call::InsertClient, 1);
    world.register(&serde_json::json!({"redirect_uris": [CALLBACK]})).await;
    let guard = world.server.resource(API).unwrap().require("").unwrap();
    for authorization in ["", "Bearer"] {
        let request = request(Method::GET, "/api").header("authorization", authorization).body(()).unwrap();
        assert!(guard.check(&request.into_parts().0).await.is_err());
    }
}

/// The reasons that the requests above are refused for.
const REASONS: [&str; 34] = [
    "code_verifier does not meet the challenge",
    "the client secret is wrong",
    "the client secret is missing",
    "code is missing",
    "redirect_uri is not the one of the authorization request",
    "grant_type is not supported",
    "the client used more than one authentication method",
    "the code was issued to another client",
    "the code was redeemed before: its grant is revoked",
    "the store could not answer",
    "was made to fail",
    "the store is unavailable",
    "the token is unknown",
    "the token is for another resource",
    "the token lacks a scope",
    "the grant of the token was revoked",
    "there is no bearer token",
    "the Authorization header is repeated or malformed",
    "the prompt belongs to another browser",
    "the prompt belongs to another user or session",
    "nobody is signed in",
    "the form was sent from another origin",
    "the decision is missing or unknown",
    "the prompt cannot be opened",
    "the prompt has expired",
    "the prompt was decided before",
    "redirect_uri is not registered",
    "code_challenge is missing",
    "the client is unknown",
    "the request names no client",
    "the body is not application/x-www-form-urlencoded",
    "the body is too large",
    "the body is not client metadata in JSON",
    "the redirect URI has a scheme that is not safe",
];

#[tokio::test]
async fn attack_49_logs_tell_every_reason_and_no_secret() {
    let log = Log::default();
    let _listening = log.listen();
    let world = World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder);
    let mut secrets = Secrets::default();
    secrets.add(VERIFIER);
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    exchanges(&world, &client, &mut secrets).await;
    decisions(&world, &client, &mut secrets).await;
    malformed(&world).await;
    let text = log.text();
    secrets.assert_absent(&text, "the log");
    for reason in REASONS {
        assert!(text.contains(reason), "the log does not say: {reason}\n{text}");
    }
    assert!(text.contains(&client.id), "the client's id is no secret");
}
