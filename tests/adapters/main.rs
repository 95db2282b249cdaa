//! One app behind every framework: whatever it is asked, the answers are the same, byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]
#![allow(clippy::future_not_send, reason = "actix does not leave its thread")]

mod apps;
mod connections;
mod dropped;
mod front;
mod guarded;
mod managed;
mod optional;
mod resource_server;
#[allow(dead_code, reason = "the tests of the guard use the rest")]
#[path = "../remote_guard/scene.rs"]
mod scene;
mod script;
mod served;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;

use front::Front;
use grantor::web::MAX_BODY;
use script::{Script, Transcript};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LOOPBACK: &str = "http://localhost:3000";

/// Asks everything there is to ask of an app with the issuer `support::ISSUER`.
async fn transcript(front: Front) -> Transcript {
    let mut script = Script::new(&front);
    script.every_method_of_every_path().await;
    script.what_is_no_endpoint().await;
    script.too_much().await;
    script.bytes_that_are_no_text().await;
    script.clients_that_manage_themselves().await;
    let token = script.the_whole_flow().await;
    script.the_guard(&token).await;
    script.a_session_or_a_token(&token).await;
    script.the_end_of_the_token(&token).await;
    script.done()
}

async fn loopback_transcript(front: Front) -> Transcript {
    let mut script = Script::new(&front);
    script.a_rebound_name().await;
    script.done()
}

fn world() -> support::World {
    apps::world(support::ISSUER)
}

#[tokio::test]
async fn every_framework_answers_as_the_server_does() {
    let axum = transcript(Front::axum(world())).await;
    transcript(Front::actix(world()).await).await.assert_same(&axum);
    transcript(Front::tower(world())).await.assert_same(&axum);
    transcript(Front::plain(world())).await.assert_same(&axum);
    writeln!(std::io::stdout(), "requests with the same answers: {}", axum.len()).unwrap();
}

#[tokio::test]
async fn every_framework_answers_alike_over_a_socket() {
    let tower = Front::tower_socket(world()).await;
    for front in Front::sockets(world).await.into_iter().chain([tower]) {
        let reference = transcript(front.reference(world())).await;
        transcript(front).await.assert_same(&reference);
    }
}

#[tokio::test]
async fn a_loopback_server_answers_under_its_own_names_alone_in_every_framework() {
    let world = || apps::world(LOOPBACK);
    let axum = loopback_transcript(Front::axum(world())).await;
    loopback_transcript(Front::actix(world()).await).await.assert_same(&axum);
    loopback_transcript(Front::plain(world())).await.assert_same(&axum);
    for front in Front::sockets(world).await {
        loopback_transcript(front).await.assert_same(&axum);
    }
}

#[tokio::test]
async fn a_body_without_end_is_answered_when_it_is_too_large() {
    for front in Front::sockets(world).await {
        let address = front.origin.as_deref().and_then(|origin| origin.strip_prefix("http://")).unwrap();
        let mut socket = TcpStream::connect(address).await.unwrap();
        let head = "POST /oauth/token HTTP/1.1\r\nhost: app.example\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..=MAX_BODY / 1024 {
            socket.write_all(format!("400\r\n{}\r\n", "a".repeat(1024)).as_bytes()).await.unwrap();
        }
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.unwrap();
        assert_eq!(status.escape_ascii().to_string(), "HTTP/1.1 413", "{}", front.name);
    }
}

#[tokio::test]
async fn the_endpoints_of_an_issuer_with_a_path_are_there_in_every_framework() {
    let world = || apps::world("https://app.example/auth/v1");
    for front in Front::sockets(world).await {
        let mut paths = Vec::new();
        for front in [front.reference(world()), front] {
            let mut script = Script::new(&front);
            script.every_method_of_every_path().await;
            script.what_is_no_endpoint().await;
            paths.push(script.done());
        }
        paths[1].assert_same(&paths[0]);
    }
}

#[tokio::test]
async fn a_panic_in_the_app_costs_one_answer_and_nothing_else() {
    for front in Front::sockets(world).await {
        let address = front.origin.as_deref().and_then(|origin| origin.strip_prefix("http://")).unwrap();
        let path = front.world.public_client().await.authorize();
        for _ in 0..3 {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: app.example\r\nx-panic: 1\r\nconnection: close\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // What has panicked may also end the connection.
            let _ = socket.read_to_end(&mut answer).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 500 "), "{}", answer.escape_ascii());
            let mut script = Script::new(&front);
            let sent_to_login = script.ask("GET", &path, &[], "").await;
            assert!(sent_to_login.location().is_some_and(|to| to.starts_with("/login")), "{}", front.name);
        }
    }
}

/// Lines of code: what is neither empty nor a comment, of an adapter and its guard.
#[test]
fn adapters_are_small() {
    let mut adapters = BTreeMap::<String, usize>::new();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters")).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().count() <= 250, "{} is too long", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap().trim_end_matches("_guard").to_owned();
        let code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        *adapters.entry(name).or_default() += code.count();
    }
    for (name, lines) in adapters.into_iter().filter(|(name, _)| name != "mod" && name != "gate") {
        // Written past the capture of the test harness, so that every run shows the numbers.
        writeln!(std::io::stdout(), "lines of the adapter {name}: {lines} (less than 250)").unwrap();
        assert!(lines < 250, "{name}: {lines}");
    }
}
