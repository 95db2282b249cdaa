//! What a client may wish of the login and of the consent page: `prompt`, `max_age` and `login_hint`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::logins::KnowingApp;
use crate::support::{self, API, CALLBACK, Client, MCP, World};
use grantor::protocol::client::ConsentPolicy;

/// A world whose app knows when people logged in, and a client of the app's own people in it.
async fn house(app: &KnowingApp, policy: ConsentPolicy) -> (World, Client) {
    let world = app.world();
    let client = world.house_client("house", policy, &[CALLBACK]).await;
    (world, client)
}

fn query(path: &str) -> Vec<(String, String)> {
    let query = path.strip_prefix("/oauth/authorize?").unwrap_or_else(|| panic!("{path}"));
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn sorted(path: &str) -> BTreeMap<String, Vec<String>> {
    let mut sorted = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in query(path) {
        sorted.entry(name).or_default().push(value);
    }
    sorted
}

#[tokio::test]
async fn prompt_none_shows_no_page_and_tells_the_client_what_is_missing() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Remember).await;
    let silent = client.authorize_with(&[("prompt", "none")]);
    world.browser().get(&silent).await.assert_told(&client, "login_required");
    let mut browser = world.browser_of("alice");
    browser.get(&silent).await.assert_told(&client, "consent_required");
    browser.allow(&client.authorize_with(&[("scope", "projects:read")])).await;
    browser.get(&silent).await.assert_told(&client, "consent_required");
    browser.allow(&client.authorize()).await;
    browser.get(&silent).await.silent_code();
    browser.sign_out();
    browser.get(&silent).await.assert_told(&client, "login_required");
    assert!(app.asked().is_empty(), "nobody is sent to the login page");
}

#[tokio::test]
async fn prompt_none_is_enough_for_the_apps_own_client() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Skip).await;
    let silent = client.authorize_with(&[("prompt", "none")]);
    world.browser_of("alice").get(&silent).await.silent_code();
    world.browser().get(&silent).await.assert_told(&client, "login_required");
}

#[tokio::test]
async fn prompt_none_of_who_registered_itself_ends_on_a_page_with_a_link() {
    let app = KnowingApp::default();
    let world = app.world();
    let client = world.public_client().await;
    let silent = client.authorize_with(&[("prompt", "none")]);
    let mut alice = world.browser_of("alice");
    alice.allow(&client.authorize()).await;
    for (mut browser, error) in [(world.browser(), "login_required"), (alice, "consent_required")] {
        let page = browser.get(&silent).await;
        page.assert_page_says(400, error);
        let link = page.body().split("href=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(link.starts_with(&format!("{CALLBACK}?error={error}")), "{link}");
    }
    assert!(app.asked().is_empty(), "nobody is sent to the login page");
}

#[tokio::test]
async fn wishes_that_contradict_or_mean_nothing_are_refused() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Skip).await;
    for (name, value) in [
        ("prompt", "none login"),
        ("prompt", "consent none"),
        ("prompt", "none none"),
        ("max_age", "soon"),
        ("max_age", "-1"),
        ("max_age", "1.5"),
        ("max_age", "18446744073709551616"),
        ("login_after", "yesterday"),
    ] {
        for mut browser in [world.browser(), world.browser_of("alice")] {
            browser.get(&client.authorize_with(&[(name, value)])).await.assert_told(&client, "invalid_request");
        }
    }
    let twice = format!("{}&prompt=login&prompt=none", client.authorize());
    world.browser_of("alice").get(&twice).await.assert_told(&client, "invalid_request");
    world.browser_of("alice").get(&client.authorize_with(&[("prompt", "select_account")])).await.silent_code();
    assert!(app.asked().is_empty());
}

#[tokio::test]
async fn the_login_page_learns_of_the_hint_and_of_nothing_that_is_not_wished() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Ask).await;
    let hint = "zoë+\"<x>\"@app.example";
    for (changes, login_hint, fresh) in [
        (&[][..], None, false),
        (&[("login_hint", hint)], Some(hint), false),
        (&[("prompt", "consent")], None, false),
        (&[("prompt", "login"), ("login_hint", hint)], Some(hint), true),
        (&[("max_age", "60")], None, true),
    ] {
        let answer = world.browser().get(&client.authorize_with(changes)).await;
        let asked = app.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].login_hint.as_deref(), asked[0].fresh), (login_hint, fresh), "{changes:?}");
        assert_eq!(answer.return_to(), asked[0].return_to.path());
    }
}

#[tokio::test]
async fn the_whole_request_comes_back_from_the_login_page() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Ask).await;
    let request = client.authorize_with(&[
        ("state", "ä&b=c#d\"><i>"),
        ("resource", MCP),
        ("resource", API),
        ("prompt", "login consent"),
        ("max_age", "77"),
        ("login_hint", "alice"),
        ("response_mode", "form_post"),
    ]);
    let mut back = sorted(&world.browser().get(&request).await.return_to());
    assert_eq!(back.remove("login_after").unwrap(), [world.clock.now().as_millis().to_string()]);
    let mut expected = sorted(&request);
    expected.insert("prompt".to_owned(), vec!["consent login".to_owned()]);
    assert_eq!(back, expected);
}

#[tokio::test]
async fn prompt_login_asks_who_is_signed_in_to_log_in_once_more() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Ask).await;
    let wishing = client.authorize_with(&[("prompt", "login")]);
    let mut browser = world.browser();
    browser.log_in("alice");
    world.clock.advance(Duration::from_secs(5));
    for _ in 0..3 {
        let back = browser.get(&wishing).await.return_to();
        assert!(app.asked()[0].fresh, "each new request wishes for a login of its own");
        world.clock.advance(Duration::from_secs(5));
        browser.log_in("alice");
        browser.get(&back).await.assert_asks("after a fresh login");
        assert!(browser.allow(&back).await.redirect_parameter("code").is_some());
        world.clock.advance(Duration::from_secs(5));
    }
    assert!(app.asked().is_empty());
}

#[tokio::test]
async fn who_comes_back_without_a_fresh_login_is_not_sent_around_in_a_circle() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Skip).await;
    for (wish, value) in [("prompt", "login"), ("max_age", "1")] {
        let mut browser = world.browser();
        browser.log_in("alice");
        world.clock.advance(Duration::from_secs(2));
        let back = browser.get(&client.authorize_with(&[(wish, value)])).await.return_to();
        assert_eq!(app.asked().len(), 1);
        browser.get(&back).await.assert_told(&client, "login_required");
        browser.sign_in("alice");
        browser.get(&back).await.assert_told(&client, "login_required");
        assert!(app.asked().is_empty(), "the app does not know when, so that no login would do");
        browser.sign_out();
        let again = browser.get(&back).await.return_to();
        world.clock.advance(Duration::from_secs(2));
        browser.log_in("alice");
        app.asked();
        browser.get(&again).await.silent_code();
        assert!(app.asked().is_empty());
    }
    world.assert_nothing_granted(&["", "bob"]).await;
}

#[tokio::test]
async fn max_age_is_kept_to_the_second_and_a_fresh_login_always_does() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Skip).await;
    let mut browser = world.browser();
    browser.log_in("alice");
    world.clock.advance(Duration::from_secs(100));
    for enough in ["100", "101", "18446744073709551615"] {
        browser.get(&client.authorize_with(&[("max_age", enough)])).await.silent_code();
    }
    for too_old in ["0", "1", "99"] {
        browser
            .get(&client.authorize_with(&[("max_age", too_old), ("prompt", "none")]))
            .await
            .assert_told(&client, "login_required");
        assert!(app.asked().is_empty());
        let back = browser.get(&client.authorize_with(&[("max_age", too_old)])).await.return_to();
        assert!(app.asked()[0].fresh);
        let mut fresh = world.browser();
        fresh.log_in("alice");
        world.clock.advance(Duration::from_secs(30));
        fresh.get(&back).await.silent_code();
    }
    assert!(app.asked().is_empty());
}

#[tokio::test]
async fn an_app_that_does_not_know_when_people_logged_in_vouches_for_nothing() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Skip).await;
    let mut browser = world.browser_of("alice");
    browser.get(&client.authorize()).await.silent_code();
    for changes in [&[("max_age", "1000000")][..], &[("prompt", "login")]] {
        let back = browser.get(&client.authorize_with(changes)).await.return_to();
        assert_eq!(app.asked().len(), 1);
        browser.sign_in("alice");
        browser.get(&back).await.assert_told(&client, "login_required");
        assert!(app.asked().is_empty());
    }
}

#[tokio::test]
async fn a_mark_of_ones_own_gets_no_more_than_a_request_without_wishes() {
    let app = KnowingApp::default();
    let (world, client) = house(&app, ConsentPolicy::Ask).await;
    let mut browser = world.browser();
    browser.log_in("alice");
    world.clock.advance(Duration::from_secs(60));
    for mark in ["0", "1800000000000"] {
        let request = client.authorize_with(&[("prompt", "login"), ("login_after", mark)]);
        browser.get(&request).await.assert_asks("as without prompt=login");
        world.browser().get(&request).await.return_to();
        assert!(app.asked()[0].fresh);
    }
    for mark in ["1800000060000", "18446744073709551615"] {
        let request = client.authorize_with(&[("prompt", "login"), ("login_after", mark)]);
        browser.get(&request).await.assert_told(&client, "login_required");
    }
    browser.get(&client.authorize_with(&[("login_after", "18446744073709551615")])).await.assert_asks("no wish");
    assert!(app.asked().is_empty());
}

/// The link of a page that says that it was open for too long.
fn way_back(page: &support::Answer) -> String {
    page.assert_page_says(400, "invalid_request");
    let link = page.body().split("href=\"").nth(1).unwrap_or_else(|| panic!("no link: {}", page.body()));
    link.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
}

#[tokio::test]
async fn a_page_that_was_open_for_too_long_leads_back_to_the_same_request() {
    let app = KnowingApp::default();
    let world = app.world();
    let (house, stranger) =
        (world.house_client("house", ConsentPolicy::Remember, &[CALLBACK]).await, world.public_client().await);
    for client in [&house, &stranger] {
        let request = client.authorize_with(&[
            ("state", "a&b=c\"><i>"),
            ("resource", MCP),
            ("prompt", "consent login"),
            ("max_age", "86400"),
            ("login_hint", "alice"),
            ("response_mode", "form_post"),
        ]);
        let mut browser = world.browser();
        browser.log_in("alice");
        let back = browser.get(&request).await.return_to();
        browser.log_in("alice");
        for decision in ["allow", "deny"] {
            let page = browser.prompt(&back).await;
            world.clock.advance(Duration::from_secs(601));
            let link = way_back(&browser.decide(&page, decision).await);
            assert_eq!(sorted(&link), sorted(&back), "the wishes too");
            browser.get(&link).await.assert_asks("the same request");
        }
    }
    world.assert_nothing_granted(&["alice"]).await;
}

#[tokio::test]
async fn a_page_that_was_open_for_too_long_leads_nobody_else_anywhere() {
    let app = KnowingApp::default();
    let world = app.world();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    world.clock.advance(Duration::from_secs(601));
    let mut other = world.browser_of("alice");
    other.prompt(&client.authorize()).await;
    let refused = other.decide(&page, "allow").await;
    refused.assert_refused(403, "another browser");
    assert!(!refused.body().contains("href="), "{}", refused.body());
    way_back(&browser.decide(&page, "allow").await);
}
