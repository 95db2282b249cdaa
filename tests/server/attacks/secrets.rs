//! Attack 49: a reader of debug output and of error texts learns no secret.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::secrets::Secrets;
use crate::support::{self, API, App, CALLBACK, Client, ISSUER, VERIFIER, World, pairs, request};
use bytes::Bytes;
use grantor::host::{ConsentView, DecidedView, ErrorView, Page};
use grantor::protocol::admission::Terms;
use grantor::protocol::authorize::{self, ValidRequest};
use grantor::protocol::client::Client as StoredClient;
use grantor::protocol::client_auth::{Identity, Presented};
use grantor::protocol::new_client::NewClientSeed;
use grantor::protocol::params::Parameters;
use grantor::protocol::policy::Policy;
use grantor::protocol::prompt::{ApprovalSeed, ConsentPrompt, PromptId, ReturnedPrompt, Viewer};
use grantor::protocol::registered::Registered;
use grantor::protocol::registration;
use grantor::protocol::secret::{Bearer, BearerKind};
use grantor::protocol::token::{self, CodeExchange, ExchangeSeed};
use grantor::storage::{Decided, Redeemed, Storage};
use grantor::{ConsentUi, HostError, Keys, Server, User};
use http::Method;

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
fn policy() -> Policy {
    use grantor::protocol::{catalogue::ScopeCatalogue, issuer::Issuer, resource_registry, scope};
    let scopes = ScopeCatalogue::new(vec![grantor::Scope::new("projects:read", "").declared().unwrap()]);
    let mut resources = resource_registry::ResourceRegistry::default();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let record = grantor::Resource::new(API).declared(&issuer, &scopes).unwrap();
    assert!(resources.add(resource_registry::KnownResource::new(record, &scopes)));
    Policy { issuer, scopes, default_scopes: scope::ScopeSet::empty(), resources, lifetimes: Default::default() }
}

/// A client that registered itself: as it is kept, and as it knows itself.
fn registered(policy: &Policy, shown: &mut Vec<String>) -> (Arc<StoredClient>, Client) {
    let metadata = registration::read(format!(r#"{{"redirect_uris":["{CALLBACK}"]}}"#).as_bytes(), false).unwrap();
    let seed = NewClientSeed::from_random(&[9; NewClientSeed::LEN]);
    let mut terms = Terms::default();
    terms.managed = true;
    let registered = Registered::new(metadata, &terms, &seed, grantor::Timestamp::from_millis(1), policy).unwrap();
    shown.push(format!("{seed:?} {registered:?}"));
    let answer: serde_json::Value =
        serde_json::from_str(&registered.to_json(policy, "https://app.example/oauth/register").unwrap()).unwrap();
    let client = Arc::clone(registered.client());
    let secret = answer["client_secret"].as_str().map(str::to_owned);
    let known = Client { id: client.id.to_string(), secret, redirect_uri: CALLBACK.to_owned() };
    (client, known)
}

#[test]
fn attack_49_debug_of_the_protocols_steps_tells_no_secret() {
    let (policy, now, keys) = (policy(), grantor::Timestamp::from_millis(1), Keys::from_bytes([7; 32]));
    let mut shown = Vec::new();
    let (client, known) = registered(&policy, &mut shown);

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
    let location = url::Url::parse(&response.location()).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();

    let body = support::encode(&pairs(&known.token_request(&code, &[])));
    let parameters = Parameters::parse(body.as_bytes(), &token::PARAMETERS);
    let presented = Presented::read(std::iter::empty(), &parameters).unwrap();
    let exchange = CodeExchange::read(&parameters, &client, Identity::Claimed).unwrap();
    shown.push(format!("{parameters:?} {presented:?} {exchange:?}"));
    let stored =
        grantor::storage::StoredCode { code: record.code, redeemed: false, grant: record.grant, revoked: false };
    let checked = exchange.check(Some(stored), &policy, now).unwrap();
    let seed = ExchangeSeed::from_random(&[6; ExchangeSeed::LEN]);
    shown.push(format!("{checked:?} {seed:?}"));
    let minted = checked.mint(&seed, now);
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
