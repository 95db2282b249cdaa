//! The same guard and the same metadata in each framework.

use actix_web::web;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::any;
use grantor::Principal;
use grantor::tower::MetadataService;
use http::{Method, StatusCode};
use tower::ServiceExt as _;

use crate::scene::Scene;
use crate::support::request;

const METADATA: &str = "/.well-known/oauth-protected-resource/api";

async fn whose(principal: Principal) -> String {
    principal.subject().unwrap().to_string()
}

/// What a GET of a path gives, with a token and without.
async fn axum_get(router: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let builder = token
        .iter()
        .fold(request(Method::GET, path), |builder, token| builder.header("authorization", format!("Bearer {token}")));
    let answer = router.clone().oneshot(builder.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    (parts.status, String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn axum_and_tower_have_the_guard_and_the_metadata() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let metadata = std::str::from_utf8(scene.resource.metadata()).unwrap().to_owned();
    let guarded = any(whose).layer(scene.guard("projects:read"));
    let by_axum = Router::new().route("/api", guarded.clone()).merge(grantor::axum::resource_routes(&scene.resource));
    let by_tower = Router::new().route("/api", guarded).fallback_service(MetadataService::new(&scene.resource));
    for app in [by_axum, by_tower] {
        assert_eq!(axum_get(&app, "/api", Some(&token)).await, (StatusCode::OK, "alice".to_owned()));
        assert_eq!(axum_get(&app, "/api", None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(axum_get(&app, METADATA, None).await, (StatusCode::OK, metadata.clone()));
        assert_eq!(axum_get(&app, &format!("{METADATA}/x"), None).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn actix_has_the_guard_and_the_metadata() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let app = actix_web::App::new()
        .service(web::resource("/api").wrap(scene.guard("projects:read")).to(whose))
        .configure(grantor::actix::resource_routes(&scene.resource));
    let app = actix_web::test::init_service(app).await;
    let get = |path: &str| actix_web::test::TestRequest::get().uri(path);
    let with = get("/api").insert_header(("authorization", format!("Bearer {token}"))).to_request();
    assert_eq!(actix_web::test::call_and_read_body(&app, with).await, "alice");
    let without = actix_web::test::call_service(&app, get("/api").to_request()).await;
    assert_eq!(without.status().as_u16(), 401);
    assert!(without.headers().contains_key("www-authenticate"));
    let metadata = actix_web::test::call_service(&app, get(METADATA).to_request()).await;
    assert_eq!(metadata.headers().get("access-control-allow-origin").unwrap(), "*");
    assert_eq!(actix_web::test::read_body(metadata).await, *scene.resource.metadata());
    let absent = actix_web::test::call_service(&app, get(&format!("{METADATA}/x")).to_request()).await;
    assert_eq!(absent.status().as_u16(), 404);
}
