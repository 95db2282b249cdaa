//! How long a document is good, what happens when it changes, and who is spared a fetch.

use std::time::Duration;

use serde_json::json;

use super::site::{Answer, URL, Web, client, document, json_answer};
use super::{honest, id};
use crate::support::{CALLBACK, World};

/// What people get to see when they are sent here.
async fn name_shown(world: &World) -> String {
    let html = world.browser_of("alice").prompt(&honest().authorize()).await.html;
    html.split("<strong><bdi>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn put_named(web: &Web, name: &str, cache_control: &str) {
    let mut named = document(URL);
    named["client_name"] = name.into();
    web.answer(URL, Answer::Is(json_answer(&named.to_string()).cache_control(cache_control)));
}

#[tokio::test]
async fn a_document_is_good_for_as_long_as_it_says_within_bounds() {
    let minutes = Duration::from_mins;
    for (says, good_for) in
        [("max-age=1", 5), ("no-store", 5), ("max-age=3600", 60), ("", 60), ("max-age=99999999", 24 * 60)]
    {
        let web = Web::new();
        let world = web.world();
        put_named(&web, "Before", says);
        assert_eq!(name_shown(&world).await, "Before");
        put_named(&web, "After", says);
        world.clock.advance(minutes(good_for) - Duration::from_millis(1));
        assert_eq!((name_shown(&world).await.as_str(), web.fetches()), ("Before", 1), "{says}");
        world.clock.advance(Duration::from_millis(1));
        assert_eq!((name_shown(&world).await.as_str(), web.fetches()), ("After", 2), "{says}");
        assert_eq!(web.last_event(), ("document_fetched".to_owned(), "changed".to_owned()));
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_nothing_old() {
    let web = Web::new();
    let world = web.world();
    let _ = name_shown(&world).await;
    let now = world.clock.now().as_millis();
    world.clock.set(grantor::Timestamp::from_millis(now - 1));
    let _ = name_shown(&world).await;
    assert_eq!(web.fetches(), 2);
}

#[tokio::test]
async fn the_same_document_spoils_no_page_and_any_change_of_it_does() {
    let short = |document: &serde_json::Value| Answer::Is(json_answer(&document.to_string()).cache_control("no-store"));
    let changes = [
        ("client_secret_hint", json!("ignored"), true),
        ("client_name", json!("Another"), false),
        ("logo_uri", json!("https://client.example/other.png"), false),
        ("client_uri", json!("https://client.example/other"), false),
        ("redirect_uris", json!([CALLBACK, "https://client.example/other"]), false),
        ("grant_types", json!(["authorization_code"]), false),
    ];
    for (field, value, stays_open) in changes {
        let web = Web::new();
        let world = web.world();
        web.answer(URL, short(&document(URL)));
        let mut browser = world.browser_of("alice");
        let open = browser.prompt(&honest().authorize()).await;
        let mut changed = document(URL);
        changed[field] = value;
        web.answer(URL, short(&changed));
        world.clock.advance(Duration::from_mins(6));
        let _ = world.browser_of("bob").prompt(&honest().authorize()).await;
        assert_eq!(web.last_event().1, if stays_open { "same" } else { "changed" }, "{field}");
        let answer = browser.decide(&open, "allow").await;
        assert_eq!(answer.redirect_parameter("code").is_some(), stays_open, "{field}");
    }
}

#[tokio::test]
async fn an_open_page_does_not_count_for_a_document_that_changed() {
    let web = Web::new();
    let world = web.world();
    put_named(&web, "Before", "no-store");
    let mut browser = world.browser_of("alice");
    let open = browser.prompt(&honest().authorize()).await;
    put_named(&web, "After", "no-store");
    world.clock.advance(Duration::from_mins(6));
    let _ = world.browser_of("bob").prompt(&honest().authorize()).await;
    browser.decide(&open, "allow").await.assert_page(403);
    world.assert_nothing_granted(&["alice"]).await;
}

#[tokio::test]
async fn grants_outlast_a_change_of_the_document() {
    let web = Web::new();
    let world = web.world();
    let token = world.access_token(&honest()).await;
    put_named(&web, "After", "");
    world.clock.advance(Duration::from_mins(59));
    assert!(world.is_live(&token).await);
    let code = world.code(&honest()).await;
    let refresh = world.exchange(&honest(), &code, &[]).await.json()["refresh_token"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(name_shown(&world).await, "After");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("client_id", URL)];
    assert_eq!(world.post("/oauth/token", &form, &[]).await.status(), 200);
}

#[tokio::test]
async fn the_last_copy_is_used_for_a_bounded_time_while_the_site_fails() {
    for failure in [Answer::Unreachable, Answer::TimedOut, Answer::Is(json_answer("{}").with_status(503))] {
        let web = Web::new();
        let world = web.world_with(|rules| rules.kept_for(Duration::from_hours(24)));
        let _ = world.code(&honest()).await;
        web.answer(URL, failure);
        world.clock.advance(Duration::from_hours(25) - Duration::from_millis(1));
        assert_eq!(name_shown(&world).await, "Helper");
        assert_eq!(web.last_event().0, "document_kept");
        world.clock.advance(Duration::from_millis(1));
        world.browser_of("alice").get(&honest().authorize()).await.assert_page(400);
        web.put(URL, &document(URL));
        assert_eq!(name_shown(&world).await, "Helper", "and it is good again when the site is there again");
    }
}

#[tokio::test]
async fn a_document_that_was_taken_away_is_not_used_any_more() {
    let mut secret = document(URL);
    secret["client_secret"] = "s3cret".into();
    for gone in [
        Answer::Is(json_answer("").with_status(404)),
        Answer::Is(json_answer("").with_status(302)),
        Answer::Is(json_answer("{}")),
        Answer::Is(json_answer(&secret.to_string())),
        Answer::NotPublic,
        Answer::TooLarge,
    ] {
        let web = Web::new();
        let world = web.world();
        let _ = world.code(&honest()).await;
        web.answer(URL, gone);
        world.clock.advance(Duration::from_hours(25));
        world.browser_of("alice").get(&honest().authorize()).await.assert_page(400);
    }
}

#[tokio::test]
async fn attack_34_an_error_is_not_kept() {
    let web = Web::empty();
    let world = web.world();
    let mut browser = world.browser_of("alice");
    for (number, bad) in [
        Answer::Unreachable,
        Answer::TimedOut,
        Answer::TooLarge,
        Answer::NotPublic,
        Answer::Is(json_answer("{}").with_status(500).cache_control("max-age=86400")),
        Answer::Is(json_answer("{}").cache_control("max-age=86400")),
    ]
    .into_iter()
    .enumerate()
    {
        web.answer(URL, bad);
        browser.get(&honest().authorize()).await.assert_page(400);
        assert_eq!(web.fetches(), number + 1, "asked again each time");
        assert!(world.server.client(&id()).await.unwrap().is_none(), "nothing is stored");
    }
    web.put(URL, &document(URL));
    assert!(browser.allow(&honest().authorize()).await.redirect_parameter("code").is_some());
}

#[tokio::test]
async fn attack_34_requests_at_the_same_time_share_one_fetch() {
    for fails in [false, true] {
        let web = Web::new();
        let world = web.world();
        if fails {
            web.answer(URL, Answer::Unreachable);
        }
        let gate = web.hold();
        let requests: Vec<_> = (0..16)
            .map(|number| {
                let mut browser = world.browser_of(&format!("user{number}"));
                tokio::spawn(async move { browser.get(&honest().authorize()).await.status() })
            })
            .collect();
        while web.fetches() == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(16);
        for request in requests {
            assert_eq!(request.await.unwrap(), if fails { 400 } else { 200 });
        }
        assert_eq!(web.fetches(), 1);
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_its_fetch_to_the_next() {
    let web = Web::new();
    let world = web.world();
    let gate = web.hold();
    let mut given_up = world.browser_of("alice");
    let first = tokio::spawn(async move { given_up.get(&honest().authorize()).await.status() });
    while web.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    let mut browser = world.browser_of("bob");
    let second = tokio::spawn(async move { browser.get(&honest().authorize()).await.status() });
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(2);
    assert_eq!(second.await.unwrap(), 200);
    assert_eq!(web.fetches(), 2);
}

#[tokio::test]
async fn attack_34_nobody_hammers_a_site_through_this_server() {
    let web = Web::empty();
    let world = web.world_with(|rules| rules.fetches_per_site(3).fetches_per_user(2));
    let mut statuses = Vec::new();
    for (user, path) in [("mallory", 1), ("mallory", 2), ("mallory", 3), ("alice", 4), ("bob", 5)] {
        let url = format!("https://client.example/{path}");
        web.put(&url, &document(&url));
        statuses.push(world.browser_of(user).get(&client(&url, CALLBACK).authorize()).await.status().as_u16());
    }
    assert_eq!((statuses, web.fetches()), (vec![200, 200, 429, 200, 429], 3));
    assert_eq!(web.last_event(), ("refused".to_owned(), "too_many_fetches".to_owned()));
    world.clock.advance(Duration::from_mins(1));
    let _ = world.browser_of("bob").prompt(&client("https://client.example/5", CALLBACK).authorize()).await;
}

#[tokio::test]
async fn what_one_instance_has_read_the_others_know() {
    let web = Web::new();
    let world = web.world();
    let storage = world.storage.clone();
    let other = World::at(crate::support::ISSUER, storage, |builder| web.configure(builder, |rules| rules));
    let _ = name_shown(&world).await;
    let _ = name_shown(&other).await;
    assert_eq!(web.fetches(), 1);
}
