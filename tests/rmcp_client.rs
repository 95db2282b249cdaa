//! The crate `rmcp` as a client of `examples/mcp.rs`: discovery, registration or a metadata document, consent, tools,
//! step-up and refresh.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

#[allow(dead_code, reason = "a program has a `main`, which nobody calls here")]
#[path = "interop/server.rs"]
mod interop;
#[path = "oauth2_crate/visitor.rs"]
mod visitor;

use interop::example;
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, OAuthState,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::net::TcpListener;
use url::Url;
use visitor::Visitor;

const REDIRECT_URI: &str = "http://127.0.0.1:8787/callback/1";

const DOCUMENT: &str = "https://client.example/probe.json";

/// Starts the example's app, which knows clients by registration or by `document`; its MCP endpoint.
async fn start(document: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = match document {
        Some(_) => interop::routes(origin.clone(), "secret").await.unwrap(),
        None => example::routes(example::App::new(origin.clone(), "secret"), |oauth| oauth).unwrap(),
    };
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("{origin}/mcp")
}

/// Ada logs in, if she has to, and consents: where her browser is sent back to.
async fn consent(ada: &mut Visitor, address: &str) -> Url {
    ada.go(Url::parse(address).unwrap(), REDIRECT_URI, &["Log in", "Allow"]).await
}

async fn authorize(ada: &mut Visitor, mcp: &str, document: Option<&str>) -> AuthorizationManager {
    let mut state = OAuthState::new(mcp, None).await.unwrap();
    let mut request = AuthorizationRequest::new(REDIRECT_URI).with_client_name("rmcp").with_initial_scope_selection();
    if let Some(url) = document {
        request = request.with_client_metadata_url(url);
    }
    state.start_authorization(request).await.unwrap();
    assert_eq!(state.get_authorization_url().await.unwrap().contains("probe.json"), document.is_some());
    let back = consent(ada, &state.get_authorization_url().await.unwrap()).await;
    state.handle_callback_url(back.as_str()).await.unwrap();
    state.into_authorization_manager().unwrap()
}

fn call(tool: &'static str) -> CallToolRequestParams {
    let arguments = serde_json::json!({ "name": "made by rmcp" });
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}

fn text(result: &CallToolResult) -> String {
    result.content.iter().filter_map(|part| part.as_text()).map(|part| part.text.as_str()).collect()
}

#[tokio::test]
async fn it_registers_calls_tools_steps_up_and_refreshes() {
    goes_the_whole_way(None).await;
}

#[tokio::test]
async fn it_connects_with_a_metadata_document_and_without_registration() {
    goes_the_whole_way(Some(DOCUMENT)).await;
}

async fn goes_the_whole_way(document: Option<&str>) {
    let mcp = start(document).await;
    let mut ada = Visitor::typing("password", "secret");
    let manager = authorize(&mut ada, &mcp, document).await;
    let auth = AuthClient::new(reqwest::Client::new(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(mcp.as_str());
    let transport = StreamableHttpClientTransport::with_client(auth.clone(), config);
    let client = ().serve(transport).await.unwrap();
    let mut tools: Vec<_> = client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    tools.sort();
    assert_eq!(tools, ["create_project", "delete_project", "list_projects"]);
    assert_eq!(text(&client.call_tool(call("create_project")).await.unwrap()), "created made by rmcp");
    assert_eq!(text(&client.call_tool(call("list_projects")).await.unwrap()), "made by rmcp");

    let refused = client.call_tool(call("delete_project")).await.unwrap_err();
    let challenge = refused.auth_challenge().expect("the challenge is handed on").to_owned();
    assert!(challenge.contains(r#"scope="projects:delete projects:read projects:write""#), "{challenge}");
    {
        let manager = auth.auth_manager.lock().await;
        let address = manager.request_scope_upgrade("projects:delete").await.unwrap();
        let back = consent(&mut ada, &address).await;
        let back = AuthorizationCallback::from_redirect_url(back.as_str()).unwrap();
        let issuer = back.issuer.as_deref();
        assert_eq!(issuer, mcp.strip_suffix("/mcp"));
        manager.exchange_code_for_token_with_issuer(&back.code, &back.csrf_token, issuer).await.unwrap();
    }
    assert_eq!(text(&client.call_tool(call("delete_project")).await.unwrap()), "deleted made by rmcp");

    let before = auth.get_access_token().await.unwrap();
    auth.auth_manager.lock().await.refresh_token().await.unwrap();
    assert_ne!(auth.get_access_token().await.unwrap(), before);
    assert_eq!(text(&client.call_tool(call("delete_project")).await.unwrap()), "there is no made by rmcp");
    client.cancel().await.unwrap();
}
