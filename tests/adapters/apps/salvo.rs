use ::salvo::prelude::{Depot, Request, Response, Router, Writer as _, handler};
use grantor::{Principal, Server};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};

#[handler]
async fn token(request: &mut Request, principal: Principal) -> String {
    by_token(request.method().as_str(), &principal)
}

#[handler]
async fn either(request: &mut Request, depot: &mut Depot) -> String {
    let (principal, session) = (depot.get_typed::<Principal>().ok(), depot.get_typed::<Session>().ok());
    by_either(request.method().as_str(), principal, session)
}

#[handler]
async fn own_cors(response: &mut Response) -> &'static str {
    let (name, value) = OWN_CORS;
    response.add_header(name, value, true).unwrap();
    "mine"
}

#[handler]
async fn start_page() -> &'static str {
    START_PAGE
}

#[handler]
async fn sessions(request: &mut Request, depot: &mut Depot) {
    let cookies = request.headers().get_all("cookie").iter().map(|value| value.as_bytes());
    if let Some(session) = Session::of(cookies) {
        depot.insert_typed(session);
    }
}

pub(crate) fn salvo_app(server: &Server) -> Router {
    let (read, write) = (guard(server, "/api", "projects:read"), guard(server, "/api", "projects:write"));
    let mcp = guard(server, "/mcp", "");
    let session = |depot: &Depot| depot.get_typed::<Session>().ok().cloned();
    Router::with_hoop(sessions)
        .push(Router::with_path("api").hoop(read.clone()).goal(token))
        .push(Router::with_path("api/either").hoop(read.optional()).goal(either))
        .push(Router::with_path("api/token-for-either").hoop(read.clone()).goal(either))
        .push(Router::with_path("api/either-for-token").hoop(read.optional()).goal(token))
        .push(Router::with_path("api/own-cors").hoop(read.clone()).goal(own_cors))
        .push(Router::with_path("api/write").hoop(write).goal(token))
        .push(Router::with_path("mcp").hoop(mcp.clone()).goal(token))
        .push(Router::with_path("mcp/either").hoop(mcp.optional()).goal(either))
        .push(Router::with_path("open").goal(token))
        .push(Router::with_path("open/either").goal(either))
        .push(Router::with_path("nested").hoop(read).push(Router::with_path("x").goal(token)))
        .push(grantor::salvo::routes_with(server, session))
        .push(Router::with_path("{**any}").goal(start_page))
}
