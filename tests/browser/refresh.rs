//! Tokens that end, seen from an open page.

use std::time::Duration;

use thirtyfour::prelude::*;
use tokio::time::sleep;

use crate::chrome::{Chrome, Kind};
use crate::demo::Demo;
use crate::{THIRD_PARTY, connections, to_consent};

const RENEWED: &str = "with a grant of type refresh_token → 200";

/// From the consent to the projects, where access tokens live for so many seconds.
async fn connected(story: &'static str, seconds: &str) -> (Demo, Chrome) {
    let demo = Demo::start_with(&[("ACCESS_TOKEN_SECONDS", seconds)]);
    let browser = Chrome::open(story, Kind::Desktop).await;
    to_consent(&browser, &demo).await;
    browser.sees("Stay connected until you take the access back").await;
    browser.press("Allow").await;
    browser.sees("Tree house").await;
    (demo, browser)
}

async fn open_the_log(browser: &Chrome) {
    let summary = browser.find(By::Css("details:not([open]) summary")).await.unwrap();
    summary.click().await.unwrap();
}

async fn times_in_the_log(browser: &Chrome, text: &str) -> usize {
    let script = "return document.getElementById('wire').textContent";
    let log: String = browser.execute(script, Vec::new()).await.unwrap().convert().unwrap();
    log.matches(text).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn an_open_page_renews_its_access_by_itself_until_it_is_taken_away() {
    let (demo, browser) = connected("refresh", "2").await;
    open_the_log(&browser).await;
    browser.sees(RENEWED).await;
    sleep(Duration::from_secs(3)).await;
    assert!(times_in_the_log(&browser, RENEWED).await >= 2);
    assert_eq!(times_in_the_log(&browser, "→ 401").await, 1, "the first knock alone was refused");
    browser.press("Reload projects").await;
    browser.sees("Tree house").await;
    browser.sees("Connected. Skyline may use").await;
    browser.picture("1-renewed").await;

    assert_eq!(connections(&browser, &demo).await, 1);
    browser.press("Disconnect").await;
    browser.sees("No app has access").await;
    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Your access was withdrawn or has ended (invalid_grant)").await;
    browser.sees("Connect again").await;
    browser.picture("2-withdrawn").await;
    browser.quit().await;
}

/// As after a night's sleep of the computer: the page takes its token for good, and the API does not.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_page_whose_token_has_ended_renews_it_when_the_api_says_so() {
    let (demo, browser) = connected("refresh-late", "2").await;
    let believe = "const kept = JSON.parse(localStorage.connection); kept.renewAt += 3600e3; \
                   localStorage.connection = JSON.stringify(kept)";
    browser.execute(believe, Vec::new()).await.unwrap();
    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Tree house").await;
    sleep(Duration::from_secs(3)).await;
    let before = times_in_the_log(&browser, "→ 401").await;
    let renewed = times_in_the_log(&browser, RENEWED).await;
    browser.press("Reload projects").await;
    browser.sees(RENEWED).await;
    browser.sees("Connected. Skyline may use").await;
    assert_eq!(times_in_the_log(&browser, "→ 401").await, before + 1);
    assert!(times_in_the_log(&browser, RENEWED).await > renewed);
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn two_tabs_that_renew_at_once_both_go_on() {
    let (demo, browser) = connected("refresh-tabs", "2").await;
    // Two pages that load at the same moment, with the same token that has ended.
    let stale = "const kept = JSON.parse(localStorage.connection); kept.renewAt = 1; kept.token = 'ended'; \
                 localStorage.connection = JSON.stringify(kept)";
    for _ in 0..3 {
        browser.execute(stale, Vec::new()).await.unwrap();
        browser.execute("open('/', '_blank')", Vec::new()).await.unwrap();
        browser.refresh().await.unwrap();
        browser.sees("Tree house").await;
    }
    sleep(Duration::from_secs(3)).await;
    for tab in browser.windows().await.unwrap() {
        browser.switch_to_window(tab).await.unwrap();
        browser.press("Reload projects").await;
        browser.sees("Tree house").await;
        browser.sees("Connected. Skyline may use").await;
    }
    assert_eq!(connections(&browser, &demo).await, 1);
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn forgetting_a_connection_ends_it_at_the_server_too() {
    let (demo, browser) = connected("forget", "3600").await;
    assert_eq!(connections(&browser, &demo).await, 1);
    browser.sees(THIRD_PARTY).await;
    browser.goto(demo.third_party()).await.unwrap();
    browser.sees("Tree house").await;
    browser.press("Forget this connection").await;
    browser.sees("the project app has ended the connection").await;
    browser.sees("/oauth/revoke → 200").await;
    browser.picture("forgotten").await;
    assert_eq!(connections(&browser, &demo).await, 0);
    browser.quit().await;
}
