//! Attacks on what clients take back and on what is kept, over HTTP and without a network.

use std::sync::Arc;

use crate::support::refreshing::Tokens;
use crate::support::{API, Answer, ISSUER, World};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::storage::{Storage, StoredRefresh};
use grantor::{MemoryStorage, OrderedId, Subject};
use http::{Method, StatusCode};

type FaultyWorld = World<Arc<Faulty<MemoryStorage>>>;

fn faulty_world() -> FaultyWorld {
    World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder)
}

fn assert_unavailable(answer: &Answer) {
    answer.assert_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
}

#[tokio::test]
async fn attack_44_a_storage_error_on_revocation_is_never_success() {
    let world = faulty_world();
    let client = world.refreshing_client("client_secret_post").await;
    for (call, with_refresh) in [
        (Call::Client, true),
        (Call::RefreshToken, true),
        (Call::RevokeGrant, true),
        (Call::Client, false),
        (Call::AccessToken, false),
        (Call::RevokeAccess, false),
    ] {
        let start = world.tokens(&client).await;
        let token = if with_refresh { &start.refresh } else { &start.access };
        world.storage.lose(Lost::Request, call, 1);
        assert_unavailable(&world.revoke(&client, token, &[]).await);
        assert!(world.is_live(&start.access).await, "{call:?}: nothing happened yet");
        world.revoked(&client, token).await;
        assert!(!world.is_live(&start.access).await, "{call:?}: the retry revoked it");
    }
}

#[tokio::test]
async fn attack_44_a_lost_answer_of_a_revocation_is_no_success_either() {
    let world = faulty_world();
    let client = world.refreshing_client("none").await;
    for call in [Call::RevokeGrant, Call::RevokeAccess] {
        let start = world.tokens(&client).await;
        let token = if call == Call::RevokeGrant { &start.refresh } else { &start.access };
        world.storage.lose(Lost::Answer, call, 1);
        assert_unavailable(&world.revoke(&client, token, &[]).await);
        world.revoked(&client, token).await;
        assert!(!world.is_live(&start.access).await);
    }
    let start = world.tokens_of("bob", &client, &[]).await;
    let bob = Subject::new("bob");
    let grant = world.server.grants(&bob, None, 10).await.unwrap()[0].id;
    world.storage.lose(Lost::Request, Call::RevokeGrant, 1);
    assert!(world.server.revoke_grant(&bob, grant).await.is_err());
    assert!(world.is_live(&start.access).await);
    assert!(world.server.revoke_grant(&bob, grant).await.unwrap());
    assert!(!world.is_live(&start.access).await);
}

async fn stored<S: Storage + Clone>(world: &World<S>, token: &str) -> StoredRefresh {
    world.storage.refresh_token(id_of(token)).await.unwrap().unwrap()
}

#[tokio::test]
async fn attack_16_a_rotation_whose_answer_was_lost_is_repeated() {
    let world = faulty_world();
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    world.storage.lose(Lost::Request, Call::RotateRefresh, 1);
    assert_unavailable(&world.refresh(&client, &start.refresh, &[]).await);
    assert!(stored(&world, &start.refresh).await.rotation.is_none(), "a lost request does nothing");

    world.storage.lose(Lost::Answer, Call::RotateRefresh, 1);
    assert_unavailable(&world.refresh(&client, &start.refresh, &[]).await);
    let rotation = stored(&world, &start.refresh).await.rotation.expect("a lost answer is done");
    let retried = world.refreshed(&client, &start.refresh, &[]).await;
    assert_eq!(id_of(&retried.refresh), rotation.successor, "the pair that got lost");
    assert_eq!(world.refreshed(&client, &start.refresh, &[]).await, retried);
    assert!(world.is_live(&retried.access).await);
    world.refreshed(&client, &retried.refresh, &[]).await;
}

#[tokio::test]
async fn attack_13_an_exchange_whose_answer_was_lost_is_not_repeated() {
    let world = faulty_world();
    let client = world.refreshing_client("none").await;
    let code = world.code(&client).await;
    world.storage.lose(Lost::Answer, Call::RedeemCode, 1);
    assert_unavailable(&world.exchange(&client, &code, &[]).await);
    let alice = Subject::new("alice");
    assert_eq!(world.server.grants(&alice, None, 10).await.unwrap().len(), 1);
    world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
    assert!(world.server.grants(&alice, None, 10).await.unwrap().is_empty(), "two exchanges of a code end its grant");
}

#[tokio::test]
async fn attack_13_a_replay_ends_what_was_refreshed_since() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let code = world.code(&client).await;
    let start = Tokens::of(&world.exchange(&client, &code, &[]).await);
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    let second = world.refreshed(&client, &first.refresh, &[]).await;
    world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
    for tokens in [&start, &first, &second] {
        assert!(!world.is_live(&tokens.access).await);
        world.refresh(&client, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn attack_45_a_client_cannot_revoke_anothers_tokens() {
    let world = World::new();
    let client = world.refreshing_client("client_secret_post").await;
    let others = [world.refreshing_client("client_secret_post").await, world.refreshing_client("none").await];
    let start = world.tokens(&client).await;
    for other in &others {
        for token in [&start.refresh, &start.access] {
            world.revoke(other, token, &[]).await.assert_error(400, "invalid_grant");
        }
    }
    for secret in ["", "grs_wrong"] {
        let answer = world.revoke(&client, &start.refresh, &[("client_secret", secret)]).await;
        answer.assert_error(401, "invalid_client");
    }
    world.post("/oauth/revoke", &[("token", &start.refresh)], &[]).await.assert_error(401, "invalid_client");
    assert!(world.is_live(&start.access).await);
    world.refreshed(&client, &start.refresh, &[]).await;
}

#[tokio::test]
async fn attack_45_any_refresh_token_of_a_grant_ends_it_and_no_other() {
    let world = World::new();
    for method in ["none", "client_secret_basic"] {
        let client = world.refreshing_client(method).await;
        for (number, hint) in ["", "refresh_token", "access_token", "unheard_of"].into_iter().enumerate() {
            let (other, start) = (world.tokens(&client).await, world.tokens(&client).await);
            let first = world.refreshed(&client, &start.refresh, &[]).await;
            let second = world.refreshed(&client, &first.refresh, &[]).await;
            let token = [&start, &first, &second, &second][number].refresh.as_str();
            let answer = world.revoke(&client, token, &[("token_type_hint", hint)]).await;
            assert_eq!((answer.status(), answer.body()), (StatusCode::OK, ""));
            for tokens in [&start, &first, &second] {
                assert!(!world.is_live(&tokens.access).await, "{number}");
                world.refresh(&client, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
            }
            assert!(world.is_live(&other.access).await, "another machine stays signed in");
            world.revoked(&client, token).await;
        }
    }
}

#[tokio::test]
async fn attack_45_an_access_token_ends_alone() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    for hint in ["", "access_token", "refresh_token"] {
        let start = world.tokens(&client).await;
        let first = world.refreshed(&client, &start.refresh, &[]).await;
        let answer = world.revoke(&client, &start.access, &[("token_type_hint", hint)]).await;
        assert_eq!((answer.status(), answer.body()), (StatusCode::OK, ""));
        assert!(!world.is_live(&start.access).await, "{hint}");
        assert!(world.is_live(&first.access).await, "{hint}");
        world.refreshed(&client, &first.refresh, &[]).await;
        world.revoked(&client, &start.access).await;
    }
}

#[tokio::test]
async fn attack_45_an_unknown_token_is_none_to_revoke_and_a_guess_ends_nothing() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let (start, other) = (world.tokens(&client).await, world.tokens(&client).await);
    let code = world.code(&client).await;
    let guesses = [(&start.refresh, &other.refresh), (&start.access, &other.access)]
        .map(|(token, other)| format!("{}{}", &token[..20], &other[20..]));
    for unknown in ["x", "grr_", "%00", "null", &code, &guesses[0], &guesses[1]] {
        let answer = world.revoke(&client, unknown, &[]).await;
        assert_eq!((answer.status(), answer.body()), (StatusCode::OK, ""), "{unknown}");
    }
    for token in [&start, &other] {
        assert!(world.is_live(&token.access).await);
        world.refreshed(&client, &token.refresh, &[]).await;
    }
    world.revoke(&client, "", &[]).await.assert_error(400, "invalid_request");
    let twice = [("token", start.refresh.as_str()), ("token", "x"), ("client_id", &client.id)];
    world.post("/oauth/revoke", &twice, &[]).await.assert_error(400, "invalid_request");
    let json = [("content-type", "application/json")];
    assert_eq!(world.call(Method::POST, "/oauth/revoke", &json).await.error(), "invalid_request");
}

#[tokio::test]
async fn revocation_is_open_to_pages_and_kept_by_no_cache() {
    let world = World::new();
    let client = world.refreshing_client("none").await;
    let start = world.tokens(&client).await;
    let preflight = [("origin", "http://localhost:6274"), ("access-control-request-method", "POST")];
    let answer = world.call(Method::OPTIONS, "/oauth/revoke", &preflight).await;
    assert!(answer.status().is_success());
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    for (token, status) in [(start.refresh.as_str(), 200), ("", 400)] {
        let answer = world.revoke(&client, token, &[]).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(world.get("/oauth/revoke").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["revocation_endpoint"], format!("{ISSUER}/oauth/revoke"));
}

#[tokio::test]
async fn a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let world = World::new();
    let (plain, refreshing) = (world.public_client().await, world.refreshing_client("none").await);
    let asked = [("scope", "projects:read offline_access")];
    for (client, refreshes) in [(&plain, false), (&refreshing, true)] {
        let page = world.browser_of("alice").prompt(&client.authorize_with(&asked)).await;
        assert_eq!(page.html.contains("Stay connected"), refreshes, "{}", page.html);
        let tokens = world.tokens_of("alice", client, &asked).await;
        assert_eq!(!tokens.refresh.is_empty(), refreshes);
        assert_eq!(tokens.scope.contains("offline_access"), refreshes, "{}", tokens.scope);
        assert_eq!(world.guard(API, "projects:read", &tokens.access).await, 200);
    }
    let start = world.tokens(&refreshing).await;
    world.refresh(&plain, &start.refresh, &[]).await.assert_error(400, "unauthorized_client");
    world.refreshed(&refreshing, &start.refresh, &[]).await;
}

/// The id and the secret of a token.
fn parts(token: &str) -> (OrderedId, Vec<u8>) {
    let bytes = URL_SAFE_NO_PAD.decode(token.split_once('_').unwrap().1).unwrap();
    (OrderedId::from_bits(u64::from_be_bytes(bytes[..8].try_into().unwrap())).unwrap(), bytes[8..].to_vec())
}

fn id_of(token: &str) -> OrderedId {
    parts(token).0
}

#[tokio::test]
async fn attack_47_nothing_at_rest_can_be_read_or_used() {
    let world = World::new();
    let client = world.refreshing_client("client_secret_post").await;
    let code = world.code(&client).await;
    let start = Tokens::of(&world.exchange(&client, &code, &[]).await);
    let first = world.refreshed(&client, &start.refresh, &[]).await;
    let (used, successor) = (stored(&world, &start.refresh).await, stored(&world, &first.refresh).await);
    let access = world.storage.access_token(id_of(&first.access)).await.unwrap().unwrap();
    let spent = world.storage.code(id_of(&code)).await.unwrap().unwrap();
    let answer = used.rotation.as_ref().unwrap().answer.clone().unwrap();
    let kept = [
        format!("{spent:?} {used:?} {successor:?} {access:?}").into_bytes(),
        spent.code.hash.as_bytes().to_vec(),
        answer.to_vec(),
        used.token.hash.as_bytes().to_vec(),
        successor.token.hash.as_bytes().to_vec(),
        access.token.hash.as_bytes().to_vec(),
        serde_json::to_vec(&*world.storage.client(&access.grant.client).await.unwrap().unwrap()).unwrap(),
    ]
    .concat();
    let mut secrets: Vec<Vec<u8>> = [&code, &start.refresh, &first.refresh, &first.access, &start.access]
        .iter()
        .flat_map(|token| [token.as_bytes()[16..].to_vec(), parts(token).1])
        .collect();
    secrets.extend([client.secret.clone().unwrap().into_bytes(), b"access_token\":\"".to_vec()]);
    for secret in &secrets {
        assert!(!kept.windows(secret.len()).any(|window| window == secret), "{}", String::from_utf8_lossy(secret));
    }
    // Whoever reads the store cannot make a token of what is there.
    for hash in [used.token.hash, successor.token.hash] {
        let made = [&id_of(&first.refresh).to_bits().to_be_bytes()[..], hash.as_bytes()].concat();
        let made = format!("grr_{}", URL_SAFE_NO_PAD.encode(made));
        world.refresh(&client, &made, &[]).await.assert_error(400, "invalid_grant");
    }
}
