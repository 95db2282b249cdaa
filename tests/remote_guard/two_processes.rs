//! The examples, each in a process of its own: a token of the one opens the other, until it is taken back.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use grantor::host::{HttpTransport, Transport as _};
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::scratch::Folder;
use crate::support::{CHALLENGE, ConsentPage, VERIFIER, encode, examples, ports};

const SECRET: &str = "b3kTq0w9ZpJ5s8dYcX1uVn2LrQeHgF7aMiKoB4xWzSU";
const CALLBACK: &str = "http://127.0.0.1/cb";

/// A running example; it ends with this value.
struct Program {
    process: Child,
    /// Kept, as a program whose output nobody takes may end.
    _output: BufReader<ChildStdout>,
}

impl Program {
    fn start(name: &str, environment: &[(&str, &str)], is_up: &str) -> Self {
        let mut process = Command::new(examples::executable(name, &["--all-features"]))
            .envs(environment.iter().copied())
            .env("DEMO_CLIENT_ID", "reports")
            .env("DEMO_CLIENT_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(is_up) {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "{name} says that it is up");
        }
        Self { process, _output: output }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: String) -> Response<Bytes> {
    let builder = Request::builder().method(method).uri(url);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    HttpTransport::new().unwrap().send(builder.body(Bytes::from(body)).unwrap()).await.unwrap()
}

async fn post(url: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Response<Bytes> {
    let headers = [headers, &[("content-type", "application/x-www-form-urlencoded")]].concat();
    send(Method::POST, url, &headers, encode(form)).await
}

fn json_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("{answer:?}"))
}

fn cookies(headers: &HeaderMap) -> String {
    let pairs = headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

/// Alice logs in and allows an app to see her reports; gives the app's id and its tokens.
async fn connected(origin: &str, resource: &str) -> (String, Value) {
    let metadata = json!({"client_name": "Reader", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let json = [("content-type", "application/json")];
    let registered = send(Method::POST, &format!("{origin}/oauth/register"), &json, metadata.to_string()).await;
    let id = json_of(&registered)["client_id"].as_str().unwrap().to_owned();
    let ask = encode(&[
        ("response_type", "code"),
        ("client_id", &id),
        ("redirect_uri", CALLBACK),
        ("scope", "projects:read"),
        ("resource", resource),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let login = [("return_to", "/"), ("username", "alice"), ("password", "alice")];
    let session = cookies(post(&format!("{origin}/login"), &[("origin", origin)], &login).await.headers());
    let asked =
        send(Method::GET, &format!("{origin}/oauth/authorize?{ask}"), &[("cookie", &session)], String::new()).await;
    let page = ConsentPage::read(std::str::from_utf8(asked.body()).unwrap());
    let cookie = format!("{session}; {}", cookies(asked.headers()));
    let headers = [("cookie", cookie.as_str()), ("origin", origin), ("sec-fetch-site", "same-origin")];
    let allowed = post(&format!("{origin}{}", page.action), &headers, &page.form("allow")).await;
    let back = url::Url::parse(allowed.headers()["location"].to_str().unwrap()).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("client_id", &id),
        ("code_verifier", VERIFIER),
    ];
    (id.clone(), json_of(&post(&format!("{origin}/oauth/token"), &[], &exchange).await))
}

#[tokio::test]
async fn attack_45_a_token_that_was_taken_back_closes_the_other_process_too() {
    let (folder, port) = (Folder::new("two-processes"), ports::neighbouring(3));
    let (origin, resource) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}/reports", port + 2));
    let (first, second, database) = (port.to_string(), (port + 2).to_string(), folder.path().join("oauth.db"));
    let environment = [("PORT", &*first), ("DATABASE", database.to_str().unwrap())];
    let server = Program::start("quickstart", &environment, "somebody else's app");
    let _api = Program::start("resource_server", &[("PORT", &second), ("ISSUER", &origin)], "is up");

    let knock = async |token: &str| {
        let bearer = format!("Bearer {token}");
        send(Method::GET, &resource, &[("authorization", &bearer)], String::new()).await
    };
    let refused = knock("x").await;
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("/.well-known/oauth-protected-resource/reports"), "{challenge}");
    let url = format!("http://127.0.0.1:{second}/.well-known/oauth-protected-resource/reports");
    let metadata = json_of(&send(Method::GET, &url, &[], String::new()).await);
    assert_eq!(metadata["authorization_servers"], json!([origin]));

    let (client, tokens) = connected(&origin, &resource).await;
    let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
    let opened = knock(token).await;
    assert_eq!(opened.status(), 200, "{opened:?}");
    assert!(json_of(&opened)[0].as_str().unwrap().contains("alice"));
    let (bearer, url) = (format!("Bearer {token}"), format!("{origin}/api/projects"));
    let api = send(Method::GET, &url, &[("authorization", &bearer)], String::new()).await;
    assert_eq!(api.status(), 401, "it is for the other process alone");

    let revoked = Instant::now();
    let form = [("token", token), ("client_id", &client)];
    assert_eq!(post(&format!("{origin}/oauth/revoke"), &[], &form).await.status(), 200);
    while knock(token).await.status() == 200 {
        assert!(revoked.elapsed() < Duration::from_millis(2500), "the staleness is 2 seconds");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(knock(token).await.status(), 401);

    let (_, tokens) = connected(&origin, &resource).await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(knock(token).await.status(), 200);
    drop(server);
    sleep(Duration::from_millis(2100)).await;
    let closed = knock(token).await;
    assert_eq!((closed.status().as_u16(), closed.headers().contains_key("retry-after")), (503, true));
}
