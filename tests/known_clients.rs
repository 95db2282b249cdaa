//! Each known client with its own registration and its own requests, from the code to the refreshed token.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use http::StatusCode;
use serde_json::{Value, json};
use support::{API, Answer, Client, MCP, World};

/// Registers a client and checks what every client expects of the answer (RFC 7591 §3.2.1).
async fn registered(world: &World, metadata: Value) -> Client {
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
async fn token(world: &World, client: &Client, changes: &[(&str, &str)]) -> Value {
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
fn checked(answer: &Answer) -> Value {
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = answer.json();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 3600);
    assert!(token["scope"].is_string() && token["refresh_token"].is_string(), "{token}");
    token
}

/// The client's own refresh request, and its new token.
async fn refreshed(world: &World, client: &Client, token: &Value, changes: &[(&str, &str)]) -> Value {
    let presented = token["refresh_token"].as_str().unwrap();
    let new = checked(&world.refresh(client, presented, changes).await);
    assert_ne!(new["refresh_token"], token["refresh_token"]);
    assert_ne!(new["access_token"], token["access_token"]);
    new
}

fn scope(token: &Value) -> &str {
    token["scope"].as_str().unwrap()
}

async fn opens(world: &World, resource: &str, token: &Value) -> bool {
    world.guard(resource, "projects:read", token["access_token"].as_str().unwrap()).await == 200
}

/// What nearly every client registers beside its name and redirect URIs.
fn public(name: &str, redirect_uris: &[&str]) -> Value {
    json!({
        "client_name": name, "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

fn with(mut metadata: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("metadata is an object") };
    metadata.as_object_mut().unwrap().extend(more);
    metadata
}

#[tokio::test]
async fn claude_connects() {
    let world = World::new();
    for host in ["claude.ai", "claude.com"] {
        let callback = format!("https://{host}/api/mcp/auth_callback");
        for method in ["none", "client_secret_post", "client_secret_basic"] {
            let more = json!({ "scope": "claudeai", "token_endpoint_auth_method": method });
            let client = registered(&world, with(public("Claude", &[&callback]), more)).await;
            // Sends `client_secret_post` whatever it registered, and the scopes that are advertised.
            let token = token(&world, &client, &[("resource", MCP)]).await;
            assert_eq!(scope(&token), "projects:read projects:write");
            assert!(opens(&world, MCP, &token).await && !opens(&world, API, &token).await);
        }
    }
}

#[tokio::test]
async fn claude_code_connects_from_any_port() {
    let world = World::new();
    for uris in [
        &["http://localhost/callback", "http://127.0.0.1/callback"][..],
        &["http://localhost:54212/callback"],
        &["http://localhost/callback"],
    ] {
        let client = registered(&world, public("Claude Code (plan)", uris)).await;
        for port in [3118, 54212, 65535] {
            let callback = format!("http://localhost:{port}/callback");
            let token = token(&world, &client, &[("redirect_uri", &callback), ("resource", MCP)]).await;
            assert!(opens(&world, MCP, &token).await);
        }
    }
}

#[tokio::test]
async fn chatgpt_connects_and_the_origin_is_no_resource_unless_the_app_says_so() {
    let world = World::new();
    for callback in
        ["https://chatgpt.com/connector_platform_oauth_redirect", "https://chatgpt.com/connector/oauth/AbC-123_x"]
    {
        for methods in [json!(["none", "private_key_jwt"]), json!(["private_key_jwt", "none"]), json!("none")] {
            let more = json!({
                "token_endpoint_auth_method": methods, "token_endpoint_auth_signing_alg": "RS256",
                "jwks_uri": "https://chatgpt.com/oauth/jwks.json", "application_type": "web",
            });
            let client = registered(&world, with(public("ChatGPT", &[callback]), more)).await;
            assert!(opens(&world, MCP, &token(&world, &client, &[("resource", MCP)]).await).await);
            for root in ["https://app.example", "https://app.example/"] {
                let answer = world.browser_of("alice").get(&client.authorize_with(&[("resource", root)])).await;
                answer.assert_page(400);
                assert!(answer.body().contains("invalid_target"), "{}", answer.body());
            }
        }
    }
}

#[tokio::test]
async fn codex_connects_and_finds_the_issuer_in_the_answer() {
    let world = World::new();
    let callback = "http://127.0.0.1:41337/callback/6f1e2d";
    let client = registered(&world, public("Codex", &[callback])).await;
    let request = client.authorize_with(&[("resource", MCP), ("scope", "projects:read projects:write offline_access")]);
    let answer = world.browser_of("alice").allow(&request).await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(answer.redirect_parameter("iss").as_deref(), metadata["issuer"].as_str());
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let code = answer.redirect_parameter("code").unwrap();
    let token = checked(&world.exchange(&client, &code, &[("resource", MCP)]).await);
    assert_eq!(scope(&token), "offline_access projects:read projects:write");
    // It sends all granted scopes and `offline_access`, and no resource.
    let asked = [("scope", "projects:read projects:write offline_access")];
    let token = refreshed(&world, &client, &token, &asked).await;
    assert_eq!(scope(&token), "offline_access projects:read projects:write");
    assert!(opens(&world, MCP, &token).await);
}

#[tokio::test]
async fn cursor_connects_with_each_of_its_three_redirect_uris() {
    let world = World::new();
    let uris = [
        "http://localhost:8787/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ];
    let client = registered(&world, public("Cursor", &uris)).await;
    for uri in uris {
        let answer = world.browser_of("alice").allow(&client.authorize_with(&[("redirect_uri", uri)])).await;
        assert!(answer.location().unwrap().starts_with(&format!("{uri}?code=")), "{:?}", answer.location());
        assert!(opens(&world, API, &token(&world, &client, &[("redirect_uri", uri)]).await).await);
    }
}

#[tokio::test]
async fn vs_code_connects() {
    let world = World::new();
    let uris = [
        "https://insiders.vscode.dev/redirect",
        "https://vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
    ];
    let more = json!({
        "client_uri": "https://code.visualstudio.com", "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    });
    let client = registered(&world, with(public("Visual Studio Code", &uris), more)).await;
    for uri in uris.iter().chain(&["http://127.0.0.1:33418/", "http://127.0.0.1:60001/"]) {
        assert!(opens(&world, MCP, &token(&world, &client, &[("redirect_uri", uri), ("resource", MCP)]).await).await);
    }
    let resource = world.get("/.well-known/oauth-protected-resource/mcp").await.json();
    assert_eq!(resource["resource"], MCP, "it compares this with the server's URL");
}

#[tokio::test]
async fn clients_that_register_an_empty_scope_connect() {
    let world = World::new();
    for (name, uri) in [
        ("MCP Inspector", "http://localhost:6274/oauth/callback"),
        ("Gemini CLI MCP Client", "http://localhost:7777/oauth/callback"),
    ] {
        let more = json!({ "scope": "", "client_uri": "", "logo_uri": null, "contacts": null, "software_id": "" });
        let client = registered(&world, with(public(name, &[uri]), more)).await;
        let none = client.authorize_with(&[("scope", "")]);
        for request in [format!("{none}&scope="), none] {
            let answer = world.browser_of("alice").allow(&request).await;
            let code = answer.redirect_parameter("code").unwrap();
            let token = checked(&world.exchange(&client, &code, &[]).await);
            assert_eq!(scope(&token), "projects:read", "the default");
            assert_eq!(scope(&refreshed(&world, &client, &token, &[]).await), "projects:read");
        }
    }
}

#[tokio::test]
async fn mcp_remote_connects_with_the_scopes_of_openid_among_others() {
    let world = World::new();
    let more = json!({
        "scope": "openid email profile", "client_uri": "https://github.com/modelcontextprotocol/mcp-cli",
        "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d", "software_version": "0.1.31",
    });
    let uri = "http://localhost:3334/oauth/callback";
    let client = registered(&world, with(public("MCP CLI Proxy", &[uri]), more)).await;
    let asked =
        [("scope", "openid email profile projects:read"), ("redirect_uri", "http://localhost:9999/oauth/callback")];
    assert_eq!(scope(&token(&world, &client, &asked).await), "projects:read");
    let answer = world.browser_of("alice").get(&client.authorize_with(&[("scope", "openid email profile")])).await;
    answer.assert_page(400);
    assert!(answer.body().contains("invalid_scope"), "{}", answer.body());
}

#[tokio::test]
async fn application_type_is_never_a_reason_to_refuse() {
    let world = World::new();
    let uris = ["http://localhost:1/cb", "https://client.example/cb", "com.example.app:/cb"];
    for application_type in [json!(null), json!("native"), json!("web"), json!("service"), json!(["web"])] {
        for uri in uris {
            let metadata = with(public("OpenCode", &[uri]), json!({ "application_type": application_type }));
            registered(&world, metadata).await;
        }
        let metadata = with(public("OpenCode", &uris), json!({ "application_type": application_type }));
        registered(&world, metadata).await;
    }
    registered(&world, json!({ "redirect_uris": uris, "token_endpoint_auth_method": "none" })).await;
}

#[tokio::test]
async fn what_is_not_known_is_dropped_at_registration() {
    let world = World::new();
    let uri = "https://client.example/cb";
    for more in [
        json!({ "scope": "admin everything:else" }),
        json!({ "scope": null, "grant_types": null, "response_types": null, "client_name": "" }),
        json!({ "response_types": ["code", "token", "id_token", "none"] }),
        json!({ "grant_types": ["implicit", "password", "client_credentials", "authorization_code", "x"] }),
        json!({ "id_token_signed_response_alg": "RS256", "post_logout_redirect_uris": ["x"], "default_max_age": 1 }),
        json!({ "software_statement": "x.y.z", "subject_type": "pairwise", "contacts": ["a@b.example"], "x": { "y": [1] } }),
    ] {
        registered(&world, with(public("Tool", &[uri]), more)).await;
    }
    for method in [json!(null), json!(""), json!("client_secret_basic")] {
        let client = registered(&world, json!({ "redirect_uris": [uri], "token_endpoint_auth_method": method })).await;
        assert!(client.secret.is_some(), "RFC 7591 §2: the default is client_secret_basic");
    }
}

#[tokio::test]
async fn the_ceiling_of_a_client_is_the_operators_and_not_what_it_registered() {
    let world = World::new();
    let metadata = with(public("Tool", &["https://client.example/cb"]), json!({ "scope": "projects:read" }));
    let client = registered(&world, metadata).await;
    for (asked, got) in [
        ("projects:write", "projects:write"),
        ("projects:read projects:write admin", "projects:read projects:write"),
        ("offline_access  projects:read unknown:x https://else.example/scope", "offline_access projects:read"),
        ("projects:read projects:read", "projects:read"),
        ("", "projects:read"),
        ("offline_access", "offline_access projects:read"),
    ] {
        assert_eq!(scope(&token(&world, &client, &[("scope", asked)]).await), got, "{asked}");
    }
    for nothing in ["admin", "openid email profile", "projects", "PROJECTS:READ", "projects:read,projects:write"] {
        let answer = world.browser_of("alice").get(&client.authorize_with(&[("scope", nothing)])).await;
        answer.assert_page(400);
        assert!(answer.body().contains("invalid_scope"), "{nothing} {}", answer.body());
    }
}

#[tokio::test]
async fn basic_credentials_come_encoded_raw_and_beside_the_client_id() {
    use base64::Engine as _;
    let world = World::new();
    let (id, secret) = ("back end", "s+%/=&:é");
    let client = world.administrators_client(id, Some(secret), &["https://client.example/cb"]).await;
    let form = |text: &str| support::encode(&[("", text)])[1..].to_owned();
    let python = format!("{}:{}", form(id), form(secret));
    let typescript = format!("{id}:{secret}");
    for credentials in [python, typescript] {
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        for in_body in ["", id] {
            let code = world.code(&client).await;
            let form = client.token_request(&code, &[("client_secret", ""), ("client_id", in_body)]);
            let answer = world.post("/oauth/token", &support::pairs(&form), &[("authorization", &basic)]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
        }
    }
}
