//! Attacks on routes that take a session or a token.

use bytes::Bytes;
use grantor::Principal;
use grantor::guard::Refusal;
use http::{HeaderValue, Request};

use crate::front::Front;
use crate::support::{Answer, MCP, World};

async fn get(front: &Front, path: &str, headers: &[(&str, &[u8])]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    Answer(front.send(request.body(Bytes::new()).unwrap()).await)
}

/// The app behind each framework, with people who can give tokens.
async fn fronts() -> [Front; 2] {
    let world = || World::with(|builder| builder);
    [Front::axum(world()), Front::actix(world()).await]
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
async fn attack_58_the_store_cannot_answer_is_no_reason_to_take_the_session() {
    let world = World::new();
    let guard = world.server.resource(&format!("{}/api", world.origin())).unwrap().require("projects:read").unwrap();
    let guard = guard.optional();
    let parts = |headers: &[(&str, &str)]| {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    };
    assert!(guard.check(&parts(&[("cookie", "session=alice")])).await.unwrap().is_none());
    let live = format!("Bearer {}", world.access_token(&world.public_client().await).await);
    let principal: Principal = guard.check(&parts(&[("authorization", &live)])).await.unwrap().unwrap();
    assert_eq!(principal.subject().unwrap().as_str(), "alice");
    let Refusal::Denied { challenge, .. } = guard.unauthenticated() else { panic!("a preflight?") };
    assert!(challenge.starts_with("Bearer resource_metadata=") && challenge.contains("projects:read"), "{challenge}");
}
