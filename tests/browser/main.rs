//! A person's whole story in a real browser, against the quickstart as it is run.
//!
//! `cargo test --test browser -- --ignored`; pictures of the pages go to `target/screenshots`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod chrome;
mod demo;
mod pages;
mod refresh;
#[path = "../scratch/mod.rs"]
mod scratch;
#[path = "../support/mod.rs"]
mod support;

use chrome::{Chrome, Kind};
use demo::Demo;
use thirtyfour::TypingData;
use thirtyfour::prelude::*;

const THIRD_PARTY: &str = "Skyline Roadmaps";

/// From somebody else's app to the consent page, as alice.
async fn to_consent(browser: &Chrome, demo: &Demo) {
    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Connect your projects").await;
    browser.picture("1-third-party").await;
    browser.press("Connect").await;
    browser.sees("Log in").await;
    assert!(browser.address().await.starts_with(&demo.ours("/login?return_to=")), "{}", browser.address().await);
    browser.picture("2-login").await;
    log_in(browser).await;
    browser.sees("Allow").await;
    browser.picture("3-consent").await;
}

async fn log_in(browser: &Chrome) {
    browser.fill("username", "alice").await;
    browser.fill("password", "alice").await;
    browser.press("Log in").await;
}

async fn assert_everything_is_said(browser: &Chrome, demo: &Demo) {
    let host = demo.third_party_host();
    let wanted = [THIRD_PARTY, "alice", "Planwerk", "See your projects", "Create and change your projects", &host];
    for text in wanted {
        browser.sees(text).await;
    }
    let text = browser.text().await.to_lowercase();
    assert!(text.contains("this computer") || text.contains("your computer"), "no warning about loopback:\n{text}");
}

async fn connections(browser: &Chrome, demo: &Demo) -> usize {
    browser.goto(demo.ours("/account")).await.unwrap();
    let heading = By::XPath("//h1[normalize-space(.) = \"Connected apps\"]");
    browser.query(heading).first().await.expect("the page of connected apps");
    browser.find_all(By::Css("main li.card")).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_person_allows_an_app_and_later_ends_it() {
    let demo = Demo::start();
    let browser = Chrome::open("allow", Kind::Desktop).await;
    to_consent(&browser, &demo).await;
    assert_everything_is_said(&browser, &demo).await;

    browser.press("Allow").await;
    browser.sees("Tree house").await;
    assert_eq!(browser.address().await, format!("{}/", demo.third_party()), "no code stays in the address");
    browser.picture("4-connected").await;
    browser.fill("name", "Balcony <b>garden</b>").await;
    browser.press("Add").await;
    browser.sees("Balcony <b>garden</b>").await;

    assert_eq!(connections(&browser, &demo).await, 1);
    for text in [THIRD_PARTY, "See your projects", "Create and change your projects", "just now"] {
        browser.sees(text).await;
    }
    browser.picture("5-account").await;
    browser.press("Disconnect").await;
    browser.sees("No app has access").await;
    browser.picture("6-disconnected").await;

    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Your access was withdrawn").await;
    browser.sees("401").await;
    browser.sees("Connect again").await;
    browser.picture("7-withdrawn").await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn an_open_page_notices_that_its_access_was_taken_away() {
    let demo = Demo::start();
    let browser = Chrome::open("two-tabs", Kind::Desktop).await;
    to_consent(&browser, &demo).await;
    browser.press("Allow").await;
    browser.sees("Tree house").await;

    browser
        .in_new_tab(|| async {
            assert_eq!(connections(&browser, &demo).await, 1);
            browser.press("Disconnect").await;
            browser.sees("No app has access").await;
            Ok(())
        })
        .await
        .unwrap();
    browser.press("Reload projects").await;
    browser.sees("Your access was withdrawn").await;
    browser.press("Connect again").await;
    // Whoever is still logged in is only asked for consent.
    browser.sees("Allow").await;
    browser.press("Allow").await;
    browser.sees("Tree house").await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn what_was_allowed_outlives_the_app_that_is_killed_and_started_again() {
    let demo = Demo::start();
    let browser = Chrome::open("restart", Kind::Desktop).await;
    to_consent(&browser, &demo).await;
    browser.press("Allow").await;
    browser.sees("Tree house").await;
    let demo = demo.restarted();
    browser.press("Reload projects").await;
    browser.sees("Tree house").await;
    browser.goto(demo.ours("/login")).await.unwrap();
    log_in(&browser).await;
    // To leave before the answer has come would leave without its session.
    browser.sees("Log out").await;
    assert_eq!(connections(&browser, &demo).await, 1);
    browser.press("Disconnect").await;
    browser.sees("No app has access").await;
    drop(demo.restarted());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_person_denies_on_a_phone_at_night() {
    let demo = Demo::start();
    let browser = Chrome::open("deny", Kind::DarkPhone).await;
    to_consent(&browser, &demo).await;
    assert_everything_is_said(&browser, &demo).await;
    assert_no_sideways_scrolling(&browser).await;

    browser.press("Deny").await;
    browser.sees("access_denied").await;
    browser.picture("4-denied").await;
    assert_no_sideways_scrolling(&browser).await;
    assert_eq!(connections(&browser, &demo).await, 0);
    browser.sees("No app has access").await;
    assert_no_sideways_scrolling(&browser).await;
    browser.quit().await;
}

async fn assert_no_sideways_scrolling(browser: &Chrome) {
    let script = "return document.documentElement.scrollWidth <= window.innerWidth";
    let fits: bool = browser.execute(script, Vec::new()).await.unwrap().convert().unwrap();
    assert!(fits, "{} is wider than the window", browser.address().await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn an_app_that_asked_for_little_asks_again_for_more() {
    let demo = Demo::start();
    let browser = Chrome::open("step-up", Kind::Desktop).await;
    browser.goto(demo.third_party()).await.unwrap();
    browser.find(By::Id("ask-write")).await.unwrap().click().await.unwrap();
    browser.press("Connect").await;
    log_in(&browser).await;
    browser.sees("See your projects").await;
    assert!(!browser.text().await.contains("Create and change your projects"));
    browser.press("Allow").await;

    browser.sees("Tree house").await;
    browser.fill("name", "Pond").await;
    browser.press("Add").await;
    browser.sees("Create and change your projects").await;
    browser.press("Allow").await;
    browser.sees("projects:read projects:write").await;
    browser.fill("name", "Pond").await;
    browser.press("Add").await;
    browser.sees("Pond").await;
    assert_eq!(connections(&browser, &demo).await, 1, "the wider access takes the narrower one's place");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_decision_that_is_sent_again_changes_nothing() {
    let demo = Demo::start();
    let browser = Chrome::open("again", Kind::Desktop).await;
    to_consent(&browser, &demo).await;
    let form = browser.find(By::Css("form[method=post]")).await.unwrap().outer_html().await.unwrap();
    browser.press("Allow").await;
    browser.sees("Tree house").await;

    // The very same form once more, by either button, as from a page that was kept open.
    for button in ["Allow", "Deny"] {
        browser.goto(demo.ours("/account")).await.unwrap();
        let insert = "document.querySelector('main').innerHTML = arguments[0]";
        browser.execute(insert, vec![form.clone().into()]).await.unwrap();
        browser.press(button).await;
        browser.sees("already").await;
        browser.picture("already-decided").await;
        assert!(browser.address().await.starts_with(&demo.ours("/oauth/")), "{}", browser.address().await);
    }
    assert_eq!(connections(&browser, &demo).await, 1);
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn going_back_after_the_decision_gives_no_second_access() {
    let demo = Demo::start();
    let browser = Chrome::open("back", Kind::Desktop).await;
    to_consent(&browser, &demo).await;
    browser.press("Allow").await;
    browser.sees("Tree house").await;
    browser.back().await.unwrap();
    browser.sees("Allow").await;
    browser.picture("back").await;
    browser.press("Allow").await;
    browser.sees("already").await;
    assert_eq!(connections(&browser, &demo).await, 1);
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn login_and_consent_work_without_javascript() {
    let demo = Demo::start();
    let browser = Chrome::open("no-script", Kind::WithoutJavaScript).await;
    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Skyline needs JavaScript").await;

    let client = register(&demo).await;
    browser.goto(authorization_url(&demo, &client)).await.unwrap();
    browser.sees("Log in").await;
    log_in(&browser).await;
    browser.sees("Allow").await;
    assert_everything_is_said(&browser, &demo).await;
    browser.picture("consent").await;
    browser.press("Allow").await;
    browser.sees("Skyline needs JavaScript").await;
    let address = browser.address().await;
    assert!(address.starts_with(&format!("{}/?", demo.third_party())) && address.contains("code="), "{address}");
    assert!(address.contains("state=st4te") && address.contains("iss="), "{address}");
    assert_eq!(connections(&browser, &demo).await, 1);
    browser.press("Disconnect").await;
    browser.sees("No app has access").await;
    browser.quit().await;
}

/// Registers the third-party app as it would itself if it had scripts.
async fn register(demo: &Demo) -> String {
    let metadata = serde_json::json!({
        "client_name": THIRD_PARTY,
        "redirect_uris": [format!("{}/", demo.third_party())],
        "token_endpoint_auth_method": "none",
    });
    let request = oauth2::reqwest::Client::new().post(demo.ours("/oauth/register"));
    let answer = request.header("content-type", "application/json").body(metadata.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["client_id"].as_str().unwrap().to_owned()
}

fn authorization_url(demo: &Demo, client: &str) -> String {
    let mut url = url::Url::parse(&demo.ours("/oauth/authorize")).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", &format!("{}/", demo.third_party())),
        ("scope", "projects:read projects:write"),
        ("resource", &demo.ours("/api")),
        ("state", "st4te"),
        // RFC 7636 appendix B
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]);
    url.into()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_keyboard_is_enough_to_allow() {
    let (demo, browser) = by_keyboard("keyboard-allow", "Allow").await;
    browser.sees("Tree house").await;
    assert_eq!(connections(&browser, &demo).await, 1);
    tab_to(&browser, "Disconnect").await;
    type_keys(&browser, Key::Enter).await;
    browser.sees("No app has access").await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_keyboard_is_enough_to_deny() {
    let (demo, browser) = by_keyboard("keyboard-deny", "Deny").await;
    browser.sees("access_denied").await;
    assert_eq!(connections(&browser, &demo).await, 0);
    browser.quit().await;
}

async fn by_keyboard(story: &'static str, decision: &str) -> (Demo, Chrome) {
    let demo = Demo::start();
    let browser = Chrome::open(story, Kind::Desktop).await;
    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Connect your projects").await;
    tab_to(&browser, "Connect").await;
    type_keys(&browser, Key::Enter).await;
    browser.sees("Log in").await;
    // The login starts in its first field.
    type_keys(&browser, "alice" + Key::Tab + "alice" + Key::Enter).await;
    browser.sees("Allow").await;
    tab_to(&browser, decision).await;
    browser.picture("focus").await;
    type_keys(&browser, Key::Enter).await;
    (demo, browser)
}

/// Presses Tab until a button is reached.
async fn tab_to(browser: &Chrome, button: &str) {
    for _ in 0..12 {
        type_keys(browser, Key::Tab).await;
        let focused = browser.active_element().await.unwrap();
        if focused.tag_name().await.unwrap() == "button" && focused.text().await.unwrap().contains(button) {
            return;
        }
    }
    panic!("Tab does not reach {button:?} on {}:\n{}", browser.address().await, browser.text().await);
}

async fn type_keys(browser: &Chrome, keys: impl Into<TypingData>) {
    browser.action_chain().send_keys(keys).perform().await.unwrap();
}
