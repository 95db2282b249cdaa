//! Attack 49: a reader of logs, of debug output and of error texts learns no secret.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use grantor::host::{ConsentView, DecidedView, ErrorView, Page};
use grantor::protocol::authorize::{self, ValidRequest};
use grantor::protocol::client_auth::{self, Presented};
use grantor::protocol::params::Parameters;
use grantor::protocol::prompt::{ApprovalSeed, ConsentPrompt, PromptId, ReturnedPrompt, Viewer};
use grantor::protocol::registration::{self, Registered, RegistrationSeed};
use grantor::protocol::secret::{Bearer, BearerKind, BearerSeed};
use grantor::protocol::token::{self, CodeExchange};
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::storage::{Decided, MemoryStorage, Redeemed, Storage};
use grantor::{ConsentUi, HostError, Keys, Server, User};
use http::{Method, StatusCode};
use support::{API, App, Browser, CALLBACK, Client, ISSUER, VERIFIER, World, pairs, request};
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

/// All secrets that came up, in the spellings in which they could leak.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        assert!(secret.len() >= 7, "{secret:?} would be found anywhere");
        self.0.insert(secret.to_owned());
        // A part of a random text is too much already: a log that shortens it still tells it.
        if secret.len() >= 40 {
            self.0.extend([secret[..20].to_owned(), secret[secret.len() - 20..].to_owned()]);
        }
    }

    fn add_browser<S>(&mut self, browser: &Browser<S>) {
        browser.cookies.values().for_each(|value| self.add(value));
    }

    fn assert_absent(&self, text: &str, what: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{what} tells {secret}:\n{text}");
        }
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

/// Pages that are kept for a look at them.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<String>>);

impl Shown {
    fn page(&self, view: &impl Debug, body: &str) -> Result<Page, HostError> {
        let page = Page::html(body, "");
        self.0.lock().unwrap().push_str(&format!("{view:?} {page:?} {:?}", Page::json(&"x")?));
        Ok(page)
    }
}

impl ConsentUi for Shown {
    async fn consent(&self, view: &ConsentView) -> Result<Page, HostError> {
        let body = format!(
            "<form action=\"{}\"><input name=\"prompt\" value=\"{}\">",
            view.form.action, view.form.fields[0].1
        );
        self.page(view, &body)
    }

    async fn decided(&self, view: &DecidedView) -> Result<Page, HostError> {
        self.page(view, "decided")
    }

    async fn error(&self, view: &ErrorView) -> Result<Page, HostError> {
        self.page(view, "error")
    }
}

#[tokio::test]
async fn attack_49_debug_of_a_running_server_tells_no_secret() {
    let shown = Shown::default();
    let world = World::with(|builder| builder.consent_ui(shown.clone()).keys(Keys::from_bytes([0xab; 32])));
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    let mut secrets = Secrets::default();
    let mut browser = world.browser_of("session-of-alice");
    let page = browser.prompt(&client.authorize()).await;
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
    browser.decide(&page, "allow").await.assert_page(409);
    browser.get("/oauth/authorize").await.assert_page(400);
    let token = world.exchange(&client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    secrets.add_browser(&browser);
    for secret in [&page.prompt, &code, &token, client.secret.as_ref().unwrap()] {
        secrets.add(secret);
    }
    secrets.add("171, 171, 171");
    secrets.add("abababab");

    let resource = world.server.resource(API).unwrap();
    let guard = resource.require("projects:read").unwrap();
    let request = request(Method::GET, "/api").header("authorization", format!("Bearer {token}"));
    let principal = guard.check(&request.body(()).unwrap().into_parts().0).await.unwrap();
    let (code, token) =
        (Bearer::parse(BearerKind::Code, &code).unwrap(), Bearer::parse(BearerKind::Access, &token).unwrap());
    let builder = Server::builder(ISSUER).keys(Keys::from_bytes([0xab; 32])).host(App);
    let id = grantor::protocol::client::ClientId::parse(&client.id).unwrap();
    let all: [&dyn Debug; 12] = [
        &world.server,
        &builder,
        &Keys::from_bytes([0xab; 32]),
        &resource,
        &guard,
        &principal,
        &grantor::tower::OAuthService::new(&world.server),
        &world.storage,
        &(&code, &token),
        &world.storage.client(&id).await.unwrap().unwrap(),
        &world.storage.code(code.id).await.unwrap().unwrap(),
        &world.storage.access_token(token.id).await.unwrap().unwrap(),
    ];
    for value in all {
        secrets.assert_absent(&format!("{value:?} {value:#?}"), "Debug");
    }
    let user = User::new("alice", "Alice", browser.cookies["session"].as_str());
    secrets.assert_absent(&format!("{user:?} {user:#?}"), "a user");
    let shown = shown.0.lock().unwrap().clone();
    assert!(shown.contains("ConsentView") && shown.contains("DecidedView") && shown.contains("ErrorView"));
    secrets.assert_absent(&shown, "a view");
}

/// The server's own rules, as the protocol has them.
fn policy() -> grantor::protocol::policy::Policy {
    use grantor::protocol::{issuer::Issuer, policy::Policy, resource, scope};
    let mut scopes = scope::ScopeCatalogue::default();
    let entry = |name: &str| scope::ScopeEntry { name: name.to_owned(), description: String::new(), reserved: false };
    scopes.add(entry("projects:read")).unwrap();
    let mut resources = resource::ResourceRegistry::default();
    let uri = resource::ResourceUri::parse(API).unwrap();
    assert!(resources.add(resource::Resource { uri, name: None, scopes: None }));
    let issuer = Issuer::parse(ISSUER).unwrap();
    Policy { issuer, scopes, default_scopes: scope::ScopeSet::empty(), resources, lifetimes: Default::default() }
}

#[test]
fn attack_49_debug_of_the_protocols_steps_tells_no_secret() {
    let (policy, now, keys) = (policy(), grantor::Timestamp::from_millis(1), Keys::from_bytes([7; 32]));
    let mut shown = Vec::new();
    let metadata = registration::read(format!(r#"{{"redirect_uris":["{CALLBACK}"]}}"#).as_bytes()).unwrap();
    let seed = RegistrationSeed::from_random(&[9; RegistrationSeed::LEN]);
    let registered = Registered::new(metadata, &seed, now).unwrap();
    shown.push(format!("{seed:?} {registered:?}"));
    let answer: serde_json::Value = serde_json::from_str(&registered.to_json(&policy).unwrap()).unwrap();
    let client = registered.client().clone();
    let known = Client {
        id: client.id.to_string(),
        secret: answer["client_secret"].as_str().map(str::to_owned),
        redirect_uri: CALLBACK.to_owned(),
    };

    let query = known.authorize().split_once('?').unwrap().1.to_owned();
    let parameters = Parameters::parse(query.as_bytes(), &authorize::PARAMETERS);
    let valid = ValidRequest::check(&parameters, Some(client.clone()), &policy).unwrap();
    let (session, browser) = ("session-of-alice", "the-value-of-our-own-cookie");
    let viewer = Viewer { subject: &grantor::Subject::new("alice"), session, browser };
    shown.push(format!("{viewer:?} {valid:?}"));
    let prompt = ConsentPrompt::new(valid, &viewer, PromptId::new(now, [1; 10]), now.after(Duration::from_mins(1)));
    let sealed = prompt.seal(&keys, &[3; 32]).unwrap();
    let returned = ReturnedPrompt::open(&keys, &sealed).unwrap();
    shown.push(format!("{prompt:?} {returned:?}"));
    let approval = ApprovalSeed::from_random(&[5; ApprovalSeed::LEN]);
    let uncommitted = prompt.approve(&approval, now, &policy);
    shown.push(format!("{approval:?} {uncommitted:?} {:?}", uncommitted.op()));
    let record = uncommitted.op().approval.unwrap();
    let response = uncommitted.committed(Decided::First, &policy).unwrap();
    shown.push(format!("{response:?}"));
    let location = url::Url::parse(response.location()).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();

    let body = support::encode(&pairs(&known.token_request(&code, &[])));
    let all = [token::PARAMETERS.as_slice(), &client_auth::PARAMETERS].concat();
    let parameters = Parameters::parse(body.as_bytes(), &all);
    let presented = Presented::read(std::iter::empty(), &parameters).unwrap();
    let exchange = CodeExchange::read(&parameters, &client).unwrap();
    shown.push(format!("{parameters:?} {presented:?} {exchange:?}"));
    let stored =
        grantor::storage::StoredCode { code: record.code, redeemed: false, grant: record.grant, revoked: false };
    let checked = exchange.check(Some(stored), &policy, now).unwrap();
    let seed = BearerSeed::from_random(&[6; BearerSeed::LEN]);
    shown.push(format!("{checked:?} {seed:?}"));
    let minted = checked.mint(&seed, now, &policy);
    shown.push(format!("{minted:?} {:?}", minted.op()));
    let response = minted.committed(Redeemed::First).unwrap();
    shown.push(format!("{response:?}"));

    let token: serde_json::Value = serde_json::from_str(&response.to_json()).unwrap();
    let mut secrets = Secrets::default();
    for secret in [
        known.secret.as_deref().unwrap(),
        session,
        browser,
        &sealed,
        &code,
        VERIFIER,
        token["access_token"].as_str().unwrap(),
    ] {
        secrets.add(secret);
    }
    for bytes in ["9, 9, 9, 9", "5, 5, 5, 5", "6, 6, 6, 6", "7, 7, 7, 7"] {
        secrets.add(bytes);
    }
    secrets.assert_absent(&shown.join("\n"), "Debug");
}

#[tokio::test]
async fn attack_49_error_texts_tell_no_secret() {
    let world = World::new();
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    let mut browser = world.browser_of("session-of-alice");
    let page = browser.prompt(&client.authorize()).await;
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
    let mut secrets = Secrets::default();
    secrets.add_browser(&browser);
    [&page.prompt, &code, client.secret.as_ref().unwrap()].into_iter().for_each(|secret| secrets.add(secret));
    secrets.add(VERIFIER);
    let mut other = world.browser_of("session-of-bob");
    let mut answers = vec![browser.decide(&page, "allow").await, other.decide(&page, "allow").await];
    answers.push(browser.post(&page.action, &[("prompt", &page.prompt)]).await);
    answers.push(browser.post(&page.action, &[("prompt", &page.prompt[1..]), ("decision", "deny")]).await);
    for changes in
        [("redirect_uri", "https://x.example/"), ("code_verifier", &VERIFIER[1..]), ("resource", support::MCP)]
    {
        answers.push(world.exchange(&client, &code, &[changes]).await);
    }
    let wrong = format!("{}x", client.secret.as_deref().unwrap());
    answers.push(world.exchange(&client, &code, &[("client_secret", &wrong)]).await);
    let body = Bytes::from(format!("{{\"client_secret\":\"{}\",", client.secret.as_deref().unwrap()));
    answers.push(world.send(request(Method::POST, "/oauth/register").body(body).unwrap()).await);
    for answer in answers {
        assert!(answer.status().is_client_error());
        secrets.assert_absent(&format!("{answer:?}"), "an answer");
    }
    let error = Keys::parse("not-a-key-but-very-secret-all-the-same").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("very-secret"));
}
