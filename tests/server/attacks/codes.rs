//! Attacks on authorization codes: races, replays, theft, and what must not burn one.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{self, API, Answer, CALLBACK, Client, ISSUER, MCP, World, pairs};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::MemoryStorage;
use grantor::protocol::grant::Subject;
use grantor::storage::Storage;
use grantor::storage::testkit::Yielding;
use http::StatusCode;
use tokio::sync::Barrier;

const CROWD: usize = 64;
const ROUNDS: usize = 24;
const OTHER_VERIFIER: &str = "another-verifier-of-43-to-128-characters-0123456789";

/// Posts all forms to the token endpoint at the same time.
async fn at_once<S: Storage + Clone>(world: &World<S>, forms: Vec<Vec<(String, String)>>) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(forms.len()));
    let tasks: Vec<_> = forms
        .into_iter()
        .map(|form| {
            let (world, start) = (world.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                world.post("/oauth/token", &pairs(&form), &[]).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn live_grants<S: Storage + Clone>(world: &World<S>, name: &str) -> usize {
    world.server.grants(&Subject::new(name), None, 1000).await.unwrap().len()
}

/// The id of a code or token, with a secret of the attacker's own.
fn forged(text: &str) -> String {
    let (prefix, encoded) = text.split_at(4);
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    bytes[8..].fill(7);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_12_of_parallel_exchanges_one_succeeds_and_its_token_is_dead_at_once() {
    let world = World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder);
    for method in ["none", "client_secret_post"] {
        let client = world.client(method, &[CALLBACK]).await;
        let bystander = world.access_token(&client).await;
        let grants = live_grants(&world, "alice").await;
        for round in 0..ROUNDS {
            let code = world.code(&client).await;
            let answers = at_once(&world, vec![client.token_request(&code, &[]); CROWD]).await;
            let (given, refused): (Vec<_>, Vec<_>) =
                answers.iter().partition(|answer| answer.status() == StatusCode::OK);
            assert_eq!(given.len(), 1, "round {round}: one code, one token");
            for answer in refused {
                answer.assert_error(400, "invalid_grant");
            }
            assert!(!world.is_live(&token_of(given[0])).await, "round {round}: the code was replayed");
            assert_eq!(live_grants(&world, "alice").await, grants, "round {round}: nothing of the grant is left");
        }
        assert!(world.is_live(&bystander).await, "another grant of the same user and client is left alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_12_wrong_verifiers_that_race_with_the_right_one_change_nothing() {
    let world = World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder);
    let client = world.public_client().await;
    for round in 0..ROUNDS {
        let code = world.code(&client).await;
        let mut forms = vec![client.token_request(&code, &[("code_verifier", OTHER_VERIFIER)]); CROWD];
        let right = round * CROWD / ROUNDS;
        forms[right] = client.token_request(&code, &[]);
        let answers = at_once(&world, forms).await;
        for (at, answer) in answers.iter().enumerate().filter(|(at, _)| *at != right) {
            assert_eq!((answer.status().as_u16(), answer.error().as_str()), (400, "invalid_grant"), "task {at}");
        }
        let token = token_of(&answers[right]);
        assert!(world.is_live(&token).await, "round {round}: whoever only guesses logs nobody out");
        world.exchange(&client, &code, &[("code_verifier", OTHER_VERIFIER)]).await.assert_error(400, "invalid_grant");
        assert!(world.is_live(&token).await, "round {round}: nor afterwards");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_12_different_codes_do_not_disturb_one_another() {
    let world = World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder);
    let client = world.public_client().await;
    let mut forms = Vec::new();
    for _ in 0..CROWD {
        forms.push(client.token_request(&world.code(&client).await, &[]));
    }
    for answer in at_once(&world, forms).await {
        assert!(world.is_live(&token_of(&answer)).await);
    }
}

#[tokio::test]
async fn attack_13_a_replay_revokes_its_grant_and_nothing_else() {
    let world = World::new();
    let (client, other) = (world.public_client().await, world.public_client().await);
    let before = world.access_token(&client).await;
    let code = world.code(&client).await;
    let token = token_of(&world.exchange(&client, &code, &[]).await);
    let elsewhere = world.access_token(&other).await;
    let pending = world.code(&client).await;
    let answer = world.browser_of("bob").allow(&client.authorize()).await;
    let of_bob = token_of(&world.exchange(&client, &answer.redirect_parameter("code").unwrap(), &[]).await);

    assert!(world.is_live(&token).await);
    for _ in 0..3 {
        world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
        assert!(!world.is_live(&token).await, "its code was used twice");
    }
    for untouched in [&before, &elsewhere, &of_bob] {
        assert!(world.is_live(untouched).await, "another grant");
    }
    let late = token_of(&world.exchange(&client, &pending, &[]).await);
    assert!(world.is_live(&late).await, "a code that is still on its way");
    assert_eq!((live_grants(&world, "alice").await, live_grants(&world, "bob").await), (3, 1));
}

#[tokio::test]
async fn attack_13_a_replay_counts_after_the_end_of_the_code_and_without_redirect_uri() {
    let world = World::new();
    let client = world.public_client().await;
    for (wait, changes) in
        [(90, &[][..]), (0, &[("redirect_uri", "")]), (0, &[("resource", API)]), (0, &[("resource", MCP)])]
    {
        let code = world.code(&client).await;
        let token = token_of(&world.exchange(&client, &code, &[]).await);
        world.clock.advance(Duration::from_secs(wait));
        assert!(world.is_live(&token).await);
        world.exchange(&client, &code, changes).await.assert_error(400, "invalid_grant");
        assert!(!world.is_live(&token).await, "{wait} {changes:?}");
    }
}

type Changes<'a> = Vec<(&'a str, &'a str)>;

/// What somebody can send who has seen a code but is not its client, with the error that it gets.
fn strangers<'a>(other: &'a Client, forged: &'a str) -> Vec<(&'static str, Changes<'a>)> {
    vec![
        ("invalid_grant", vec![("client_id", &other.id), ("client_secret", "")]),
        ("invalid_client", vec![("client_id", "nobody"), ("client_secret", "")]),
        ("invalid_client", vec![("client_id", ""), ("client_secret", "")]),
        ("invalid_grant", vec![("code_verifier", OTHER_VERIFIER)]),
        ("invalid_grant", vec![("code_verifier", "short")]),
        ("invalid_grant", vec![("code_verifier", support::CHALLENGE)]),
        ("invalid_request", vec![("code_verifier", "")]),
        ("invalid_grant", vec![("code", forged)]),
        ("invalid_grant", vec![("redirect_uri", "https://client.example/other")]),
        ("invalid_grant", vec![("redirect_uri", "https://attacker.example/cb")]),
    ]
}

#[tokio::test]
async fn attack_13_a_replay_by_anybody_else_has_no_effect() {
    let world = World::new();
    let uris = [CALLBACK, "https://client.example/other"];
    let other = world.client("none", &uris).await;
    for method in ["none", "client_secret_post"] {
        let client = world.client(method, &uris).await;
        let code = world.code(&client).await;
        let token = token_of(&world.exchange(&client, &code, &[]).await);
        let forged = forged(&code);
        let mut attempts = strangers(&other, &forged);
        attempts.push(("invalid_client", vec![("client_secret", "grs_guessed")]));
        if client.secret.is_some() {
            attempts.push(("invalid_client", vec![("client_secret", "")]));
        }
        for (error, changes) in attempts {
            let answer = world.exchange(&client, &code, &changes).await;
            assert_eq!(answer.error(), error, "{changes:?}");
            assert!(world.is_live(&token).await, "a way to log people out: {changes:?}");
        }
        world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
        assert!(!world.is_live(&token).await, "the client itself is a sign of theft");
    }
}

#[tokio::test]
async fn attack_14_a_code_is_worth_nothing_to_another_client() {
    let world = World::new();
    let attackers = [
        world.client("none", &[CALLBACK]).await,
        world.client("client_secret_post", &[CALLBACK]).await,
        world.administrators_client("house", Some("its own secret"), &[CALLBACK]).await,
    ];
    for method in ["none", "client_secret_post"] {
        let client = world.client(method, &[CALLBACK]).await;
        let code = world.code(&client).await;
        for attacker in &attackers {
            world.exchange(attacker, &code, &[]).await.assert_error(400, "invalid_grant");
            let form = attacker.token_request(&code, &[("client_id", ""), ("client_secret", "")]);
            let basic = attacker.basic();
            let answer = world.post("/oauth/token", &pairs(&form), &[("authorization", &basic)]).await;
            answer.assert_error(400, "invalid_grant");
        }
        let answer = world.exchange(&client, &code, &[]).await;
        assert!(world.is_live(&token_of(&answer)).await, "nor did they burn it");
    }
}

#[tokio::test]
async fn attack_15_what_the_client_can_mend_does_not_burn_the_code() {
    let world = World::new();
    let uris = [CALLBACK, "https://client.example/other"];
    for method in ["none", "client_secret_post"] {
        let client = world.client(method, &uris).await;
        let code = world.code_for(&client, &[("resource", API)]).await;
        let mut attempts: Vec<(u16, &str, Changes<'_>)> = vec![
            (400, "invalid_target", vec![("resource", MCP)]),
            (400, "invalid_target", vec![("resource", "https://unknown.example/")]),
            (400, "invalid_target", vec![("resource", "not a URL")]),
            (400, "invalid_target", vec![("resource", API), ("resource", API)]),
            (400, "invalid_grant", vec![("redirect_uri", "https://client.example/other")]),
            (400, "invalid_grant", vec![("redirect_uri", "https://client.example/cb/")]),
            (400, "invalid_request", vec![("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)]),
            (400, "invalid_request", vec![("code_verifier", "")]),
            (400, "invalid_grant", vec![("code_verifier", OTHER_VERIFIER)]),
            (400, "invalid_grant", vec![("code_verifier", "too short")]),
            (400, "invalid_request", vec![("grant_type", "")]),
            (400, "unsupported_grant_type", vec![("grant_type", "password")]),
            (400, "invalid_request", vec![("code", &code), ("code", &code)]),
            (401, "invalid_client", vec![("client_secret", "wrong")]),
            (401, "invalid_client", vec![("client_id", "unknown")]),
        ];
        if client.secret.is_some() {
            attempts.push((401, "invalid_client", vec![("client_secret", "")]));
        }
        for (status, error, changes) in attempts {
            let answer = world.exchange(&client, &code, &changes).await;
            assert_eq!((answer.status().as_u16(), answer.error().as_str()), (status, error), "{changes:?}");
        }
        let form = support::encode(&pairs(&client.token_request(&code, &[])));
        let json = support::request(http::Method::POST, "/oauth/token").header("content-type", "application/json");
        world.send(json.body(form.into()).unwrap()).await.assert_error(400, "invalid_request");

        let answer = world.exchange(&client, &code, &[]).await;
        assert!(world.is_live(&token_of(&answer)).await, "the code was still good");
    }
}
