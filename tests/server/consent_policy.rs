//! When people are asked and when they are not: what was remembered, what an administrator said, and
//! whom that never covers.

use std::collections::BTreeSet;

use crate::support::{self, API, CALLBACK, Client, MCP, World};
use grantor::Subject;
use grantor::protocol::client::ConsentPolicy;
use grantor::protocol::secret::OrderedId;
use grantor::storage::Storage;

const OTHER_CALLBACK: &str = "https://client.example/other";
const POLICIES: [ConsentPolicy; 3] = [ConsentPolicy::Ask, ConsentPolicy::Remember, ConsentPolicy::Skip];

async fn remembering(world: &World) -> Client {
    world.house_client("house", ConsentPolicy::Remember, &[CALLBACK, OTHER_CALLBACK]).await
}

async fn given(world: &World, name: &str) -> Vec<OrderedId> {
    let grants = world.server.grants(&Subject::new(name), None, 10_000).await.unwrap();
    grants.into_iter().map(|grant| grant.id).collect()
}

#[tokio::test]
async fn who_agreed_once_is_not_asked_again_for_the_same() {
    let world = World::new();
    let client = remembering(&world).await;
    let mut browser = world.browser_of("alice");
    browser.get(&client.authorize()).await.assert_asks("for the first time");
    browser.get(&client.authorize()).await.assert_asks("seeing the page is no consent");
    let first = browser.allow(&client.authorize()).await;
    assert!(first.redirect_parameter("code").is_some());

    let mut elsewhere = world.browser_of("alice");
    for browser in [&mut browser, &mut elsewhere] {
        for scope in ["projects:read projects:write", "projects:write projects:read", "projects:read", ""] {
            let answer = browser.get(&client.authorize_with(&[("scope", scope)])).await;
            assert_eq!(answer.redirect_parameter("state").as_deref(), Some("st/a te"));
            assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(support::ISSUER));
            let tokens = world.exchange(&client, &answer.silent_code(), &[]).await.json();
            assert!(world.is_live(tokens["access_token"].as_str().unwrap()).await);
            let narrowed = if scope.contains("write") { "projects:read projects:write" } else { "projects:read" };
            assert_eq!(tokens["scope"], narrowed, "what was asked for, and not what was remembered");
        }
    }
    assert_eq!(given(&world, "alice").await.len(), 9, "each answer is a grant of its own");
}

#[tokio::test]
async fn a_denial_is_not_remembered_as_consent() {
    let world = World::new();
    let client = remembering(&world).await;
    let mut browser = world.browser_of("alice");
    browser.deny(&client.authorize()).await.assert_told(&client, "access_denied");
    browser.get(&client.authorize()).await.assert_asks("after a denial");

    browser.allow(&client.authorize_with(&[("scope", "projects:read")])).await;
    browser.deny(&client.authorize()).await.assert_told(&client, "access_denied");
    browser.get(&client.authorize()).await.assert_asks("what was denied");
    browser.get(&client.authorize_with(&[("scope", "projects:read")])).await.silent_code();
}

/// The descriptions of the scopes that the page calls new.
fn marked(html: &str) -> Vec<&str> {
    let items = html.split("<li>").filter(|item| item.contains("mark new"));
    items.map(|item| item.split("<code>").nth(1).unwrap().split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn one_more_scope_is_asked_for_and_it_alone_is_marked() {
    let world = World::new();
    let client = remembering(&world).await;
    let mut browser = world.browser_of("alice");
    let read = client.authorize_with(&[("scope", "projects:read")]);
    let page = browser.prompt(&read).await;
    assert_eq!(marked(&page.html), [""; 0], "at first all is new and nothing is marked");
    browser.decide(&page, "allow").await;

    let more = [("projects:read projects:write", "projects:write"), ("admin projects:read", "admin")];
    for (scope, new) in more {
        let page = browser.prompt(&client.authorize_with(&[("scope", scope)])).await;
        assert_eq!(marked(&page.html), [new]);
        assert!(page.html.contains("projects:read"), "what was given before is on the page too");
        browser.decide(&page, "allow").await;
    }
    browser.get(&client.authorize_with(&[("scope", "admin projects:write projects:read")])).await.silent_code();
    let offline = client.authorize_with(&[("scope", "projects:read offline_access")]);
    browser.get(&offline).await.assert_asks("for access that goes on");
    browser.allow(&offline).await;
    browser.get(&offline).await.silent_code();
}

#[tokio::test]
async fn another_redirect_uri_or_resource_is_asked_for() {
    let world = World::new();
    let client = remembering(&world).await;
    let mut browser = world.browser_of("alice");
    browser.allow(&client.authorize()).await;
    for (changes, why) in [
        (&[("redirect_uri", OTHER_CALLBACK)][..], "another redirect URI"),
        (&[("resource", MCP)], "another resource"),
        (&[("resource", API), ("resource", MCP)], "one resource more"),
    ] {
        let request = client.authorize_with(changes);
        browser.get(&request).await.assert_asks(why);
        browser.allow(&request).await;
        browser.get(&request).await.silent_code();
    }
    let swapped = client.authorize_with(&[("resource", MCP), ("resource", API)]);
    browser.get(&swapped).await.silent_code();
    browser.get(&client.authorize_with(&[("resource", API)])).await.silent_code();
    let both = client.authorize_with(&[("redirect_uri", OTHER_CALLBACK), ("resource", MCP)]);
    browser.get(&both).await.assert_asks("each was agreed to, but not together");
    browser.get(&client.authorize()).await.silent_code();
}

#[tokio::test]
async fn another_user_or_client_is_asked() {
    let world = World::new();
    let client = remembering(&world).await;
    let other = world.house_client("house2", ConsentPolicy::Remember, &[CALLBACK]).await;
    let mut browser = world.browser_of("alice");
    browser.allow(&client.authorize()).await;
    browser.get(&other.authorize()).await.assert_asks("another client of the same name and redirect URI");
    for name in ["bob", "Alice", "alice ", "alic"] {
        browser.sign_in(name);
        browser.get(&client.authorize()).await.assert_asks(name);
        assert!(given(&world, name).await.is_empty(), "{name}");
    }
    browser.sign_out();
    assert!(browser.get(&client.authorize()).await.return_to().contains("client_id=house"));
    browser.sign_in("alice");
    browser.get(&client.authorize()).await.silent_code();
}

#[tokio::test]
async fn who_takes_a_grant_back_is_asked_again() {
    let world = World::new();
    let client = remembering(&world).await;
    let (alice, bob) = (Subject::new("alice"), Subject::new("bob"));
    for name in ["alice", "bob"] {
        world.browser_of(name).allow(&client.authorize()).await;
    }
    let mut browser = world.browser_of("alice");
    browser.get(&client.authorize()).await.silent_code();
    let theirs = given(&world, "bob").await[0];
    assert!(!world.server.revoke_grant(&alice, theirs).await.unwrap());
    browser.get(&client.authorize()).await.silent_code();

    let oldest = *given(&world, "alice").await.last().unwrap();
    assert!(!world.server.revoke_grant(&bob, oldest).await.unwrap());
    browser.get(&client.authorize()).await.silent_code();
    assert!(world.server.revoke_grant(&alice, oldest).await.unwrap());
    browser.get(&client.authorize()).await.assert_asks("one grant was taken back, though others are left");
    world.browser_of("bob").get(&client.authorize()).await.silent_code();
    browser.allow(&client.authorize()).await;
    browser.get(&client.authorize()).await.silent_code();
}

#[tokio::test]
async fn who_logs_a_client_out_is_asked_again() {
    let world = World::new();
    let client = remembering(&world).await;
    let tokens = world.tokens(&client).await;
    let mut browser = world.browser_of("alice");
    world.revoked(&client, &tokens.access).await;
    browser.get(&client.authorize()).await.silent_code();
    world.revoked(&client, &tokens.refresh).await;
    browser.get(&client.authorize()).await.assert_asks("the client gave its access back");
}

#[tokio::test]
async fn prompt_consent_asks_whatever_was_remembered_or_is_skipped() {
    let world = World::new();
    for (id, policy) in ["ask", "remember", "skip"].iter().zip(POLICIES) {
        let client = world.house_client(id, policy, &[CALLBACK]).await;
        let mut browser = world.browser_of("alice");
        let asking = client.authorize_with(&[("prompt", "consent")]);
        for _ in 0..2 {
            browser.get(&asking).await.assert_asks(id);
            assert!(browser.allow(&asking).await.redirect_parameter("code").is_some());
        }
    }
}

#[tokio::test]
async fn the_apps_own_client_is_never_asked_about_and_gets_only_what_it_may() {
    let world = World::new();
    let client = world.house_client("house", ConsentPolicy::Skip, &[CALLBACK]).await;
    let mut browser = world.browser_of("alice");
    let answer = browser.get(&client.authorize()).await;
    let tokens = world.exchange(&client, &answer.silent_code(), &[]).await.json();
    assert_eq!(tokens["scope"], "projects:read projects:write");
    assert_eq!(given(&world, "alice").await.len(), 1, "what was given without a question is on the list too");
    let refused = browser.get(&client.authorize_with(&[("scope", "nothing:known")])).await;
    refused.assert_told(&client, "invalid_scope");
    browser.get(&client.authorize_with(&[("redirect_uri", "https://evil.example/cb")])).await.assert_page(400);

    browser.sign_out();
    assert!(browser.get(&client.authorize()).await.return_to().contains("client_id=house"), "nobody is signed in");
    world.assert_nothing_granted(&["", "bob"]).await;
    let grant = given(&world, "alice").await[0];
    assert!(world.server.revoke_grant(&Subject::new("alice"), grant).await.unwrap());
    assert!(!world.is_live(tokens["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn attack_42_no_policy_makes_a_stranger_or_a_native_client_silent() {
    let world = World::new();
    let native = ["http://127.0.0.1:1/cb", "http://localhost/cb", "http://[::1]/cb", "com.example.app:/cb"];
    let mut clients = Vec::new();
    for (at, policy) in POLICIES.into_iter().enumerate() {
        for uri in native {
            clients.push(world.house_client(&format!("house {at} {uri}"), policy, &[uri]).await);
        }
        for uri in native.iter().chain(&[CALLBACK]) {
            clients.push(world.stranger_with(&format!("stranger {at} {uri}"), policy, &[uri]).await);
        }
    }
    clients.push(world.public_client().await);
    for client in clients {
        let mut browser = world.browser_of("alice");
        for _ in 0..2 {
            browser.get(&client.authorize()).await.assert_asks(&client.id);
            assert!(browser.allow(&client.authorize()).await.redirect_parameter("code").is_some());
        }
        let before = given(&world, "alice").await.len();
        let silent = browser.get(&client.authorize_with(&[("prompt", "none")])).await;
        if client.id.starts_with("house") {
            silent.assert_told(&client, "consent_required");
        } else {
            silent.assert_page_says(400, "consent_required");
        }
        assert_eq!(given(&world, "alice").await.len(), before, "{}", client.id);
    }
}

#[tokio::test]
async fn attack_42_a_web_redirect_does_not_answer_for_a_loopback_one() {
    let world = World::new();
    let loopback = "http://127.0.0.1/cb";
    for policy in [ConsentPolicy::Remember, ConsentPolicy::Skip] {
        let client = world.house_client(&format!("{policy:?}"), policy, &[CALLBACK, loopback]).await;
        let mut browser = world.browser_of("alice");
        let native = client.authorize_with(&[("redirect_uri", "http://127.0.0.1:4711/cb")]);
        for _ in 0..2 {
            browser.get(&native).await.assert_asks("any program listens there");
            browser.allow(&native).await;
        }
        browser.allow(&client.authorize_with(&[("prompt", "consent")])).await;
        browser.get(&client.authorize()).await.silent_code();
        browser.get(&native).await.assert_asks("any program listens there");
    }
}

const ROUNDS: usize = 1200;

/// One round: a grant is taken back while silent requests for the same arrive. Tells how many of them got a code.
async fn race(world: &World, client: &Client, name: &str, round: usize) -> usize {
    let subject = Subject::new(name);
    let mut browser = world.browser_of(name);
    assert!(browser.allow(&client.authorize()).await.redirect_parameter("code").is_some());
    let grant = given(world, name).await[0];
    let request = client.authorize();
    let silent = ["", "", "none"].map(|prompt| {
        let (mut browser, request) = (browser.clone(), client.authorize_with(&[("prompt", prompt)]));
        tokio::spawn(async move { browser.get(&request).await })
    });
    let (withdrawing, owner) = (world.clone(), subject.clone());
    let withdrawal = tokio::spawn(async move {
        for _ in 0..round % 97 {
            tokio::task::yield_now().await;
        }
        assert!(withdrawing.server.revoke_grant(&owner, grant).await.unwrap());
        given(&withdrawing, owner.as_str()).await
    });
    let mut codes = 0;
    for answer in silent {
        let answer = answer.await.unwrap();
        match answer.location() {
            Some(location) if location.contains("error=") => answer.assert_told(client, "consent_required"),
            Some(_) => codes += usize::from(!answer.silent_code().is_empty()),
            None => answer.assert_asks("the consent was gone"),
        }
    }
    let at_withdrawal: BTreeSet<_> = withdrawal.await.unwrap().into_iter().collect();
    let after: BTreeSet<_> = given(world, name).await.into_iter().collect();
    assert!(after.is_subset(&at_withdrawal), "round {round}: a grant was made from consent that was gone");
    assert_eq!(after.len(), codes, "round {round}: each code has its grant");
    let client_id = grantor::protocol::client::ClientId::parse(&client.id).unwrap();
    assert!(world.storage.consents(&subject, &client_id).await.unwrap().is_empty(), "round {round}: it stays gone");
    browser.get(&request).await.assert_asks("after the withdrawal");
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_22_a_silent_approval_beside_a_withdrawal_makes_nothing_from_consent_that_is_gone() {
    let world = World::new();
    let client = remembering(&world).await;
    let mut silent = 0;
    for round in 0..ROUNDS {
        silent += race(&world, &client, &format!("user{round}"), round).await;
    }
    assert!((1..3 * ROUNDS).contains(&silent), "each came first at times: {silent} silent");
}
