//! The answer to a client as a form that the browser posts (OAuth 2.0 Form Post Response Mode).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::host::Page;
use crate::protocol::response::AuthorizeResponse;

const SCRIPT: &str = "document.forms[0].submit()";
const STYLE: &str = include_str!("form_post.css");

/// A page that posts itself; without JavaScript a person presses its button.
pub(super) fn page(response: &AuthorizeResponse) -> Page {
    let mut fields = String::new();
    for (name, value) in response.parameters() {
        fields.push_str(&format!(r#"<input type="hidden" name="{name}" value="{}">"#, escape(value)));
    }
    let action = escape(response.redirect_uri().as_str());
    let target = escape(&response.redirect_uri().display_host());
    let body = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>Back to {target}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Back to the app</h1>
<p>Your browser takes the answer there by itself. If nothing happens, press the button.</p>
<form method="post" action="{action}">{fields}<button>Continue to {target}</button></form>
</main>
<script>{SCRIPT}</script>
</body>
</html>
"#
    );
    Page::html(body, format!("style-src {}; script-src {}", source(STYLE), source(SCRIPT)))
}

/// What lets exactly this text through the page's policy.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
