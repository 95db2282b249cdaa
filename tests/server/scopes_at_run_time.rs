//! Scopes that are added, described, hidden and retired while the server runs, and scopes with others in them.

use std::sync::Arc;
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::{self, API, Answer, CALLBACK, Client, ISSUER, World};
use grantor::protocol::scope_change::InvalidScopeChange;
use grantor::server::ChangeScopesError;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::storage::{Storage, invariants};
use grantor::{Builder, ConsentPolicy, Keys, MemoryStorage, Principal, Retired, Scope, Subject};
use http::{Method, header};

const STALE: Duration = Duration::from_millis(1999);
const BOUND: Duration = Duration::from_millis(2000);

/// Another instance of the same app, on the same store and by the same clock.
fn instance(world: &World, change: impl FnOnce(Builder) -> Builder) -> World {
    let clock = world.clock.clone();
    let other = World::at(ISSUER, world.storage.clone(), |builder| change(builder.clock(move || clock.now())));
    World { clock: world.clock.clone(), ..other }
}

fn shared(builder: Builder) -> Builder {
    builder.keys(Keys::from_bytes([7; 32]))
}

async fn principal<S: Storage + Clone>(world: &World<S>, token: &str) -> Principal {
    let guard = world.server.resource(API).unwrap().require("").unwrap();
    let request = support::request(Method::GET, "/api").header(header::AUTHORIZATION, format!("Bearer {token}"));
    guard.check(&request.body(()).unwrap().into_parts().0).await.unwrap()
}

async fn tokens(world: &World, client: &Client, scope: &str) -> Tokens {
    world.tokens_of("alice", client, &[("scope", scope)]).await
}

async fn advertised(world: &World, path: &str) -> Vec<String> {
    let scopes = world.get(path).await.json()["scopes_supported"].as_array().unwrap().clone();
    scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect()
}

const SERVER: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource/api";

#[tokio::test]
async fn a_scope_that_is_added_can_be_asked_for_at_once() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let scopes = world.server.scopes();
    assert!(world.server.resource(API).unwrap().require("reports:read").is_err(), "there is none yet");
    scopes.add(Scope::new("reports:read", "Read your <reports>")).await.unwrap();

    let page = world.browser_of("alice").prompt(&client.authorize_with(&[("scope", "reports:read")])).await;
    assert!(page.html.contains("Read your") && !page.html.contains("<reports>"), "{}", page.html);
    let got = tokens(&world, &client, "reports:read projects:read").await;
    assert_eq!(got.scope, "projects:read reports:read");
    assert_eq!(world.guard(API, "reports:read", &got.access).await, 200);
    assert_eq!(world.refreshed(&client, &got.refresh, &[("scope", "reports:read")]).await.scope, "reports:read");
    for path in [SERVER, RESOURCE] {
        assert!(advertised(&world, path).await.contains(&"reports:read".to_owned()), "{path}");
    }
    let registered = world.register(&serde_json::json!({ "redirect_uris": [CALLBACK] })).await.json();
    assert!(registered["scope"].as_str().unwrap().contains("reports:read"));
}

#[tokio::test]
async fn a_scope_is_described_and_hidden_also_one_of_the_code() {
    let world = World::new();
    let client = world.public_client().await;
    let scopes = world.server.scopes();
    scopes.describe("projects:read", "Look at your plans").await.unwrap();
    scopes.hide("projects:read").await.unwrap();
    let mut alice = world.browser_of("alice");
    let page = alice.prompt(&client.authorize()).await;
    assert!(page.html.contains("Look at your plans") && !page.html.contains("See your projects"));
    for path in [SERVER, RESOURCE] {
        assert!(!advertised(&world, path).await.contains(&"projects:read".to_owned()), "{path}");
    }
    assert_eq!(tokens(&world, &client, "projects:read").await.scope, "projects:read", "whoever knows it gets it");
    scopes.advertise("projects:read").await.unwrap();
    assert!(advertised(&world, SERVER).await.contains(&"projects:read".to_owned()));
    scopes.advertise("admin").await.unwrap();
    assert!(!advertised(&world, SERVER).await.contains(&"admin".to_owned()), "a reserved scope is named to nobody");
}

#[tokio::test]
async fn what_is_no_change_is_refused() {
    let scopes = World::new().server.scopes();
    let refused = |result: Result<(), ChangeScopesError>| match result {
        Err(ChangeScopesError::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    };
    for bad in ["", "a b", "a\"", r"a\2", "ü"] {
        assert_eq!(
            refused(scopes.add(Scope::new(bad, "x")).await),
            InvalidScopeChange::NotAScope(bad.to_owned()),
            "{bad:?}"
        );
    }
    let exists = InvalidScopeChange::Exists("projects:read".to_owned());
    assert_eq!(refused(scopes.add(Scope::new("projects:read", "x")).await), exists);
    let unknown = || InvalidScopeChange::Unknown("nothing".to_owned());
    assert_eq!(refused(scopes.add(Scope::new("a", "x").implies("nothing")).await), unknown());
    assert_eq!(refused(scopes.describe("nothing", "x").await), unknown());
    assert_eq!(refused(scopes.hide("nothing").await), unknown());
    assert_eq!(refused(scopes.retire("nothing", Retired::Dead).await), unknown());
    assert!(matches!(refused(scopes.describe("admin", " ").await), InvalidScopeChange::NoDescription(_)));
    assert!(matches!(refused(scopes.add(Scope::new("a", "")).await), InvalidScopeChange::NoDescription(_)));
    assert!(matches!(refused(scopes.retire("offline_access", Retired::Dead).await), InvalidScopeChange::Stays(_)));
    assert_eq!(scopes.list().await.unwrap().len(), 4, "nothing was changed");
}

#[tokio::test]
async fn a_dead_scope_is_worth_nothing_at_once_in_what_was_issued() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let got = tokens(&world, &client, "projects:read projects:write").await;
    let guard = world.server.resource(API).unwrap().require("projects:write").unwrap();
    world.server.scopes().retire("projects:write", Retired::Dead).await.unwrap();

    assert_eq!(world.guard(API, "projects:write", &got.access).await, 403, "a guard that is made later");
    let request = support::request(Method::GET, "/api").header(header::AUTHORIZATION, format!("Bearer {}", got.access));
    let refusal = guard.check(&request.body(()).unwrap().into_parts().0).await.unwrap_err().response();
    let challenge = Answer(refusal).header("www-authenticate").unwrap().to_owned();
    assert!(!challenge.contains("projects:write"), "nobody is told to ask for it: {challenge}");
    assert_eq!(world.guard(API, "projects:read", &got.access).await, 200);
    let alice = principal(&world, &got.access).await;
    assert!(alice.has("projects:read") && !alice.has("projects:write"));
    assert_eq!(alice.scopes().as_str(), "projects:read");

    let next = world.refreshed(&client, &got.refresh, &[]).await;
    assert_eq!(next.scope, "projects:read");
    world.refresh(&client, &next.refresh, &[("scope", "projects:write")]).await.assert_error(400, "invalid_scope");
    let apps = world.server.grants(&Subject::new("alice"), None, 10).await.unwrap();
    assert_eq!((apps[0].scopes.as_str(), apps[0].scope_entries.len()), ("projects:read", 1));
    assert_eq!(tokens(&world, &client, "projects:read projects:write").await.scope, "projects:read", "nobody gets it");
    assert!(!advertised(&world, SERVER).await.contains(&"projects:write".to_owned()));
}

#[tokio::test]
async fn a_scope_that_runs_out_lasts_as_long_as_its_access_tokens() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let got = tokens(&world, &client, "projects:read projects:write").await;
    world.server.scopes().retire("projects:write", Retired::RunsOut).await.unwrap();
    assert_eq!(world.guard(API, "projects:write", &got.access).await, 200);
    assert!(principal(&world, &got.access).await.has("projects:write"));
    let next = world.refreshed(&client, &got.refresh, &[]).await;
    assert_eq!(next.scope, "projects:read");
    assert_eq!(world.guard(API, "projects:write", &next.access).await, 403);

    world.server.scopes().retire("projects:write", Retired::Dead).await.unwrap();
    assert_eq!(world.guard(API, "projects:write", &got.access).await, 403, "it can be ended before");
    world.server.scopes().retire("projects:write", Retired::Dead).await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_used_again_revives_nothing() {
    for how in [Retired::Dead, Retired::RunsOut] {
        let world = World::new();
        let scopes = world.server.scopes();
        let house = world.house_client("house", ConsentPolicy::Remember, &[CALLBACK]).await;
        let limited = grantor::NewClient::public("limited").id("limited").redirect_uri(CALLBACK);
        world.server.create_client(limited.scopes("projects:read projects:write")).await.unwrap();
        let limited = Client { id: "limited".to_owned(), ..house.clone() };
        let old = tokens(&world, &house, "projects:read projects:write").await;
        scopes.retire("projects:write", how).await.unwrap();
        scopes.add(Scope::new("projects:write", "Change everything")).await.unwrap();

        assert_eq!(world.guard(API, "projects:write", &old.access).await, 403, "{how:?}: a token");
        assert!(!principal(&world, &old.access).await.has("projects:write"));
        let next = world.refreshed(&house, &old.refresh, &[]).await;
        assert_eq!(next.scope, "projects:read", "{how:?}: a grant");
        let wide = ("scope", "projects:read projects:write");
        let mut alice = world.browser_of("alice");
        alice.get(&house.authorize_with(&[wide])).await.assert_asks("remembered consent");
        let of_limited = world.tokens_of("alice", &limited, &[wide]).await;
        assert_eq!(of_limited.scope, "projects:read", "{how:?}: a client's limit");

        let new = tokens(&world, &house, "projects:write").await;
        assert_eq!(new.scope, "projects:write", "who is asked anew has it");
        assert_eq!(world.guard(API, "projects:write", &new.access).await, 200);
        assert_eq!(principal(&world, &new.access).await.scopes().as_str(), "projects:write");
        let apps = world.server.grants(&Subject::new("alice"), None, 10).await.unwrap();
        let mut told: Vec<_> = apps.iter().map(|app| app.scopes.as_str()).collect();
        told.sort_unstable();
        assert_eq!(told, ["projects:read", "projects:read", "projects:write"]);
        assert!(invariants::check(&world.storage).await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn the_id_of_a_scope_is_nothing_that_a_client_can_send() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let scopes = world.server.scopes();
    scopes.retire("projects:write", Retired::Dead).await.unwrap();
    scopes.add(Scope::new("projects:write", "Change everything")).await.unwrap();
    let got = tokens(&world, &client, "projects:write").await;
    let id = world.server.scopes().list().await.unwrap().into_iter().find(|scope| !scope.of_code).unwrap().id;
    assert_eq!(id, r"projects:write\2");
    for text in [id.as_str(), r"projects:read\implied"] {
        let answer = world.browser_of("alice").get(&client.authorize_with(&[("scope", text)])).await;
        answer.assert_page_says(400, "invalid_scope");
        world.refresh(&client, &got.refresh, &[("scope", text)]).await.assert_error(400, "invalid_scope");
        assert!(world.server.resource(API).unwrap().require(text).is_err());
    }
    let login = world.browser().get(&client.authorize_with(&[("scope", "projects:write")])).await;
    assert!(
        !login.location().unwrap().contains("%255C"),
        "the way back from the login has names: {:?}",
        login.location()
    );
}

#[tokio::test]
async fn a_prompt_for_a_scope_that_is_retired_meanwhile_gives_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    let mut alice = world.browser_of("alice");
    let page = alice.prompt(&client.authorize()).await;
    world.server.scopes().retire("projects:write", Retired::RunsOut).await.unwrap();
    let answer = alice.decide(&page, "allow").await;
    answer.assert_page_says(403, "invalid_scope");
    assert!(answer.body().contains("scope=projects%3Aread&"), "one may start again: {}", answer.body());
    world.assert_nothing_granted(&["alice"]).await;
}

fn with_hierarchy(builder: Builder) -> Builder {
    let all = Scope::new("projects:all", "Do everything with your projects").implies("projects:write");
    builder.add_scope(Scope::new("projects:write", "Change your projects").implies("projects:read")).add_scope(all)
}

#[tokio::test]
async fn a_scope_has_those_in_it_that_it_implies() {
    let world = World::with(with_hierarchy);
    let client = world.refreshing_client("none").await;
    let page = world.browser_of("alice").prompt(&client.authorize_with(&[("scope", "projects:all")])).await;
    for told in ["Do everything with your projects", "Change your projects", "See your projects"] {
        assert!(page.html.contains(told), "people are told of all that they give: {told}");
    }
    let got = tokens(&world, &client, "projects:all").await;
    assert_eq!(got.scope, "projects:all", "the client is told what it asked for");
    for needed in ["projects:all", "projects:write", "projects:read", "projects:read projects:all"] {
        assert_eq!(world.guard(API, needed, &got.access).await, 200, "{needed}");
    }
    assert_eq!(world.guard(API, "admin", &got.access).await, 403);
    let alice = principal(&world, &got.access).await;
    assert_eq!(alice.scopes().as_str(), "projects:all projects:read projects:write");

    let narrow = world.refreshed(&client, &got.refresh, &[("scope", "projects:read")]).await;
    assert_eq!(narrow.scope, "projects:read", "what is implied can be asked for by itself");
    assert_eq!(world.guard(API, "projects:read", &narrow.access).await, 200);
    assert_eq!(world.guard(API, "projects:write", &narrow.access).await, 403);
    let middle = world.refreshed(&client, &narrow.refresh, &[("scope", "projects:write")]).await;
    assert_eq!(world.guard(API, "projects:read", &middle.access).await, 200);
    assert_eq!(world.guard(API, "projects:all", &middle.access).await, 403);
    let only = tokens(&world, &client, "projects:read").await;
    assert_eq!(world.guard(API, "projects:write", &only.access).await, 403, "never the other way round");
    assert!(invariants::check(&world.storage).await.unwrap().is_clean());
}

#[tokio::test]
async fn what_is_implied_ends_with_either_scope() {
    for (gone, left) in [("projects:read", [200, 200, 403]), ("projects:all", [403, 403, 403])] {
        let world = World::with(with_hierarchy);
        let client = world.refreshing_client("none").await;
        let got = tokens(&world, &client, "projects:all").await;
        let scopes = world.server.scopes();
        scopes.retire(gone, Retired::Dead).await.unwrap();
        for again in [false, true] {
            if again {
                scopes.add(Scope::new(gone, "Another one").implies("projects:write")).await.unwrap();
            }
            for (needed, status) in ["projects:all", "projects:write", "projects:read"].into_iter().zip(left) {
                assert_eq!(world.guard(API, needed, &got.access).await, status, "{gone} is gone, {needed}, {again}");
            }
        }
        let refreshed = world.refresh(&client, &got.refresh, &[]).await;
        assert_eq!(refreshed.status(), if gone == "projects:all" { 400 } else { 200 }, "{}", refreshed.body());
    }
}

#[tokio::test]
async fn an_implication_that_is_added_later_widens_nothing() {
    let before = World::with(shared);
    let client = before.refreshing_client("none").await;
    let got = tokens(&before, &client, "projects:write").await;
    let after = instance(&before, |builder| shared(with_hierarchy(builder)));
    assert_eq!(after.guard(API, "projects:read", &got.access).await, 403, "nobody agreed to that");
    let next = after.refreshed(&client, &got.refresh, &[]).await;
    assert_eq!(after.guard(API, "projects:read", &next.access).await, 403);
    after.refresh(&client, &next.refresh, &[("scope", "projects:read")]).await.assert_error(400, "invalid_scope");
    let asked = tokens(&after, &client, "projects:write").await;
    assert_eq!(after.guard(API, "projects:read", &asked.access).await, 200);
}

#[tokio::test]
async fn attack_30_a_reserved_scope_does_not_come_with_another_one() {
    let world = World::new();
    world.server.scopes().add(Scope::new("super", "Everything").implies("admin")).await.unwrap();
    let client = world.refreshing_client("none").await;
    let got = tokens(&world, &client, "super").await;
    assert_eq!(world.guard(API, "admin", &got.access).await, 403);
    world.refresh(&client, &got.refresh, &[("scope", "admin")]).await.assert_error(400, "invalid_scope");
    let house = world.house_client("house", ConsentPolicy::Ask, &[CALLBACK]).await;
    let got = tokens(&world, &house, "super").await;
    assert_eq!(world.guard(API, "admin", &got.access).await, 200);
}

#[tokio::test]
async fn a_scope_that_needs_no_consent_is_asked_about_only_for_strangers() {
    let free = |builder: Builder| builder.add_scope(Scope::new("profile", "Know your name").without_consent());
    let world = World::with(free);
    let mut alice = world.browser_of("alice");
    let only = [("scope", "profile")];
    for policy in [ConsentPolicy::Ask, ConsentPolicy::Remember] {
        let house = world.house_client(&format!("{policy:?}"), policy, &[CALLBACK, "http://127.0.0.1/cb"]).await;
        let code = alice.get(&house.authorize_with(&only)).await.silent_code();
        assert_eq!(world.exchange(&house, &code, &[]).await.json()["scope"], "profile");
        alice.get(&house.authorize_with(&[("scope", "profile"), ("prompt", "none")])).await.silent_code();
        for changes in [
            [("scope", "profile projects:read"), ("prompt", "")],
            [("scope", "profile"), ("prompt", "consent")],
            [("scope", "profile"), ("redirect_uri", "http://127.0.0.1:4711/cb")],
        ] {
            alice.get(&house.authorize_with(&changes)).await.assert_asks(&format!("{changes:?}"));
        }
    }
    let stranger = world.public_client().await;
    alice.get(&stranger.authorize_with(&only)).await.assert_asks("anyone can register");
    world.server.scopes().add(Scope::new("wide", "Much").implies("projects:read").without_consent()).await.unwrap();
    let house = world.house_client("third", ConsentPolicy::Ask, &[CALLBACK]).await;
    alice.get(&house.authorize_with(&[("scope", "wide")])).await.assert_asks("what comes with it needs consent");
}

#[tokio::test]
async fn other_instances_know_of_a_change_within_two_seconds() {
    let one = World::with(shared);
    let other = instance(&one, shared);
    let client = one.refreshing_client("none").await;
    let got = tokens(&one, &client, "projects:read projects:write").await;
    assert_eq!(other.guard(API, "projects:write", &got.access).await, 200);
    one.server.scopes().retire("projects:write", Retired::Dead).await.unwrap();
    assert_eq!(one.guard(API, "projects:write", &got.access).await, 403, "its own at once");
    one.clock.advance(STALE);
    assert_eq!(other.guard(API, "projects:write", &got.access).await, 200);
    one.clock.advance(BOUND - STALE);
    assert_eq!(other.guard(API, "projects:write", &got.access).await, 403);
    let next = other.refreshed(&client, &got.refresh, &[]).await;
    assert_eq!(next.scope, "projects:read");

    other.server.scopes().add(Scope::new("later", "Later")).await.unwrap();
    assert!(one.server.resource(API).unwrap().require("later").is_err());
    one.server.scopes().refresh().await.unwrap();
    one.server.resource(API).unwrap().require("later").unwrap();
    one.clock.set(grantor::Timestamp::from_millis(support::START - 3_600_000));
    other.server.scopes().retire("later", Retired::Dead).await.unwrap();
    assert!(!advertised(&one, SERVER).await.contains(&"later".to_owned()), "a clock that was set back keeps nothing");
}

#[tokio::test]
async fn of_two_administrators_none_undoes_what_the_other_did() {
    let one = World::with(shared);
    let other = instance(&one, shared);
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..16 {
        let scopes = if number % 2 == 0 { one.server.scopes() } else { other.server.scopes() };
        changes.spawn(async move { scopes.add(Scope::new(&format!("s{number}"), "x")).await.unwrap() });
        let scopes = one.server.scopes();
        changes.spawn(async move { scopes.describe("projects:read", &format!("text {number}")).await.unwrap() });
    }
    let scopes = other.server.scopes();
    changes.spawn(async move { scopes.retire("projects:write", Retired::Dead).await.unwrap() });
    changes.join_all().await;
    let of_one: Vec<_> = one.server.scopes().list().await.unwrap();
    assert_eq!(of_one, other.server.scopes().list().await.unwrap());
    assert_eq!(of_one.len(), 4 + 16);
    assert_eq!(
        of_one.last().map(|scope| (scope.name.as_str(), scope.retired)),
        Some(("projects:write", Some(Retired::Dead)))
    );
}

#[tokio::test]
async fn attack_24_nobody_passes_while_the_scopes_cannot_be_read() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let client = world.refreshing_client("none").await;
    let got = world.tokens(&client).await;
    for lost in [Lost::Request, Lost::Answer] {
        world.clock.advance(BOUND);
        storage.lose(lost, Call::Policy, 1);
        assert_eq!(world.guard(API, "projects:read", &got.access).await, 503);
        assert_eq!(world.guard(API, "projects:read", &got.access).await, 200, "the next one reads again");
        world.clock.advance(BOUND);
        storage.lose(lost, Call::Policy, 1);
        world.refresh(&client, &got.refresh, &[]).await.assert_error(503, "temporarily_unavailable");
        world.clock.advance(BOUND);
        storage.lose(lost, Call::Policy, 1);
        assert_eq!(world.browser_of("alice").get(&client.authorize()).await.status(), 503);
        world.clock.advance(BOUND);
        storage.lose(lost, Call::Policy, 1);
        assert_eq!(world.get(SERVER).await.status(), 200, "the metadata opens nothing");
    }
    storage.lose(Lost::Answer, Call::SavePolicy, 1);
    let scopes = world.server.scopes();
    let lost = scopes.retire("projects:read", Retired::Dead).await.unwrap_err();
    assert!(matches!(lost, ChangeScopesError::Storage(_)), "{lost:?}");
    scopes.retire("projects:read", Retired::Dead).await.unwrap();
    assert_eq!(world.guard(API, "projects:read", &got.access).await, 403);
}

#[tokio::test]
async fn what_the_code_says_of_a_scope_holds_beside_what_is_stored() {
    let one = World::with(shared);
    let scopes = one.server.scopes();
    scopes.hide("projects:write").await.unwrap();
    scopes.add(Scope::new("extra", "Extra").without_consent()).await.unwrap();
    let later = instance(&one, |builder| {
        let strict = Scope::new("projects:write", "Anew").reserved();
        shared(builder).add_scope(strict).reserved_scope("extra", "Told by the code")
    });
    let list = later.server.scopes().list().await.unwrap();
    let named = |name: &str| list.iter().find(|scope| scope.name == name).unwrap();
    assert!(named("projects:write").reserved && !named("projects:write").advertised);
    assert_eq!(named("projects:write").description, "Anew", "only what was changed is stored");
    assert!(named("extra").reserved && named("extra").needs_consent, "what the code restricts stays so");
}

#[tokio::test]
async fn the_code_is_refused_if_its_scopes_go_round() {
    let build = |one: &str, other: &str| {
        let builder = grantor::Server::builder(ISSUER).storage(MemoryStorage::new()).host(support::App);
        let builder =
            builder.add_scope(Scope::new("a", "x").implies(one)).add_scope(Scope::new("b", "x").implies(other));
        builder.resource(API).build().err().map(|error| error.to_string())
    };
    assert!(build("b", "a").unwrap().contains("implies itself"));
    assert!(build("a", "a").unwrap().contains("implies itself"));
    assert!(build("c", "a").unwrap().contains("not in the catalogue"));
    assert_eq!(build("b", "offline_access"), None);
}
