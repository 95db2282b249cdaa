//! Each known client with its own registration or document and its own requests, from the code to the refreshed token.

mod documents;
mod registering;

use crate::support::{API, Answer, Client, World};
use http::StatusCode;
use serde_json::{Value, json};

/// Registers a client and checks what every client expects of the answer (RFC 7591 §3.2.1).
pub(crate) async fn registered(world: &World, metadata: Value) -> Client {
    let answer = world.register(&metadata).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(json["redirect_uris"], metadata["redirect_uris"], "all of them, as they came");
    let refreshes = metadata["grant_types"].as_array().is_some_and(|types| types.contains(&json!("refresh_token")));
    let kept = if refreshes { json!(["authorization_code", "refresh_token"]) } else { json!(["authorization_code"]) };
    assert_eq!(json["grant_types"], kept);
    assert_eq!(json["response_types"], json!(["code"]));
    let offline = if refreshes { "offline_access " } else { "" };
    assert_eq!(json["scope"], format!("{offline}projects:read projects:write"), "the effective set");
    for (name, value) in json.as_object().unwrap() {
        assert!(!value.is_null() && value != "" && *value != json!([]), "{name}: {value}");
    }
    let secret = json.get("client_secret").map(|secret| secret.as_str().unwrap().to_owned());
    assert_eq!(secret.is_none(), json["token_endpoint_auth_method"] == "none", "{json}");
    assert_eq!(json.get("client_secret_expires_at").is_some(), secret.is_some(), "{json}");
    Client {
        id: json["client_id"].as_str().unwrap().to_owned(),
        secret,
        redirect_uri: metadata["redirect_uris"][0].as_str().unwrap().to_owned(),
    }
}

/// The token that an authorization request with these changes leads to, after it was refreshed once.
pub(crate) async fn token(world: &World, client: &Client, changes: &[(&str, &str)]) -> Value {
    let code = world.code_for(client, changes).await;
    let redirect_uri = changes.iter().find(|(name, _)| *name == "redirect_uri").map_or(&*client.redirect_uri, |c| c.1);
    let answer = world.exchange(client, &code, &[("redirect_uri", redirect_uri)]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    let token = checked(&answer);
    let resource = changes.iter().find(|(name, _)| *name == "resource").map_or("", |change| change.1);
    let refreshed = refreshed(world, client, &token, &[("resource", resource)]).await;
    assert_eq!(refreshed["scope"], token["scope"]);
    let resource = if resource.is_empty() { API } else { resource };
    for token in [&token, &refreshed] {
        let scopes = scope(token).replace("offline_access ", "");
        assert_eq!(world.guard(resource, &scopes, token["access_token"].as_str().unwrap()).await, 200);
    }
    refreshed
}

/// What a client that registered for refresh tokens expects of an answer with tokens.
pub(crate) fn checked(answer: &Answer) -> Value {
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = answer.json();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 3600);
    assert!(token["scope"].is_string() && token["refresh_token"].is_string(), "{token}");
    token
}

/// The client's own refresh request, and its new token.
pub(crate) async fn refreshed(world: &World, client: &Client, token: &Value, changes: &[(&str, &str)]) -> Value {
    let presented = token["refresh_token"].as_str().unwrap();
    let new = checked(&world.refresh(client, presented, changes).await);
    assert_ne!(new["refresh_token"], token["refresh_token"]);
    assert_ne!(new["access_token"], token["access_token"]);
    new
}

pub(crate) fn scope(token: &Value) -> &str {
    token["scope"].as_str().unwrap()
}

pub(crate) async fn opens(world: &World, resource: &str, token: &Value) -> bool {
    world.guard(resource, "projects:read", token["access_token"].as_str().unwrap()).await == 200
}

/// What nearly every client registers beside its name and redirect URIs.
pub(crate) fn public(name: &str, redirect_uris: &[&str]) -> Value {
    json!({
        "client_name": name, "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

pub(crate) fn with(mut metadata: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("metadata is an object") };
    metadata.as_object_mut().unwrap().extend(more);
    metadata
}
