//! Clients that are known by a metadata document, in the form in which they publish it, odd fields included.

use grantor::{Builder, Resource};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{checked, opens, public, refreshed, registered, scope, token, with};
use crate::metadata_documents::site::{Answer, Web, client, json_answer};
use crate::support::signing::{Key, claims, jwks, post};
use crate::support::{API, Client, MCP, World, pairs};

/// A world in which that document is at its URL.
struct Scene {
    web: Web,
    world: World,
    url: String,
}

impl Scene {
    fn new(document: &Value) -> Self {
        Self::with(document, |builder| builder)
    }

    fn with(document: &Value, change: impl FnOnce(Builder) -> Builder) -> Self {
        let (web, url) = (Web::empty(), document["client_id"].as_str().unwrap().to_owned());
        web.put(&url, document);
        Self { world: World::with(|builder| web.configure(change(builder), |rules| rules)), web, url }
    }

    fn client(&self, redirect_uri: &str) -> Client {
        client(&self.url, redirect_uri)
    }

    /// Connects to the MCP server from that redirect URI, and checks that the page calls the site verified or not.
    async fn connects(&self, redirect_uri: &str, is_verified: bool, changes: &[(&str, &str)]) -> Value {
        let client = self.client(redirect_uri);
        let page = self.world.browser_of("alice").prompt(&client.authorize_with(changes)).await.html;
        assert_eq!(page.contains("Verified site"), is_verified, "{redirect_uri}");
        let host = url::Url::parse(&self.url).unwrap().host_str().unwrap().to_owned();
        assert!(page.contains(&format!("<bdi>{host}</bdi>")), "{page}");
        let got = token(&self.world, &client, &[&[("resource", MCP)], changes].concat()).await;
        assert!(opens(&self.world, MCP, &got).await && !opens(&self.world, API, &got).await);
        assert_eq!(self.web.fetches_of(&self.url), 1);
        got
    }
}

/// What each of them has in its document.
fn document(url: &str, name: &str, redirect_uris: &[&str]) -> Value {
    with(public(name, redirect_uris), json!({ "client_id": url }))
}

#[tokio::test]
async fn claude() {
    let url = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    let uris = ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"];
    let scene = Scene::new(&with(document(url, "Claude", &uris), json!({ "client_uri": "https://claude.ai" })));
    let metadata = scene.world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
    let got = scene.connects(uris[0], true, &[]).await;
    scene.connects(uris[1], false, &[]).await;
    let client = scene.client(uris[0]);
    let refresh = got["refresh_token"].as_str().unwrap();
    assert_eq!(scene.world.revoke(&client, refresh, &[]).await.status(), StatusCode::OK);
    scene.world.refresh(&client, refresh, &[]).await.assert_error(400, "invalid_grant");
    // Without both of these it registers.
    let world = World::new();
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata.get("client_id_metadata_document_supported").is_none());
    registered(&world, public("Claude", &uris[..1])).await;
}

#[tokio::test]
async fn claude_code_from_any_port_and_in_many_processes() {
    let url = "https://claude.ai/oauth/claude-code-client-metadata";
    let document = document(url, "Claude Code", &["http://localhost/callback", "http://127.0.0.1/callback"]);
    let scene = Scene::new(&with(document, json!({ "client_uri": "https://claude.ai" })));
    for uri in ["http://localhost:53871/callback", "http://127.0.0.1:3118/callback", "http://localhost/callback"] {
        let mut shared = scene.connects(uri, false, &[("redirect_uri", uri)]).await;
        for _ in 0..2 {
            let processes: Vec<_> = (0..8)
                .map(|_| {
                    let (world, client, shared) = (scene.world.clone(), scene.client(uri), shared.clone());
                    tokio::spawn(async move { refreshed(&world, &client, &shared, &[("resource", MCP)]).await })
                })
                .collect();
            let mut got = Vec::new();
            for process in processes {
                got.push(process.await.unwrap());
            }
            assert!(got.iter().all(|other| other["refresh_token"] == got[0]["refresh_token"]));
            shared = got.remove(0);
            assert!(opens(&scene.world, MCP, &shared).await);
        }
    }
}

#[tokio::test]
async fn chatgpt_with_its_key_and_without_for_the_origin() {
    const JWKS: &str = "https://chatgpt.com/oauth/jwks.json";
    let tools = "https://app.example/tools";
    for callback in
        ["https://chatgpt.com/connector/oauth/4f1c2a", "https://chatgpt.com/connector_platform_oauth_redirect"]
    {
        let url = "https://chatgpt.com/oauth/4f1c2a/client.json";
        let more = json!({
            "client_uri": "https://chatgpt.com/", "logo_uri": "https://cdn.chatgpt.com/logo.png",
            "token_endpoint_auth_method": ["none", "private_key_jwt"], "application_type": "web",
            "token_endpoint_auth_signing_alg": "RS256", "jwks_uri": JWKS,
        });
        let scene = Scene::with(&with(document(url, "ChatGPT", &[callback]), more), |builder| {
            builder.resource(Resource::new("/tools").also_for_origin())
        });
        let key = Key::new("RS256", "chatgpt-1");
        scene.web.answer(JWKS, Answer::Is(json_answer(&jwks(&[&key]))));
        let metadata = scene.world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true, "which redirect URI it takes");
        let listed = |name: &str, value: &str| metadata[name].as_array().unwrap().contains(&json!(value));
        assert!(listed("token_endpoint_auth_methods_supported", "private_key_jwt"));
        assert!(listed("token_endpoint_auth_signing_alg_values_supported", "RS256"));

        scene.connects(callback, true, &[]).await;
        let client = scene.client(callback);
        for root in ["https://app.example", "https://app.example/"] {
            for by_key in [true, false] {
                let send = async |form: &[(&str, &str)]| match by_key {
                    true => post(&scene.world, "/oauth/token", &key.sign(&claims(&scene.world, url)), form).await,
                    false => scene.world.post("/oauth/token", form, &[]).await,
                };
                let code = scene.world.code_for(&client, &[("resource", root)]).await;
                let mut got = checked(&send(&pairs(&client.token_request(&code, &[("resource", root)]))).await);
                for _ in 0..2 {
                    let refresh = got["refresh_token"].as_str().unwrap().to_owned();
                    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh), ("client_id", url)];
                    got = checked(&send(&[&form[..], &[("resource", root)]].concat()).await);
                    assert!(opens(&scene.world, tools, &got).await && !opens(&scene.world, MCP, &got).await);
                }
            }
        }
        assert_eq!(scene.web.fetches_of(JWKS), 1);
    }
}

#[tokio::test]
async fn codex_adds_scopes_to_its_refresh() {
    let url = "https://codex.example/oauth/client.json";
    let scene = Scene::new(&document(url, "Codex", &["http://127.0.0.1/callback", "http://127.0.0.1/callback/6f1e2d"]));
    let uri = "http://127.0.0.1:41337/callback/6f1e2d";
    let asked = [("redirect_uri", uri), ("scope", "projects:read projects:write offline_access")];
    let got = scene.connects(uri, false, &asked).await;
    let all = [("scope", "projects:read projects:write offline_access")];
    let got = refreshed(&scene.world, &scene.client(uri), &got, &all).await;
    assert_eq!(scope(&got), "offline_access projects:read projects:write");
}

#[tokio::test]
async fn visual_studio_code_names_grants_that_are_not_here() {
    let url = "https://vscode.dev/oauth/client-metadata.json";
    let uris = ["http://127.0.0.1/", "http://127.0.0.1:33418/", "https://vscode.dev/redirect"];
    let more = json!({
        "client_uri": "https://vscode.dev/product", "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    });
    let scene = Scene::new(&with(document(url, "Visual Studio Code", &uris), more));
    for (uri, is_verified) in
        [("http://127.0.0.1:33418/", false), ("http://127.0.0.1:50123/", false), ("https://vscode.dev/redirect", true)]
    {
        scene.connects(uri, is_verified, &[("redirect_uri", uri)]).await;
    }
}

#[tokio::test]
async fn the_inspector_with_an_empty_scope_and_from_a_page() {
    let url = "https://inspector.example/client.json";
    let uri = "http://localhost:6274/oauth/callback";
    let scene = Scene::new(&with(document(url, "MCP Inspector", &[uri]), json!({ "scope": "", "logo_uri": "" })));
    let got = scene.connects(uri, false, &[("scope", "")]).await;
    assert_eq!(scope(&got), "projects:read", "the default");
    let asks = [("origin", "http://localhost:6274"), ("access-control-request-method", "POST")];
    let preflight = scene.world.call(Method::OPTIONS, "/oauth/token", &asks).await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn open_code_zed_and_goose_on_loopback_whatever_their_application_type() {
    for (url, name, registered, used) in [
        (
            "https://opencode.ai/oauth/client.json",
            "OpenCode",
            "http://127.0.0.1:19876/mcp/oauth/callback",
            "http://127.0.0.1:19876/mcp/oauth/callback",
        ),
        ("https://zed.dev/oauth/client.json", "Zed", "http://127.0.0.1/callback", "http://127.0.0.1:40001/callback"),
        ("https://goose.example/client.json", "Goose", "http://localhost/cb", "http://localhost:40002/cb"),
    ] {
        for application_type in [None, Some("native"), Some("web")] {
            let more = application_type.map_or(json!({}), |named| json!({ "application_type": named }));
            let scene = Scene::new(&with(document(url, name, &[registered]), more));
            scene.connects(used, false, &[("redirect_uri", used)]).await;
            let elsewhere = scene.client(&used.replace("127.0.0.1", "127.1").replace("localhost", "localhost.example"));
            scene.world.browser_of("alice").get(&elsewhere.authorize()).await.assert_page(400);
        }
    }
}
