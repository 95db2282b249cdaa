//! Operations that need more than the guard of their route requires, and how a client gets it.

use crate::support::{self, API, Client, MCP, World};
use grantor::{Principal, Refusal, Retired, Scope};
use http::{Method, Response, header};

async fn principal(world: &World, required: &str, token: &str) -> Principal {
    let guard = world.server.resource(MCP).unwrap().require(required).unwrap();
    let request = support::request(Method::POST, "/mcp").header(header::AUTHORIZATION, format!("Bearer {token}"));
    guard.check(&request.body(()).unwrap().into_parts().0).await.unwrap()
}

async fn token(world: &World, client: &Client, scope: &str) -> String {
    world.tokens_of("alice", client, &[("scope", scope), ("resource", MCP)]).await.access
}

fn answer(refused: Result<(), Refusal>) -> Response<bytes::Bytes> {
    refused.unwrap_err().response()
}

fn challenge(response: &Response<bytes::Bytes>) -> &str {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn who_lacks_a_scope_for_an_operation_is_told_all_that_it_needs() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let reader = token(&world, &client, "projects:read").await;
    let alice = principal(&world, "projects:read", &reader).await;
    for enough in ["", "projects:read", "projects:read projects:read"] {
        assert_eq!(alice.require(enough), Ok(()), "{enough:?}");
    }
    let refused = answer(alice.require("projects:write"));
    assert_eq!(refused.status(), 403);
    assert_eq!(
        challenge(&refused),
        "Bearer error=\"insufficient_scope\", error_description=\"The token does not allow this.\", \
         resource_metadata=\"https://app.example/.well-known/oauth-protected-resource/mcp\", \
         scope=\"projects:read projects:write\""
    );
    assert_eq!(refused.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "a client in a browser may read it");
    assert!(refused.headers().contains_key("grantor-reference"));
}

#[tokio::test]
async fn a_client_that_asks_for_what_it_was_told_gets_through_after_a_page_that_marks_what_is_new() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let reader = token(&world, &client, "projects:read").await;
    let alice = principal(&world, "projects:read", &reader).await;
    let refused = answer(alice.require("projects:write"));
    let told = challenge(&refused).split("scope=\"").nth(1).unwrap().trim_end_matches('"').to_owned();
    let more = client.authorize_with(&[("scope", &told), ("resource", MCP)]);
    let page = world.browser_of("alice").prompt(&more).await;
    assert_eq!(page.html.matches("mark new").count(), 1, "the one that was not given before: {}", page.html);
    let writer = token(&world, &client, &told).await;
    assert_eq!(principal(&world, "projects:read", &writer).await.require("projects:write"), Ok(()));
    assert!(alice.require("projects:write").is_err(), "the first token is what it was");
    assert_eq!(world.guard(API, "projects:read", &writer).await, 401, "and each is for its own resource");
}

#[tokio::test]
async fn attack_24_a_name_that_is_no_scope_is_allowed_to_nobody() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let all = token(&world, &client, "projects:read projects:write").await;
    let alice = principal(&world, "projects:read", &all).await;
    for wrong in ["unheard:of", "projects:write unheard:of", "projects:read\"", "é", "projects:read\\implied"] {
        let refused = answer(alice.require(wrong));
        assert_eq!(refused.status(), 403, "{wrong}");
        assert!(!challenge(&refused).contains("unheard"), "nobody is sent to ask for what there is not");
    }
}

#[tokio::test]
async fn what_an_operation_needs_may_come_with_another_scope_and_ends_with_it() {
    let hierarchy = |builder: grantor::Builder| {
        builder.add_scope(Scope::new("projects:write", "Change your projects").implies("projects:read"))
    };
    let world = World::with(hierarchy);
    let client = world.refreshing_client("none").await;
    let writer = token(&world, &client, "projects:write").await;
    assert_eq!(principal(&world, "projects:write", &writer).await.require("projects:read"), Ok(()));
    world.server.scopes().retire("projects:read", Retired::Dead).await.unwrap();
    assert!(principal(&world, "projects:write", &writer).await.require("projects:read").is_err());
}
