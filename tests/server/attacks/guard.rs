//! Attacks on guarded routes, and on a server that runs on its developer's own machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{self, Answer, CALLBACK, World, request};
use axum::Router;
use axum::body::Body;
use axum::routing::any;
use grantor::{MemoryStorage, Principal, Timestamp, User};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tower::ServiceExt as _;

/// An app with one guarded route, which counts who reaches it. Its handler would take a session too.
struct GuardedApp {
    world: World,
    router: Router,
    reached: Arc<AtomicUsize>,
}

impl GuardedApp {
    fn new(world: World) -> Self {
        let reached = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&reached);
        let handler = move |headers: HeaderMap, principal: Option<axum::Extension<Principal>>| {
            counter.fetch_add(1, Ordering::SeqCst);
            let session = headers.contains_key("cookie") && principal.is_none();
            async move { if session { "by session" } else { "by token" } }
        };
        let guard =
            world.server.resource(&format!("{}/api", world.origin())).unwrap().require("projects:read").unwrap();
        let router = Router::new()
            .route("/api", any(handler.clone()).layer(guard.clone()))
            .nest("/api/nested", Router::new().route("/x", any(handler)).layer(guard))
            .merge(grantor::axum::routes(&world.server));
        Self { world, router, reached }
    }

    async fn call(&self, method: &Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let builder =
            headers.iter().fold(request(method.clone(), path), |builder, (name, value)| builder.header(*name, *value));
        self.send(builder.body(Body::from("access_token=x")).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// How often the handler was reached since this was asked before.
    fn reached(&self) -> usize {
        self.reached.swap(0, Ordering::SeqCst)
    }
}

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
const PATHS: [&str; 2] = ["/api", "/api/nested/x"];
const ASKS_TO_POST: (&str, &str) = ("access-control-request-method", "POST");
const FROM_ELSEWHERE: (&str, &str) = ("origin", "https://page.example");

#[tokio::test]
async fn attack_56_a_preflight_is_answered_by_the_guard_itself() {
    let app = GuardedApp::new(World::new());
    let token = format!("Bearer {}", app.world.access_token(&app.world.public_client().await).await);
    for path in PATHS {
        for extra in [None, Some(("authorization", token.as_str())), Some(("cookie", "session=alice.1"))] {
            let headers: Vec<_> = [FROM_ELSEWHERE, ASKS_TO_POST].into_iter().chain(extra).collect();
            let answer = app.call(&Method::OPTIONS, path, &headers).await;
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            assert_eq!(answer.headers()["access-control-allow-origin"], "*");
            assert!(!answer.headers().contains_key("access-control-allow-credentials"));
            let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
            assert!(allowed.contains("authorization") && allowed.contains("mcp-protocol-version"), "{allowed}");
            assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("DELETE"));
        }
    }
    assert_eq!(app.reached(), 0, "not even with a token");
}

#[tokio::test]
async fn attack_56_any_other_options_needs_a_token() {
    let app = GuardedApp::new(World::new());
    let token = format!("Bearer {}", app.world.access_token(&app.world.public_client().await).await);
    let by_token = ("authorization", token.as_str());
    for path in PATHS {
        for headers in [
            &[][..],
            &[FROM_ELSEWHERE],
            &[ASKS_TO_POST],
            &[FROM_ELSEWHERE, ("access-control-request-headers", "authorization")],
            &[("x-origin", "https://page.example"), ASKS_TO_POST],
            &[("cookie", "session=alice.1")],
            &[("authorization", "Bearer wrong")],
            &[FROM_ELSEWHERE, ("authorization", "Bearer wrong"), ("x-http-method-override", "GET")],
        ] {
            let answer = app.call(&Method::OPTIONS, path, headers).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
            assert!(answer.headers().contains_key("www-authenticate"), "{headers:?}");
        }
        assert_eq!(app.reached(), 0);
        for headers in [&[by_token][..], &[FROM_ELSEWHERE, by_token], &[ASKS_TO_POST, by_token]] {
            assert_eq!(app.call(&Method::OPTIONS, path, headers).await.status(), StatusCode::OK, "{headers:?}");
        }
        assert_eq!(app.reached(), 3);
    }
}

#[tokio::test]
async fn attack_56_the_headers_of_a_preflight_open_no_other_method() {
    let app = GuardedApp::new(World::new());
    let override_method = ("x-http-method-override", "OPTIONS");
    for method in METHODS.iter().chain([&Method::from_bytes(b"options").unwrap(), &Method::CONNECT]) {
        for path in PATHS {
            let answer = app.call(method, path, &[FROM_ELSEWHERE, ASKS_TO_POST, override_method]).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    assert_eq!(app.reached(), 0);
}

/// The ways in which a request may try to come in without a valid bearer token.
fn bad_credentials(expired: &str, foreign: &str) -> Vec<Vec<(&'static str, String)>> {
    let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    vec![
        vec![],
        bearer(""),
        bearer("wrong"),
        bearer(expired),
        bearer(foreign),
        bearer("session=alice.1"),
        vec![("authorization", "Basic YWxpY2U6eA==".to_owned())],
        vec![("authorization", "Cookie session=alice.1".to_owned())],
        vec![("authorization", "Bearer wrong".to_owned()), ("authorization", format!("Bearer {foreign}"))],
    ]
}

#[tokio::test]
async fn attack_58_an_invalid_bearer_never_falls_back_to_the_cookie() {
    let app = GuardedApp::new(World::new());
    let client = app.world.public_client().await;
    let expired = app.world.access_token(&client).await;
    app.world.clock.advance(std::time::Duration::from_hours(2));
    let live = app.world.access_token(&client).await;
    let code = app.world.code_for(&client, &[("resource", support::MCP)]).await;
    let foreign = app.world.exchange(&client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    let cookies = format!("session=alice.1; access_token={live}; authorization=Bearer {live}; token={live}");
    for bad in bad_credentials(&expired, &foreign) {
        for method in METHODS {
            for path in PATHS {
                let mut headers: Vec<_> = bad.iter().map(|(name, value)| (*name, value.as_str())).collect();
                headers.push(("cookie", &cookies));
                let answer = app.call(&method, path, &headers).await;
                assert!(matches!(answer.status().as_u16(), 400 | 401), "{method} {path} {bad:?}: {}", answer.status());
                assert!(answer.headers().contains_key("www-authenticate"));
            }
        }
    }
    assert_eq!(app.reached(), 0, "no cookie opened it");
    let by_token = format!("Bearer {live}");
    assert_eq!(app.call(&Method::GET, "/api", &[("authorization", &by_token)]).await.status(), StatusCode::OK);
    assert_eq!(app.reached(), 1);
}

#[tokio::test]
async fn attack_58_the_guard_looks_at_nothing_but_the_authorization_header() {
    let app = GuardedApp::new(World::new());
    let live = app.world.access_token(&app.world.public_client().await).await;
    let bearer = format!("Bearer {live}");
    for header in [
        "cookie",
        "proxy-authorization",
        "x-authorization",
        "x-forwarded-authorization",
        "x-access-token",
        "x-api-key",
        "sec-websocket-protocol",
    ] {
        for value in [&live, &bearer, &format!("access_token={live}"), &format!("bearer, {live}")] {
            let answer = app.call(&Method::GET, "/api", &[(header, value)]).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header}: {value}");
        }
    }
    for path in [format!("/api?access_token={live}"), format!("/api?bearer_token={live}&token={live}")] {
        assert_eq!(app.call(&Method::GET, &path, &[]).await.status(), StatusCode::UNAUTHORIZED);
    }
    let form = request(Method::POST, "/api").header("content-type", "application/x-www-form-urlencoded");
    let form = form.body(Body::from(format!("access_token={live}"))).unwrap();
    assert_eq!(app.send(form).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.reached(), 0);
    let mut signed_in = request(Method::GET, "/api").body(Body::empty()).unwrap();
    signed_in.extensions_mut().insert(User::new("alice", "Alice", "1").authenticated_at(Timestamp::from_millis(1)));
    assert_eq!(
        app.send(signed_in).await.status(),
        StatusCode::UNAUTHORIZED,
        "what middleware found counts for nothing"
    );
    assert_eq!(app.reached(), 0);
}

#[tokio::test]
async fn attack_58_a_handler_whose_route_has_no_guard_gets_no_principal() {
    let world = World::new();
    let live = world.access_token(&world.public_client().await).await;
    let router: Router = Router::new().route("/open", any(|_: Principal| async { "in" }));
    let request = request(Method::GET, "/open").header("authorization", format!("Bearer {live}"));
    let answer =
        router.oneshot(request.header("cookie", "session=alice.1").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// Each endpoint of a server, by a request that it would answer.
async fn every_endpoint(app: &GuardedApp, host: Option<&str>) -> Vec<(String, Answer, u16)> {
    let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
    let mut answers = Vec::new();
    for (method, path) in [
        (Method::GET, "/oauth/authorize?client_id=x"),
        (Method::HEAD, "/oauth/authorize"),
        (Method::POST, "/oauth/authorize"),
        (Method::POST, "/oauth/consent"),
        (Method::POST, "/oauth/token"),
        (Method::OPTIONS, "/oauth/token"),
        (Method::POST, "/oauth/introspect"),
        (Method::POST, "/oauth/revoke"),
        (Method::POST, "/oauth/register"),
        (Method::GET, "/oauth/register/x"),
        (Method::PUT, "/oauth/register/x"),
        (Method::DELETE, "/oauth/register/x"),
        (Method::GET, "/.well-known/oauth-authorization-server"),
        (Method::GET, "/.well-known/oauth-protected-resource"),
        (Method::GET, "/.well-known/oauth-protected-resource/api"),
        (Method::GET, "/.well-known/openid-configuration"),
        (Method::DELETE, "/oauth/token"),
        (Method::GET, "/nothing/here"),
    ] {
        let answer = app.world.call(method.clone(), path, &headers).await;
        let routed = app.call(&method, path, &headers).await.status().as_u16();
        answers.push((format!("{method} {path} at {host:?}"), answer, routed));
    }
    answers
}

const LOOPBACK: [&str; 3] = ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"];

const REBOUND: [&str; 15] = [
    "evil.example",
    "evil.example:3000",
    "localhost.evil.example:3000",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:3000",
    "evil.example:localhost",
    "localhost@evil.example",
    "evil.example#localhost",
    "127.0.0.2:3000",
    "0.0.0.0:3000",
    "[::ffff:127.0.0.1]:3000",
    "[::2]:3000",
    "localhost.:3000",
    "192.168.0.1:3000",
    "",
];

#[tokio::test]
async fn attack_53_a_rebound_name_reaches_no_endpoint_of_a_loopback_server() {
    for issuer in LOOPBACK {
        let app = GuardedApp::new(World::at(issuer, MemoryStorage::new(), |builder| builder));
        for host in REBOUND {
            for (what, answer, routed) in every_endpoint(&app, Some(host)).await {
                assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{issuer}: {what}");
                assert!(answer.header("set-cookie").is_none() && answer.header("location").is_none(), "{what}");
                assert!(answer.header("access-control-allow-origin").is_none(), "{what}: no page may read it");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
                let own_route = !what.contains("/nothing/");
                assert!(!own_route || routed == 421, "{issuer}: {what} through the router: {routed}");
            }
        }
        for host in ["localhost", "LocalHost:3000", "127.0.0.1:3000", "[::1]:3000", "[::1]", "localhost:1"] {
            for (what, answer, routed) in every_endpoint(&app, Some(host)).await {
                assert_ne!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{issuer}: {what}");
                assert_ne!(routed, 421, "{issuer}: {what}");
            }
        }
    }
}

#[tokio::test]
async fn attack_53_a_rebound_name_reaches_no_guarded_route_of_a_loopback_server() {
    for issuer in LOOPBACK {
        let app = GuardedApp::new(World::at(issuer, MemoryStorage::new(), |builder| builder));
        let client = app.world.public_client().await;
        let bearer = format!("Bearer {}", app.world.access_token(&client).await);
        for host in REBOUND {
            let by_token = [("host", host), ("authorization", bearer.as_str())];
            for method in METHODS {
                assert_eq!(app.call(&method, "/api", &by_token).await.status().as_u16(), 421, "{issuer}: {host}");
            }
            let preflight = [("host", host), FROM_ELSEWHERE, ASKS_TO_POST];
            assert_eq!(app.call(&Method::OPTIONS, "/api", &preflight).await.status().as_u16(), 421, "{host}");
        }
        let twice = [("host", "localhost:3000"), ("host", "evil.example"), ("authorization", bearer.as_str())];
        assert_eq!(app.call(&Method::GET, "/api", &twice).await.status().as_u16(), 421, "two names");
        let by_uri = request(Method::GET, "http://evil.example:3000/api").header("authorization", &bearer);
        let answer = app.send(by_uri.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), 421, "the name in the request line, as HTTP/2 has it");
        assert_eq!(app.reached(), 0);
        for host in ["localhost:3000", "127.0.0.1", "[::1]:3000"] {
            let answer = app.call(&Method::GET, "/api", &[("host", host), ("authorization", &bearer)]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{issuer}: {host}");
        }
    }
}

#[tokio::test]
async fn attack_53_two_names_or_a_foreign_one_in_the_request_line_reach_no_endpoint() {
    let world = World::at(LOOPBACK[0], MemoryStorage::new(), |builder| builder);
    let metadata = "/.well-known/oauth-authorization-server";
    for hosts in [["localhost:3000", "evil.example"], ["evil.example", "localhost:3000"]] {
        let answer = world.call(Method::GET, metadata, &[("host", hosts[0]), ("host", hosts[1])]).await;
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{hosts:?}");
    }
    let foreign = format!("http://evil.example:3000{metadata}");
    assert_eq!(world.get(&foreign).await.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(world.get(&format!("http://localhost:3000{metadata}")).await.status(), StatusCode::OK);
    assert_eq!(world.get(metadata).await.status(), StatusCode::OK, "what names none comes from no browser");
}

#[tokio::test]
async fn attack_53_a_rebound_page_cannot_press_the_button() {
    let world = World::at(LOOPBACK[0], MemoryStorage::new(), |builder| builder);
    let client = world.client("none", &[CALLBACK]).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    for headers in [
        [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")],
        [("host", "evil.example:3000"), ("origin", "http://localhost:3000")],
        [("host", "localhost:3000"), ("origin", "http://evil.example:3000")],
    ] {
        let answer = browser.post_with(&page.action, &page.form("allow"), &headers).await;
        assert!(matches!(answer.status().as_u16(), 403 | 421), "{headers:?}: {}", answer.status());
        assert!(answer.location().is_none());
    }
    world.assert_nothing_granted(&["alice"]).await;
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_53_a_public_server_answers_under_any_name() {
    let app = GuardedApp::new(World::new());
    let bearer = format!("Bearer {}", app.world.access_token(&app.world.public_client().await).await);
    for host in ["app.example", "internal.svc:8080", "10.0.0.7", "localhost:3000", "evil.example"] {
        for (what, answer, routed) in every_endpoint(&app, Some(host)).await {
            assert_ne!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{what}");
            assert_ne!(routed, 421, "{what}");
        }
        let answer = app.call(&Method::GET, "/api", &[("host", host), ("authorization", &bearer)]).await;
        assert_eq!(answer.status(), StatusCode::OK, "a proxy may have renamed it: {host}");
    }
}
