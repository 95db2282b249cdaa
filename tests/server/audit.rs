//! What happened is told once, with its exact reason, under the reference that the answer has as well.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{self, API, Answer, CALLBACK, MCP, World, request};
use grantor::host::{CorrelationId, Entropy, EntropyError, EventKind};
use grantor::{Builder, ConsentPolicy, Event, NewClient, Subject};
use http::Method;
use serde_json::Value;

/// All events since they were last taken.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    fn world() -> (Self, World) {
        Self::with(|builder| builder)
    }

    fn with(change: impl FnOnce(Builder) -> Builder) -> (Self, World) {
        let events = Self::default();
        let kept = events.clone();
        let world = World::with(|builder| {
            change(builder).audit(move |event: &Event| kept.0.lock().unwrap().push(event.clone()))
        });
        (events, world)
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The names of what happened, each with its place and what tells it apart.
    fn told(&self) -> Vec<String> {
        let told = |event: Event| format!("{} {} {}", event.place.name(), event.kind.name(), event.kind.outcome());
        self.take().into_iter().map(|event| told(event).trim_end().to_owned()).collect()
    }

    /// The one event, whose reference is the one of the answer.
    fn one_of(&self, answer: &Answer) -> Value {
        let events = self.take();
        assert_eq!(events.len(), 1, "{events:?}");
        let json = serde_json::to_value(&events[0]).unwrap();
        assert_eq!(json["correlation"].as_str(), answer.header("grantor-reference"), "{json}");
        json
    }

    fn assert_told<const N: usize>(&self, expected: [&str; N]) {
        assert_eq!(self.told(), expected);
    }
}

#[tokio::test]
async fn every_step_of_a_grants_life_is_told_once() {
    let (events, world) = Events::world();
    let client = world.refreshing_client("none").await;
    events.assert_told(["register client_registered new"]);
    world.browser_of("alice").deny(&client.authorize()).await;
    events.assert_told(["consent consent_denied"]);
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    events.assert_told([]);
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
    events.assert_told(["consent consent_given asked"]);
    browser.decide(&page, "deny").await.assert_page(409);
    events.assert_told(["consent decision_repeated approved"]);
    let tokens = support::refreshing::Tokens::of(&world.exchange(&client, &code, &[]).await);
    events.assert_told(["token tokens_issued code"]);
    let next = world.refreshed(&client, &tokens.refresh, &[]).await;
    world.refreshed(&client, &tokens.refresh, &[]).await;
    world.refreshed(&client, &tokens.refresh, &[("scope", "projects:read")]).await;
    events.assert_told(["token tokens_issued refresh", "token tokens_issued repeated", "token tokens_issued refresh"]);
    assert_eq!(world.guard(API, "projects:read", &next.access).await, 200);
    events.assert_told([]);
    world.revoked(&client, &next.access).await;
    world.revoked(&client, &next.access).await;
    events.assert_told(["revoke token_revoked"]);
    world.revoked(&client, &next.refresh).await;
    events.assert_told(["revoke grant_revoked"]);

    let tokens = world.tokens(&client).await;
    events.take();
    world.refreshed(&client, &tokens.refresh, &[]).await;
    world.clock.advance(Duration::from_secs(61));
    world.refresh(&client, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    let reused = ["token tokens_issued refresh", "token refresh_reused", "token refused refresh_reused"];
    events.assert_told(reused);

    let code = world.code(&client).await;
    world.exchange(&client, &code, &[]).await;
    events.take();
    world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
    events.assert_told(["token code_replayed", "token refused code_replayed"]);

    world.tokens(&client).await;
    let alice = Subject::new("alice");
    let grant = world.server.grants(&alice, None, 1).await.unwrap()[0].id;
    events.take();
    assert!(world.server.revoke_grant(&alice, grant).await.unwrap());
    assert!(!world.server.revoke_grant(&alice, grant).await.unwrap());
    events.assert_told(["app consent_withdrawn"]);
}

#[tokio::test]
async fn what_nobody_was_asked_about_is_told_as_well() {
    let silent = |policy| move |id: &str| NewClient::public(id).id(id).redirect_uri(CALLBACK).consent(policy);
    let (skip, remember) = (silent(ConsentPolicy::Skip)("house"), silent(ConsentPolicy::Remember)("friend"));
    let (events, world) = Events::with(|builder| builder.client(skip).client(remember));
    let client = |id: &str| support::Client { id: id.to_owned(), secret: None, redirect_uri: CALLBACK.to_owned() };
    let mut browser = world.browser_of("alice");
    browser.get(&client("house").authorize()).await;
    events.assert_told(["authorize client_created", "authorize consent_given skipped"]);
    browser.allow(&client("friend").authorize()).await;
    browser.get(&client("friend").authorize()).await;
    events.assert_told([
        "authorize client_created",
        "consent consent_given asked",
        "authorize consent_given remembered",
    ]);
    world.server.create_client(NewClient::public("Shop").redirect_uri(CALLBACK)).await.unwrap();
    events.assert_told(["app client_created"]);
}

#[tokio::test]
async fn a_refusal_has_its_exact_reason_and_the_reference_of_its_answer() {
    let (events, world) = Events::world();
    let client = world.client("client_secret_post", &[CALLBACK]).await;
    let code = world.code(&client).await;
    events.take();
    for (changes, reason, named) in [
        (&[("client_secret", "grs_wrong")][..], "secret_wrong", Some(client.id.as_str())),
        (&[("client_id", "")], "client_missing", None),
        (&[("client_id", "nobody")], "client_unknown", Some("nobody")),
        (&[("code_verifier", "x")], "verifier_mismatch", Some(&client.id)),
        (&[("code", "grc_x")], "code_unknown", Some(&client.id)),
        (&[("grant_type", "password")], "grant_type_unsupported", Some(&client.id)),
    ] {
        let refused = events_of(&events, &world.exchange(&client, &code, changes).await);
        assert_eq!((refused["place"].as_str(), refused["event"].as_str()), (Some("token"), Some("refused")));
        assert_eq!((refused["reason"].as_str(), refused["client"].as_str()), (Some(reason), named));
    }
    for (path, place, reason) in [
        ("/oauth/token", "token", "not_form"),
        ("/oauth/revoke", "revoke", "not_form"),
        ("/oauth/register", "register", "not_metadata"),
        ("/oauth/consent", "consent", "decision_missing"),
        ("/oauth/authorize", "authorize", "client_missing"),
        ("/.well-known/oauth-authorization-server", "metadata", "method_not_allowed"),
    ] {
        let refused = events_of(&events, &world.call(Method::POST, path, &[]).await);
        assert_eq!((refused["place"].as_str(), refused["reason"].as_str()), (Some(place), Some(reason)));
    }
    world.get("/oauth/nothing").await;
    events.assert_told([]);
}

#[tokio::test]
async fn who_names_no_scope_where_there_is_no_default_is_told_that_one_is_missing() {
    let (events, world) = Events::with(|builder| builder.default_scopes(""));
    let client = world.public_client().await;
    for (scope, reason) in
        [("", "scope_missing"), ("offline_access", "scope_missing"), ("nothing:known", "scope_empty")]
    {
        events.take();
        let answer = world.get(&client.authorize_with(&[("scope", scope)])).await;
        assert_eq!(events_of(&events, &answer)["reason"], reason, "{scope}");
    }
}

fn events_of(events: &Events, answer: &Answer) -> Value {
    assert!(answer.status().is_client_error(), "{}", answer.body());
    events.one_of(answer)
}

#[tokio::test]
async fn an_error_page_shows_the_reference_of_its_event() {
    let (events, world) = Events::world();
    let client = world.public_client().await;
    events.take();
    let answer = world.get(&client.authorize_with(&[("redirect_uri", "https://evil.example/")])).await;
    let refused = events.one_of(&answer);
    assert_eq!(
        (&refused["reason"], &refused["client"]),
        (&"redirect_uri_not_registered".into(), &client.id.clone().into())
    );
    let reference = refused["correlation"].as_str().unwrap();
    assert!(answer.body().contains(&format!("Reference: <code>{reference}</code>")), "{}", answer.body());

    // What a client of strangers is told goes to a page, and is one event all the same.
    let answer = world.get(&client.authorize_with(&[("code_challenge", "")])).await;
    assert_eq!(events.one_of(&answer)["reason"], "challenge_missing");
    let other = world.get("/oauth/authorize").await;
    assert_ne!(events.one_of(&other)["correlation"].as_str().unwrap(), reference);
}

#[tokio::test]
async fn an_error_that_goes_to_the_client_is_one_event_and_has_its_reference() {
    let (events, world) = Events::world();
    let client = world.administrators_client("house", None, &[CALLBACK]).await;
    let by_form = ("response_mode", "form_post");
    for mode in [("response_mode", ""), by_form] {
        let answer = world.get(&client.authorize_with(&[("response_type", "token"), mode])).await;
        assert!(mode == by_form || answer.redirect_parameter("error").as_deref() == Some("unsupported_response_type"));
        let refused = events.one_of(&answer);
        assert_eq!((&refused["place"], &refused["reason"]), (&"authorize".into(), &"response_type_unsupported".into()));
        let denied = world.browser_of("alice").deny(&client.authorize_with(&[mode])).await;
        assert_eq!(events.one_of(&denied)["event"], "consent_denied");
        let mut browser = world.browser_of("alice");
        let page = browser.prompt(&client.authorize_with(&[mode])).await;
        let given = browser.decide(&page, "allow").await;
        assert!(given.header("grantor-reference").is_none(), "it is no refusal");
        events.assert_told(["consent consent_given asked"]);
    }
    let nobody = world.get(&client.authorize()).await;
    assert!(nobody.location().unwrap().starts_with("/login") && nobody.header("grantor-reference").is_none());
}

#[tokio::test]
async fn a_guard_tells_whom_it_turns_away_and_nothing_else() {
    let (events, world) = Events::world();
    let client = world.public_client().await;
    let token = world.access_token(&client).await;
    let guard = world.server.resource(API).unwrap().require("projects:read").unwrap();
    let parts = |authorization: &str| {
        request(Method::GET, "/api").header("authorization", authorization).body(()).unwrap().into_parts().0
    };
    events.take();
    assert!(guard.check(&parts(&format!("Bearer {token}"))).await.is_ok());
    assert!(guard.optional().check(&parts("Basic x")).await.unwrap().is_none());
    events.assert_told([]);

    let refusal = guard.check(&parts("Bearer gra_x")).await.unwrap_err();
    let refused = events.one_of(&Answer(refusal.response()));
    assert_eq!((&refused["place"], &refused["reason"]), (&"guard".into(), &"unknown".into()));
    assert_eq!(refused["resource"], API);
    assert!(refused.get("token").is_none() && refused.get("client").is_none(), "{refused}");
    let other = world.server.resource(MCP).unwrap().require("projects:read").unwrap();
    let refusal = other.check(&parts(&format!("Bearer {token}"))).await.unwrap_err();
    let refused = events.one_of(&Answer(refusal.response()));
    assert_eq!(refused["reason"], "other_resource");
    assert_eq!(refused["token"].as_str().unwrap().len(), 16, "the id of the token");
    let _ = guard.optional().unauthenticated(&parts(""));
    events.assert_told(["guard refused missing"]);
}

#[tokio::test]
async fn without_randomness_references_are_counted() {
    struct Dry;
    impl Entropy for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    // Keys need randomness of their own.
    let keys = grantor::Keys::ephemeral(&grantor::host::SystemEntropy).unwrap();
    let (events, world) = Events::with(|builder| builder.entropy(Dry).keys(keys));
    world.get("/oauth/authorize").await.assert_page(400);
    world.get("/oauth/authorize").await.assert_page(400);
    let ids: Vec<_> = events.take().iter().map(|event| event.correlation).collect();
    assert_eq!(ids, [1, 2].map(CorrelationId::from_bits));
}

#[tokio::test]
async fn what_was_issued_is_told_in_full() {
    let (events, world) = Events::world();
    let client = world.public_client().await;
    world.access_token(&client).await;
    let issued = events.take().into_iter().find(|event| matches!(event.kind, EventKind::TokensIssued { .. })).unwrap();
    let json = serde_json::to_value(&issued).unwrap();
    let grant = world.server.grants(&Subject::new("alice"), None, 1).await.unwrap()[0].id;
    let ours: Vec<_> =
        ["at", "subject", "client", "grant", "scopes", "resource", "by"].map(|name| json[name].clone()).into();
    let grant = grant.to_string();
    let expected =
        serde_json::json!([support::START, "alice", client.id, grant, "projects:read projects:write", API, "code",]);
    assert_eq!(Value::from(ours), expected);
}
