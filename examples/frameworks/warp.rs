//! An app in warp that lets other apps in.

mod app;

use app::{App, NOTES};
use bytes::Bytes;
use grantor::Principal;
use http::{HeaderMap, Method, Request};
use warp::Filter as _;
use warp::path::FullPath;

/// All other pages, which your app has already.
async fn page(app: App, head: (Method, FullPath, String, HeaderMap), body: Bytes) -> warp::reply::Response {
    let (method, path, query, headers) = head;
    let mut seen = Request::new(String::from_utf8_lossy(&body).into_owned());
    *seen.method_mut() = method;
    *seen.uri_mut() = format!("{}?{query}", path.as_str()).parse().unwrap_or_default();
    *seen.headers_mut() = headers;
    app.page(seen).await.map(Into::into)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (app, port) = App::new()?;
    let read = app.oauth.resource("/api")?.require("notes:read")?;
    let notes = warp::path!("api" / "notes")
        .and(grantor::warp::guard(&read))
        .and(warp::get())
        .map(|_: Principal| warp::reply::json(&NOTES));
    let routes = grantor::warp::guarded(notes).or(grantor::warp::routes(&app.oauth));

    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let head = warp::method().and(warp::path::full()).and(query).and(warp::header::headers_cloned());
    let head = head.map(|method, path, query, headers| (method, path, query, headers));
    let body = warp::body::content_length_limit(16 * 1024).and(warp::body::bytes());
    let body = body.or(warp::any().map(Bytes::new)).unify();
    let pages = head.and(body).then(move |head, body| page(app.clone(), head, body));
    warp::serve(routes.or(pages)).run(([127, 0, 0, 1], port)).await;
    Ok(())
}
