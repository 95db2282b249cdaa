//! The client crate `oauth2`, as it is, gets a token over HTTP and uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod app;
mod machine;
mod openid;
mod refresh;
mod visitor;

use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use oauth2::reqwest::{Client as Http, StatusCode};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, RevocationUrl, Scope, TokenResponse as _,
    TokenUrl,
};
use serde_json::{Value, json};
use visitor::Visitor;

type OAuthClient = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

/// A client that registered itself, and the app that it registered with.
struct Scene {
    origin: String,
    redirect_uri: &'static str,
    client: OAuthClient,
    http: Http,
}

impl Scene {
    async fn new(auth_method: &str, redirect_uri: &'static str) -> Self {
        Self::at(app::start().await, auth_method, redirect_uri).await
    }

    /// Another client of the same app.
    async fn beside(other: &Self, auth_method: &str, redirect_uri: &'static str) -> Self {
        Self::at(other.origin.clone(), auth_method, redirect_uri).await
    }

    async fn at(origin: String, auth_method: &str, redirect_uri: &'static str) -> Self {
        let http = Http::new();
        let registered = register(&http, &origin, auth_method, redirect_uri).await;
        let mut client = BasicClient::new(ClientId::new(registered["client_id"].as_str().unwrap().to_owned()))
            .set_auth_uri(AuthUrl::new(format!("{origin}/oauth/authorize")).unwrap())
            .set_token_uri(TokenUrl::new(format!("{origin}/oauth/token")).unwrap())
            // The crate takes nothing but https here (RFC 7009 §2); `refresh::terminated` stands for the proxy.
            .set_revocation_url(
                RevocationUrl::new(format!("{}/oauth/revoke", origin.replace("http:", "https:"))).unwrap(),
            )
            .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).unwrap());
        assert_eq!(registered["client_secret"].is_string(), auth_method != "none", "{registered}");
        if let Some(secret) = registered["client_secret"].as_str() {
            client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
        }
        if auth_method == "client_secret_post" {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        Self { origin, redirect_uri, client, http }
    }

    /// A code that the user allowed, and the verifier that goes with it.
    async fn code(&self) -> (AuthorizationCode, PkceCodeVerifier) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = self
            .client
            .authorize_url(CsrfToken::new_random)
            .add_scope(Scope::new("projects:read".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let back = Visitor::new().go(url, self.redirect_uri, &["Log in", "Allow"]).await;
        let parameter = |name: &str| back.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
        assert_eq!(parameter("state"), *state.secret());
        assert_eq!(parameter("iss"), self.origin);
        (AuthorizationCode::new(parameter("code")), verifier)
    }

    /// What the guarded route says to a token.
    async fn knock(&self, token: &str) -> (StatusCode, String) {
        let request = self.http.get(format!("{}/api/projects", self.origin));
        let answer = request.header(AUTHORIZATION, format!("Bearer {token}")).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn completes(&self) {
        let (code, verifier) = self.code().await;
        let exchange = self.client.exchange_code(code).set_pkce_verifier(verifier);
        let token = exchange.request_async(&self.http).await.unwrap();
        assert_eq!(token.scopes().unwrap(), &[Scope::new("projects:read".to_owned())]);
        assert!(token.expires_in().unwrap().as_secs() > 0);
        let answer = self.knock(token.access_token().secret()).await;
        assert_eq!(answer, (StatusCode::OK, "projects of alice".to_owned()));
    }
}

/// Registers a client as RFC 7591 §3.1 has it.
async fn register(http: &Http, origin: &str, auth_method: &str, redirect_uri: &str) -> Value {
    let metadata = json!({
        "client_name": "oauth2-rs",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": auth_method,
    });
    let request = http.post(format!("{origin}/oauth/register")).header(CONTENT_TYPE, "application/json");
    let answer = request.body(metadata.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_public_client_gets_a_token() {
    Scene::new("none", "http://127.0.0.1:7777/callback").await.completes().await;
}

#[tokio::test]
async fn a_confidential_client_gets_a_token_with_basic_credentials() {
    Scene::new("client_secret_basic", "https://client.example/callback").await.completes().await;
}

#[tokio::test]
async fn a_confidential_client_gets_a_token_with_credentials_in_the_body() {
    Scene::new("client_secret_post", "https://client.example/callback").await.completes().await;
}

#[tokio::test]
async fn a_code_that_is_used_twice_is_worth_nothing() {
    let scene = Scene::new("none", "http://127.0.0.1:7777/callback").await;
    let (code, verifier) = scene.code().await;
    let exchange = || {
        let verifier = PkceCodeVerifier::new(verifier.secret().clone());
        scene.client.exchange_code(code.clone()).set_pkce_verifier(verifier).request_async(&scene.http)
    };
    let token = exchange().await.unwrap();
    match exchange().await.unwrap_err() {
        RequestTokenError::ServerResponse(answer) => assert_eq!(answer.error(), &BasicErrorResponseType::InvalidGrant),
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.knock(token.access_token().secret()).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_secret_is_invalid_client() {
    let scene = Scene::new("client_secret_basic", "https://client.example/callback").await;
    let (code, verifier) = scene.code().await;
    let impostor = scene.client.clone().set_client_secret(ClientSecret::new("guess".to_owned()));
    let answer = impostor.exchange_code(code).set_pkce_verifier(verifier).request_async(&scene.http).await;
    match answer.unwrap_err() {
        RequestTokenError::ServerResponse(answer) => assert_eq!(answer.error(), &BasicErrorResponseType::InvalidClient),
        other => panic!("{other:?}"),
    }
}
