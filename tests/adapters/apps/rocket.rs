use ::rocket::config::{Ident, LogLevel};
use ::rocket::data::Data;
use ::rocket::http::Method::{Delete, Get, Head, Options, Patch, Post, Put, Trace};
use ::rocket::http::Status;
use ::rocket::request::{self, FromRequest, Request};
use ::rocket::response::Responder as _;
use ::rocket::route::{BoxFuture, Handler, Outcome};
use ::rocket::shield::Shield;
use ::rocket::{Build, Config, Rocket, Route, async_trait};
use grantor::{Principal, Server};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};

#[async_trait]
impl<'r> FromRequest<'r> for Session {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        match Self::of(request.headers().get("cookie").map(str::as_bytes)) {
            Some(session) => request::Outcome::Success(session),
            None => request::Outcome::Forward(Status::Unauthorized),
        }
    }
}

fn token<'r>(request: &'r Request<'_>, _: Data<'r>) -> BoxFuture<'r> {
    Box::pin(async move {
        match request.guard::<Principal>().await {
            request::Outcome::Success(principal) => {
                Outcome::from(request, by_token(request.method().as_str(), &principal))
            }
            request::Outcome::Error((status, _)) => Outcome::Error(status),
            request::Outcome::Forward(status) => Outcome::Error(status),
        }
    })
}

fn either<'r>(request: &'r Request<'_>, _: Data<'r>) -> BoxFuture<'r> {
    Box::pin(async move {
        let principal = request.guard::<Principal>().await.succeeded();
        let session = request.guard::<Session>().await.succeeded();
        Outcome::from(request, by_either(request.method().as_str(), principal.as_ref(), session.as_ref()))
    })
}

fn own_cors<'r>(request: &'r Request<'_>, _: Data<'r>) -> BoxFuture<'r> {
    let (name, value) = OWN_CORS;
    let mine = "mine".respond_to(request).map(|mut response| {
        response.set_raw_header(name, value);
        response
    });
    Box::pin(async { mine.map_or_else(Outcome::Error, Outcome::Success) })
}

fn start_page<'r>(request: &'r Request<'_>, _: Data<'r>) -> BoxFuture<'r> {
    Box::pin(async move { Outcome::from(request, START_PAGE) })
}

fn all(path: &str, handler: &(impl Handler + Clone)) -> Vec<Route> {
    [Get, Head, Post, Put, Patch, Delete, Trace, Options].map(|method| Route::new(method, path, handler.clone())).into()
}

/// On any free port, without a word of its own in answers and logs.
pub(crate) fn quiet() -> Config {
    let mut config = Config { port: 0, log_level: LogLevel::Off, ident: Ident::none(), ..Config::debug_default() };
    config.shutdown.ctrlc = false;
    config.shutdown.signals.clear();
    config
}

pub(crate) fn rocket_app(server: &Server) -> Rocket<Build> {
    let (read, write) = (guard(server, "/api", "projects:read"), guard(server, "/api", "projects:write"));
    let mcp = guard(server, "/mcp", "");
    ::rocket::custom(quiet())
        .attach(Shield::new())
        .attach(grantor::rocket::fairing_with::<Session>(server))
        .mount("/", read.protect([all("/api", &token), all("/api/token-for-either", &either)].concat()))
        .mount("/", read.protect(all("/api/own-cors", &own_cors)))
        .mount("/", read.optional().protect(all("/api/either", &either)))
        .mount("/", read.optional().protect(all("/api/either-for-token", &token)))
        .mount("/", write.protect(all("/api/write", &token)))
        .mount("/", mcp.protect(all("/mcp", &token)))
        .mount("/", mcp.optional().protect(all("/mcp/either", &either)))
        .mount("/", all("/open", &token))
        .mount("/", all("/open/either", &either))
        .mount("/nested", read.protect(all("/x", &token)))
        .mount("/", all("/<_..>", &start_page))
}
