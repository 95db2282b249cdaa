//! The way over from oxide-auth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]
#![allow(clippy::future_not_send, reason = "oxide-auth's flows do not leave their thread")]
#![allow(unreachable_pub, reason = "the two apps are written as whole ones are")]

#[path = "../../examples/oxide_auth/after.rs"]
mod after;
#[path = "../../examples/oxide_auth/before.rs"]
mod before;
mod clients;
mod consent;
mod differences;
mod engines;
mod migrated;
mod scopes;
#[path = "../support/mod.rs"]
mod support;
mod twin;
mod validation;

use bytes::Bytes;
use grantor::storage::Storage;
use grantor::{Host, HostError, MemoryStorage, NewClient, SignIn, User};
use http::request::Parts;
use http::{Request, header};
use oxide_auth::frontends::simple::request::Request as OxideRequest;
use support::{Answer, CHALLENGE, VERIFIER, encode};

const CALLBACK: &str = "https://client.example/cb";

/// Whoever has a cookie is signed in.
struct People;

impl Host for People {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let cookies = request.headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
        let name = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="));
        Ok(name.map(|name| User::new(name, name, format!("{name}.1"))))
    }

    async fn sign_in(&self, _: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}

/// The migrated app and what a browser and a client do to it.
struct Scene {
    app: after::App,
}

impl Scene {
    async fn new() -> Self {
        Self::over(MemoryStorage::new()).await
    }

    async fn over(storage: impl Storage) -> Self {
        let app = after::App::new(storage, People).unwrap();
        app.oauth.create_client(NewClient::public("Helper").id("helper").redirect_uri(CALLBACK)).await.unwrap();
        Self { app }
    }

    async fn send(&self, method: &str, path: &str, cookies: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookies);
        let request = request.header(header::ORIGIN, "https://notes.example");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        Answer(self.app.handle(request.body(Bytes::from(body.to_owned())).unwrap()).await)
    }

    /// The consent page, and the cookies of the browser that sees it.
    async fn asked(&self, changes: &[(&str, &str)]) -> (Answer, String) {
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", "helper"),
            ("redirect_uri", CALLBACK),
            ("state", "of the client"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        query.extend(changes);
        let page = self.send("GET", &format!("/oauth/authorize?{}", encode(&query)), "session=ada", "").await;
        let ours = page.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
        let cookies = format!("session=ada; {}", ours.unwrap_or_default());
        (page, cookies)
    }

    /// A token that Ada allowed on her page.
    async fn token(&self, changes: &[(&str, &str)]) -> String {
        let (page, cookies) = self.asked(changes).await;
        let allowed = self.send("POST", &pressed(&page, "Allow"), &cookies, "").await;
        let code = allowed.redirect_parameter("code").unwrap_or_else(|| panic!("{}", allowed.body()));
        let request = [
            ("grant_type", "authorization_code"),
            ("client_id", "helper"),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ];
        let token = self.send("POST", "/oauth/token", "", &encode(&request)).await;
        assert_eq!(token.status(), 200, "{}", token.body());
        token.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn revoke(&self, token: &str) {
        let body = encode(&[("token", token), ("client_id", "helper")]);
        assert_eq!(self.send("POST", "/oauth/revoke", "", &body).await.status(), 200);
    }
}

/// Where the button of the solicitor's page leads to.
fn pressed(page: &Answer, button: &str) -> String {
    let html = page.body();
    let end = html.find(&format!(">{button}</button>")).unwrap_or_else(|| panic!("no {button} on {html}"));
    let start = html[..end].rfind("formaction=\"").unwrap() + "formaction=\"".len();
    html[start..end].trim_end_matches('"').replace("&amp;", "&")
}

fn with_token(token: &str) -> OxideRequest {
    OxideRequest { auth: Some(format!("Bearer {token}")), ..OxideRequest::default() }
}
