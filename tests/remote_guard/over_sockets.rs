//! The built-in transport, over real sockets.

use std::time::Duration;

use grantor::host::HttpTransport;
use grantor::{MemoryStorage, ResourceServer};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::scene::check;
use crate::support::{World, request};

/// An authorization server that listens, and its origin.
async fn server() -> (World, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let world = World::at(&origin, MemoryStorage::new(), |builder| builder);
    let app = grantor::axum::routes(&world.server);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (world, origin)
}

#[tokio::test]
async fn a_token_is_asked_about_over_http_and_its_end_is_noticed() {
    let (world, origin) = server().await;
    let api = format!("{origin}/api");
    let asking = world.resource_server(&["/api"]).await;
    let clock = world.clock.clone();
    let resource = ResourceServer::builder(&origin, &api)
        .client(&asking.id, asking.secret.as_deref().unwrap())
        .scopes("projects:read projects:write")
        .clock(move || clock.now())
        .build()
        .unwrap();
    let guard = resource.require("projects:read").unwrap();
    let client = world.client("none", &["http://127.0.0.1/cb"]).await;
    // The server answers requests by a name of this machine alone.
    let code = world.code(&client).await;
    let token = world.exchange(&client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(check(&guard, &token).await.unwrap().subject().unwrap().as_str(), "alice");
    world.revoked(&client, &token).await;
    assert!(check(&guard, &token).await.is_ok(), "within the staleness");
    world.clock.advance(Duration::from_secs(5));
    let refusal = check(&guard, &token).await.unwrap_err().response();
    assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.call(Method::GET, "/", &[]).await.status(), StatusCode::NOT_FOUND);
}

/// A server that answers every connection with these bytes, and then says no more.
async fn says(answer: Vec<u8>, hangs: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
            if hangs {
                open.push(stream);
            }
        }
    });
    origin
}

async fn status(origin: &str) -> u16 {
    let resource = ResourceServer::builder(origin, &format!("{origin}/api"))
        .client("c", "secret")
        .introspection_endpoint(&format!("{origin}/introspect"))
        .transport(HttpTransport::new().unwrap())
        .build()
        .unwrap();
    let token = "gra_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let guard = resource.require("").unwrap();
    check(&guard, token).await.map_or_else(|refusal| refusal.response().status().as_u16(), |_| 200)
}

#[tokio::test]
async fn attack_36_an_answer_without_end_and_one_that_never_comes_are_given_up() {
    let inactive = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"active\":false}";
    assert_eq!(status(&says(inactive.into(), false).await).await, 401, "so the rest is refused for what it is");
    let huge =
        |head: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n{}", " ".repeat(70_000));
    for (answer, hangs) in [
        (huge("content-length: 70016\r\n"), true),
        (huge("connection: close\r\n"), true),
        ("HTTP/1.1 302 Found\r\nlocation: https://app.example/\r\ncontent-length: 0\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>".to_owned(), false),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), false),
        (String::new(), false),
    ] {
        let came = timeout(Duration::from_secs(4), status(&says(answer.clone().into(), hangs).await)).await;
        assert_eq!(came.unwrap(), 503, "{}", &answer[..answer.len().min(80)]);
    }
    let started = Instant::now();
    let trickle = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"active\"";
    assert_eq!(status(&says(trickle.into(), true).await).await, 503);
    assert!((4..7).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_503() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(status(&origin).await, 503);
    let answer = request(Method::GET, "/").body(()).unwrap();
    assert!(answer.headers().is_empty());
}
