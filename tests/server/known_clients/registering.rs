//! Clients that register.

use grantor::ClientId;
use http::{Method, StatusCode, header};
use serde_json::json;

use super::{checked, opens, public, refreshed, registered, scope, token, with};
use crate::support::{self, API, Answer, MCP, World};

#[tokio::test]
async fn claude_connects() {
    let world = World::new();
    for host in ["claude.ai", "claude.com"] {
        let callback = format!("https://{host}/api/mcp/auth_callback");
        // Whatever it finds advertised.
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

/// A time limit of ten seconds, and one address for everybody: nothing here counts requests by address.
#[tokio::test]
async fn claude_learns_by_the_error_whether_to_ask_for_consent_or_to_register_anew() {
    let world = World::new();
    let metadata = public("Claude", &["https://claude.ai/api/mcp/auth_callback"]);
    let client = registered(&world, metadata.clone()).await;
    let got = token(&world, &client, &[("resource", MCP)]).await;
    let refresh = got["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(world.revoke(&client, &refresh, &[]).await.status(), StatusCode::OK);
    for dead in [&*refresh, "grr_of_nobody", ""] {
        let error = if dead.is_empty() { "invalid_request" } else { "invalid_grant" };
        world.refresh(&client, dead, &[]).await.assert_error(400, error);
    }
    assert!(opens(&world, MCP, &token(&world, &client, &[("resource", MCP)]).await).await, "it asks its user again");

    assert!(world.server.remove_client(&ClientId::parse(&client.id).unwrap()).await.unwrap());
    world.refresh(&client, &refresh, &[]).await.assert_error(401, "invalid_client");
    let anew = registered(&world, metadata).await;
    assert_ne!(anew.id, client.id);
    assert!(opens(&world, MCP, &token(&world, &anew, &[("resource", MCP)]).await).await);
}

#[tokio::test]
async fn claude_finds_the_endpoints_at_the_root_where_the_operator_puts_them() {
    let world = World::with(|builder| builder.base_path("/"));
    let body = public("Claude", &["https://claude.ai/api/mcp/auth_callback"]).to_string();
    let request = support::request(Method::POST, "/register").header(header::CONTENT_TYPE, "application/json");
    let told = world.send(request.body(body.into()).unwrap()).await.json();
    let (id, redirect_uri) =
        (told["client_id"].as_str().unwrap().to_owned(), told["redirect_uris"][0].as_str().unwrap());
    let client = support::Client { id, secret: None, redirect_uri: redirect_uri.to_owned() };
    let authorize = client.authorize_with(&[("resource", MCP)]).replacen("/oauth/authorize", "/authorize", 1);
    let code = world.browser_of("alice").allow(&authorize).await.redirect_parameter("code").unwrap();
    let form = client.token_request(&code, &[("resource", MCP)]);
    let got = checked(&world.post("/token", &support::pairs(&form), &[]).await);
    let refresh = got["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", &*client.id)];
    assert!(opens(&world, MCP, &checked(&world.post("/token", &form, &[]).await)).await);
    // And nowhere else by default: what the app has at its root is the app's.
    for path in ["/authorize", "/token", "/register"] {
        assert_eq!(World::new().get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
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
async fn many_processes_of_claude_code_share_one_refresh_token() {
    let world = World::new();
    let client = registered(&world, public("Claude Code (plan)", &["http://localhost/callback"])).await;
    let at_port = [("redirect_uri", "http://localhost:50111/callback"), ("resource", MCP)];
    let mut shared = token(&world, &client, &at_port).await;
    for _ in 0..3 {
        let processes: Vec<_> = (0..8)
            .map(|_| {
                let (world, client, shared) = (world.clone(), client.clone(), shared.clone());
                tokio::spawn(async move { refreshed(&world, &client, &shared, &[("resource", MCP)]).await })
            })
            .collect();
        let mut got = Vec::new();
        for process in processes {
            got.push(process.await.unwrap());
        }
        for other in &got {
            assert_eq!(other["refresh_token"], got[0]["refresh_token"], "nobody is logged out by another");
            assert!(opens(&world, MCP, other).await);
        }
        shared = got.remove(0);
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
async fn chatgpt_registers_and_connects_to_the_origin_where_the_app_says_what_that_is() {
    let tools = "https://app.example/tools";
    let world = World::with(|builder| builder.resource(grantor::Resource::new("/tools").also_for_origin()));
    let callback = "https://chatgpt.com/connector/oauth/AbC-123_x";
    let more = json!({ "token_endpoint_auth_method": ["none", "private_key_jwt"], "application_type": "web",
        "token_endpoint_auth_signing_alg": "RS256", "jwks_uri": "https://chatgpt.com/oauth/jwks.json" });
    let client = registered(&world, with(public("ChatGPT", &[callback]), more)).await;
    for root in ["https://app.example", "https://app.example/"] {
        let code = world.code_for(&client, &[("resource", root)]).await;
        let got = checked(&world.exchange(&client, &code, &[("resource", root)]).await);
        let got = refreshed(&world, &client, &got, &[("resource", root)]).await;
        assert!(opens(&world, tools, &got).await, "the token carries the canonical name");
        assert!(!opens(&world, API, &got).await && !opens(&world, MCP, &got).await);
    }
}

#[tokio::test]
async fn codex_finds_its_way_by_a_plain_get_and_stays_on_the_origin_of_the_issuer() {
    let world = World::new();
    let guard = world.server.resource(MCP).unwrap().require("projects:read").unwrap();
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::from_bytes(b"X").unwrap()] {
        let request = support::request(method.clone(), "/mcp").body(()).unwrap();
        let refused = guard.check(&request.into_parts().0).await.unwrap_err().response();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{method}: before anybody looks at method or version");
        let challenge = refused.headers().get(header::WWW_AUTHENTICATE).unwrap().to_str().unwrap();
        assert_eq!(
            challenge,
            "Bearer resource_metadata=\"https://app.example/.well-known/oauth-protected-resource/mcp\", \
             scope=\"projects:read\""
        );
    }
    let resource = world.get("/.well-known/oauth-protected-resource/mcp").await.json();
    let issuer = resource["authorization_servers"][0].as_str().unwrap().to_owned();
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], issuer);
    for endpoint in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
        assert!(metadata[endpoint].as_str().unwrap().starts_with(&format!("{issuer}/")), "{endpoint}");
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

/// The answer as a page of that origin would get it, if it may read it.
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{}", answer.body());
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn the_inspector_connects_from_its_page() {
    const PAGE: (&str, &str) = ("origin", "http://localhost:6274");
    let world = World::new();
    let asks = |method| {
        [
            PAGE,
            ("access-control-request-method", method),
            ("access-control-request-headers", "content-type,mcp-protocol-version"),
        ]
    };
    for (path, method) in [
        ("/.well-known/oauth-protected-resource/mcp", "GET"),
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/oauth/register", "POST"),
        ("/oauth/token", "POST"),
    ] {
        let preflight = world.call(Method::OPTIONS, path, &asks(method)).await;
        assert!(preflight.status().is_success(), "{path}");
        assert_readable(&preflight);
        if method == "GET" {
            assert_readable(&world.call(Method::GET, path, &[PAGE, ("mcp-protocol-version", "2025-11-25")]).await);
        }
    }
    let more = json!({ "scope": "", "client_uri": "https://github.com/modelcontextprotocol/inspector" });
    let metadata = with(public("MCP Inspector", &["http://localhost:6274/oauth/callback"]), more);
    assert_readable(&world.register(&metadata).await);
    let client = registered(&world, metadata).await;
    let code = world.code_for(&client, &[("scope", ""), ("resource", MCP)]).await;
    let form = client.token_request(&code, &[("resource", MCP)]);
    let answer = world.post("/oauth/token", &support::pairs(&form), &[PAGE]).await;
    assert_readable(&answer);
    let got = refreshed(&world, &client, &checked(&answer), &[("resource", MCP)]).await;
    assert!(opens(&world, MCP, &got).await);
}

#[tokio::test]
async fn who_wants_to_stay_connected_asks_for_offline_access_with_prompt_consent() {
    let world = World::new();
    let advertised = |path: &'static str| {
        let world = world.clone();
        async move {
            world.get(path).await.json()["scopes_supported"].as_array().unwrap().contains(&json!("offline_access"))
        }
    };
    assert!(advertised("/.well-known/oauth-authorization-server").await);
    assert!(!advertised("/.well-known/oauth-protected-resource/mcp").await, "what it is for is no resource");
    let client = registered(&world, public("Tool", &["http://127.0.0.1:4000/callback"])).await;
    for _ in 0..2 {
        let asks = [("scope", "projects:read offline_access"), ("prompt", "consent"), ("resource", MCP)];
        let got = token(&world, &client, &asks).await;
        assert_eq!(scope(&got), "offline_access projects:read");
        assert!(opens(&world, MCP, &got).await);
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
