//! An app in actix-web that lets other apps in.
#![allow(clippy::future_not_send, reason = "actix's requests do not leave their thread")]

mod app;

use actix_web::http::StatusCode;
use actix_web::{App as Actix, HttpRequest, HttpResponse, HttpServer, web};
use app::{App, NOTES};
use grantor::Principal;

async fn notes(_: Principal) -> web::Json<[&'static str; 2]> {
    web::Json(NOTES)
}

/// All other pages, which your app has already.
async fn pages(request: HttpRequest, body: String, app: web::Data<App>) -> HttpResponse {
    let seen = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    let fields = request.headers().iter();
    let seen = fields.fold(seen, |seen, (name, value)| seen.header(name.as_str(), value.as_bytes()));
    let Ok(seen) = seen.body(body) else { return HttpResponse::BadRequest().finish() };
    let (parts, html) = app.page(seen).await.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(html)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (app, port) = App::new()?;
    let read = app.oauth.resource("/api")?.require("notes:read")?;
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(web::Data::new(app.clone()))
            .service(web::resource("/api/notes").wrap(read.clone()).get(notes))
            .configure(grantor::actix::routes(&app.oauth))
            .default_service(web::to(pages))
    });
    Ok(server.bind(("127.0.0.1", port))?.run().await?)
}
