//! An app in Rocket that lets other apps in.

mod app;

use std::io::Cursor;

use app::{App, NOTES};
use grantor::Principal;
use rocket::data::{Data, ToByteUnit as _};
use rocket::http::{Method, Status};
use rocket::route::{Handler, Outcome};
use rocket::{Config, Request, Response, Route, get, routes};

#[get("/notes")]
fn notes(_principal: Principal) -> String {
    serde_json::json!(NOTES).to_string()
}

/// All other pages, which your app has already.
#[derive(Clone)]
struct Pages(App);

#[rocket::async_trait]
impl Handler for Pages {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let body = data.open(16.kibibytes()).into_string().await;
        let seen = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
        let fields = request.headers().iter();
        let seen = fields.fold(seen, |seen, field| seen.header(field.name.as_str(), field.value.as_ref()));
        let Ok(seen) = seen.body(body.map(|body| body.into_inner()).unwrap_or_default()) else {
            return Outcome::Error(Status::BadRequest);
        };
        let (parts, html) = self.0.page(seen).await.into_parts();
        let mut response = Response::build();
        for (name, value) in &parts.headers {
            response.raw_header(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        response.status(Status::new(parts.status.as_u16())).sized_body(html.len(), Cursor::new(html));
        Outcome::Success(response.finalize())
    }
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (app, port) = App::new()?;
    let read = app.oauth.resource("/api")?.require("notes:read")?;
    let pages = [Method::Get, Method::Post].map(|method| Route::new(method, "/<_..>", Pages(app.clone())));
    rocket::custom(Config { port, ..Config::default() })
        .attach(grantor::rocket::fairing(&app.oauth))
        .mount("/api", read.protect(routes![notes]))
        .mount("/", pages)
        .launch()
        .await?;
    Ok(())
}
