//! Client credentials and introspection.

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::reqwest::{Client as Http, StatusCode};
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, IntrospectionUrl, RequestTokenError,
    Scope, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};

use crate::app::MACHINE;
use crate::{OAuthClient, Scene};

type Machine = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointNotSet, EndpointSet>;

const REDIRECT: &str = "https://client.example/callback";

fn introspection(origin: &str) -> IntrospectionUrl {
    IntrospectionUrl::new(format!("{origin}/oauth/introspect")).unwrap()
}

fn machine(origin: &str, auth_type: AuthType) -> Machine {
    BasicClient::new(ClientId::new(MACHINE.0.to_owned()))
        .set_client_secret(ClientSecret::new(MACHINE.1.to_owned()))
        .set_auth_type(auth_type)
        .set_token_uri(TokenUrl::new(format!("{origin}/oauth/token")).unwrap())
        .set_introspection_url(introspection(origin))
}

async fn told(machine: &Machine, token: &AccessToken, http: &Http) -> BasicTokenIntrospectionResponse {
    machine.introspect(token).set_token_type_hint("access_token").request_async(http).await.unwrap()
}

async fn completes(auth_type: AuthType) {
    let scene = Scene::new("none", "http://127.0.0.1:7777/callback").await;
    let machine = machine(&scene.origin, auth_type);
    let request = machine.exchange_client_credentials().add_scope(Scope::new("projects:read".to_owned()));
    let resource = format!("{}/api", scene.origin);
    let token = request.add_extra_param("resource", &resource).request_async(&scene.http).await.unwrap();
    assert_eq!(token.token_type(), &BasicTokenType::Bearer);
    assert_eq!(token.scopes().unwrap(), &[Scope::new("projects:read".to_owned())]);
    assert!(token.refresh_token().is_none() && token.expires_in().unwrap().as_secs() > 3000);
    let answer = scene.knock(token.access_token().secret()).await;
    assert_eq!(answer, (StatusCode::OK, format!("all projects, for {}", MACHINE.0)));

    let own = told(&machine, token.access_token(), &scene.http).await;
    assert!(own.active());
    assert_eq!((own.client_id().unwrap().as_str(), own.sub(), own.jti()), (MACHINE.0, None, None));
    assert_eq!(own.aud().unwrap(), std::slice::from_ref(&resource));
    assert_eq!((own.iss(), own.scopes()), (Some(&*scene.origin), token.scopes()));
    assert_eq!((own.exp().unwrap() - own.iat().unwrap()).num_seconds(), 3600);

    let (code, verifier) = scene.code().await;
    let of_alice =
        scene.client.exchange_code(code).set_pkce_verifier(verifier).request_async(&scene.http).await.unwrap();
    let users = told(&machine, of_alice.access_token(), &scene.http).await;
    assert_eq!((users.active(), users.sub(), users.client_id()), (true, Some("alice"), Some(scene.client.client_id())));

    let elsewhere = machine.exchange_client_credentials().add_extra_param("resource", format!("{}/mcp", scene.origin));
    let elsewhere =
        elsewhere.add_scope(Scope::new("projects:write".to_owned())).request_async(&scene.http).await.unwrap();
    assert!(told(&machine, elsewhere.access_token(), &scene.http).await.active(), "its own, wherever it is for");
    let nothing = told(&machine, &AccessToken::new("nobody's".to_owned()), &scene.http).await;
    assert!(!nothing.active() && nothing.exp().is_none() && nothing.scopes().is_none());
}

#[tokio::test]
async fn a_machine_gets_access_and_introspects_with_basic_credentials() {
    completes(AuthType::BasicAuth).await;
}

#[tokio::test]
async fn a_machine_gets_access_and_introspects_with_credentials_in_the_body() {
    completes(AuthType::RequestBody).await;
}

#[tokio::test]
async fn a_client_that_registered_itself_does_neither() {
    let scene = Scene::new("client_secret_basic", REDIRECT).await;
    match scene.client.exchange_client_credentials().request_async(&scene.http).await.unwrap_err() {
        RequestTokenError::ServerResponse(answer) => {
            assert_eq!(answer.error(), &BasicErrorResponseType::UnauthorizedClient);
        }
        other => panic!("{other:?}"),
    }
    let client: OAuthClient = scene.client.clone();
    let client = client.set_introspection_url(introspection(&scene.origin));
    let token = AccessToken::new("x".to_owned());
    match client.introspect(&token).request_async(&scene.http).await.unwrap_err() {
        RequestTokenError::ServerResponse(answer) => {
            assert_eq!(answer.error(), &BasicErrorResponseType::UnauthorizedClient);
        }
        other => panic!("{other:?}"),
    }
}
