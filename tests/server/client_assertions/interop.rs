//! Assertions that well-known libraries made: `PyJWT` 2.15, `Authlib` 1.9 and `jose` 6.2 for Node, each at the time
//! at which the clock of the tests stands.

use grantor::NewClient;
use http::StatusCode;
use serde_json::Value;

use crate::support::World;
use crate::support::signing::own_access;

async fn accepts(made: &str, count: usize, change: impl FnOnce(NewClient) -> NewClient) {
    let made: Value = serde_json::from_str(made).unwrap();
    let world = World::new();
    let new = NewClient::with_keys("Interop", &made["jwks"].to_string()).id("interop").client_credentials();
    world.created(change(new)).await;
    let tokens = made["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), count);
    for token in tokens {
        let answer = own_access(&world, token.as_str().unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{token}: {}", answer.body());
        own_access(&world, token.as_str().unwrap()).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn what_pyjwt_signs_is_taken() {
    accepts(include_str!("made_elsewhere/pyjwt.json"), 4, |client| client).await;
}

#[tokio::test]
async fn what_jose_signs_is_taken() {
    accepts(include_str!("made_elsewhere/jose.json"), 5, |client| client).await;
}

#[tokio::test]
async fn what_authlib_signs_for_the_token_endpoint_is_taken() {
    accepts(include_str!("made_elsewhere/authlib.json"), 1, NewClient::token_endpoint_audience).await;
}
