//! Resources that are added, described and retired while the server runs, and what that means for live grants.

use std::sync::Arc;
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::{self, API, Answer, CALLBACK, Client, ISSUER, MCP, World};
use grantor::protocol::resource_change::InvalidResourceChange;
use grantor::server::ChangeResourcesError;
use grantor::storage::testkit::{Call, Faulty, Lost, Yielding};
use grantor::storage::{Storage, invariants};
use grantor::{Builder, ConsentPolicy, Keys, MemoryStorage, Principal, Refusal, Resource, Retired, Scope, Subject};
use http::{Method, header};

const ACME: &str = "https://app.example/t/acme/mcp";
const SERVER: &str = "/.well-known/oauth-authorization-server";
const STALE: Duration = Duration::from_millis(1999);
const BOUND: Duration = Duration::from_millis(2000);

/// Another instance of the same app, on the same store and by the same clock.
fn instance<S: Storage + Clone>(world: &World<S>, change: impl FnOnce(Builder) -> Builder) -> World<S> {
    let clock = world.clock.clone();
    let other = World::at(ISSUER, world.storage.clone(), |builder| change(builder.clock(move || clock.now())));
    World { clock: world.clock.clone(), ..other }
}

fn shared(builder: Builder) -> Builder {
    builder.keys(Keys::from_bytes([7; 32]))
}

fn metadata_path(resource: &str) -> String {
    resource.replace("https://app.example", "/.well-known/oauth-protected-resource")
}

async fn tokens<S: Storage + Clone>(world: &World<S>, client: &Client, resources: &[&str]) -> Tokens {
    let changes: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
    world.tokens_of("alice", client, &changes).await
}

async fn principal<S: Storage + Clone>(world: &World<S>, resource: &str, token: &str) -> Result<Principal, Refusal> {
    let guard = world.server.resource(resource).unwrap().require("").unwrap();
    guard.check(&parts("/api", token)).await
}

fn parts(path: &str, token: &str) -> http::request::Parts {
    let request = support::request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(()).unwrap().into_parts().0
}

async fn listed(world: &World) -> Vec<String> {
    let listed = world.get(SERVER).await.json()["protected_resources"].as_array().unwrap().clone();
    listed.iter().map(|url| url.as_str().unwrap().to_owned()).collect()
}

fn refused(result: Result<(), ChangeResourcesError>) -> InvalidResourceChange {
    match result {
        Err(ChangeResourcesError::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_resource_that_is_added_is_known_everywhere_at_once() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    assert!(world.server.resource(ACME).is_err());
    assert_eq!(world.get(&metadata_path(ACME)).await.status(), 404);
    let acme = Resource::new("/t/acme/mcp").name("Acme <Tools>").documentation("https://app.example/docs");
    world.server.resources().add(acme.access_token_lifetime(Duration::from_secs(60))).await.unwrap();

    let metadata = world.get(&metadata_path(ACME)).await.json();
    assert_eq!((&metadata["resource"], &metadata["resource_name"]), (&ACME.into(), &"Acme <Tools>".into()));
    assert_eq!(metadata["resource_documentation"], "https://app.example/docs");
    assert_eq!(metadata["scopes_supported"], serde_json::json!(["projects:read", "projects:write"]));
    assert_eq!(listed(&world).await, [API, MCP, ACME]);
    let page = world.browser_of("alice").prompt(&client.authorize_with(&[("resource", ACME)])).await;
    assert!(page.html.contains("Acme &") && !page.html.contains("<Tools>"), "{}", page.html);

    let (got, server) = (tokens(&world, &client, &[ACME]).await, world.resource_server(&[ACME]).await);
    assert_eq!(got.expires_in, 60);
    assert_eq!(world.guard(ACME, "projects:read", &got.access).await, 200);
    for other in [API, MCP] {
        assert_eq!(world.guard(other, "projects:read", &got.access).await, 401, "{other}");
    }
    let told = world.introspect(&server, &got.access, &[]).await.json();
    assert_eq!((&told["active"], &told["aud"]), (&true.into(), &ACME.into()));
    let next = world.refreshed(&client, &got.refresh, &[("resource", ACME)]).await;
    assert_eq!(principal(&world, ACME, &next.access).await.unwrap().resource().as_str(), ACME);
    let own = world.own_token(&world.machine().await, &[("resource", ACME)]).await;
    assert_eq!(world.guard(ACME, "projects:read", &own.access).await, 200);
    assert_eq!(world.guard(API, "projects:read", &tokens(&world, &client, &[]).await.access).await, 200, "the default");
}

#[tokio::test]
async fn a_retired_resource_is_dead_at_once_and_others_of_the_same_grant_live_on() {
    let world = World::with(|builder| builder.resource(Resource::new("/later")));
    let (client, machine) = (world.refreshing_client("none").await, world.machine().await);
    let server = world.resource_server(&[MCP, API]).await;
    world.server.resources().add("/t/acme/mcp").await.unwrap();
    for gone in [ACME, MCP, "https://app.example/later"] {
        let guard = world.server.resource(gone).unwrap().require("projects:read").unwrap();
        let first = tokens(&world, &client, &[gone, API]).await;
        let second = tokens(&world, &client, &[API, gone]).await;
        let api = world.refreshed(&client, &first.refresh, &[("resource", API)]).await;
        let code = world.code_for(&client, &[("resource", gone)]).await;
        let own = world.own_token(&machine, &[("resource", gone)]).await;
        let mut alice = world.browser_of("alice");
        let page = alice.prompt(&client.authorize_with(&[("resource", gone), ("resource", API)])).await;
        let only = alice.prompt(&client.authorize_with(&[("resource", gone)])).await;
        world.server.resources().retire(gone).await.unwrap();

        for token in [&first.access, &own.access] {
            let refusal = guard.check(&parts("/api", token)).await.unwrap_err();
            assert!(refusal.to_string().starts_with("the resource was retired"), "{refusal}");
            let answer = Answer(refusal.response());
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with(r#"Bearer error="invalid_token""#), "{challenge}");
            assert!(challenge.contains(&metadata_path(gone)), "{challenge}");
        }
        let told = world.introspect(&server, &first.access, &[]).await;
        assert_eq!(told.body(), r#"{"active":false}"#);
        for changes in [&[][..], &[("resource", gone)]] {
            world.refresh(&client, &api.refresh, changes).await.assert_error(400, "invalid_target");
        }
        world.refresh(&client, &second.refresh, &[("resource", gone)]).await.assert_error(400, "invalid_target");
        for changes in [&[][..], &[("resource", gone)]] {
            world.exchange(&client, &code, changes).await.assert_error(400, "invalid_target");
        }
        world.own_access(&machine, &[("resource", gone)]).await.assert_error(400, "invalid_target");
        let answer = alice.decide(&page, "allow").await;
        answer.assert_page_says(403, "invalid_target");
        assert!(answer.body().contains("resource=https%3A%2F%2Fapp.example%2Fapi"), "the way on: {}", answer.body());
        assert!(!answer.body().contains(&support::encode(&[("resource", gone)])), "{}", answer.body());
        assert!(!alice.decide(&only, "allow").await.body().contains("/oauth/authorize?"), "there is no way on");
        alice.get(&client.authorize_with(&[("resource", gone)])).await.assert_page_says(400, "invalid_target");
        assert_eq!(world.get(&metadata_path(gone)).await.status(), 404);
        assert!(!listed(&world).await.contains(&gone.to_owned()));

        assert_eq!(world.guard(API, "projects:read", &api.access).await, 200, "the same grant at another resource");
        let left = world.refreshed(&client, &api.refresh, &[("resource", API)]).await;
        assert_eq!(world.guard(API, "projects:read", &left.access).await, 200);
        assert_eq!(world.guard(API, "projects:read", &second.access).await, 200);
        world.refreshed(&client, &second.refresh, &[]).await;
        world.server.resources().retire(gone).await.unwrap();
    }
    let apps = world.server.grants(&Subject::new("alice"), None, 50).await.unwrap();
    let told: Vec<_> = apps.iter().flat_map(|app| &app.resources).map(ToString::to_string).collect();
    assert_eq!(told, [API; 6], "people read of what is left");
    assert!(invariants::check(&world.storage).await.unwrap().is_clean());
}

#[tokio::test]
async fn attack_23_a_url_that_is_used_again_revives_nothing() {
    for gone in [ACME, MCP] {
        let world = World::with(|builder| builder.scope("late", "Late"));
        let resources = world.server.resources();
        let house = world.house_client("house", ConsentPolicy::Remember, &[CALLBACK]).await;
        if gone == ACME {
            resources.add(ACME).await.unwrap();
        }
        let guard = world.server.resource(gone).unwrap().require("projects:read").unwrap();
        let server = world.resource_server(&[gone]).await;
        let old = tokens(&world, &house, &[gone, API]).await;
        let code = world.code_for(&house, &[("resource", gone), ("prompt", "consent")]).await;
        let mut alice = world.browser_of("alice");
        let page = alice.prompt(&house.authorize_with(&[("resource", gone), ("prompt", "consent")])).await;
        for round in 2..4 {
            resources.retire(gone).await.unwrap();
            resources.add(Resource::new(gone).name("Anew")).await.unwrap();

            assert_eq!(world.guard(gone, "projects:read", &old.access).await, 401, "a token");
            let told = world.introspect(&server, &old.access, &[]).await;
            assert_eq!(told.body(), r#"{"active":false}"#);
            for changes in [&[][..], &[("resource", gone)]] {
                world.refresh(&house, &old.refresh, changes).await.assert_error(400, "invalid_target");
                world.exchange(&house, &code, changes).await.assert_error(400, "invalid_target");
            }
            alice.decide(&page, "allow").await.assert_page_says(403, "invalid_target");
            alice.get(&house.authorize_with(&[("resource", gone)])).await.assert_asks("remembered consent");

            let new = tokens(&world, &house, &[gone]).await;
            let principal = guard.check(&parts("/api", &new.access)).await.unwrap();
            assert_eq!(principal.resource().as_str(), gone, "a guard is of a URL, and whoever is asked anew passes");
            assert_eq!(world.guard(API, "projects:read", &new.access).await, 401);
            let told = world.introspect(&server, &new.access, &[]).await;
            assert_eq!(told.body(), r#"{"active":false}"#, "nobody said that it may know of these");
            let told = world.introspect(&world.resource_server(&[gone]).await, &new.access, &[]).await;
            assert_eq!(told.json()["aud"], gone);
            assert!(world.refreshed(&house, &new.refresh, &[]).await.scope.contains("projects:read"));
            alice.get(&house.authorize_with(&[("resource", gone)])).await.silent_code();
            let id = resources.list().await.unwrap().into_iter().find(|known| known.id.url() == gone).unwrap().id;
            assert_eq!(id.number(), round);
        }
        assert_eq!(world.guard(API, "projects:read", &tokens(&world, &house, &[API]).await.access).await, 200);
        assert!(invariants::check(&world.storage).await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn attack_23_the_id_of_a_resource_is_told_to_nobody_and_nothing_that_a_client_can_send() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let resources = world.server.resources();
    resources.retire(MCP).await.unwrap();
    resources.add(MCP).await.unwrap();
    let got = tokens(&world, &client, &[MCP, API]).await;
    let id = "https://app.example/mcp#2";
    assert!(resources.list().await.unwrap().iter().any(|known| known.id.as_str() == id));
    for path in [client.authorize_with(&[("resource", id)]), client.authorize_with(&[("resource", id), ("scope", "")])]
    {
        world.browser_of("alice").get(&path).await.assert_page_says(400, "invalid_target");
    }
    world.refresh(&client, &got.refresh, &[("resource", id)]).await.assert_error(400, "invalid_target");
    world.own_access(&world.machine().await, &[("resource", id)]).await.assert_error(400, "invalid_target");
    assert!(world.server.resource(id).is_err());
    assert!(matches!(refused(resources.retire(id).await), InvalidResourceChange::Url(..)));

    let login = world.browser().get(&client.authorize_with(&[("resource", MCP)])).await;
    let page = world.browser_of("alice").prompt(&client.authorize_with(&[("resource", MCP)])).await;
    let server = world.resource_server(&[MCP]).await;
    let apps = world.server.grants(&Subject::new("alice"), None, 9).await.unwrap();
    let summary = world.server.client(&server.client_id()).await.unwrap().unwrap();
    for told in [
        login.location().unwrap().to_owned(),
        page.html,
        world.get(SERVER).await.body().to_owned(),
        world.get(&metadata_path(MCP)).await.body().to_owned(),
        world.introspect(&server, &got.access, &[]).await.body().to_owned(),
        principal(&world, MCP, &got.access).await.unwrap().resource().to_string(),
        principal(&world, API, &got.access).await.unwrap_err().to_string(),
        format!("{:?} {:?}", apps[0].resources, summary.introspects),
    ] {
        assert!(!told.contains("mcp#2") && !told.contains("mcp%23") && !told.contains("mcp%2523"), "{told}");
    }
    assert_eq!(apps[0].resources.len(), 2);
}

#[tokio::test]
async fn other_instances_know_of_a_change_within_two_seconds() {
    let one = World::with(shared);
    let other = instance(&one, shared);
    let client = one.refreshing_client("none").await;
    assert_eq!(other.get(&metadata_path(ACME)).await.status(), 404);
    one.server.resources().add(ACME).await.unwrap();
    let got = tokens(&one, &client, &[ACME]).await;
    assert!(other.server.resource(ACME).is_err(), "it has not heard of it");
    one.clock.advance(BOUND);
    assert_eq!(other.get(&metadata_path(ACME)).await.status(), 200, "the first that it is asked");
    assert_eq!(other.guard(ACME, "projects:read", &got.access).await, 200);

    one.server.resources().retire(ACME).await.unwrap();
    assert_eq!(one.guard(ACME, "projects:read", &got.access).await, 401, "its own at once");
    one.clock.advance(STALE);
    assert_eq!(other.guard(ACME, "projects:read", &got.access).await, 200);
    one.clock.advance(BOUND - STALE);
    assert_eq!(other.guard(ACME, "projects:read", &got.access).await, 401);
    other.refresh(&client, &got.refresh, &[]).await.assert_error(400, "invalid_target");

    other.server.resources().add("/quick").await.unwrap();
    assert!(one.server.resource("/quick").is_err());
    one.server.resources().refresh().await.unwrap();
    one.server.resource("/quick").unwrap();
}

#[tokio::test]
async fn of_two_administrators_none_undoes_what_the_other_did() {
    let one = World::with(shared);
    let other = instance(&one, shared);
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..16 {
        let world = if number % 2 == 0 { one.clone() } else { other.clone() };
        changes.spawn(async move { world.server.resources().add(&format!("/t/{number}")).await.unwrap() });
        let scopes = one.server.scopes();
        changes.spawn(async move { scopes.describe("projects:read", &format!("text {number}")).await.unwrap() });
    }
    let resources = other.server.resources();
    changes.spawn(async move { resources.retire(MCP).await.unwrap() });
    changes.join_all().await;
    let of_one = one.server.resources().list().await.unwrap();
    assert_eq!(of_one, other.server.resources().list().await.unwrap());
    assert_eq!(of_one.len(), 2 + 16);
    assert_eq!(of_one.last().map(|known| (known.id.as_str(), known.retired, known.of_code)), Some((MCP, true, true)));

    // The same resource again and again, from both sides: each round is another one.
    let mut rounds = tokio::task::JoinSet::new();
    for world in [&one, &other] {
        let resources = world.server.resources();
        rounds.spawn(async move {
            for _ in 0..20 {
                let _ = resources.add(ACME).await;
                let _ = resources.retire(ACME).await;
            }
        });
    }
    rounds.join_all().await;
    let list = one.server.resources().list().await.unwrap();
    let of_url: Vec<_> = list.iter().filter(|known| known.id.url() == ACME).collect();
    assert!(of_url.len() == 1 && of_url[0].retired && of_url[0].id.number() >= 20, "{of_url:?}");
}

#[tokio::test]
async fn nothing_of_a_resource_outlives_its_end_whatever_is_on_its_way() {
    for polls in 0..24 {
        let world = World::at(ISSUER, Arc::new(Yielding::new(MemoryStorage::new())), |builder| builder);
        let client = world.refreshing_client("none").await;
        let old = tokens(&world, &client, &[MCP, API]).await;
        let code = world.code_for(&client, &[("resource", MCP), ("resource", API)]).await;
        let mut alice = world.browser_of("alice");
        let page = alice.prompt(&client.authorize_with(&[("resource", MCP)])).await;
        let mut running = tokio::task::JoinSet::new();
        let (here, by, token) = (world.clone(), client.clone(), old.refresh.clone());
        running.spawn(async move { here.refresh(&by, &token, &[]).await });
        let (here, by) = (world.clone(), client.clone());
        running.spawn(async move { here.exchange(&by, &code, &[]).await });
        let (here, by, machine) = (world.clone(), client.clone(), world.machine().await);
        running.spawn(async move { here.own_access(&machine, &[("resource", MCP)]).await });
        running.spawn(async move {
            let allowed = alice.decide(&page, "allow").await;
            match allowed.redirect_parameter("code") {
                Some(code) => alice.world.exchange(&by, &code, &[]).await,
                None => allowed,
            }
        });
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        world.server.resources().retire(MCP).await.unwrap();
        world.server.resources().add(MCP).await.unwrap();
        for answer in running.join_all().await {
            assert!(!answer.status().is_server_error(), "{}", answer.body());
            if answer.status() == 200 && answer.header("content-type") == Some("application/json") {
                let token = answer.json()["access_token"].as_str().unwrap().to_owned();
                let resource = principal(&world, MCP, &token).await;
                assert!(resource.is_err(), "after {polls}: {resource:?}");
            }
        }
        assert_eq!(world.guard(MCP, "projects:read", &old.access).await, 401);
        assert!(invariants::check(&world.storage).await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn what_is_no_change_is_refused() {
    let world = World::with(|builder| builder.resource(Resource::new("/tools").also_for_origin()));
    let resources = world.server.resources();
    resources.add(ACME).await.unwrap();
    let before = resources.list().await.unwrap();
    let owned = str::to_owned;
    for bad in ["", "urn:x", "https://h/a#b", "https://u@h/a", "ftp://h/"] {
        assert!(matches!(refused(resources.add(bad).await), InvalidResourceChange::Url(..)), "{bad}");
    }
    let insecure = "http://app.example/a";
    assert_eq!(refused(resources.add(insecure).await), InvalidResourceChange::Insecure(owned(insecure)));
    for known in [API, "/api", "HTTPS://APP.example:443/api/", ACME, "/", "https://app.example"] {
        assert_eq!(refused(resources.add(known).await), InvalidResourceChange::Exists(owned(known)));
    }
    let listing = |scopes| Resource::new("/new").scopes(scopes);
    assert_eq!(refused(resources.add(listing("read-it")).await), InvalidResourceChange::UnknownScope(owned("read-it")));
    assert_eq!(refused(resources.add(listing("\"")).await), InvalidResourceChange::NotAScope(owned("\"")));
    let documented = Resource::new("/new").documentation("javascript:x");
    assert_eq!(refused(resources.add(documented).await), InvalidResourceChange::Documentation(owned("/new")));
    let origin = Resource::new("/new").also_for_origin();
    assert_eq!(refused(resources.add(origin).await), InvalidResourceChange::OriginTaken(owned("/new")));
    for unknown in ["/new", "/t/acme/mcp/x", "/t/acme", "/"] {
        assert_eq!(refused(resources.retire(unknown).await), InvalidResourceChange::Unknown(owned(unknown)));
    }
    assert_eq!(refused(resources.retire("/api").await), InvalidResourceChange::Default(owned("/api")));
    assert_eq!(refused(resources.describe("/api").await), InvalidResourceChange::OfCode(owned("/api")));
    assert_eq!(refused(resources.describe("/new").await), InvalidResourceChange::Unknown(owned("/new")));
    let origin = Resource::new(ACME).also_for_origin();
    assert_eq!(refused(resources.describe(origin).await), InvalidResourceChange::OriginTaken(owned(ACME)));
    assert_eq!(resources.list().await.unwrap(), before, "nothing was changed");
}

#[tokio::test]
async fn the_origin_is_another_name_only_of_what_there_is() {
    let world = World::with(|builder| builder.resource(Resource::new("/tools").also_for_origin()));
    let client = world.refreshing_client("none").await;
    let (tools, root, resources) = ("https://app.example/tools", "https://app.example/", world.server.resources());
    let of_root = world.server.resource(root).unwrap().require("").unwrap();
    let old = tokens(&world, &client, &[root]).await;
    resources.retire(tools).await.unwrap();
    world.refresh(&client, &old.refresh, &[("resource", root)]).await.assert_error(400, "invalid_target");
    world.browser_of("alice").get(&client.authorize_with(&[("resource", root)])).await.assert_page(400);

    resources.add(Resource::new(ACME).also_for_origin()).await.unwrap();
    let got = tokens(&world, &client, &[root]).await;
    assert_eq!(world.guard(ACME, "projects:read", &got.access).await, 200);
    assert!(of_root.check(&parts("/", &got.access)).await.is_err(), "a guard stays that of its resource");
    world.refresh(&client, &old.refresh, &[("resource", root)]).await.assert_error(400, "invalid_target");
    resources.describe(Resource::new(ACME).also_for_origin().name("Still")).await.unwrap();
    assert_eq!(world.guard(ACME, "projects:read", &tokens(&world, &client, &[root]).await.access).await, 200);

    resources.describe(ACME).await.unwrap();
    world.browser_of("alice").get(&client.authorize_with(&[("resource", root)])).await.assert_page(400);
    resources.add("/").await.unwrap();
    let got = tokens(&world, &client, &[root]).await;
    assert_eq!(world.guard(root, "projects:read", &got.access).await, 200, "a resource of its own");
    assert_eq!(world.guard(ACME, "projects:read", &got.access).await, 401);
    let metadata = world.get("/.well-known/oauth-protected-resource").await.json();
    assert_eq!(metadata["resource"], "https://app.example");
    resources.retire("/").await.unwrap();
    let metadata = world.get("/.well-known/oauth-protected-resource").await.json();
    assert_eq!(metadata["resource"], API, "the default one");
}

#[tokio::test]
async fn a_resource_is_described_anew_and_stays_the_same() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let resources = world.server.resources();
    resources.add(Resource::new(ACME).name("Acme")).await.unwrap();
    let got = tokens(&world, &client, &[ACME]).await;
    let guard = world.server.resource(ACME).unwrap().require("projects:write").unwrap();
    let narrow = Resource::new(ACME).name("Acme & sons").scopes("projects:read").unlisted();
    resources.describe(narrow.access_token_lifetime(Duration::from_secs(9))).await.unwrap();

    let metadata = world.get(&metadata_path(ACME)).await.json();
    assert_eq!(
        (&metadata["resource_name"], &metadata["scopes_supported"]),
        (&"Acme & sons".into(), &serde_json::json!(["projects:read"]))
    );
    assert_eq!(listed(&world).await, [API, MCP], "whoever knows its URL finds its own metadata");
    assert!(world.server.resource(ACME).unwrap().require("projects:write").is_err(), "it does not mean anything there");
    let before = guard.check(&parts("/api", &got.access)).await.unwrap();
    assert!(before.has("projects:write"), "what was issued is what it was");
    let next = world.refreshed(&client, &got.refresh, &[]).await;
    assert_eq!((next.scope.as_str(), next.expires_in), ("projects:read", 9));

    world.server.scopes().retire("projects:read", Retired::Dead).await.unwrap();
    world.refresh(&client, &next.refresh, &[]).await.assert_error(400, "invalid_scope");
    world.server.scopes().add(Scope::new("projects:read", "Anew")).await.unwrap();
    let metadata = world.get(&metadata_path(ACME)).await.json();
    assert_eq!(metadata["scopes_supported"], serde_json::json!(["projects:read"]), "it lists names");
}

#[tokio::test]
async fn attack_23_a_token_of_one_tenant_opens_no_other() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let guards = world.server.resource_by(|request| {
        let tenant = request.uri.path().strip_prefix("/t/")?.split('/').next()?;
        Some(format!("/t/{tenant}/mcp"))
    });
    assert!(guards.require("nothing").is_err());
    let guard = guards.require("projects:write").unwrap();
    world.server.resources().add(ACME).await.unwrap();
    world.server.resources().add("/t/acme-2/mcp").await.unwrap();
    let got = tokens(&world, &client, &[ACME]).await;
    let status = async |path: &str| match guard.check(&parts(path, &got.access)).await {
        Ok(principal) => {
            assert_eq!(principal.resource().as_str(), ACME);
            (200, String::new())
        }
        Err(refusal) => {
            let answer = Answer(refusal.response());
            (answer.status().as_u16(), answer.header("www-authenticate").unwrap_or_default().to_owned())
        }
    };
    assert_eq!(status("/t/acme/mcp").await.0, 200);
    assert_eq!(status("/t/acme/anything?x=y").await.0, 200, "the app says which resource a path is of");
    for (path, of) in
        [("/t/acme-2/mcp", "/t/acme-2/mcp"), ("/t/none/mcp", "/t/none/mcp"), ("/t/Acme/mcp", "/t/Acme/mcp")]
    {
        let (status, challenge) = status(path).await;
        assert_eq!(status, 401, "{path}");
        assert!(challenge.contains(&format!("oauth-protected-resource{of}\"")), "{challenge}");
    }
    assert_eq!(status("/elsewhere").await, (404, String::new()));
    assert_eq!(status("/t/../mcp").await.0, 401);
    let narrow = world.refreshed(&client, &got.refresh, &[("scope", "projects:read")]).await;
    let refusal = guard.check(&parts("/t/acme/mcp", &narrow.access)).await.unwrap_err();
    assert_eq!(refusal.response().status(), 403);
    let session = guard.optional();
    let mut request = parts("/t/acme/mcp", "x");
    request.headers.clear();
    assert!(session.check(&request).await.unwrap().is_none());
    let answer = Answer(session.unauthenticated(&request).response());
    assert!(answer.header("www-authenticate").unwrap().contains("/t/acme/mcp"));

    world.server.resources().retire(ACME).await.unwrap();
    assert_eq!(status("/t/acme/mcp").await.0, 401);
}

#[tokio::test]
async fn attack_24_nobody_passes_while_it_cannot_be_read_which_resources_there_are() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let client = world.refreshing_client("none").await;
    let got = tokens(&world, &client, &[MCP]).await;
    world.clock.advance(BOUND);
    storage.lose(Lost::Request, Call::Policy, 1);
    assert_eq!(world.guard(MCP, "projects:read", &got.access).await, 503);
    storage.lose(Lost::Answer, Call::SavePolicy, 1);
    let lost = world.server.resources().retire(MCP).await.unwrap_err();
    assert!(matches!(lost, ChangeResourcesError::Storage(_)), "{lost:?}");
    world.server.resources().retire(MCP).await.unwrap();
    assert_eq!(world.guard(MCP, "projects:read", &got.access).await, 401);
}

#[tokio::test]
async fn what_the_code_has_of_resources_goes_beside_what_is_stored() {
    let with_tools = |builder: Builder| shared(builder).resource(Resource::new("/tools").name("Of the code"));
    let tools = "https://app.example/tools";
    let one = World::with(shared);
    let client = one.refreshing_client("none").await;
    one.server.resources().add(Resource::new(tools).name("Stored")).await.unwrap();
    let got = tokens(&one, &client, &[tools]).await;

    let later = instance(&one, with_tools);
    later.server.resources().refresh().await.unwrap();
    assert_eq!(later.guard(tools, "projects:read", &got.access).await, 200, "it is the same one");
    assert_eq!(later.get(&metadata_path(tools)).await.json()["resource_name"], "Of the code");
    assert_eq!(
        refused(later.server.resources().describe(tools).await),
        InvalidResourceChange::OfCode(tools.to_owned())
    );
    later.server.resources().retire(tools).await.unwrap();
    later.server.resources().retire(MCP).await.unwrap();
    for change in [with_tools as fn(Builder) -> Builder, shared] {
        let restarted = instance(&one, change);
        restarted.server.resources().refresh().await.unwrap();
        assert_eq!(restarted.guard(tools, "projects:read", &got.access).await, 401, "the code brings nothing back");
        assert_eq!(restarted.get(&metadata_path(MCP)).await.status(), 404);
        restarted.server.resource(MCP).unwrap().require("projects:read").expect("a route for it does not stop the app");
    }
    let without_api = instance(&one, |builder| shared(builder).default_resource(MCP));
    without_api.browser_of("alice").get(&client.authorize()).await.assert_page_says(400, "invalid_target");
}

/// Resources with ids of their own go through a store, and a restart.
async fn are_kept<S: Storage + Clone>(storage: S, again: impl AsyncFn() -> S) {
    let world = World::at(ISSUER, storage, shared);
    let client = world.refreshing_client("none").await;
    let resources = world.server.resources();
    let old = tokens(&world, &client, &[MCP, API]).await;
    resources.retire(MCP).await.unwrap();
    resources.add(Resource::new(MCP).name("Anew").scopes("projects:read")).await.unwrap();
    resources.add(Resource::new(ACME).access_token_lifetime(Duration::from_millis(59_001)).unlisted()).await.unwrap();
    let new = tokens(&world, &client, &[ACME, MCP]).await;
    let of_mcp = world.refreshed(&client, &new.refresh, &[("resource", MCP)]).await;
    let (clock, list) = (world.clock.clone(), resources.list().await.unwrap());
    let machine = world.machine().await;
    let own = world.own_token(&machine, &[("resource", MCP)]).await;
    let server = world.resource_server(&[MCP, API]).await;
    drop((world, resources));

    let ticking = clock.clone();
    let world = World::at(ISSUER, again().await, |builder| shared(builder).clock(move || ticking.now()));
    assert_eq!(world.server.resources().list().await.unwrap(), list);
    assert_eq!(world.guard(MCP, "projects:read", &old.access).await, 401);
    for (resource, token) in [(ACME, &new.access), (MCP, &of_mcp.access), (MCP, &own.access)] {
        assert_eq!(world.guard(resource, "projects:read", token).await, 200, "{resource}");
    }
    let told = world.introspect(&server, &of_mcp.access, &[]).await.json();
    assert_eq!((&told["active"], &told["aud"]), (&true.into(), &MCP.into()));
    let next = world.refreshed(&client, &of_mcp.refresh, &[("resource", MCP)]).await;
    world.refresh(&client, &old.refresh, &[]).await.assert_error(400, "invalid_target");
    world.server.resources().retire(MCP).await.unwrap();
    for token in [&of_mcp.access, &next.access, &own.access] {
        assert_eq!(world.guard(MCP, "projects:read", token).await, 401);
    }
    assert_eq!(world.guard(ACME, "projects:read", &new.access).await, 200);
    world.refreshed(&client, &next.refresh, &[("resource", ACME)]).await;
    assert!(invariants::check(&world.storage).await.unwrap().is_clean());
}

#[tokio::test]
async fn changed_resources_are_kept_in_memory() {
    let storage = MemoryStorage::new();
    are_kept(storage.clone(), async || storage.clone()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn changed_resources_are_kept_in_sqlite() {
    let folder = crate::scratch::Folder::new("resources");
    let file = folder.fresh();
    let open = async || grantor::SqliteStorage::open(&file).await.unwrap();
    are_kept(open().await, open).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn changed_resources_are_kept_in_postgres() {
    let (url, schema) = (crate::postgres::shared_url(), crate::postgres::fresh_schema());
    let options = || grantor::storage::PostgresOptions::new().schema(&schema);
    let open = async || options().connect(&url).await.unwrap();
    are_kept(open().await, open).await;
}
