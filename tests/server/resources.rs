//! What can be said of a resource: its documentation, how long tokens for it live, and the origin as another name.

use std::time::Duration;

use crate::support::{API, App, ISSUER, MCP, World};
use grantor::server::InvalidConfiguration;
use grantor::{Builder, MemoryStorage, Resource, Server};

const ROOTS: [&str; 2] = ["https://app.example", "https://app.example/"];

fn with_origin(builder: Builder) -> Builder {
    builder.resource(Resource::new("/tools").also_for_origin())
}

#[tokio::test]
async fn who_asks_for_the_origin_gets_tokens_for_the_resource_by_its_own_name() {
    let world = World::with(with_origin);
    let tools = "https://app.example/tools";
    let client = world.refreshing_client("none").await;
    for root in ROOTS {
        let code = world.code_for(&client, &[("resource", root)]).await;
        let got = world.exchange(&client, &code, &[("resource", root)]).await.json();
        let (access, refresh) = (got["access_token"].as_str().unwrap(), got["refresh_token"].as_str().unwrap());
        assert_eq!(world.guard(tools, "projects:read", access).await, 200, "{root}");
        for other in [API, MCP] {
            assert_eq!(world.guard(other, "projects:read", access).await, 401, "{other}");
        }
        let refreshed = world.refreshed(&client, refresh, &[("resource", root)]).await;
        assert_eq!(world.principal(tools, &refreshed.access).await.resource().as_str(), tools);
        let machine = world.machine().await;
        let own = world.own_token(&machine, &[("resource", root)]).await;
        assert_eq!(world.guard(tools, "projects:read", &own.access).await, 200);
    }
}

#[tokio::test]
async fn attack_23_the_origin_is_another_name_of_nothing_unless_the_app_says_so() {
    let (without, with) = (World::new(), World::with(with_origin));
    for root in ROOTS {
        let client = without.refreshing_client("none").await;
        without.browser_of("alice").get(&client.authorize_with(&[("resource", root)])).await.assert_page(400);
    }
    for neighbour in ["https://app.example/x", "https://app.example.evil.example", "http://app.example"] {
        let client = with.refreshing_client("none").await;
        with.browser_of("alice").get(&client.authorize_with(&[("resource", neighbour)])).await.assert_page(400);
    }
    let client = with.refreshing_client("none").await;
    let code = with.code_for(&client, &[("resource", API)]).await;
    let refused = with.exchange(&client, &code, &[("resource", ROOTS[0])]).await;
    refused.assert_error(400, "invalid_target");
}

#[tokio::test]
async fn tokens_for_a_resource_live_no_longer_than_it_says() {
    let short = |builder: Builder| {
        let vault = Resource::new("/vault").access_token_lifetime(Duration::from_secs(60));
        builder.resource(vault).resource(Resource::new("/attic").access_token_lifetime(Duration::from_secs(86_400)))
    };
    let world = World::with(short);
    let (client, machine) = (world.refreshing_client("none").await, world.machine().await);
    for (resource, seconds) in [("https://app.example/vault", 60), ("https://app.example/attic", 3600), (API, 3600)] {
        let asked = [("resource", resource)];
        let got = world.tokens_of("alice", &client, &asked).await;
        assert_eq!(got.expires_in, seconds, "{resource}");
        assert_eq!(world.refreshed(&client, &got.refresh, &asked).await.expires_in, seconds, "{resource}");
        assert_eq!(world.own_token(&machine, &asked).await.expires_in, seconds, "{resource}");
        world.clock.advance(Duration::from_secs(60));
        let status = if seconds == 60 { 401 } else { 200 };
        assert_eq!(world.guard(resource, "projects:read", &got.access).await, status, "{resource}");
    }
}

#[tokio::test]
async fn the_metadata_of_a_resource_say_where_to_read_about_it() {
    let documented = |builder: Builder| {
        builder.resource(Resource::new("/tools").name("Tools").documentation("https://app.example/docs/tools"))
    };
    let world = World::with(documented);
    let metadata = world.get("/.well-known/oauth-protected-resource/tools").await.json();
    assert_eq!(metadata["resource_documentation"], "https://app.example/docs/tools");
    assert_eq!(metadata["resource_name"], "Tools");
    let other = world.get("/.well-known/oauth-protected-resource/api").await.json();
    assert!(other.get("resource_documentation").is_none());
}

#[test]
fn what_cannot_be_meant_is_refused_at_start() {
    let build = |resources: [Resource; 2]| {
        let builder = Server::builder(ISSUER).storage(MemoryStorage::new()).host(App).scope("read", "Look");
        resources.into_iter().fold(builder, Builder::resource).build().err()
    };
    let two = [Resource::new("/a").also_for_origin(), Resource::new("/b").also_for_origin()];
    assert!(matches!(build(two), Some(InvalidConfiguration::RepeatedResource(_))));
    let taken = [Resource::new("/"), Resource::new("/b").also_for_origin()];
    assert!(matches!(build(taken), Some(InvalidConfiguration::RepeatedResource(_))));
    for link in ["javascript:alert(1)", "http://app.example/docs", "docs"] {
        let resources = [Resource::new("/a").documentation(link), Resource::new("/b")];
        assert!(matches!(build(resources), Some(InvalidConfiguration::Documentation(_))), "{link}");
    }
}
