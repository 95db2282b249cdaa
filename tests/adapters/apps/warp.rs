use std::convert::Infallible;

use ::warp::filters::BoxedFilter;
use ::warp::reply::{Reply, Response, with_header};
use ::warp::{Filter, method, path};
use grantor::warp::{guard as guarded_by, guarded, optional_guard};
use grantor::{Guard, Principal, Server};
use http::{HeaderMap, Method, StatusCode};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};

fn session() -> impl Filter<Extract = (Option<Session>,), Error = Infallible> + Clone + Send + Sync + 'static {
    ::warp::header::headers_cloned()
        .map(|headers: HeaderMap| Session::of(headers.get_all("cookie").iter().map(|value| value.as_bytes())))
}

fn token(guard: &Guard) -> BoxedFilter<(String,)> {
    let all = guarded_by(guard).and(method());
    all.map(|principal, method: Method| by_token(method.as_str(), &principal)).boxed()
}

fn either(guard: &Guard) -> BoxedFilter<(String,)> {
    let all = optional_guard(&guard.optional()).and(session()).and(method());
    all.map(|principal: Option<Principal>, session: Option<Session>, method: Method| {
        by_either(method.as_str(), principal.as_ref(), session.as_ref())
    })
    .boxed()
}

fn either_by_token(guard: &Guard) -> BoxedFilter<(String,)> {
    let all = guarded_by(guard).and(method());
    all.map(|principal, method: Method| by_either(method.as_str(), Some(&principal), None)).boxed()
}

/// A handler that wants a principal where there may be none does not compile: this one says what others would.
fn token_or_error(guard: &Guard) -> BoxedFilter<(Response,)> {
    let all = optional_guard(&guard.optional()).and(method());
    all.map(|principal: Option<Principal>, method: Method| match principal {
        Some(principal) => by_token(method.as_str(), &principal).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
    .boxed()
}

pub(crate) fn warp_app(server: &Server) -> BoxedFilter<(Response,)> {
    let (read, write) = (guard(server, "/api", "projects:read"), guard(server, "/api", "projects:write"));
    let mcp = guard(server, "/mcp", "");
    let (name, value) = OWN_CORS;
    let own_cors = guarded_by(&read).map(move |_| with_header("mine", name, value));
    let texts = path!("api").and(token(&read));
    let texts = texts.or(path!("api" / "either").and(either(&read))).unify();
    let texts = texts.or(path!("api" / "token-for-either").and(either_by_token(&read))).unify();
    let texts = texts.or(path!("api" / "write").and(token(&write))).unify();
    let texts = texts.or(path!("mcp").and(token(&mcp))).unify();
    let texts = texts.or(path!("mcp" / "either").and(either(&mcp))).unify();
    let texts = texts.or(path!("nested" / "x").and(token(&read))).unify();
    let own_cors = path!("api" / "own-cors").and(own_cors);
    let either_for_token = path!("api" / "either-for-token").and(token_or_error(&read));
    guarded(texts)
        .or(guarded(own_cors))
        .unify()
        .or(guarded(either_for_token))
        .unify()
        .or(path!("open").map(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .unify()
        .or(grantor::warp::routes_with(server, session()).map(Reply::into_response))
        .unify()
        .or(::warp::any().map(|| START_PAGE.into_response()))
        .unify()
        .boxed()
}
