//! An app in Salvo that lets other apps in.

mod app;

use app::{App, NOTES};
use grantor::Principal;
use salvo::prelude::*;

#[handler]
async fn notes(_principal: Principal) -> Json<[&'static str; 2]> {
    Json(NOTES)
}

/// All other pages, which your app has already.
struct Pages(App);

#[handler]
impl Pages {
    async fn handle(&self, request: &mut Request, response: &mut Response) {
        let body = request.payload().await.map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default();
        let mut seen = http::Request::new(body);
        (*seen.method_mut(), *seen.uri_mut()) = (request.method().clone(), request.uri().clone());
        seen.headers_mut().clone_from(request.headers());
        let (parts, html) = self.0.page(seen).await.into_parts();
        response.status_code(parts.status);
        response.set_headers(parts.headers);
        response.body(html);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (app, port) = App::new()?;
    let read = app.oauth.resource("/api")?.require("notes:read")?;
    let router = Router::new()
        .push(Router::with_path("api/notes").hoop(read).get(notes))
        .push(grantor::salvo::routes(&app.oauth))
        .push(Router::with_path("{**any}").goal(Pages(app)));
    Server::new(TcpListener::new(("127.0.0.1", port)).bind().await).serve(router).await;
    Ok(())
}
