//! What the app's own people do with clients and grants, over HTTP while clients are at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::{API, CALLBACK, Client, ISSUER, World, request};
use grantor::protocol::new_client::InvalidClient;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{ChangeClientError, ClientChange, ClientId, ConsentPolicy, MemoryStorage, NewClient, Subject};
use http::{Method, StatusCode};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn id(client: &Client) -> ClientId {
    ClientId::parse(&client.id).unwrap()
}

fn alice() -> Subject {
    Subject::new("alice")
}

/// A confidential client of the app's own people that may refresh.
async fn billing(world: &World) -> Client {
    let created = world.server.create_client(NewClient::confidential("Billing").redirect_uri(CALLBACK)).await.unwrap();
    Client {
        id: created.client.id.to_string(),
        secret: Some(created.secret.unwrap().expose().to_owned()),
        redirect_uri: CALLBACK.to_owned(),
    }
}

async fn change(world: &World, client: &Client, change: ClientChange) {
    let _ = world.server.change_client(&id(client), change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_administrators_story() {
    let world = World::new();
    let client = billing(&world).await;
    let tokens = world.tokens(&client).await;
    assert_eq!(world.guard(API, "projects:read", &tokens.access).await, 200);

    // Blocked while a token is in use: the very next call fails, and so does all else.
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let caller = tokio::spawn({
        let (world, token, stop, seen) = (world.clone(), tokens.access.clone(), Arc::clone(&stop), Arc::clone(&seen));
        async move {
            while !stop.load(Ordering::SeqCst) {
                let began_blocked = seen.load(Ordering::SeqCst) > 0;
                let status = world.guard(API, "projects:read", &token).await;
                assert!(
                    status == 401 || !began_blocked,
                    "a call that began after the block was answered with {status}"
                );
                tokio::task::yield_now().await;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.server.block_client(&id(&client)).await.unwrap();
    seen.store(1, Ordering::SeqCst);
    assert_eq!(world.guard(API, "projects:read", &tokens.access).await, 401, "the next call fails");
    tokio::time::sleep(Duration::from_millis(20)).await;
    stop.store(true, Ordering::SeqCst);
    caller.await.unwrap();
    world.refresh(&client, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
    world.browser_of("alice").get(&client.authorize()).await.assert_page(403);
    assert!(world.server.client(&id(&client)).await.unwrap().unwrap().blocked);

    // Unblocked: it may ask again, and what it had stays ended.
    world.server.unblock_client(&id(&client)).await.unwrap();
    assert_eq!(world.guard(API, "projects:read", &tokens.access).await, 401);
    world.refresh(&client, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    let again = world.tokens(&client).await;
    assert_eq!(world.guard(API, "projects:read", &again.access).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_secret_is_rotated_with_traffic_running_and_no_request_fails() {
    let world = World::new();
    let old = billing(&world).await;
    // The secret in use, with its number, and which one each of the eight has taken up.
    let current = Arc::new(std::sync::Mutex::new((0, old.clone())));
    let taken_up: Arc<[AtomicU32; 8]> = Arc::default();
    let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let traffic: Vec<_> = (0..8)
        .map(|number| {
            let (world, current) = (world.clone(), Arc::clone(&current));
            let (stop, requests, taken_up) = (Arc::clone(&stop), Arc::clone(&requests), Arc::clone(&taken_up));
            tokio::spawn(async move {
                // Each goes the whole way: consent, exchange, refresh. They take up a new secret at some time.
                let (_, mut mine) = current.lock().unwrap().clone();
                while !stop.load(Ordering::SeqCst) {
                    let tokens = world.tokens_of(&format!("user {number}"), &mine, &[]).await;
                    let _ = world.refreshed(&mine, &tokens.refresh, &[]).await;
                    requests.fetch_add(4, Ordering::SeqCst);
                    if requests.load(Ordering::SeqCst) % 3 == 0 {
                        let newest;
                        (newest, mine) = current.lock().unwrap().clone();
                        taken_up[number].store(newest, Ordering::SeqCst);
                    }
                    tokio::task::yield_now().await;
                }
                mine
            })
        })
        .collect();
    let mut last = old.clone();
    for newest in 1..=3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let secret = world.server.rotate_client_secret(&id(&old), DAY).await.unwrap();
        last.secret = Some(secret.expose().to_owned());
        *current.lock().unwrap() = (newest, last.clone());
        // All have taken it up before the next one comes.
        let before = requests.load(Ordering::SeqCst);
        let behind = |number: &AtomicU32| number.load(Ordering::SeqCst) < newest;
        while requests.load(Ordering::SeqCst) < before + 400 || taken_up.iter().any(behind) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for worker in traffic {
        worker.await.expect("no request failed");
    }
    assert!(requests.load(Ordering::SeqCst) >= 1200);
    let tokens = world.tokens(&last).await;
    world.refresh(&old, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn an_old_secret_ends_with_its_overlap_and_at_once_without_one() {
    let world = World::new();
    let old = billing(&world).await;
    let mut tokens = world.tokens(&old).await;
    let secret = world.server.rotate_client_secret(&id(&old), DAY).await.unwrap();
    let new = Client { secret: Some(secret.expose().to_owned()), ..old.clone() };
    for client in [&old, &new] {
        tokens = world.refreshed(client, &tokens.refresh, &[]).await;
    }
    world.clock.advance(DAY - Duration::from_millis(1));
    tokens = world.refreshed(&old, &tokens.refresh, &[]).await;
    world.clock.advance(Duration::from_millis(1));
    world.refresh(&old, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
    tokens = world.refreshed(&new, &tokens.refresh, &[]).await;

    let secret = world.server.rotate_client_secret(&id(&old), Duration::ZERO).await.unwrap();
    let newest = Client { secret: Some(secret.expose().to_owned()), ..old.clone() };
    world.refresh(&new, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
    tokens = world.refreshed(&newest, &tokens.refresh, &[]).await;

    let own = "01fbff229384e53647d8291abb6c0dfe5f708192a3b4c5d6e7f8091021324354";
    world.server.set_client_secret(&id(&old), own, Duration::ZERO).await.unwrap();
    let with_own = Client { secret: Some(own.to_owned()), ..old.clone() };
    let _ = world.refreshed(&with_own, &tokens.refresh, &[]).await;
    let error = world.server.set_client_secret(&id(&old), "short", DAY).await.unwrap_err();
    assert!(matches!(error, ChangeClientError::Invalid(_)), "{error}");
}

#[tokio::test]
async fn a_public_client_has_no_secret_to_rotate_and_nobody_has_none_to_change() {
    let world = World::new();
    let public = world.public_client().await;
    let error = world.server.rotate_client_secret(&id(&public), DAY).await.unwrap_err();
    assert!(matches!(error, ChangeClientError::Public), "{error}");
    let nobody = ClientId::parse("nobody").unwrap();
    let errors = [
        world.server.block_client(&nobody).await.unwrap_err(),
        world.server.unblock_client(&nobody).await.unwrap_err(),
        world.server.rotate_client_secret(&nobody, DAY).await.unwrap_err(),
        world.server.change_client(&nobody, ClientChange::new()).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| matches!(error, ChangeClientError::Unknown)), "{errors:?}");
    assert!(!world.server.remove_client(&nobody).await.unwrap());
    assert_eq!(world.server.revoke_grants_of_client(&nobody).await.unwrap(), 0);
}

#[tokio::test]
async fn a_change_is_in_force_at_once() {
    let world = World::new();
    let client = billing(&world).await;
    let before = world.tokens(&client).await;
    assert_eq!((before.scope.as_str(), before.expires_in), ("projects:read projects:write", 3600));

    let lifetimes = ClientChange::new()
        .access_token_lifetime(Some(Duration::from_secs(60)))
        .refresh_token_lifetime(Some(Duration::from_secs(600)));
    change(&world, &client, lifetimes.scopes(Some("projects:read")).name("Renamed")).await;
    let refreshed = world.refreshed(&client, &before.refresh, &[]).await;
    assert_eq!((refreshed.scope.as_str(), refreshed.expires_in), ("projects:read", 60), "what it has got as well");
    let page = world.browser_of("alice").prompt(&client.authorize()).await;
    assert!(page.html.contains("Renamed") && !page.html.contains("Change your projects"), "{}", page.html);
    world.clock.advance(Duration::from_secs(600));
    world.refresh(&client, &refreshed.refresh, &[]).await.assert_error(400, "invalid_grant");

    change(&world, &client, ClientChange::new().scopes(None).access_token_lifetime(None)).await;
    let after = world.tokens(&client).await;
    assert_eq!((after.scope.as_str(), after.expires_in), ("projects:read projects:write", 3600));

    let moved = "https://client.example/moved";
    change(&world, &client, ClientChange::new().redirect_uris([moved])).await;
    world.browser_of("alice").get(&client.authorize()).await.assert_page(400);
    let moved = Client { redirect_uri: moved.to_owned(), ..client.clone() };
    let _ = world.tokens(&moved).await;
    let unsafe_uri = ClientChange::new().redirect_uris(["javascript:alert(1)"]);
    for bad in [unsafe_uri, ClientChange::new().redirect_uris([]), ClientChange::new().scopes(Some("nothing"))] {
        let error = world.server.change_client(&id(&client), bad).await.unwrap_err();
        assert!(matches!(error, ChangeClientError::Invalid(_)), "{error}");
    }
    let _ = world.tokens(&moved).await;
}

#[tokio::test]
async fn client_credentials_are_given_and_taken_with_all_that_they_brought() {
    let world = World::new();
    let (client, other) = (billing(&world).await, world.machine().await);
    let users = world.tokens(&client).await;
    world.own_access(&client, &[]).await.assert_error(400, "unauthorized_client");
    change(&world, &client, ClientChange::new().client_credentials(true)).await;
    let own = world.own_token(&client, &[]).await;
    let others = world.own_token(&other, &[]).await;
    assert!(world.is_live(&users.access).await && world.is_live(&own.access).await, "what is added ends nothing");
    change(&world, &client, ClientChange::new().client_credentials(true).name("Renamed")).await;
    assert!(world.is_live(&own.access).await, "it had that before");

    change(&world, &client, ClientChange::new().client_credentials(false)).await;
    world.own_access(&client, &[]).await.assert_error(400, "unauthorized_client");
    for token in [&own.access, &users.access] {
        assert!(!world.is_live(token).await, "all of it ends in one moment");
    }
    world.refresh(&client, &users.refresh, &[]).await.assert_error(400, "invalid_grant");
    assert!(world.is_live(&others.access).await, "another client's stays");
    let again = world.tokens(&client).await;
    change(&world, &client, ClientChange::new().client_credentials(false)).await;
    assert!(world.is_live(&again.access).await, "there was nothing to take any more");

    let alone = ClientChange::new().client_credentials(false);
    let error = world.server.change_client(&id(&other), alone.clone()).await.unwrap_err();
    assert!(matches!(error, ChangeClientError::Invalid(_)), "it would be for nothing: {error}");
    assert!(world.is_live(&others.access).await);
    change(&world, &other, alone.redirect_uris([CALLBACK])).await;
    assert!(!world.is_live(&others.access).await);
    let _ = world.tokens(&Client { redirect_uri: CALLBACK.to_owned(), ..other }).await;
}

#[tokio::test]
async fn introspection_is_given_and_taken_from_the_next_request_on() {
    let world = World::new();
    let (client, server) = (billing(&world).await, billing(&world).await);
    let token = world.tokens(&client).await.access;
    let active = async || world.introspect(&server, &token, &[]).await.json()["active"].as_bool();
    world.introspect(&server, &token, &[]).await.assert_error(403, "unauthorized_client");
    change(&world, &server, ClientChange::new().introspects(Some(&["/mcp"]))).await;
    assert_eq!(active().await, Some(false), "it is for another resource");
    change(&world, &server, ClientChange::new().introspects(Some(&[API, "/mcp"]))).await;
    assert_eq!(active().await, Some(true));
    let summary = world.server.client(&id(&server)).await.unwrap().unwrap();
    assert_eq!(summary.introspects.unwrap().len(), 2);
    change(&world, &server, ClientChange::new().introspects(Some(&[]))).await;
    assert_eq!(active().await, Some(false), "its own alone");
    let own = world.tokens(&server).await;
    assert_eq!(world.introspect(&server, &own.refresh, &[]).await.json()["active"], true);
    change(&world, &server, ClientChange::new().introspects(None)).await;
    world.introspect(&server, &token, &[]).await.assert_error(403, "unauthorized_client");
    assert!(world.is_live(&own.access).await, "nothing ends with it");
    let unknown = ClientChange::new().introspects(Some(&["/elsewhere"]));
    assert!(world.server.change_client(&id(&server), unknown).await.is_err());
}

#[tokio::test]
async fn attack_28_a_public_client_is_given_nothing_of_its_own() {
    let world = World::new();
    let public = world.public_client().await;
    for given in [
        ClientChange::new().client_credentials(true),
        ClientChange::new().introspects(Some(&[])),
        ClientChange::new().introspects(Some(&[API])).name("Renamed"),
    ] {
        let error = world.server.change_client(&id(&public), given).await.unwrap_err();
        let ChangeClientError::Invalid(InvalidClient::NotConfidential(name)) = error else { panic!("{error}") };
        assert_eq!(name, "Helper");
    }
    world.own_access(&public, &[]).await.assert_error(400, "unauthorized_client");
    change(&world, &public, ClientChange::new().client_credentials(false).introspects(None)).await;
    let _ = world.tokens(&public).await;
}

#[tokio::test]
async fn what_the_builder_or_the_client_itself_takes_away_ends_as_well() {
    let storage = MemoryStorage::new();
    let start = |acts: bool| {
        let secret = "01fbff229384e53647d8291abb6c0dfe5f708192a3b4c5d6e7f8091021324354";
        let new = NewClient::confidential("Shop").id("shop").secret(secret).redirect_uri(CALLBACK);
        let new = if acts { new.client_credentials() } else { new };
        let shop = Client { id: "shop".to_owned(), secret: Some(secret.to_owned()), redirect_uri: CALLBACK.to_owned() };
        (
            World::at(ISSUER, storage.clone(), |builder| builder.client(new).keys(grantor::Keys::from_bytes([7; 32]))),
            shop,
        )
    };
    let (world, shop) = start(true);
    let own = world.own_token(&shop, &[]).await.access;
    let (world, shop) = start(true);
    let _ = world.own_token(&shop, &[]).await;
    assert!(world.is_live(&own).await, "the same client as before");
    let (world, shop) = start(false);
    world.own_access(&shop, &[]).await.assert_error(400, "unauthorized_client");
    assert!(!world.is_live(&own).await);

    let world = World::with(grantor::Builder::registration_management);
    let metadata = |method: &str, id: &str| serde_json::json!({ "client_id": id, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method });
    let registered = world.register(&metadata("client_secret_post", "")).await.json();
    let text = |field: &str| registered[field].as_str().unwrap().to_owned();
    let client =
        Client { id: text("client_id"), secret: Some(text("client_secret")), redirect_uri: CALLBACK.to_owned() };
    change(&world, &client, ClientChange::new().client_credentials(true)).await;
    let own = world.own_token(&client, &[]).await.access;
    for (method, is_live) in [("client_secret_post", true), ("none", false)] {
        let put = request(Method::PUT, &format!("/oauth/register/{}", client.id))
            .header("authorization", format!("Bearer {}", text("registration_access_token")))
            .header("content-type", "application/json");
        let answer = world.send(put.body(metadata(method, &client.id).to_string().into()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
        assert_eq!(world.is_live(&own).await, is_live, "{method}");
    }
}

#[tokio::test]
async fn attack_41_a_consent_page_outlives_a_new_secret_and_no_change_of_what_it_shows() {
    let world = World::new();
    let client = billing(&world).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let _ = world.server.rotate_client_secret(&id(&client), DAY).await.unwrap();
    change(&world, &client, ClientChange::new().access_token_lifetime(Some(DAY))).await;
    assert!(browser.decide(&page, "allow").await.redirect_parameter("code").is_some());

    let more = "https://client.example/more";
    for shown in [
        ClientChange::new().name("Somebody else"),
        ClientChange::new().redirect_uris([CALLBACK, more]),
        ClientChange::new().logo(Some("https://client.example/logo.png")),
        ClientChange::new().home_page(Some("https://client.example/")),
        ClientChange::new().scopes(Some("projects:read projects:write")),
        ClientChange::new().consent(ConsentPolicy::Remember),
    ] {
        let page = browser.prompt(&client.authorize()).await;
        change(&world, &client, shown).await;
        browser.decide(&page, "allow").await.assert_page(403);
    }
    let mut browser = world.browser_of("bob");
    let page = browser.prompt(&client.authorize()).await;
    world.server.block_client(&id(&client)).await.unwrap();
    browser.decide(&page, "allow").await.assert_page(403);
    assert!(world.server.grants(&alice(), None, 10).await.unwrap().is_empty(), "blocked: nothing is left");
}

#[tokio::test]
async fn attack_35_a_client_that_is_blocked_stays_so_when_the_app_starts_again() {
    let storage = MemoryStorage::new();
    let start = |name: &str| {
        let new = NewClient::public(name).id("shop").redirect_uri(CALLBACK);
        World::at(ISSUER, storage.clone(), |builder| builder.client(new).keys(grantor::Keys::from_bytes([7; 32])))
    };
    let shop = Client { id: "shop".to_owned(), secret: None, redirect_uri: CALLBACK.to_owned() };
    start("Shop").server.block_client(&id(&shop)).await.unwrap();
    for name in ["Shop", "Shop under another name"] {
        start(name).browser_of("alice").get(&shop.authorize()).await.assert_page(403);
    }
    start("Shop").server.unblock_client(&id(&shop)).await.unwrap();
    let _ = start("Shop").tokens(&shop).await;
}

#[tokio::test]
async fn everything_of_a_client_or_of_a_user_is_revoked_and_nothing_else() {
    let world = World::new();
    let (one, other) = (billing(&world).await, billing(&world).await);
    let remember = || ClientChange::new().consent(ConsentPolicy::Remember);
    change(&world, &one, remember()).await;
    change(&world, &other, remember()).await;
    let mine = [world.tokens(&one).await, world.tokens(&other).await];
    let bobs = [world.tokens_of("bob", &one, &[]).await, world.tokens_of("bob", &other, &[]).await];
    let live = async |tokens: &Tokens| world.is_live(&tokens.access).await;

    assert_eq!(world.server.revoke_grants_of_client(&id(&one)).await.unwrap(), 2);
    assert_eq!([live(&mine[0]).await, live(&bobs[0]).await], [false, false]);
    assert_eq!([live(&mine[1]).await, live(&bobs[1]).await], [true, true]);
    world.refresh(&one, &mine[0].refresh, &[]).await.assert_error(400, "invalid_grant");
    let asked = world.browser_of("alice").get(&one.authorize()).await;
    assert_eq!(asked.status(), StatusCode::OK, "what was agreed to is forgotten");
    let silent = world.browser_of("alice").get(&other.authorize()).await;
    assert_eq!(silent.status(), StatusCode::SEE_OTHER, "that of the other client is not");

    let again = world.tokens(&one).await;
    assert!(live(&again).await);
    // That of the silent answer above is one of them.
    assert_eq!(world.server.revoke_grants(&alice()).await.unwrap(), 3);
    assert_eq!([live(&again).await, live(&mine[1]).await, live(&bobs[1]).await], [false, false, true]);
    for client in [&one, &other] {
        let asked = world.browser_of("alice").get(&client.authorize()).await;
        assert_eq!(asked.status(), StatusCode::OK, "what alice agreed to is forgotten");
    }
    assert_eq!(world.server.revoke_grants(&alice()).await.unwrap(), 0);
    assert!(world.server.grants(&alice(), None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_is_removed_is_unknown_and_what_it_had_is_worth_nothing() {
    let world = World::new();
    let client = billing(&world).await;
    let tokens = world.tokens(&client).await;
    let code = world.code(&client).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    assert!(world.server.remove_client(&id(&client)).await.unwrap());
    assert!(!world.is_live(&tokens.access).await);
    world.refresh(&client, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
    world.exchange(&client, &code, &[]).await.assert_error(401, "invalid_client");
    browser.decide(&page, "allow").await.assert_page(403);
    browser.get(&client.authorize()).await.assert_page(400);
    assert!(!world.server.remove_client(&id(&client)).await.unwrap());

    // Whoever gets the id next inherits nothing.
    let heir = NewClient::public("Heir").id(&client.id).redirect_uri(CALLBACK);
    let _ = world.server.create_client(heir).await.unwrap();
    let heir = Client { secret: None, ..client };
    world.refresh(&heir, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    world.exchange(&heir, &code, &[]).await.assert_error(400, "invalid_grant");
    assert!(!world.is_live(&tokens.access).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_22_a_block_beside_exchanges_and_refreshes_leaves_nothing_alive() {
    let world = World::new();
    for _ in 0..30 {
        let client = billing(&world).await;
        let code = world.code(&client).await;
        let tokens = world.tokens_of("bob", &client, &[]).await;
        let page = world.browser_of("carol").prompt(&client.authorize()).await;
        let racers = (0..9).map(|number| {
            let (world, client, code) = (world.clone(), client.clone(), code.clone());
            let (refresh, page) = (tokens.refresh.clone(), page.clone());
            tokio::spawn(async move {
                let answer = match number % 3 {
                    0 => world.exchange(&client, &code, &[]).await,
                    1 => world.refresh(&client, &refresh, &[]).await,
                    _ => world.browser_of("carol").decide(&page, "allow").await,
                };
                (answer.status() == StatusCode::OK).then(|| Tokens::of(&answer))
            })
        });
        let racers: Vec<_> = racers.collect();
        world.server.block_client(&id(&client)).await.unwrap();
        for racer in racers {
            if let Some(won) = racer.await.unwrap() {
                assert!(!world.is_live(&won.access).await, "a token outlived the block");
            }
        }
        for name in ["alice", "bob", "carol"] {
            let left = world.server.grants(&Subject::new(name), None, 10).await.unwrap();
            assert!(left.is_empty(), "{name} has a live grant of a blocked client");
        }
    }
}

#[tokio::test]
async fn of_changes_at_once_none_is_lost() {
    let world = World::new();
    let client = billing(&world).await;
    let id = id(&client);
    let name = world.server.change_client(&id, ClientChange::new().name("Renamed"));
    let scopes = world.server.change_client(&id, ClientChange::new().scopes(Some("projects:read")));
    let block = world.server.block_client(&id);
    let (name, scopes, block) = tokio::join!(name, scopes, block);
    assert!(name.is_ok() && scopes.is_ok() && block.is_ok());
    let read = world.server.client(&id).await.unwrap().unwrap();
    assert_eq!((read.name.as_deref(), read.scopes.as_str(), read.blocked), (Some("Renamed"), "projects:read", true));
}

#[tokio::test]
async fn attack_44_an_administrator_hears_of_a_store_that_cannot_answer() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let client = world.refreshing_client("none").await;
    let tokens = world.tokens(&client).await;
    for lost in [Lost::Request, Lost::Answer] {
        storage.lose(lost, Call::RevokeGrants, 1);
        assert!(world.server.revoke_grants(&alice()).await.is_err());
        storage.lose(lost, Call::RemoveClient, 1);
        assert!(world.server.remove_client(&id(&client)).await.is_err());
        storage.lose(lost, Call::UpdateClient, 1);
        let error = world.server.block_client(&id(&client)).await.unwrap_err();
        assert!(matches!(error, ChangeClientError::Storage(_) | ChangeClientError::Unknown), "{error}");
    }
    assert!(!world.is_live(&tokens.access).await);
}
