//! A resource in another process than its authorization server: the guard and the metadata in each framework.

#![allow(clippy::needless_pass_by_value, reason = "a handler takes what extractors give")]

use grantor::Principal;
use poem::EndpointExt as _;
use rocket::routes;
use salvo::Writer as _;
use warp::Filter as _;

use crate::apps::quiet;
use crate::scene::Scene;
use crate::served;

const METADATA: &str = "/.well-known/oauth-protected-resource/api";

fn whose(principal: &Principal) -> String {
    principal.subject().unwrap().to_string()
}

async fn assert_guarded(scene: &Scene, name: &str, origin: &str) {
    let http = reqwest::Client::new();
    let token = scene.token().await;
    let get = |path: &str| http.get(format!("{origin}{path}"));
    let with = get("/api").header("authorization", format!("Bearer {token}")).send().await.unwrap();
    assert_eq!(with.text().await.unwrap(), "alice", "{name}");
    let without = get("/api").send().await.unwrap();
    assert_eq!(without.status(), 401, "{name}");
    assert!(without.headers().contains_key("www-authenticate"), "{name}");
    let metadata = get(METADATA).send().await.unwrap();
    assert_eq!(metadata.headers()["access-control-allow-origin"], "*", "{name}");
    assert_eq!(metadata.bytes().await.unwrap(), scene.resource.metadata(), "{name}");
    assert_eq!(get(&format!("{METADATA}/x")).send().await.unwrap().status(), 404, "{name}");
    assert_eq!(get("/elsewhere").send().await.unwrap().status(), 404, "{name}");
}

#[poem::handler]
fn in_poem(principal: Principal) -> String {
    whose(&principal)
}

#[salvo::handler]
async fn in_salvo(principal: Principal) -> String {
    whose(&principal)
}

#[rocket::get("/api")]
fn in_rocket(principal: Principal) -> String {
    whose(&principal)
}

#[tokio::test]
async fn a_resource_server_in_poem() {
    let scene = Scene::new().await;
    let app = poem::Route::new().at("/api", in_poem.with(scene.guard("projects:read")));
    let origin = served::poem(grantor::poem::resource_routes(app, &scene.resource)).await;
    assert_guarded(&scene, "poem", &origin).await;
}

#[tokio::test]
async fn a_resource_server_in_salvo() {
    let scene = Scene::new().await;
    let api = salvo::Router::with_path("api").hoop(scene.guard("projects:read")).get(in_salvo);
    let app = salvo::Router::new().push(api).push(grantor::salvo::resource_routes(&scene.resource));
    assert_guarded(&scene, "salvo", &served::salvo(app).await).await;
}

#[tokio::test]
async fn a_resource_server_in_warp() {
    let scene = Scene::new().await;
    let api = warp::path!("api").and(grantor::warp::guard(&scene.guard("projects:read")));
    let api = grantor::warp::guarded(api.map(|principal| whose(&principal)));
    let app = api.or(grantor::warp::resource_routes(&scene.resource)).boxed();
    assert_guarded(&scene, "warp", &served::warp(app).await).await;
}

#[tokio::test]
async fn a_resource_server_in_rocket() {
    let scene = Scene::new().await;
    let app = rocket::custom(quiet())
        .attach(grantor::rocket::resource_fairing(&scene.resource))
        .mount("/", scene.guard("projects:read").protect(routes![in_rocket]));
    assert_guarded(&scene, "rocket", &served::rocket(app).await).await;
}
