//! Attacks on routes that take a session or a token.

use std::sync::Arc;

use bytes::Bytes;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{MemoryStorage, Principal};
use http::{HeaderValue, Request};

use crate::front::Front;
use crate::support::{API, Answer, ISSUER, MCP, World};

async fn get(front: &Front, path: &str, headers: &[(&str, &[u8])]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    Answer(front.send(request.body(Bytes::new()).unwrap()).await)
}

/// The app behind each framework, with people who can give tokens.
async fn fronts() -> Vec<Front> {
    Front::sockets(|| World::with(|builder| builder)).await
}

const SESSION: (&str, &[u8]) = ("cookie", b"session=mallory");

#[tokio::test]
async fn attack_58_a_route_for_both_never_takes_the_session_when_a_token_came() {
    for front in fronts().await {
        let world = front.world.clone();
        let client = world.public_client().await;
        let expired = world.access_token(&client).await;
        world.clock.advance(std::time::Duration::from_hours(2));
        let code = world.code_for(&client, &[("resource", MCP)]).await;
        let foreign = world.exchange(&client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
        let code = world.code_for(&client, &[("scope", "projects:write")]).await;
        let narrow = world.exchange(&client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
        let revoked = world.access_token(&client).await;
        world.post("/oauth/revoke", &[("token", &revoked), ("client_id", &client.id)], &[]).await;
        let live = world.access_token(&client).await;
        let cut = &live[..live.len() - 1];
        let bad =
            [&expired, &foreign, &narrow, &revoked, cut, "", "null", "\u{e9}"].map(|token| format!("Bearer {token}"));
        let odd = ["Bearer".to_owned(), format!("Bearer\t{live}"), format!("bearer,{live}"), format!("BEARER={live}")];
        for value in bad.iter().chain(&odd) {
            let answer = get(&front, "/api/either", &[("authorization", value.as_bytes()), SESSION]).await;
            assert!(matches!(answer.status().as_u16(), 400 | 401 | 403), "{}: {value}: {}", front.name, answer.body());
            assert!(answer.header("www-authenticate").is_some(), "{value}");
            assert!(!answer.body().contains("mallory"), "{value}");
        }
        let by_live = format!("Bearer {live}");
        for twice in
            [[&by_live, &bad[0]], [&bad[0], &by_live]].map(|pair| pair.map(|value| ("authorization", value.as_bytes())))
        {
            assert_eq!(get(&front, "/api/either", &[twice[0], SESSION, twice[1]]).await.status(), 400);
        }
        let by_token = get(&front, "/api/either", &[SESSION, ("authorization", by_live.as_bytes())]).await;
        assert!(by_token.body().starts_with("GET by alice"), "the token counts: {}", by_token.body());
    }
}

#[tokio::test]
async fn attack_58_without_a_token_a_route_for_both_has_no_principal() {
    for front in fronts().await {
        let live = front.world.access_token(&front.world.public_client().await).await;
        for header in ["cookie", "proxy-authorization", "x-authorization", "x-access-token"] {
            let answer = get(&front, "/api/either", &[(header, format!("Bearer {live}").as_bytes())]).await;
            assert_eq!(answer.body(), "GET by nobody", "{}: {header}", front.name);
        }
        let in_query = format!("/api/either?access_token={live}");
        assert_eq!(get(&front, &in_query, &[SESSION]).await.body(), "GET by the session of mallory");
        assert_eq!(get(&front, "/api/either-for-token", &[SESSION]).await.status(), 500, "it wants a principal");
    }
}

#[tokio::test]
async fn attack_58_a_store_that_cannot_answer_is_no_reason_to_take_the_session() {
    let store = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&store), |builder| builder);
    let guard = world.server.resource(API).unwrap().require("projects:read").unwrap().optional();
    let live = format!("Bearer {}", world.access_token(&world.public_client().await).await);
    let parts = || {
        let request = Request::builder().header("authorization", &live).header("cookie", "session=alice");
        request.body(()).unwrap().into_parts().0
    };
    store.lose(Lost::Request, Call::AccessToken, 1);
    let refusal = guard.check(&parts()).await.unwrap_err().response();
    assert_eq!((refusal.status().as_u16(), &refusal.headers()["retry-after"]), (503, &HeaderValue::from_static("2")));
    let principal: Principal = guard.check(&parts()).await.unwrap().unwrap();
    assert_eq!(principal.subject().unwrap().as_str(), "alice");
}

#[tokio::test]
async fn a_route_that_found_neither_can_tell_clients_where_to_get_a_token() {
    let api = World::new().server.resource(API).unwrap();
    let guard = api.require("projects:read").unwrap();
    let no_token = Request::new(()).into_parts().0;
    assert!(guard.optional().check(&no_token).await.unwrap().is_none());
    let told = |refusal: grantor::Refusal| {
        let mut response = refusal.response();
        // Each refusal has a number of its own.
        assert!(response.headers_mut().remove("grantor-reference").is_some());
        format!("{response:?}")
    };
    assert_eq!(told(guard.optional().unauthenticated(&no_token)), told(guard.check(&no_token).await.unwrap_err()));
}

/// The one difference: only in axum can an extractor make an `Option` of it fail.
#[tokio::test]
async fn where_no_guard_is_nobody_is_let_through() {
    let headers = [("authorization", b"Bearer x".as_slice()), SESSION];
    for front in fronts().await {
        assert_eq!(get(&front, "/open", &headers).await.status(), 500, "{}", front.name);
        let either = get(&front, "/open/either", &headers).await;
        match front.name {
            "axum at a socket" => assert_eq!(either.status(), 500),
            // Without a guard there is no filter that would bring a principal.
            "warp" => assert_eq!(either.body(), "the start page"),
            name => assert_eq!(either.body(), "GET by the session of mallory", "{name}"),
        }
    }
}
