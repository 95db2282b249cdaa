//! What clients discover at a resource server, with and without a framework.

use bytes::Bytes;
use grantor::ResourceServer;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::support::{API, ISSUER, World, request};

const ROOT: &str = "/.well-known/oauth-protected-resource";

fn ask(resource: &ResourceServer, request: http::request::Builder) -> Response<Bytes> {
    resource.handle(&request.body(()).unwrap().into_parts().0)
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn the_document_leads_clients_to_the_authorization_server() {
    let scene = Scene::with(|builder| builder.documentation("https://app.example/docs")).await;
    let expected = json!({
        "resource": API, "authorization_servers": [ISSUER],
        "scopes_supported": ["admin", "projects:read", "projects:write"], "bearer_methods_supported": ["header"],
        "resource_name": "Plan API", "resource_documentation": "https://app.example/docs",
    });
    assert_eq!(serde_json::from_slice::<Value>(scene.resource.metadata()).unwrap(), expected);
    for path in [ROOT.to_owned(), format!("{ROOT}/api"), format!("{ROOT}/api/"), format!("{ROOT}/")] {
        let answer = ask(&scene.resource, request(Method::GET, &path));
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(json(&answer), expected);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let head = ask(&scene.resource, request(Method::HEAD, &path));
        assert!(head.body().is_empty() && head.headers()["content-length"] == answer.body().len().to_string().as_str());
        let preflight = ask(&scene.resource, request(Method::OPTIONS, &path));
        assert_eq!(
            (preflight.status().as_u16(), &preflight.headers()["allow"]),
            (204, &"GET, HEAD, OPTIONS".parse().unwrap())
        );
        let post = ask(&scene.resource, request(Method::POST, &path));
        assert_eq!((post.status().as_u16(), post.headers().contains_key("grantor-reference")), (405, true));
    }
    for path in
        ["/", "/api", "/.well-known/oauth-protected-resourcex", &format!("{ROOT}/mcp"), &format!("{ROOT}/api/x")]
    {
        assert_eq!(ask(&scene.resource, request(Method::GET, path)).status(), 404, "{path}");
    }
    assert_eq!(scene.reasons(), ["method_not_allowed"; 4]);
}

#[tokio::test]
async fn a_challenge_leads_to_the_document() {
    let scene = Scene::new().await;
    let refusal = scene.check("x").await.unwrap_err().response();
    let challenge = refusal.headers()["www-authenticate"].to_str().unwrap();
    let url = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    let answer = ask(&scene.resource, Request::get(url));
    assert_eq!((answer.status().as_u16(), &json(&answer)["resource"]), (200, &API.into()));
}

#[tokio::test]
async fn attack_50_both_processes_publish_one_issuer() {
    let world = World::at("https://app.example/", grantor::MemoryStorage::new(), |builder| builder);
    let document = world.get(&format!("{ROOT}/api")).await.json();
    let resource = ResourceServer::builder("https://app.example/", API).client("c", "s").build().unwrap();
    let here: Value = serde_json::from_slice(resource.metadata()).unwrap();
    assert_eq!(here["authorization_servers"], document["authorization_servers"]);
    assert_eq!(here["authorization_servers"], json!(["https://app.example/"]));
}

#[tokio::test]
async fn attack_53_a_resource_server_on_loopback_answers_by_its_own_names_alone() {
    let resource = ResourceServer::builder("http://127.0.0.1:3000", "http://127.0.0.1:3002/mcp");
    let resource = resource.client("c", "s").build().unwrap();
    let guard = resource.require("").unwrap();
    for (host, status) in
        [("127.0.0.1:3002", 401), ("localhost:3002", 401), ("evil.example", 421), ("evil.example:3002", 421)]
    {
        let request = || request(Method::GET, ROOT).header("host", host);
        let refusal = guard.check(&request().body(()).unwrap().into_parts().0).await.unwrap_err();
        assert_eq!(refusal.response().status(), status, "{host}");
        let answer = ask(&resource, request());
        assert_eq!(answer.status().as_u16(), if status == 421 { 421 } else { 200 }, "{host}");
    }
}
