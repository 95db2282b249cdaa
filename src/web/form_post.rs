//! The answer to a client as a form that the browser posts (OAuth 2.0 Form Post Response Mode).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::host::Page;
use crate::protocol::response::AuthorizeResponse;

const SCRIPT: &str = "document.forms[0].submit()";

/// A page that posts itself; without JavaScript a person presses its button.
pub(super) fn page(response: &AuthorizeResponse) -> Page {
    let mut fields = String::new();
    for (name, value) in response.parameters() {
        fields.push_str(&format!(r#"<input type="hidden" name="{name}" value="{}">"#, escape(value)));
    }
    let body = format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>Back to the app</title><main><h1>Back to the app</h1><form method="post" action="{}">{fields}<button>Go on to {}</button></form></main><script>{SCRIPT}</script></html>"#,
        escape(response.redirect_uri().as_str()),
        escape(&response.redirect_uri().display_host()),
    );
    let hash = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    Page::html(body, format!("script-src 'sha256-{hash}'"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
