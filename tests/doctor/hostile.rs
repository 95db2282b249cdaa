//! Deployments that mean harm to whoever examines them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grantor::doctor::{Examination, Outcome, Transport};
use grantor::host::FetchError;
use http::{HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::found;
use crate::site::{examine, start};

/// The same answer to everything.
#[derive(Clone)]
struct Always(Response<Bytes>);

impl Transport for Always {
    async fn send(&self, _: Request<Bytes>, _: Duration, _: usize) -> Result<Response<Bytes>, FetchError> {
        Ok(self.0.clone())
    }
}

fn answer(status: u16, body: impl Into<Bytes>, headers: &[(&'static str, &[u8])]) -> Response<Bytes> {
    let mut answer = Response::builder().status(status).body(body.into()).unwrap();
    for (name, value) in headers {
        answer.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    answer
}

#[tokio::test]
async fn whatever_is_answered_there_is_a_report_that_a_terminal_can_show() {
    let nested = "[".repeat(200_000);
    let members = format!("{{{}\"issuer\":\"\"}}", "\"issuer\":\"\\u001b[2J\\u202e\",".repeat(2000));
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "\u{feff}{}",
        &nested,
        &members,
        r#"{"resource":1,"authorization_servers":[1,null,"\u001b]0;x\u0007"],"issuer":{"a":[]},"error":"\u001b[31m"}"#,
        r#"{"resource":"https://app.example/mcp\u0000","authorization_servers":["https://app.example/\u202e"],
            "issuer":"\u009b","authorization_endpoint":"javascript:\u001b","token_endpoint":"file:///etc/passwd",
            "registration_endpoint":"http://169.254.169.254/","client_id":"\u001b","redirect_uris":["\u001b"],
            "client_secret":"hush-hush","error":"\u001b"}"#,
    ];
    let challenges: [&[u8]; 5] =
        [b"", b"Bearer resource_metadata=\"\xff\xfe\"", b"Bearer scope=\"\xc2\x9b2J", b",,,=\"", b"Bearer a=\"\\\""];
    for status in [200, 201, 302, 401, 500, 999] {
        for body in bodies {
            for challenge in challenges {
                let headers: [(_, &[u8]); 4] = [
                    ("www-authenticate", challenge),
                    ("location", b"\xe2\x80\xaehttps://x.example/?code=hush-hush"),
                    ("access-control-allow-origin", b"\xff"),
                    ("content-type", b"\xc2\x9b"),
                ];
                let transport = Always(answer(status, body.to_owned(), &headers));
                let report = Examination::over("https://app.example/mcp", transport).unwrap().registering().run().await;
                let shown = report.to_string();
                // The signs of sections are our own.
                let is_inert = |character: char| matches!(character, ' '..='~' | '\n' | '§');
                assert!(shown.chars().all(is_inert), "{shown}");
                assert!(!shown.contains("hush-hush"), "{shown}");
                assert!(shown.len() < 60_000, "{}", shown.len());
                assert!(!report.findings.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_not_read_to_its_end() {
    let spoil = |asked: &crate::site::Asked, answer: &mut crate::site::Answer| {
        if asked.path == "/.well-known/openid-configuration" {
            *answer.status_mut() = http::StatusCode::OK;
            *answer.body_mut() = "x".repeat(8 * 1024 * 1024);
        }
    };
    let report = examine(&start(|builder| builder, Arc::new(spoil)).await).await;
    assert_eq!(found(&report), ["discovery_not_404"], "{report}");
    assert!(report.findings[0].seen[0].contains("too large"), "{report}");
    let transport = Always(answer(200, vec![b'x'; 1024 * 1024], &[]));
    let report = Examination::over("https://app.example/mcp", transport).unwrap().run().await;
    assert_eq!(found(&report), ["no_answer"], "a transport that reads too much is not trusted: {report}");
}

#[tokio::test]
async fn one_that_drips_or_never_answers_is_left_in_time() {
    for drips in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 1024]).await;
                    let _ = stream.write_all(if drips { b"HTTP/1.1 200 OK\r\n\r\n" } else { b"" }).await;
                    loop {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        if drips && stream.write_all(b"x").await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        let examination = Examination::new(&url).unwrap().patience(Duration::from_millis(100)).registering();
        let report = tokio::time::timeout(Duration::from_secs(10), examination.run()).await.unwrap();
        assert_eq!(found(&report), ["no_answer"], "{report}");
        assert!(report.verdicts.iter().all(|verdict| verdict.outcome == Outcome::Fails));
    }
}

#[tokio::test]
async fn one_that_takes_its_time_with_everything_is_left_before_the_end() {
    struct Slow;
    impl Transport for Slow {
        async fn send(&self, _: Request<Bytes>, within: Duration, _: usize) -> Result<Response<Bytes>, FetchError> {
            tokio::time::sleep(within).await;
            let body = r#"{"issuer":"https://app.example","registration_endpoint":"https://app.example/",
                "authorization_endpoint":"https://app.example/","token_endpoint":"https://app.example/"}"#;
            Ok(answer(200, body, &[]))
        }
    }
    let examination = Examination::over("https://app.example/mcp", Slow).unwrap();
    let report = examination.patience(Duration::from_millis(30)).registering().run().await;
    assert!(found(&report).contains(&"cut_short"), "{report}");
    assert!(!found(&report).contains(&"no_answer"), "what was not asked is not held against it: {report}");
}

#[tokio::test]
async fn it_is_not_sent_to_this_machine_by_a_stranger() {
    /// Fails if it is asked anything but the stranger.
    struct Stranger;
    impl Transport for Stranger {
        async fn send(&self, request: Request<Bytes>, _: Duration, _: usize) -> Result<Response<Bytes>, FetchError> {
            assert_eq!(request.uri().authority().unwrap(), "app.example", "{}", request.uri());
            let body = r#"{"resource":"https://app.example/mcp","authorization_servers":["http://127.0.0.1:5432"],
                "token_endpoint":"http://localhost/","authorization_endpoint":"http://[::1]/"}"#;
            let challenge = b"Bearer resource_metadata=\"http://localhost:6379/\"";
            let status = if request.uri().path() == "/mcp" { 401 } else { 200 };
            Ok(answer(status, body, &[("www-authenticate", challenge)]))
        }
    }
    let report = Examination::over("https://app.example/mcp", Stranger).unwrap().registering().run().await;
    assert!(found(&report).contains(&"plain_http"), "{report}");
}
