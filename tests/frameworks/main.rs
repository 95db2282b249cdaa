//! The example in each framework, as it is run: the client crate `oauth2` gets a token, and a person takes it back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod browser;
mod program;
#[path = "../support/mod.rs"]
mod support;
#[path = "../oauth2_crate/visitor.rs"]
mod visitor;

use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use oauth2::reqwest::{Client as Http, StatusCode};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, RefreshToken, RequestTokenError,
    TokenResponse as _, TokenUrl,
};
use program::Program;
use serde_json::{Value, json};
use url::Url;
use visitor::Visitor;

const FRAMEWORKS: [&str; 6] = ["actix", "axum", "poem", "rocket", "salvo", "warp"];
const CALLBACK: &str = "http://127.0.0.1:7777/callback";

/// Registers a public client as RFC 7591 §3.1 has it, and gives its id.
async fn register(http: &Http, origin: &str, redirect_uri: &str) -> String {
    let metadata = json!({ "client_name": "Backup", "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"] });
    let request = http.post(format!("{origin}/oauth/register")).header(CONTENT_TYPE, "application/json");
    let answer = request.body(metadata.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let registered: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    registered["client_id"].as_str().unwrap().to_owned()
}

/// What the guarded route says to a token.
async fn notes(http: &Http, origin: &str, token: &str) -> (StatusCode, String) {
    let request = http.get(format!("{origin}/api/notes")).header(AUTHORIZATION, format!("Bearer {token}"));
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_oauth2_crate_reads_notes_until_they_are_taken_back_in_every_framework() {
    for framework in FRAMEWORKS {
        let (program, http) = (Program::start(framework), Http::new());
        let origin = program.origin.as_str();
        assert_eq!(notes(&http, origin, "x").await.0, StatusCode::UNAUTHORIZED, "{framework}");
        let client = BasicClient::new(ClientId::new(register(&http, origin, CALLBACK).await))
            .set_auth_uri(AuthUrl::new(format!("{origin}/oauth/authorize")).unwrap())
            .set_token_uri(TokenUrl::new(format!("{origin}/oauth/token")).unwrap())
            .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();

        let mut ada = Visitor::typing("password", program.password.clone().leak());
        let back = ada.go(url, CALLBACK, &["Log in", "Allow"]).await;
        let parameter = |name: &str| back.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
        assert_eq!((parameter("state"), parameter("iss")), (state.secret().clone(), origin.to_owned()), "{framework}");
        let exchange = client.exchange_code(AuthorizationCode::new(parameter("code"))).set_pkce_verifier(verifier);
        let token = exchange.request_async(&http).await.unwrap();
        let read = notes(&http, origin, token.access_token().secret()).await;
        assert_eq!(read, (StatusCode::OK, r#"["Buy milk","Feed the cat"]"#.to_owned()), "{framework}");

        let refresh = RefreshToken::new(token.refresh_token().unwrap().secret().clone());
        let renewed = client.exchange_refresh_token(&refresh).request_async(&http).await.unwrap();
        let access = renewed.access_token().secret();
        assert_eq!(notes(&http, origin, access).await.0, StatusCode::OK, "{framework}");

        let account = format!("{origin}/account");
        ada.go(Url::parse(&account).unwrap(), &account, &["Disconnect"]).await;
        assert_eq!(notes(&http, origin, access).await.0, StatusCode::UNAUTHORIZED, "{framework}");
        match client.exchange_refresh_token(renewed.refresh_token().unwrap()).request_async(&http).await.unwrap_err() {
            RequestTokenError::ServerResponse(answer) => {
                assert_eq!(answer.error(), &BasicErrorResponseType::InvalidGrant, "{framework}");
            }
            other => panic!("{framework}: {other:?}"),
        }
    }
}
