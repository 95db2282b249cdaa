//! Refresh and revocation.

use std::future::Future;

use oauth2::basic::{BasicErrorResponseType, BasicTokenResponse};
use oauth2::reqwest::{Client as Http, StatusCode};
use oauth2::{
    AccessToken, AsyncHttpClient as _, HttpClientError, HttpRequest, HttpResponse, RefreshToken, RequestTokenError,
    StandardRevocableToken, TokenResponse as _,
};

use crate::Scene;

const LOOPBACK: &str = "http://127.0.0.1:7777/callback";
const WEB: &str = "https://client.example/callback";

/// An HTTP client behind whose back TLS ends, as at a proxy in front of the app.
fn terminated(http: &Http) -> impl Fn(HttpRequest) -> Answer + '_ {
    |mut request| {
        let plain = request.uri().to_string().replacen("https:", "http:", 1);
        *request.uri_mut() = plain.parse().unwrap();
        let http = http.clone();
        Box::pin(async move { http.call(request).await })
    }
}

type Answer =
    std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, HttpClientError<oauth2::reqwest::Error>>> + Send>>;

impl Scene {
    async fn token(&self) -> BasicTokenResponse {
        let (code, verifier) = self.code().await;
        self.client.exchange_code(code).set_pkce_verifier(verifier).request_async(&self.http).await.unwrap()
    }

    async fn refreshed(&self, token: &RefreshToken) -> BasicTokenResponse {
        self.client.exchange_refresh_token(token).request_async(&self.http).await.unwrap()
    }

    async fn revoke(&self, token: impl Into<StandardRevocableToken>) {
        let request = self.client.revoke_token(token.into()).unwrap();
        request.request_async(&terminated(&self.http)).await.unwrap();
    }

    async fn is_good(&self, token: &AccessToken) -> bool {
        let (status, _) = self.knock(token.secret()).await;
        assert!([StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&status), "{status}");
        status == StatusCode::OK
    }

    async fn assert_refused(&self, token: &RefreshToken) {
        match self.client.exchange_refresh_token(token).request_async(&self.http).await.unwrap_err() {
            RequestTokenError::ServerResponse(answer) => {
                assert_eq!(answer.error(), &BasicErrorResponseType::InvalidGrant);
            }
            other => panic!("{other:?}"),
        }
    }

    async fn completes_refresh_and_revocation(&self) {
        let first = self.token().await;
        let presented = first.refresh_token().unwrap();
        let second = self.refreshed(presented).await;
        let successor = second.refresh_token().unwrap();
        assert_ne!(presented.secret(), successor.secret());
        assert_ne!(first.access_token().secret(), second.access_token().secret());
        assert_eq!(first.scopes(), second.scopes());
        assert!(self.is_good(second.access_token()).await);

        // A lost answer is given again.
        let again = self.refreshed(presented).await;
        assert_eq!(again.refresh_token().unwrap().secret(), successor.secret());
        let third = self.refreshed(successor).await;
        assert!(self.is_good(third.access_token()).await);

        // Revoking an access token ends nothing else; the refresh token ends all of it.
        self.revoke(second.access_token().clone()).await;
        assert!(!self.is_good(second.access_token()).await);
        assert!(self.is_good(third.access_token()).await);
        let last = third.refresh_token().unwrap();
        self.revoke(last.clone()).await;
        for token in [&first, &second, &third] {
            assert!(!self.is_good(token.access_token()).await);
        }
        self.assert_refused(last).await;
        self.revoke(last.clone()).await;
    }
}

#[tokio::test]
async fn a_public_client_refreshes_and_revokes() {
    Scene::new("none", LOOPBACK).await.completes_refresh_and_revocation().await;
}

#[tokio::test]
async fn a_confidential_client_refreshes_and_revokes_with_basic_credentials() {
    Scene::new("client_secret_basic", WEB).await.completes_refresh_and_revocation().await;
}

#[tokio::test]
async fn a_confidential_client_refreshes_and_revokes_with_credentials_in_the_body() {
    Scene::new("client_secret_post", WEB).await.completes_refresh_and_revocation().await;
}

#[tokio::test]
async fn a_refresh_token_of_another_client_is_refused_and_goes_on_living() {
    let scene = Scene::new("none", LOOPBACK).await;
    let token = scene.token().await;
    let stranger = Scene::beside(&scene, "client_secret_basic", WEB).await;
    stranger.assert_refused(token.refresh_token().unwrap()).await;
    assert!(scene.is_good(scene.refreshed(token.refresh_token().unwrap()).await.access_token()).await);
}
