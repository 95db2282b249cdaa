//! The built-in pages in every state: as pictures, under axe-core, and by keyboard.
//!
//! Pictures go to `target/screenshots/pages`; a few of them are in the manual.

mod axe;
mod site;
mod states;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use thirtyfour::Key;
use thirtyfour::cdp::Cdp;
use tokio::time::sleep;

use crate::chrome::{Chrome, Kind, under_target};
use crate::{assert_no_sideways_scrolling, type_keys};
use site::Site;

/// A size of window and a preference of colours.
#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    width: u32,
    colours: &'static str,
}

const LOOKS: [Look; 4] = [
    Look { name: "desktop-light", width: 1280, colours: "light" },
    Look { name: "desktop-dark", width: 1280, colours: "dark" },
    Look { name: "phone-light", width: 390, colours: "light" },
    Look { name: "phone-dark", width: 390, colours: "dark" },
];

/// A browser that can be given any look.
struct Viewer {
    browser: Chrome,
    tools: Cdp,
}

impl Viewer {
    async fn open(name: &'static str) -> Self {
        let browser = Chrome::open(name, Kind::Desktop).await;
        let tools = browser.cdp();
        Self { browser, tools }
    }

    async fn put_on(&self, look: Look) {
        let (height, scale) = if look.width < 500 { (844, 1.5) } else { (800, 1.0) };
        let screen =
            json!({ "width": look.width, "height": height, "deviceScaleFactor": scale, "mobile": look.width < 500 });
        self.tools.send_raw("Emulation.setDeviceMetricsOverride", screen).await.unwrap();
        let colours = json!({ "features": [{ "name": "prefers-color-scheme", "value": look.colours }] });
        self.tools.send_raw("Emulation.setEmulatedMedia", colours).await.unwrap();
    }

    /// The whole page, from its top to its end.
    async fn picture(&self) -> Vec<u8> {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.tools.send_raw("Page.captureScreenshot", whole).await.unwrap();
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn every_page_has_its_picture_and_fits_its_window() {
    let (site, viewer) = (Site::start(states::all().await).await, Viewer::open("pages").await);
    let directory = under_target("screenshots/pages");
    for look in LOOKS {
        viewer.put_on(look).await;
        for state in site.states() {
            viewer.browser.goto(site.address(state)).await.unwrap();
            assert_no_sideways_scrolling(&viewer.browser).await;
            let file = directory.join(format!("{}-{}.png", state.name, look.name));
            std::fs::write(file, viewer.picture().await).unwrap();
        }
    }
    viewer.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium, ChromeDriver and npm"]
async fn axe_finds_nothing_wrong_with_any_page() {
    let (site, viewer) = (Site::start(states::all().await).await, Viewer::open("axe").await);
    let axe = axe::source();
    let mut found = Vec::new();
    for look in LOOKS {
        viewer.put_on(look).await;
        for state in site.states() {
            viewer.browser.goto(site.address(state)).await.unwrap();
            let violations = axe::violations(&viewer.browser, &axe).await;
            found.extend(violations.into_iter().map(|what| format!("{} {}: {what}", state.name, look.name)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    viewer.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn tab_reaches_everything_in_order_and_the_focus_is_seen() {
    let (site, viewer) = (Site::start(states::all().await).await, Viewer::open("focus").await);
    for look in LOOKS {
        viewer.put_on(look).await;
        for state in site.states() {
            viewer.browser.goto(site.address(state)).await.unwrap();
            let mut stops = Vec::new();
            for _ in &state.stops {
                tab(&viewer.browser).await;
                let (label, outline) = focused(&viewer.browser).await;
                assert!(outline >= 2.0, "{label:?} on {} {} shows no focus", state.name, look.name);
                stops.push(label);
            }
            assert_eq!(stops, state.stops, "{} {}", state.name, look.name);
            let all = "return document.querySelectorAll('a[href], button, summary, input:not([type=hidden])').length";
            let all: usize = viewer.browser.execute(all, Vec::new()).await.unwrap().convert().unwrap();
            assert_eq!(all, stops.len(), "{}", state.name);
        }
    }
    viewer.browser.quit().await;
}

/// Presses Tab, and waits until the focus is somewhere else: the browser takes its time when the machine is busy.
async fn tab(browser: &Chrome) {
    let moved = "return document.activeElement !== window.before";
    browser.execute("window.before = document.activeElement", Vec::new()).await.unwrap();
    type_keys(browser, Key::Tab).await;
    for _ in 0..500 {
        if browser.execute(moved, Vec::new()).await.unwrap().convert().unwrap() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// What has the focus, and how wide its outline is.
async fn focused(browser: &Chrome) -> (String, f64) {
    let script = "const focused = document.activeElement, style = getComputedStyle(focused); \
                  return [focused.textContent.trim(), style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth)]";
    browser.execute(script, Vec::new()).await.unwrap().convert().unwrap()
}
