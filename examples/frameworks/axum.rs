//! An app in axum that lets other apps in.

mod app;

use app::{App, NOTES};
use axum::extract::State;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use grantor::Principal;

async fn notes(_: Principal) -> Json<[&'static str; 2]> {
    Json(NOTES)
}

/// All other pages, which your app has already.
async fn pages(State(app): State<App>, request: Request<axum::body::Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 * 1024).await.unwrap_or_default();
    let seen = Request::from_parts(head, String::from_utf8_lossy(&body).into_owned());
    app.page(seen).await.into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (app, port) = App::new()?;
    let read = app.oauth.resource("/api")?.require("notes:read")?;
    let router = Router::new()
        .route("/api/notes", get(notes).layer(read))
        .merge(grantor::axum::routes(&app.oauth))
        .fallback(pages)
        .with_state(app);
    Ok(axum::serve(tokio::net::TcpListener::bind(("127.0.0.1", port)).await?, router).await?)
}
