//! A person in a real browser.

#[path = "../browser/chrome.rs"]
mod chrome;

use chrome::{Chrome, Kind};
use oauth2::reqwest::Client as Http;
use thirtyfour::prelude::*;

use crate::program::Program;
use crate::support::CHALLENGE;
use crate::{FRAMEWORKS, register};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_person_lets_an_app_in_and_takes_it_back_in_every_framework() {
    let kinds = [Kind::Desktop, Kind::DarkPhone, Kind::WithoutJavaScript].into_iter().cycle();
    for (framework, kind) in FRAMEWORKS.into_iter().zip(kinds) {
        let (program, browser) = (Program::start(framework), Chrome::open(framework, kind).await);
        let origin = program.origin.as_str();
        // The app that is let in is any page that shows its address: here the start page of the same program.
        let callback = format!("{origin}/");
        let client = register(&Http::new(), origin, &callback).await;
        let request = [
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", &callback),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let authorize = url::Url::parse_with_params(&format!("{origin}/oauth/authorize"), request).unwrap();
        browser.goto(authorize.as_str()).await.unwrap();
        browser.sees("Log in").await;
        browser.fill("password", &program.password).await;
        browser.press("Log in").await;
        for text in ["Backup", "Read your notes", "Ada", "Notes"] {
            browser.sees(text).await;
        }
        browser.picture("consent").await;
        browser.press("Allow").await;
        browser.query(By::LinkText("Apps that can read your notes")).first().await.unwrap();
        assert!(browser.address().await.contains("code=grc_"), "{framework}: {}", browser.address().await);
        browser.find(By::LinkText("Apps that can read your notes")).await.unwrap().click().await.unwrap();
        browser.press("Disconnect").await;
        browser.sees("No app can read your notes").await;
        browser.picture("account").await;
        browser.quit().await;
    }
}
