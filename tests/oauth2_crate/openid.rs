//! The core client of the crate `openidconnect` registers itself, reads the metadata and gets a token.
//!
//! What it demands of a provider is more than OAuth has: it reads the metadata only with the three members that
//! RFC 8414 leaves out and OpenID Connect Discovery §3 requires, so the test adds those, and nothing else. It gets
//! no ID token, which it does not need for access.

use oauth2::reqwest::{Client as Http, StatusCode};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreClientRegistrationRequest,
    CoreClientRegistrationResponse, CoreGrantType, CoreProviderMetadata, CoreResponseMode, CoreResponseType,
};
use openidconnect::registration::{EmptyAdditionalClientMetadata, EmptyAdditionalClientRegistrationResponse};
use openidconnect::{
    AuthorizationCode, CsrfToken, JsonWebKeySet, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl,
    RegistrationUrl, Scope,
};
use serde_json::{Value, json};

use crate::app;
use crate::visitor::Visitor;

const REDIRECT: &str = "https://client.example/callback";

async fn metadata(http: &Http, origin: &str) -> Value {
    let answer = http.get(format!("{origin}/.well-known/oauth-authorization-server")).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// The same document with the members that only OpenID has.
fn of_openid(mut document: Value) -> CoreProviderMetadata {
    assert!(serde_json::from_value::<CoreProviderMetadata>(document.clone()).is_err(), "it is OAuth's");
    document["jwks_uri"] = json!(format!("{}/jwks", document["issuer"].as_str().unwrap()));
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(["RS256"]);
    serde_json::from_value(document).unwrap()
}

async fn registered(http: &Http, provider: &CoreProviderMetadata) -> CoreClientRegistrationResponse {
    let redirect_uris = vec![RedirectUrl::new(REDIRECT.to_owned()).unwrap()];
    let request = CoreClientRegistrationRequest::new(redirect_uris, EmptyAdditionalClientMetadata::default())
        .set_grant_types(Some(vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken]))
        .set_token_endpoint_auth_method(Some(CoreClientAuthMethod::ClientSecretBasic));
    let endpoint: &RegistrationUrl = provider.registration_endpoint().unwrap();
    request.register_async(endpoint, http).await.unwrap()
}

#[tokio::test]
async fn the_core_client_reads_the_metadata() {
    let (origin, http) = (app::start().await, Http::new());
    let provider = of_openid(metadata(&http, &origin).await);
    assert_eq!(provider.issuer().as_str(), origin);
    assert_eq!(provider.authorization_endpoint().as_str(), format!("{origin}/oauth/authorize"));
    assert_eq!(provider.token_endpoint().unwrap().as_str(), format!("{origin}/oauth/token"));
    assert_eq!(provider.registration_endpoint().unwrap().as_str(), format!("{origin}/oauth/register"));
    assert_eq!(provider.response_types_supported().len(), 1);
    assert_eq!(provider.response_types_supported()[0].as_slice(), [CoreResponseType::Code]);
    assert_eq!(
        provider.response_modes_supported().unwrap().as_slice(),
        [CoreResponseMode::Query, CoreResponseMode::FormPost,]
    );
    assert_eq!(
        provider.grant_types_supported().unwrap().as_slice(),
        [CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken, CoreGrantType::ClientCredentials,]
    );
    let methods = provider.token_endpoint_auth_methods_supported().unwrap();
    assert!(methods.contains(&CoreClientAuthMethod::ClientSecretBasic), "{methods:?}");
    assert!(methods.contains(&CoreClientAuthMethod::ClientSecretPost), "{methods:?}");
    let scopes = provider.scopes_supported().unwrap();
    assert!(scopes.contains(&Scope::new("projects:read".to_owned())), "{scopes:?}");
}

#[tokio::test]
async fn the_core_client_registers_and_gets_a_token() {
    let (origin, http) = (app::start().await, Http::new());
    let provider = of_openid(metadata(&http, &origin).await);
    let registration = registered(&http, &provider).await;
    assert_eq!(registration.redirect_uris()[0].as_str(), REDIRECT);
    assert_eq!(
        registration.token_endpoint_auth_method(),
        Some(&CoreClientAuthMethod::ClientSecretBasic),
        "as it is in force"
    );
    assert_eq!(registration.response_types().unwrap()[0].as_slice(), [CoreResponseType::Code]);
    assert!(registration.client_secret().is_some() && registration.client_id_issued_at().is_some());
    let _: &EmptyAdditionalClientRegistrationResponse = registration.additional_response();

    let redirect_uri = RedirectUrl::new(REDIRECT.to_owned()).unwrap();
    let (id, secret) = (registration.client_id().clone(), registration.client_secret().cloned());
    let client = CoreClient::from_provider_metadata(provider.set_jwks(JsonWebKeySet::default()), id, secret)
        .set_redirect_uri(redirect_uri);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    // It asks for the scope `openid` by itself, which is none of ours and is dropped.
    let (url, state, _) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("projects:read".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let back = Visitor::new().go(url, REDIRECT, &["Log in", "Allow"]).await;
    let parameter = |name: &str| back.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
    assert_eq!(parameter("state"), *state.secret());
    let exchange = client.exchange_code(AuthorizationCode::new(parameter("code"))).unwrap();
    let token = exchange.set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    assert_eq!(token.scopes().unwrap().as_slice(), [Scope::new("projects:read".to_owned())]);
    assert!(token.refresh_token().is_some() && token.extra_fields().id_token().is_none());

    let request = http.get(format!("{origin}/api/projects")).bearer_auth(token.access_token().secret());
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status(), &*answer.text().await.unwrap()), (StatusCode::OK, "projects of alice"));
}
