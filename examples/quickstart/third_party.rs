//! Serves the files in `third_party/`: an app by somebody else, which only knows the address of the API.

use std::io::ErrorKind;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::Address;

/// Listens on both addresses that `localhost` may stand for; a computer without IPv6 has but one.
pub(crate) async fn listen(port: u16) -> Result<Vec<TcpListener>, String> {
    let ipv4 = crate::listen("127.0.0.1", port).await?;
    match TcpListener::bind(("::1", port)).await {
        Ok(ipv6) => Ok(vec![ipv4, ipv6]),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(crate::taken("::1", port, &error)),
        Err(_) => Ok(vec![ipv4]),
    }
}

/// Serves the app until the program ends.
pub(crate) fn serve(listeners: Vec<TcpListener>, address: Address) {
    let app = app(address);
    for listener in listeners {
        let app = app.clone();
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
}

fn app(address: Address) -> Router {
    let projects_api = format!("{}/api/projects", address.origin());
    let page = include_str!("third_party/index.html").replace("{{PROJECTS_API}}", &projects_api);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src {}; \
         frame-ancestors 'none'; base-uri 'none'",
        address.origin()
    );
    let index = move || async move {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (CONTENT_SECURITY_POLICY, policy),
            // Codes come back in this page's address.
            (REFERRER_POLICY, "no-referrer".to_owned()),
            (CACHE_CONTROL, "no-store".to_owned()),
        ];
        (headers, page)
    };
    Router::new()
        .route("/", get(index))
        .route("/app.js", get(|| file("text/javascript", include_str!("third_party/app.js"))))
        .route("/connection.js", get(|| file("text/javascript", include_str!("third_party/connection.js"))))
        .route("/oauth.js", get(|| file("text/javascript", include_str!("third_party/oauth.js"))))
        .route("/style.css", get(|| file("text/css", include_str!("third_party/style.css"))))
}

async fn file(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, format!("{media_type}; charset=utf-8"))], text)
}
