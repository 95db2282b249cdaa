//! What the host is asked, and what it may add.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::refreshing::{Standing, StrictApp, Verdict as May};
use crate::support::{API, App, CALLBACK, Client, World};
use grantor::host::{AccessView, Asked, Verdict, Where};
use grantor::{ConsentPolicy, Host, HostError, NewClient, SignIn, Subject, User};
use http::request::Parts;
use serde_json::{Map, Value, json};

/// An app that answers as it is told.
#[derive(Clone)]
struct Told(Arc<Mutex<Answers>>);

struct Answers {
    /// `None` if it cannot tell.
    may_ask: Option<Verdict>,
    extra: Option<Value>,
    asked: Vec<String>,
}

impl Told {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Answers { may_ask: Some(Verdict::Yes), extra: Some(json!({})), asked: Vec::new() })))
    }

    fn set(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.0.lock().unwrap());
    }
}

fn gone() -> HostError {
    std::io::Error::other("the app's database is gone").into()
}

impl Host for Told {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        App.signed_in(request).await
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }

    async fn is_allowed(&self, _: &Subject) -> Result<bool, HostError> {
        Ok(true)
    }

    async fn may_ask(&self, asked: Asked<'_>) -> Result<Verdict, HostError> {
        let mut answers = self.0.lock().unwrap();
        answers.asked.push(format!("{} {} {}", asked.user.subject, asked.scopes, asked.resources[0]));
        answers.may_ask.clone().ok_or_else(gone)
    }

    async fn extra_fields(&self, access: AccessView<'_>, place: Where) -> Result<Map<String, Value>, HostError> {
        assert_eq!((access.subject.map(Subject::as_str), place), (Some("alice"), Where::TokenResponse));
        let Value::Object(fields) = self.0.lock().unwrap().extra.clone().ok_or_else(gone)? else { panic!() };
        Ok(fields)
    }
}

fn no() -> Option<Verdict> {
    Some(Verdict::No("not on the list".to_owned()))
}

#[tokio::test]
async fn attack_19_a_disabled_user_is_out_with_the_next_request() {
    let standing = Standing::default();
    let lazy = World::with(|builder| builder.host(StrictApp(standing.clone())));
    let strict = World::with(|builder| builder.host(StrictApp(standing.clone())).check_users_on_every_request());
    let token_of = async |world: &World| world.access_token(&world.public_client().await).await;
    let (unchecked, token) = (token_of(&lazy).await, token_of(&strict).await);
    assert_eq!(strict.guard(API, "projects:read", &token).await, 200);
    standing.set(May::AliceMayNot);
    assert_eq!(strict.guard(API, "projects:read", &token).await, 401);
    assert_eq!(lazy.guard(API, "projects:read", &unchecked).await, 200, "nobody asked for it");
    standing.set(May::CannotTell);
    assert_eq!(strict.guard(API, "projects:read", &token).await, 503);
    assert_eq!(strict.guard(API, "projects:read", "gra_x").await, 401, "the host is asked about tokens that are good");
    standing.set(May::AllMay);
    assert_eq!(strict.guard(API, "projects:read", &token).await, 200, "nothing was revoked");
}

/// A world in which the house's client needs no consent, and a friend's is remembered.
fn silent_world(told: &Told) -> (World, [Client; 2]) {
    let new = |id: &str, policy| NewClient::public(id).id(id).redirect_uri(CALLBACK).consent(policy);
    let clients = [new("house", ConsentPolicy::Skip), new("friend", ConsentPolicy::Remember)];
    let world = World::with(|builder| clients.into_iter().fold(builder.host(told.clone()), |all, one| all.client(one)));
    let known = |id: &str| Client { id: id.to_owned(), secret: None, redirect_uri: CALLBACK.to_owned() };
    (world, [known("house"), known("friend")])
}

#[tokio::test]
async fn attack_19_a_vetoed_request_gets_no_code_in_any_way() {
    let told = Told::new();
    let (world, [house, friend]) = silent_world(&told);
    let stranger = world.public_client().await;
    let mut browser = world.browser_of("alice");
    browser.allow(&friend.authorize()).await;
    let page = browser.prompt(&stranger.authorize()).await;

    told.set(|answers| answers.may_ask = no());
    let before = world.server.grants(&Subject::new("alice"), None, 10).await.unwrap().len();
    for client in [&house, &friend] {
        let answer = browser.get(&client.authorize()).await;
        assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
        assert!(!answer.location().unwrap().contains("list"), "why is not for the client");
        let unseen = browser.get(&client.authorize_with(&[("prompt", "consent")])).await;
        assert_eq!(unseen.redirect_parameter("error").as_deref(), Some("access_denied"), "whatever it wishes");
    }
    let unseen = browser.get(&stranger.authorize()).await;
    unseen.assert_page(403);
    assert!(!unseen.body().contains("not on the list"), "{}", unseen.body());
    // A veto between the question and the answer counts, and the prompt is spent.
    let answer = browser.decide(&page, "allow").await;
    assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
    told.set(|answers| answers.may_ask = Some(Verdict::Yes));
    browser.decide(&page, "allow").await.assert_page(409);
    assert_eq!(world.server.grants(&Subject::new("alice"), None, 10).await.unwrap().len(), before);

    told.set(|answers| answers.asked.clear());
    browser.allow(&stranger.authorize()).await;
    let asked = "alice projects:read projects:write https://app.example/api".to_owned();
    told.set(|answers| assert_eq!(answers.asked, [asked.clone(), asked]));
}

#[tokio::test]
async fn attack_19_a_host_that_cannot_tell_approves_nothing() {
    let told = Told::new();
    let (world, [house, _]) = silent_world(&told);
    let stranger = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&stranger.authorize()).await;
    told.set(|answers| answers.may_ask = None);
    browser.get(&house.authorize()).await.assert_page(500);
    browser.get(&stranger.authorize()).await.assert_page(500);
    browser.decide(&page, "allow").await.assert_page(500);
    world.assert_nothing_granted(&["alice"]).await;
    assert!(browser.decide(&page, "deny").await.redirect_parameter("error").is_some(), "saying no needs nobody");
}

#[tokio::test]
async fn an_app_adds_fields_of_its_own_and_none_of_the_rfcs() {
    let told = Told::new();
    let world = World::with(|builder| builder.host(told.clone()));
    let client = world.refreshing_client("none").await;
    told.set(|answers| {
        answers.extra = Some(json!({
            "tenant": {"id": "a\"b", "plan": 2}, "access_token": "x", "SCOPE": "admin", "expires_in": 1, "Sub": "bob",
        }));
    });
    let first = world.exchange(&client, &world.code(&client).await, &[]).await;
    let check = |body: &Value| {
        assert_eq!(body["tenant"], json!({"id": "a\"b", "plan": 2}));
        let names: BTreeSet<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let own = ["access_token", "expires_in", "refresh_token", "scope", "tenant", "token_type"];
        assert_eq!(names, own.into());
        assert!(body["access_token"].as_str().unwrap().starts_with("gra_"));
        assert_eq!((&body["expires_in"], &body["scope"]), (&3600.into(), &"projects:read projects:write".into()));
    };
    let first = first.json();
    check(&first);
    let refresh = first["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        check(&world.refresh(&client, refresh, &[]).await.json());
    }

    told.set(|answers| answers.extra = None);
    let code = world.code(&client).await;
    world.exchange(&client, &code, &[]).await.assert_error(503, "temporarily_unavailable");
    told.set(|answers| answers.extra = Some(json!({})));
    assert_eq!(world.exchange(&client, &code, &[]).await.status(), 200, "nothing was burned");
}
