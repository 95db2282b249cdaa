//! Chromium under ChromeDriver.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use thirtyfour::extensions::query::ElementPollerWithTimeout;
use thirtyfour::prelude::*;
use thirtyfour::{Capabilities, ChromiumLikeCapabilities, LoggingPrefsLogLevel};

/// What kind of browser a person has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Desktop,
    /// A narrow window and the dark colours.
    DarkPhone,
    WithoutJavaScript,
}

/// A browser with nothing in it; it ends with this value.
pub(crate) struct Chrome {
    // In this order: the session is closed before its driver is ended.
    driver: WebDriver,
    _process: DriverProcess,
    name: &'static str,
}

impl Chrome {
    /// `name` is the story's, for its pictures.
    pub(crate) async fn open(name: &'static str, kind: Kind) -> Self {
        let (process, port) = DriverProcess::start();
        let capabilities = capabilities(name, kind).expect("the capabilities are JSON");
        let patience = ElementPollerWithTimeout::new(Duration::from_secs(30), Duration::from_millis(50));
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities).poller(Arc::new(patience));
        Self { driver: driver.connect().await.expect("Chromium starts"), _process: process, name }
    }

    /// Takes a picture of what is to be seen.
    pub(crate) async fn picture(&self, of: &str) {
        let file = under_target("screenshots").join(format!("{}-{of}.png", self.name));
        self.driver.screenshot(&file).await.expect("a picture");
    }

    /// Waits until the page has the text, and takes a picture of it.
    pub(crate) async fn sees(&self, text: &str) {
        let by = By::XPath(format!("//body[contains(normalize-space(.), \"{text}\")]"));
        if self.driver.query(by).exists().await.expect("the driver answers") {
            return;
        }
        self.picture("failure").await;
        panic!("{text:?} is not to be seen on {}:\n{}", self.address().await, self.text().await);
    }

    pub(crate) async fn press(&self, button: &str) {
        let by = By::XPath(format!("//button[contains(normalize-space(.), \"{button}\")]"));
        let found = self.driver.query(by).and_displayed().first().await;
        let found = match found {
            Ok(found) => found,
            Err(_) => panic!("no button {button:?} on {}:\n{}", self.address().await, self.text().await),
        };
        found.click().await.expect("the button can be pressed");
    }

    pub(crate) async fn fill(&self, name: &str, text: &str) {
        let input = self.driver.query(By::Name(name)).and_displayed().first().await.expect("the field is there");
        input.clear().await.expect("it can be cleared");
        input.send_keys(text).await.expect("it can be filled");
    }

    pub(crate) async fn text(&self) -> String {
        self.driver.find(By::Tag("body")).await.expect("a page").text().await.expect("its text")
    }

    pub(crate) async fn address(&self) -> String {
        self.driver.current_url().await.expect("an address").into()
    }

    /// What the page would have liked to do and may not.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let entries = self.driver.browser_log().await.expect("a log").into_iter();
        let forbidden = |text: &str| text.contains("Content Security Policy") || text.contains("CORS");
        entries.map(|entry| entry.message).filter(|text| forbidden(text)).collect()
    }

    pub(crate) async fn quit(self) {
        assert_eq!(self.violations().await, [""; 0]);
        self.driver.clone().quit().await.expect("Chromium ends");
    }
}

impl Deref for Chrome {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

fn capabilities(name: &str, kind: Kind) -> WebDriverResult<Capabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ] {
        capabilities.add_arg(argument)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", fresh_profile(name).display()))?;
    // High enough for a whole page in one picture.
    capabilities.add_arg("--window-size=1000,1300")?;
    match kind {
        Kind::Desktop => {}
        Kind::DarkPhone => {
            // A headless window is never this narrow by itself.
            let screen = json!({ "width": 390, "height": 1250, "pixelRatio": 2, "mobile": true });
            capabilities.add_experimental_option("mobileEmulation", json!({ "deviceMetrics": screen }))?;
            capabilities.add_arg("--blink-settings=preferredColorScheme=0")?;
        }
        Kind::WithoutJavaScript => {
            let blocked = 2;
            let prefs = json!({ "profile.managed_default_content_settings.javascript": blocked });
            capabilities.add_experimental_option("prefs", prefs)?;
        }
    }
    capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
    Ok(capabilities.into())
}

fn fresh_profile(name: &str) -> PathBuf {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{name}"));
    let _ = std::fs::remove_dir_all(&profile);
    profile
}

pub(crate) fn under_target(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target directory");
    let directory = target.join(name);
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    directory
}

struct DriverProcess {
    process: Child,
    /// Kept, as a program whose output nobody takes may end.
    output: BufReader<ChildStdout>,
}

impl DriverProcess {
    fn start() -> (Self, u16) {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ChromeDriver starts");
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut driver = Self { process, output };
        let port = driver.output.by_ref().lines().map_while(Result::ok).find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?.trim_end_matches('.').parse().ok()
        });
        (driver, port.expect("ChromeDriver says its port"))
    }
}

impl Drop for DriverProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
