//! What must never show, and how it is looked for.

use std::collections::BTreeSet;

use super::Browser;

/// So much of a secret is too much.
const PART: usize = 16;

/// All secrets that came up, in the spellings in which they could leak.
#[derive(Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    pub fn add(&mut self, secret: &str) {
        assert!(secret.len() >= 7, "{secret:?} would be found anywhere");
        self.0.insert(secret.to_owned());
        // A part of a random text is too much already: a log that shortens it still tells it.
        if secret.len() >= 40 {
            let parts = secret.as_bytes().windows(PART).map(|part| String::from_utf8_lossy(part).into_owned());
            self.0.extend(parts);
        }
    }

    pub fn add_browser<S>(&mut self, browser: &Browser<S>) {
        browser.cookies.values().for_each(|value| self.add(value));
    }

    pub fn assert_absent(&self, text: &str, what: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{what} tells {secret}:\n{text}");
        }
    }
}
