//! A connection on which a request was refused before its body had come, as a client's first request at an MCP
//! endpoint is: pools of HTTP clients use it for the next one.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::front::Front;
use crate::world;

/// A message of HTTP/1.1 that is in the stream: its head.
async fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    head
}

/// Sends a head, and some time later the body.
async fn post(stream: &mut TcpStream, headers: &str, body: &[u8]) {
    stream.write_all(format!("POST /api HTTP/1.1\r\nhost: app.example\r\n{headers}\r\n").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(body).await.unwrap();
}

async fn connect(front: &Front) -> TcpStream {
    let origin = front.origin.as_deref().unwrap();
    TcpStream::connect(origin.strip_prefix("http://").unwrap()).await.unwrap()
}

/// The answer to a request with a body that comes late, and whether it says that the connection ends.
async fn refused(front: &Front, stream: &mut TcpStream, headers: &str, body: &[u8]) -> bool {
    post(stream, headers, body).await;
    let head = answer(stream).await;
    assert!(head.starts_with("http/1.1 401 "), "{}: {head}", front.name);
    head.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn after_a_refusal_the_connection_takes_the_next_request_or_its_end_was_said() {
    for front in Front::sockets(world).await {
        let mut stream = connect(&front).await;
        for length in [2, 2, 60_000, 2] {
            let headers = format!("content-length: {length}\r\n");
            if refused(&front, &mut stream, &headers, &vec![b'x'; length]).await {
                // These wait for nothing.
                assert!(front.name.starts_with("actix") || front.name == "warp", "{}", front.name);
                stream = connect(&front).await;
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_a_connection_is_said_if_a_body_is_too_long_to_be_waited_for() {
    for front in Front::sockets(world).await {
        // What these are asked to expect, they ask for.
        let asks = front.name.starts_with("actix") || front.name == "rocket";
        let expect = (!asks).then_some("content-length: 2\r\nexpect: 100-continue\r\n");
        for headers in ["content-length: 65537\r\n"].into_iter().chain(expect) {
            let mut stream = connect(&front).await;
            // Rocket looks at the first bytes before anything else.
            let body: &[u8] = if headers.contains("expect") { b"" } else { &[b'x'; 100] };
            assert!(refused(&front, &mut stream, headers, body).await, "{} after {headers}", front.name);
        }
        // Of which nobody knows how long it will be: that may be left to the framework.
        let mut stream = connect(&front).await;
        let is_end_said = refused(&front, &mut stream, "transfer-encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n").await;
        assert!(is_end_said || !refused(&front, &mut stream, "content-length: 0\r\n", b"").await, "{}", front.name);
    }
}
