//! An app in poem that lets other apps in.

mod app;

use app::{App, NOTES};
use grantor::Principal;
use poem::listener::TcpListener;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Request, Response, Route, Server, get, handler};

#[handler]
fn notes(_: Principal) -> Json<[&'static str; 2]> {
    Json(NOTES)
}

/// All other pages, which your app has already.
#[handler]
async fn pages(request: &Request, body: String, app: Data<&App>) -> Response {
    let mut seen = http::Request::new(body);
    (*seen.method_mut(), *seen.uri_mut()) = (request.method().clone(), request.uri().clone());
    seen.headers_mut().clone_from(request.headers());
    let (parts, html) = app.page(seen).await.into_parts();
    let mut response = Response::builder().status(parts.status).body(html);
    *response.headers_mut() = parts.headers;
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (app, port) = App::new()?;
    let read = app.oauth.resource("/api")?.require("notes:read")?;
    let routes = Route::new().at("/api/notes", get(notes).with(read)).at("/*any", pages);
    let routes = grantor::poem::routes(routes, &app.oauth);
    Ok(Server::new(TcpListener::bind(("127.0.0.1", port))).run(routes.data(app)).await?)
}
