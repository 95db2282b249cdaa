//! Where clients find what, from which origins, and what they hear where nothing is.

use crate::support::{self, API, Answer, CALLBACK, Client, ISSUER, World};
use bytes::Bytes;
use grantor::{Builder, MemoryStorage, Registration};
use http::{Method, StatusCode, header};
use serde_json::json;

const SERVER: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const OPENID: &str = "/.well-known/openid-configuration";
const PAGE: &str = "https://inspector.example";

const CROSS_ORIGIN: [(&str, &str); 9] = [
    (SERVER, "GET, HEAD, OPTIONS"),
    (RESOURCE, "GET, HEAD, OPTIONS"),
    ("/.well-known/oauth-protected-resource/api", "GET, HEAD, OPTIONS"),
    (OPENID, "GET, HEAD, POST, OPTIONS"),
    ("/.well-known/oauth-authorization-server/else", "GET, HEAD, POST, OPTIONS"),
    ("/oauth/token", "POST, OPTIONS"),
    ("/oauth/revoke", "POST, OPTIONS"),
    ("/oauth/introspect", "POST, OPTIONS"),
    ("/oauth/register", "POST, OPTIONS"),
];
const PAGES: [(&str, &str); 2] =
    [("/oauth/authorize", "GET, HEAD, POST, OPTIONS"), ("/oauth/consent", "POST, OPTIONS")];

fn world_at(issuer: &str, change: impl FnOnce(Builder) -> Builder) -> World {
    World::at(issuer, MemoryStorage::new(), change)
}

fn names(list: Option<&str>) -> Vec<String> {
    list.unwrap_or_default().split(',').map(|name| name.trim().to_lowercase()).collect()
}

/// Any page may read this answer, and none may send cookies for it.
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{} {}", answer.status(), answer.body());
    assert!(answer.header("access-control-allow-credentials").is_none());
    let exposed = names(answer.header("access-control-expose-headers"));
    for name in ["www-authenticate", "retry-after", "dpop-nonce", "mcp-session-id"] {
        assert!(exposed.iter().any(|known| known == name), "{name}: {exposed:?}");
    }
}

fn assert_not_readable(answer: &Answer) {
    let headers = answer.0.headers().keys();
    assert!(headers.into_iter().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
}

fn assert_preflight(answer: &Answer, method: &str) {
    assert_eq!((answer.status(), answer.body()), (StatusCode::NO_CONTENT, ""));
    assert_readable(answer);
    assert!(names(answer.header("access-control-allow-methods")).contains(&method.to_lowercase()), "{answer:?}");
    let allowed = names(answer.header("access-control-allow-headers"));
    let wanted =
        "authorization content-type mcp-protocol-version mcp-session-id mcp-method mcp-name last-event-id dpop";
    for name in wanted.split(' ') {
        assert!(allowed.iter().any(|known| known == name), "{name}: {allowed:?}");
    }
    assert!(!allowed.iter().any(|name| name == "*"), "a wildcard would not cover Authorization");
}

#[tokio::test]
async fn each_endpoint_without_cookies_answers_the_preflight_of_any_page() {
    let world = World::new();
    for (path, methods) in CROSS_ORIGIN {
        let method = if methods.starts_with("GET") { "GET" } else { "POST" };
        for origin in [PAGE, "null", "http://localhost:6274"] {
            let asked = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
            ];
            assert_preflight(&world.call(Method::OPTIONS, path, &asked).await, method);
        }
        let answer = world.call(Method::OPTIONS, path, &[]).await;
        assert_eq!((answer.status(), answer.header("allow")), (StatusCode::NO_CONTENT, Some(methods)), "{path}");
    }
}

#[tokio::test]
async fn each_answer_of_an_endpoint_without_cookies_is_readable_to_any_page_errors_too() {
    let world = World::new();
    let origin = [("origin", PAGE)];
    for (path, methods) in CROSS_ORIGIN {
        for method in
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE]
        {
            let answer = world.call(method.clone(), path, &origin).await;
            assert!(answer.status().as_u16() < 500);
            assert_readable(&answer);
            if !methods.contains(method.as_str()) {
                assert_eq!((answer.status().as_u16(), answer.header("allow")), (405, Some(methods)), "{method} {path}");
            }
        }
    }
    let client = world.client("client_secret_basic", &[CALLBACK]).await;
    let code = world.code(&client).await;
    let wrong = client.token_request(&code, &[("client_secret", "")]);
    let basic = [("origin", PAGE), ("authorization", "Basic d3Jvbmc6d3Jvbmc=")];
    let refused = world.post("/oauth/token", &support::pairs(&wrong)[..3], &basic).await;
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
    refused.assert_error(401, "invalid_client");
    assert_readable(&refused);
    let granted = world.post("/oauth/token", &support::pairs(&client.token_request(&code, &[])), &origin).await;
    assert_eq!(granted.status(), StatusCode::OK);
    assert_readable(&granted);
    let token = granted.json()["access_token"].as_str().unwrap().to_owned();
    let form =
        [("token", token.as_str()), ("client_id", &client.id), ("client_secret", client.secret.as_ref().unwrap())];
    let revoked = world.post("/oauth/revoke", &form, &origin).await;
    assert_eq!(revoked.status(), StatusCode::OK);
    assert_readable(&revoked);
    let created = world.register(&json!({ "redirect_uris": [CALLBACK] })).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_readable(&created);
}

#[tokio::test]
async fn no_page_of_another_origin_reads_what_depends_on_cookies() {
    let world = World::new();
    let client = world.public_client().await;
    let asked = [("origin", PAGE), ("access-control-request-method", "POST"), ("cookie", "session=alice.1")];
    for (path, methods) in PAGES {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::PUT] {
            let answer = world.call(method, path, &asked).await;
            assert_not_readable(&answer);
        }
        let answer = world.call(Method::OPTIONS, path, &[]).await;
        assert_eq!((answer.status(), answer.header("allow")), (StatusCode::NO_CONTENT, Some(methods)));
        let answer = world.call(Method::DELETE, path, &[]).await;
        assert_eq!((answer.status().as_u16(), answer.header("allow")), (405, Some(methods)));
    }
    let shown = world.call(Method::GET, &client.authorize(), &asked).await;
    assert!(shown.body().contains("name=\"prompt\""));
    assert_not_readable(&shown);
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    for origin in [PAGE, ISSUER] {
        assert_not_readable(&browser.post_with(&page.action, &page.form("allow"), &[("origin", origin)]).await);
    }
}

#[tokio::test]
async fn the_guard_answers_preflights_and_its_refusals_are_readable() {
    let world = World::new();
    let guard = world.server.resource(API).unwrap().require("projects:read").unwrap();
    for (method, more, status) in [
        (Method::OPTIONS, ("access-control-request-method", "DELETE"), 204),
        (Method::GET, ("authorization", "Bearer wrong"), 401),
        (Method::GET, ("authorization", "Bearer"), 401),
        (Method::GET, ("x-nothing", "x"), 401),
    ] {
        let request = support::request(method, "/api").header("origin", PAGE).header(more.0, more.1).body(()).unwrap();
        let answer = Answer(guard.check(&request.into_parts().0).await.unwrap_err().response());
        assert_readable(&answer);
        if status == 204 {
            assert_preflight(&answer, "DELETE");
        } else {
            assert!(matches!(answer.status().as_u16(), 400 | 401));
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
        }
    }
}

#[tokio::test]
async fn a_head_request_gets_the_headers_of_a_get_and_no_body() {
    let world = World::new();
    let client = world.public_client().await;
    let paths = [SERVER, RESOURCE, OPENID, "/oauth/authorize", "/nowhere", &client.authorize()];
    for path in paths {
        let (get, head) = (world.get(path).await, world.call(Method::HEAD, path, &[]).await);
        assert_eq!((head.status(), head.body()), (get.status(), ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.header("content-length").map(str::parse), Some(Ok(get.body().len())), "{path}");
    }
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/register", "/oauth/consent"] {
        let head = world.call(Method::HEAD, path, &[]).await;
        assert_eq!((head.status().as_u16(), head.body()), (405, ""));
    }
}

#[tokio::test]
async fn where_nothing_is_the_answer_is_404_and_never_a_redirect() {
    let world = World::new();
    for path in [
        "/",
        "/oauth",
        "/oauth/",
        "/oauth/token/",
        "/OAuth/token",
        "/oauth//token",
        "/oauth/revoke2",
        "/oauth/introspection",
        "/token",
        OPENID,
        "/.well-known/openid-configuration/",
        "/.well-known/openid-configuration/api",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server2",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/nowhere",
        "/.well-known/oauth-protected-resource/api/below",
        "/.well-known/oauth-protected-resource/ap",
        "/.well-known/oauth-protected-resource/%61pi",
        "/.well-known/oauth-protected-resource/../oauth-authorization-server",
        "/.well-known/jwks.json",
        "/mcp/.well-known/oauth-authorization-server",
    ] {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let answer = world.call(method, path, &[]).await;
            assert_eq!((answer.status().as_u16(), answer.location()), (404, None), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}

#[tokio::test]
async fn no_answer_about_one_request_is_kept() {
    let world = World::new();
    let client = world.public_client().await;
    for path in [&client.authorize(), &client.authorize_with(&[("scope", "x")]), "/oauth/authorize"] {
        for mut browser in [world.browser(), world.browser_of("alice")] {
            assert_eq!(browser.get(path).await.header("cache-control"), Some("no-store"), "{path}");
        }
    }
    let mut browser = world.browser_of("alice");
    for decision in ["deny", "allow", "maybe"] {
        let page = browser.prompt(&client.authorize()).await;
        for _ in 0..2 {
            assert_eq!(browser.decide(&page, decision).await.header("cache-control"), Some("no-store"));
        }
    }
    for (path, _) in CROSS_ORIGIN.iter().chain(&PAGES) {
        for method in [Method::PUT, Method::POST] {
            assert_eq!(world.call(method, path, &[]).await.header("cache-control"), Some("no-store"), "{path}");
        }
    }
    let metadata = world.get(SERVER).await;
    assert!(metadata.header("cache-control").unwrap().contains("max-age"), "the same for everybody");
    assert_eq!(metadata.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_metadata_has_what_clients_decide_by_and_no_more() {
    let world = World::new();
    let server = world.get(SERVER).await.json();
    let confidential = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let any = json!(["none", confidential[0], confidential[1], confidential[2]]);
    let algorithms = json!(["ES256", "RS256", "PS256", "EdDSA", "Ed25519"]);
    for (name, value) in [
        // Claude registers only where `none` is offered.
        ("token_endpoint_auth_methods_supported", any.clone()),
        ("token_endpoint_auth_signing_alg_values_supported", algorithms.clone()),
        ("revocation_endpoint", json!("https://app.example/oauth/revoke")),
        ("revocation_endpoint_auth_methods_supported", any),
        ("revocation_endpoint_auth_signing_alg_values_supported", algorithms.clone()),
        ("introspection_endpoint", json!("https://app.example/oauth/introspect")),
        // RFC 7662 §2.1: never without a proof of who asks
        ("introspection_endpoint_auth_methods_supported", json!(confidential)),
        ("introspection_endpoint_auth_signing_alg_values_supported", algorithms),
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query", "form_post"])),
        ("grant_types_supported", json!(["authorization_code", "refresh_token", "client_credentials"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("prompt_values_supported", json!(["none", "login", "consent"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("protected_resources", json!([API, support::MCP])),
    ] {
        assert_eq!(server[name], value, "{name}");
    }
    assert_eq!(server.as_object().unwrap().len(), 20, "and issuer, three endpoints, and scopes: {server}");
    let resource = world.get(&format!("{RESOURCE}/api")).await.json();
    assert_eq!(resource["bearer_methods_supported"], json!(["header"]));
    let scopes =
        [json!(["projects:read", "projects:write", "offline_access"]), json!(["projects:read", "projects:write"])];
    for (document, scopes) in [&server, &resource].into_iter().zip(scopes) {
        assert_eq!(document["scopes_supported"], scopes, "no reserved scope");
        assert!(
            document.as_object().unwrap().values().all(|value| !value.is_null() && value != "" && *value != json!([]))
        );
    }
    for name in ["jwks_uri", "userinfo_endpoint", "id_token_signing_alg_values_supported"] {
        assert!(server.get(name).is_none(), "{name} is OpenID's");
    }
}

/// The path of an endpoint, which must be an absolute URL on the app's origin.
fn endpoint(world: &World, metadata: &serde_json::Value, name: &str) -> String {
    let url = metadata[name].as_str().unwrap_or_else(|| panic!("no {name} in {metadata}"));
    url.strip_prefix(&world.origin()).unwrap().to_owned()
}

/// A client that knows nothing but the address of the metadata gets a token that works.
async fn connects_by_metadata(world: &World, metadata: &str) -> serde_json::Value {
    let metadata = world.get(metadata).await.json();
    assert_eq!(metadata["issuer"], world.issuer.as_str(), "byte for byte (RFC 8414 §3.3)");
    let registration = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" }).to_string();
    let request = support::request(Method::POST, &endpoint(world, &metadata, "registration_endpoint"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(registration))
        .unwrap();
    let id = world.send(request).await.json()["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None, redirect_uri: CALLBACK.to_owned() };
    let honest = client.authorize();
    let query = honest.split_once('?').unwrap().1;
    let authorize = format!("{}?{query}", endpoint(world, &metadata, "authorization_endpoint"));
    let login = world.get(&authorize).await;
    let back = url::Url::parse(&world.origin()).unwrap().join(login.location().unwrap()).unwrap();
    let answer = world.browser_of("alice").allow(&back.query_pairs().next().unwrap().1).await;
    assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(&*world.issuer));
    let code = answer.redirect_parameter("code").unwrap();
    let form = client.token_request(&code, &[]);
    let token = world.post(&endpoint(world, &metadata, "token_endpoint"), &support::pairs(&form), &[]).await.json();
    assert!(world.is_live(token["access_token"].as_str().unwrap()).await);
    metadata
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_metadata_and_endpoints_at_their_own_places() {
    for issuer in ["https://app.example/tenant/one", "https://app.example/tenant/one/"] {
        let world = world_at(issuer, |builder| builder);
        let metadata = connects_by_metadata(&world, &format!("{SERVER}/tenant/one")).await;
        assert_eq!(metadata["token_endpoint"], "https://app.example/tenant/one/oauth/token");
        for path in ["/api", "/mcp", ""] {
            let document = world.get(&format!("{RESOURCE}{path}")).await.json();
            assert_eq!(document["authorization_servers"], json!([issuer]));
        }
        let absent = ["", "/", "/tenant", "/tenant/one/", "/tenant/two", "/one"].map(|path| format!("{SERVER}{path}"));
        let others = [
            OPENID,
            "/.well-known/openid-configuration/tenant/one",
            "/tenant/one/.well-known/openid-configuration",
            "/tenant/one/.well-known/oauth-authorization-server",
            "/tenant/.well-known/openid-configuration",
            "/.well-known/oauth-protected-resource/tenant/one",
            "/oauth/authorize",
            "/oauth/token",
            "/oauth/register",
            "/tenant/one",
            "/tenant/one/",
        ];
        for path in absent.iter().map(String::as_str).chain(others) {
            let answer = world.get(path).await;
            assert_eq!((answer.status().as_u16(), answer.location()), (404, None), "{path}");
        }
    }
}

#[tokio::test]
async fn endpoints_are_below_the_base_path_that_the_operator_chose() {
    for (issuer, base, token) in [
        (ISSUER, "/", "/token"),
        (ISSUER, "/auth/v1", "/auth/v1/token"),
        ("https://app.example/tenant", "/", "/token"),
        ("https://app.example/tenant", "/tenant/a.b-c_d~e", "/tenant/a.b-c_d~e/token"),
        ("http://127.0.0.1:3000", "/", "/token"),
    ] {
        let world = world_at(issuer, |builder| builder.base_path(base));
        let path = url::Url::parse(issuer).unwrap().path().trim_end_matches('/').to_owned();
        let metadata = connects_by_metadata(&world, &format!("{SERVER}{path}")).await;
        assert_eq!(endpoint(&world, &metadata, "token_endpoint"), token);
        assert_eq!(world.get(&format!("{path}/oauth/authorize")).await.status().as_u16(), 404);
        assert_eq!(world.get("//token").await.status().as_u16(), 404);
    }
    for bad in
        ["", "oauth", "/oauth/", "//", "/a//b", "/a/../b", "/./a", "/a?b", "/a#b", "/a b", "/{x}", "/*", "/é", "/%61"]
    {
        let builder = grantor::Server::builder(ISSUER)
            .storage(MemoryStorage::new())
            .host(support::App)
            .scope("a", "A")
            .resource(API)
            .base_path(bad);
        assert!(builder.build().unwrap_err().to_string().contains("base path"), "{bad}");
    }
}

#[tokio::test]
async fn without_registration_there_is_no_endpoint_and_none_is_advertised() {
    let world = World::with(|builder| builder.registration(Registration::Off));
    let metadata = world.get(SERVER).await.json();
    assert!(metadata.get("registration_endpoint").is_none(), "left out, not null: {metadata}");
    let answer = world.register(&json!({ "redirect_uris": [CALLBACK] })).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_readable(&answer);
    let asked = [("origin", PAGE), ("access-control-request-method", "POST")];
    assert_preflight(&world.call(Method::OPTIONS, "/oauth/register", &asked).await, "POST");
    let client = world.administrators_client("house", None, &[CALLBACK]).await;
    assert!(world.is_live(&world.access_token(&client).await).await);
}

#[tokio::test]
async fn what_is_too_large_or_not_understood_is_the_clients_mistake() {
    let world = World::new();
    let forms = "application/x-www-form-urlencoded";
    for size in [64 * 1024 + 1, 1024 * 1024] {
        for (path, content_type, error) in [
            ("/oauth/token", forms, "invalid_request"),
            ("/oauth/token", "application/json", "invalid_request"),
            ("/oauth/register", "application/json", "invalid_client_metadata"),
        ] {
            let answer = post_body(&world, path, content_type, vec![b'a'; size]).await;
            answer.assert_error(413, error);
            assert!(answer.json()["error_description"].is_string());
            assert_readable(&answer);
        }
        for path in ["/oauth/consent", "/oauth/authorize"] {
            post_body(&world, path, forms, vec![b'a'; size]).await.assert_page(413);
        }
    }
    let client = world.public_client().await;
    world.get(&client.authorize_with(&[("state", &"x".repeat(17_000))])).await.assert_page(413);
    let bodies = [
        vec![b'a'; 64 * 1024],
        vec![b'['; 64 * 1024],
        br#"{"a":"#.repeat(10_000),
        vec![0xff; 1000],
        b"\0".to_vec(),
        b"{}".to_vec(),
        br#"{"redirect_uris":[1]}"#.to_vec(),
        br#"{"redirect_uris":{}}"#.to_vec(),
        br#"{"redirect_uris":["https://a.example/"],"client_name":1e999}"#.to_vec(),
        Vec::new(),
        format!(r#"{{"redirect_uris":[{}"https://a.example/"]}}"#, r#""https://a.example/","#.repeat(32)).into(),
        format!(r#"{{"redirect_uris":["https://a.example/{}"]}}"#, "x".repeat(2048)).into(),
    ];
    for body in bodies {
        for content_type in [forms, "application/json", "text/plain", "multipart/form-data; boundary=x", "\u{1}x", ""] {
            for path in ["/oauth/token", "/oauth/register"] {
                let answer = post_body(&world, path, content_type, body.clone()).await;
                assert!(matches!(answer.status().as_u16(), 400 | 401), "{path} {content_type} {}", answer.status());
                assert!(!answer.error().is_empty() && answer.header("cache-control") == Some("no-store"));
            }
            for path in ["/oauth/consent", "/oauth/authorize"] {
                let status = post_body(&world, path, content_type, body.clone()).await.status().as_u16();
                assert!(matches!(status, 303 | 400 | 403 | 413), "{path} {status}");
            }
        }
    }
}

async fn post_body(world: &World, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let value = http::HeaderValue::from_bytes(content_type.as_bytes()).unwrap_or(http::HeaderValue::from_static("/"));
    let request = support::request(Method::POST, path).header(header::CONTENT_TYPE, value);
    world.send(request.body(Bytes::from(body)).unwrap()).await
}
