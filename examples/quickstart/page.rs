//! The frame of this app's pages.

use std::fmt;

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

/// Text from people or other apps, escaped for HTML as content and as a quoted attribute.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// A page with `main`, which is HTML, for `user` or for nobody in particular.
pub(crate) fn page(title: &str, user: Option<&str>, main: &str) -> Html<String> {
    let title = Text(title);
    let person = match user {
        Some(user) => format!(
            r#"<a href="/account">Connected apps</a>
      <form method="post" action="/logout"><button class="link">Log out {}</button></form>"#,
            Text(user)
        ),
        None => r#"<a href="/account">Log in</a>"#.to_owned(),
    };
    Html(format!(
        r#"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title} · Planwerk</title>
  <link rel="icon" href="/logo.svg">
  <link rel="stylesheet" href="/demo.css">
</head>
<body>
  <header>
    <a class="brand" href="/"><img src="/logo.svg" alt="" width="28" height="28"> Planwerk</a>
    <nav aria-label="You">
      {person}
    </nav>
  </header>
  <main>
    <h1>{title}</h1>
    {main}
  </main>
</body>
</html>
"#
    ))
}

/// The pages stay out of caches and frames, and run no script.
///
/// There is no `form-action`: the login leads back into a request for access, whose answer leads to the
/// app that asked, and a browser would hold that against the login form.
pub(crate) async fn with_security_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 4] = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'",
            ),
        ),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let mut response = next.run(request).await;
    response.headers_mut().extend(HEADERS);
    response
}

pub(crate) async fn style_sheet() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("assets/demo.css"))
}

pub(crate) async fn logo() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml")], include_str!("assets/logo.svg"))
}
