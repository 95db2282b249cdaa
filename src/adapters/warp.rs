//! The endpoints and the guard as filters of warp.
//!
//! ```
//! use grantor::Principal;
//! use warp::Filter as _;
//!
//! # fn app(oauth: grantor::Server) -> Result<(), Box<dyn std::error::Error>> {
//! let read = oauth.resource("/api")?.require("projects:read")?;
//! let projects = warp::path!("api" / "projects")
//!     .and(grantor::warp::guard(&read))
//!     .and(warp::get())
//!     .map(|principal: Principal| format!("those of {:?}", principal.subject()));
//! let app = grantor::warp::guarded(projects).or(grantor::warp::routes(&oauth));
//! # drop(warp::serve(app));
//! # Ok(())
//! # }
//! ```
//!
//! The guard comes behind the path and before the method: it has to see preflights.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Uri};
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reject::{Reject, Rejection};
use warp::reply::Reply;
use warp::{Filter, reject};

use super::gate::{Gate, UnreadBody, add_cors, broken_body, say_close, unread_body};
use crate::guard::{Guard, OptionalGuard, Principal, Refusal, ResourceServer};
use crate::server::Server;
use crate::web::{MAX_BODY, RoutePattern};

/// The endpoints of `server`. Do not put them below a path: theirs are those that the metadata names.
#[must_use]
pub fn routes(server: &Server) -> BoxedFilter<(Response<Bytes>,)> {
    routes_with(server, warp::any().map(|| ()))
}

/// The same for apps that find out who is signed in by a filter: what `session` extracts is put into the extensions of
/// the request that the [`Host`](crate::Host) sees. It is asked at every endpoint.
///
/// ```
/// use warp::Filter as _;
///
/// #[derive(Clone)]
/// struct Session(String);
///
/// # fn app(oauth: grantor::Server) {
/// let session = warp::cookie::optional("session").map(|cookie: Option<String>| cookie.map(Session));
/// let endpoints = grantor::warp::routes_with(&oauth, session);
/// # drop(warp::serve(endpoints));
/// # }
/// // In the host: `request.extensions.get::<Option<Session>>()`
/// ```
#[must_use]
pub fn routes_with<F, T>(server: &Server, session: F) -> BoxedFilter<(Response<Bytes>,)>
where
    F: Filter<Extract = (T,), Error = Infallible> + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    let server = server.clone();
    at(server.routes())
        .and(session)
        .and(warp::body::stream())
        .then(move |mut parts: Parts, session: T, body| {
            let server = server.clone();
            parts.extensions.insert(session);
            async move { server.handle(Request::from_parts(parts, read(body).await)).await }
        })
        .boxed()
}

/// The metadata of a resource in another process than its authorization server, to be used like [`routes`].
#[must_use]
pub fn resource_routes(resource: &ResourceServer) -> BoxedFilter<(Response<Bytes>,)> {
    let resource = resource.clone();
    at(resource.routes()).map(move |parts: Parts| resource.handle(&parts)).boxed()
}

/// The heads of requests for these paths. What the server would not answer is left to the app.
fn at(patterns: Vec<RoutePattern>) -> BoxedFilter<(Parts,)> {
    let patterns: Arc<[_]> = patterns.into();
    let is_ours = move |path: FullPath| {
        let is_ours = patterns.iter().any(|pattern| pattern.matches(path.as_str()));
        ready(if is_ours { Ok(()) } else { Err(reject::not_found()) })
    };
    warp::path::full().and_then(is_ours).untuple_one().and(head()).boxed()
}

fn head() -> BoxedFilter<(Parts,)> {
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    let all = warp::method().and(warp::path::full()).and(query).and(warp::header::headers_cloned());
    all.and_then(|method, path, query, headers| ready(parts(method, &path, query, headers))).boxed()
}

fn parts(method: Method, path: &FullPath, query: Option<String>, headers: HeaderMap) -> Result<Parts, Rejection> {
    let path = path.as_str();
    let uri: Uri = query
        .map_or_else(|| path.parse(), |query| format!("{path}?{query}").parse())
        .map_err(|_| reject::not_found())?;
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri, parts.headers) = (method, uri, headers);
    Ok(parts)
}

async fn read(body: impl Stream<Item = Result<impl Buf, warp::Error>>) -> Bytes {
    let mut body = pin!(body);
    let mut read = BytesMut::new();
    while let Some(part) = body.next().await {
        match part {
            Ok(part) if read.len() + part.remaining() <= MAX_BODY => read.put(part),
            Ok(_) | Err(_) => return broken_body(),
        }
    }
    read.freeze()
}

/// Lets requests through and extracts who came, and rejects all others: [`guarded`] makes the rejection the answer.
/// Where several routes of a path have guards of their own, warp asks one after the other.
#[must_use]
pub fn guard(guard: &Guard) -> BoxedFilter<(Principal,)> {
    // A guard that is not optional lets nobody through without one.
    checked(guard.into()).and_then(|principal: Option<_>| ready(principal.ok_or_else(reject::not_found))).boxed()
}

/// The same for routes that take a session too: `None` is a request without a token.
#[must_use]
pub fn optional_guard(guard: &OptionalGuard) -> BoxedFilter<(Option<Principal>,)> {
    checked(guard.into())
}

fn checked(gate: Gate) -> BoxedFilter<(Option<Principal>,)> {
    head()
        .and_then(move |parts: Parts| {
            let gate = gate.clone();
            async move { gate.check(&parts).await.map_err(|refusal| refused(&parts, &refusal)) }
        })
        .boxed()
}

/// Guarded routes, to be put around all of them: what a guard refuses is answered as the RFCs want it, and pages of
/// other origins may read the answers. Without it warp answers with 500 where a guard refuses.
#[must_use]
pub fn guarded<F, R>(routes: F) -> BoxedFilter<(warp::reply::Response,)>
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
{
    let readable = |reply: R| {
        let mut response = reply.into_response();
        add_cors(response.headers_mut());
        response
    };
    let recovered = |rejection: Rejection| {
        let answer = rejection.find::<Refused>().map(|refused| refused.0.clone());
        let answer = answer.or_else(|| rejection.find::<Refusal>().map(Refusal::response));
        ready(answer.map(Reply::into_response).ok_or(rejection))
    };
    routes.map(readable).recover(recovered).unify().boxed()
}

#[derive(Debug)]
struct Refused(Response<Bytes>);

impl Reject for Refused {}

/// What [`Principal::require`] refuses, as the rejection of a handler.
impl Reject for Refusal {}

/// The same as the answer of a handler.
impl Reply for Refusal {
    fn into_response(self) -> warp::reply::Response {
        self.response().into_response()
    }
}

fn refused(request: &Parts, refusal: &Refusal) -> Rejection {
    let mut answer = refusal.response();
    if unread_body(request) != UnreadBody::None {
        say_close(&mut answer);
    }
    reject::custom(Refused(answer))
}
