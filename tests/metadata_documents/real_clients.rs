//! The documents of real clients, in the form in which they publish them, odd fields included.

use serde_json::{Value, json};

use crate::site::{Web, client};

/// Whether the page calls the site verified, for each redirect URI.
async fn connect(url: &str, document: &Value, redirect_uris: &[(&str, bool)]) {
    let web = Web::empty();
    web.put(url, document);
    let world = web.world();
    for (redirect_uri, verified) in redirect_uris {
        let client = client(url, redirect_uri);
        let page = world.browser_of("alice").prompt(&client.authorize()).await.html;
        assert_eq!(page.contains("Verified site"), *verified, "{redirect_uri}");
        let answer = world.exchange(&client, &world.code(&client).await, &[]).await;
        assert_eq!(answer.status(), 200, "{redirect_uri}: {}", answer.body());
        assert!(answer.json()["refresh_token"].is_string(), "{redirect_uri}");
    }
    assert_eq!(web.fetches(), 1);
}

#[tokio::test]
async fn claude() {
    let url = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    let document = json!({
        "client_id": url, "client_name": "Claude", "client_uri": "https://claude.ai",
        "redirect_uris": ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let own = ("https://claude.ai/api/mcp/auth_callback", true);
    connect(url, &document, &[own, ("https://claude.com/api/mcp/auth_callback", false)]).await;
}

#[tokio::test]
async fn claude_code() {
    let url = "https://claude.ai/oauth/claude-code-client-metadata";
    let document = json!({
        "client_id": url, "client_name": "Claude Code", "client_uri": "https://claude.ai",
        "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let uris = [("http://localhost:53871/callback", false), ("http://127.0.0.1:53871/callback", false)];
    connect(url, &document, &uris).await;
}

#[tokio::test]
async fn chat_gpt_sends_a_list_of_methods() {
    let url = "https://chatgpt.com/oauth/4f1c2a/client.json";
    let document = json!({
        "client_id": url, "client_name": "ChatGPT", "client_uri": "https://chatgpt.com/",
        "logo_uri": "https://cdn.chatgpt.com/logo.png",
        "redirect_uris": ["https://chatgpt.com/connector/oauth/4f1c2a"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg": "RS256", "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
        "application_type": "web",
    });
    connect(url, &document, &[("https://chatgpt.com/connector/oauth/4f1c2a", true)]).await;
}

#[tokio::test]
async fn visual_studio_code_names_grants_that_are_not_here() {
    let url = "https://vscode.dev/oauth/client-metadata.json";
    let document = json!({
        "client_id": url, "client_name": "Visual Studio Code", "client_uri": "https://vscode.dev/product",
        "redirect_uris": ["http://127.0.0.1/", "http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code"], "token_endpoint_auth_method": "none", "application_type": "native",
    });
    let uris =
        [("http://127.0.0.1:33418/", false), ("http://127.0.0.1:50123/", false), ("https://vscode.dev/redirect", true)];
    connect(url, &document, &uris).await;
}
