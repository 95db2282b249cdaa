#![allow(clippy::needless_pass_by_value, reason = "a handler takes what poem's extractors give")]

use ::poem::http::Method;
use ::poem::web::Data;
use ::poem::{Endpoint, EndpointExt as _, IntoResponse as _, Request, Response, Route, endpoint, handler};
use grantor::{Principal, Server};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};

#[handler]
fn token(method: Method, principal: Principal) -> String {
    by_token(method.as_str(), &principal)
}

#[handler]
fn either(method: Method, principal: Option<Principal>, session: Data<&Option<Session>>) -> String {
    by_either(method.as_str(), principal.as_ref(), session.as_ref())
}

#[handler]
fn own_cors() -> Response {
    let (name, value) = OWN_CORS;
    "mine".with_header(name, value).into_response()
}

pub(crate) fn poem_app(server: &Server) -> impl Endpoint<Output = Response> + use<> {
    let (read, write) = (guard(server, "/api", "projects:read"), guard(server, "/api", "projects:write"));
    let mcp = guard(server, "/mcp", "");
    let routes = Route::new()
        .at("/api", token.with(read.clone()))
        .at("/api/either", either.with(read.optional()))
        .at("/api/token-for-either", either.with(read.clone()))
        .at("/api/either-for-token", token.with(read.optional()))
        .at("/api/own-cors", own_cors.with(read.clone()))
        .at("/api/write", token.with(write))
        .at("/mcp", token.with(mcp.clone()))
        .at("/mcp/either", either.with(mcp.optional()))
        .at("/open", token)
        .at("/open/either", either)
        .nest("/nested", Route::new().at("/x", token).with(read))
        .at("/*any", endpoint::make_sync(|_| START_PAGE));
    grantor::poem::routes(routes, server).before(sessions).map_to_response()
}

async fn sessions(mut request: Request) -> ::poem::Result<Request> {
    let session = Session::of(request.headers().get_all("cookie").iter().map(|value| value.as_bytes()));
    request.set_data(session);
    Ok(request)
}
