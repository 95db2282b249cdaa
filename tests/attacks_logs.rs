//! Attack 49: a reader of the log or of the audit learns every reason and no secret. Alone in this file,
//! and one after the other: what one test listens to depends on what others of the same process listen to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grantor::NewClient;
use grantor::protocol::assertion::ASSERTION_TYPE;
use grantor::storage::MemoryStorage;
use grantor::storage::testkit::{Call, Faulty, Lost};
use http::{Method, StatusCode};
use support::refreshing::Tokens;
use support::secrets::Secrets;
use support::{API, CALLBACK, Client, ISSUER, VERIFIER, World, pairs, request};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
const REASONS: [&str; 37] = [
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
    "the client assertion was used before",
    "the client assertion is not for this server alone",
    "the client assertion is not signed by a key of the client",
    "the request names no client",
    "the body is not application/x-www-form-urlencoded",
    "the body is too large",
    "the body is not client metadata in JSON",
    "the redirect URI has a scheme that is not safe",
];

/// All of that, listened to by an audit. The client that was told most, and all that must not show.
async fn run(audit: impl grantor::Audit) -> (Client, Secrets) {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, storage, |builder| builder.audit(audit).registration_management());
    let mut secrets = Secrets::default();
    secrets.add(VERIFIER);
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    exchanges(&world, &client, &mut secrets).await;
    decisions(&world, &client, &mut secrets).await;
    refreshes(&world, &mut secrets).await;
    clients_alone(&world, &mut secrets).await;
    assertions(&world, &mut secrets).await;
    malformed(&world).await;
    (client, secrets)
}

/// What a client with a key signs, good and bad. An assertion that was not used is as good as a secret.
async fn assertions(world: &World<Lossy>, secrets: &mut Secrets) {
    use base64::Engine as _;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let key = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let x = encode(key.public_key().as_ref());
    let jwks = serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
    let signer = world.created(NewClient::with_keys("Signer", &jwks).client_credentials()).await;
    for (number, aud) in [(1, ISSUER), (2, "https://other.example"), (3, ISSUER)] {
        let end = world.clock.now().as_secs() + 60;
        let claims = serde_json::json!({"iss": signer.id, "sub": signer.id, "aud": aud, "exp": end,
            "jti": format!("a-jti-that-is-nobodys-business-{number}")});
        let signed = format!("{}.{}", encode(br#"{"alg":"EdDSA"}"#), encode(claims.to_string().as_bytes()));
        let assertion = format!("{signed}.{}", encode(key.sign(signed.as_bytes()).as_ref()));
        [assertion.as_str(), &signed, claims["jti"].as_str().unwrap()].iter().for_each(|secret| secrets.add(secret));
        if number == 3 {
            world.storage.lose(Lost::Request, Call::ClaimOnce, 1);
        }
        let form = [("client_assertion", assertion.as_str()), ("client_assertion_type", ASSERTION_TYPE)];
        for _ in 0..2 {
            world.own_access(&signer, &form).await;
        }
        world.own_access(&signer, &[("client_assertion", &assertion[..assertion.len() - 6]), form[1]]).await;
    }
}

/// What clients do without a user, and what is done to them.
async fn clients_alone(world: &World<Lossy>, secrets: &mut Secrets) {
    let machine = world.created(NewClient::confidential("Machine").client_credentials().introspects([API])).await;
    let wrong_secret = "grs_another-wrong-secret-that-somebody-typed";
    let own = world.own_token(&machine, &[]).await.access;
    [machine.secret.as_deref().unwrap(), &machine.basic()[6..], wrong_secret, &own]
        .iter()
        .for_each(|secret| secrets.add(secret));
    world.own_access(&machine, &[("client_secret", wrong_secret)]).await.assert_error(401, "invalid_client");
    world.own_access(&machine, &[("scope", "unknown")]).await.assert_error(400, "invalid_scope");
    for asked in [&own, &own[..50], wrong_secret] {
        assert_eq!(world.introspect(&machine, asked, &[]).await.status(), StatusCode::OK);
    }
    world.storage.lose(Lost::Request, Call::AccessToken, 1);
    assert_eq!(world.introspect(&machine, &own, &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let id = machine.client_id();
    let rotated = world.server.rotate_client_secret(&id, Duration::from_secs(60)).await.unwrap();
    secrets.add(rotated.expose());
    world.server.block_client(&id).await.unwrap();
    world.own_access(&machine, &[]).await.assert_error(401, "invalid_client");
    world.server.unblock_client(&id).await.unwrap();

    let metadata = serde_json::json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_post"});
    let registered = world.register(&metadata).await.json();
    let text = |field: &str| registered[field].as_str().unwrap();
    let wrong_token = "grm_a-wrong-registration-token-of-some-length";
    [text("client_secret"), text("registration_access_token"), wrong_token]
        .iter()
        .for_each(|secret| secrets.add(secret));
    let change = serde_json::json!({"client_id": text("client_id"), "redirect_uris": [CALLBACK]}).to_string();
    for (method, token, status) in [
        (Method::GET, text("registration_access_token"), 200),
        (Method::GET, wrong_token, 401),
        (Method::PUT, text("registration_access_token"), 200),
        (Method::PUT, wrong_token, 401),
        (Method::DELETE, text("registration_access_token"), 204),
        (Method::DELETE, text("registration_access_token"), 401),
    ] {
        let request = request(method, &format!("/oauth/register/{}", text("client_id")))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let answer = world.send(request.body(change.clone().into()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), status, "{}", answer.body());
    }
}

/// Tokens that are used, repeated, reused, revoked and taken back.
async fn refreshes(world: &World<Lossy>, secrets: &mut Secrets) {
    let client = world.refreshing_client("client_secret_post").await;
    secrets.add(client.secret.as_deref().unwrap());
    let mut keep = |tokens: &Tokens| [&tokens.access, &tokens.refresh].iter().for_each(|token| secrets.add(token));
    let start = world.tokens(&client).await;
    keep(&start);
    let next = world.refreshed(&client, &start.refresh, &[]).await;
    keep(&next);
    world.refreshed(&client, &start.refresh, &[]).await;
    world.clock.advance(Duration::from_secs(61));
    world.refresh(&client, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
    let revoked = world.tokens(&client).await;
    keep(&revoked);
    world.revoked(&client, &revoked.access).await;
    world.revoked(&client, &revoked.refresh).await;
    world.browser_of("alice").deny(&client.authorize()).await;
    keep(&world.tokens(&client).await);
    let alice = grantor::Subject::new("alice");
    let newest = world.server.grants(&alice, None, 1).await.unwrap()[0].id;
    assert!(world.server.revoke_grant(&alice, newest).await.unwrap());
}

#[tokio::test]
async fn attack_49_events_and_spans_tell_what_happened_and_no_secret() {
    let _alone = ALONE.lock().await;
    let log = Log::default();
    let _listening = log.listen();
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    let (client, secrets) = run(move |event: &grantor::Event| kept.lock().unwrap().push(event.clone())).await;
    let events = events.lock().unwrap();
    let (mut seen, logged) = (BTreeSet::new(), log.text());
    for event in events.iter() {
        let json = serde_json::to_value(event).unwrap();
        secrets.assert_absent(&format!("{event:?} {} {json}", event.kind), "an event");
        assert_eq!(json["event"], event.kind.name());
        assert_eq!(json["correlation"], event.correlation.to_string());
        assert!(logged.contains(&format!("correlation={}", event.correlation)), "no line of {json}");
        if json.get("reason").is_some() {
            assert_eq!(json["reason"], event.kind.outcome());
        }
        seen.insert(event.kind.name());
    }
    let expected = [
        "client_blocked",
        "client_created",
        "client_registered",
        "client_removed",
        "client_secret_rotated",
        "client_unblocked",
        "client_updated",
        "code_replayed",
        "consent_denied",
        "consent_given",
        "consent_withdrawn",
        "decision_repeated",
        "grant_revoked",
        "introspected",
        "refresh_reused",
        "refused",
        "token_revoked",
        "tokens_issued",
    ];
    assert_eq!(seen, expected.into());
    assert!(serde_json::to_string(&*events).unwrap().contains(&client.id), "the client's id is no secret");
    assert!(logged.contains("oauth{correlation="), "there are spans");
    secrets.assert_absent(&logged, "the log with its spans");
}

#[tokio::test]
async fn attack_49_logs_tell_every_reason_and_no_secret() {
    let _alone = ALONE.lock().await;
    let log = Log::default();
    let _listening = log.listen();
    let (client, secrets) = run(|_: &grantor::Event| {}).await;
    let text = log.text();
    secrets.assert_absent(&text, "the log");
    for reason in REASONS {
        assert!(text.contains(reason), "the log does not say: {reason}\n{text}");
    }
    assert!(text.contains(&client.id), "the client's id is no secret");
}
