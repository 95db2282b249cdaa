//! A fairing for Rocket that brings the endpoints, the guard around routes, and the principal as a request guard.
//!
//! What Rocket does before anything else sees a request: it drops header fields that are not UTF-8, refuses methods that
//! it does not know, and takes a form's first field for the method if that is called `_method`.

use std::io::Cursor;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use rocket::data::ByteUnit;
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::http::Method::{Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace};
use rocket::http::Status;
use rocket::request::{self, FromRequest};
use rocket::route::{Handler, Outcome};
use rocket::{Build, Data, Request, Response, Rocket, Route, async_trait};

pub use super::rocket_guard::Unguarded;

use super::gate::broken_body;
use super::rocket_guard::admitted;
use crate::guard::{ResourceServer, cors_headers};
use crate::server::Server;
use crate::web::{MAX_BODY, RoutePattern};

/// Before all routes whose rank Rocket chooses, which have -12 to -1.
const FIRST: isize = -20;

/// The endpoints of `server`, to be attached to the app.
///
/// ```
/// # #[macro_use] extern crate rocket;
/// use grantor::Principal;
///
/// #[get("/projects")]
/// fn projects(principal: Principal) -> String {
///     format!("those of {:?}", principal.subject())
/// }
///
/// # fn app(oauth: grantor::Server) -> Result<rocket::Rocket<rocket::Build>, Box<dyn std::error::Error>> {
/// let read = oauth.resource("/api")?.require("projects:read")?;
/// let app = rocket::build()
///     .attach(grantor::rocket::fairing(&oauth))
///     .mount("/api", read.protect(routes![projects]));
/// # Ok(app)
/// # }
/// ```
#[must_use]
pub fn fairing(server: &Server) -> impl Fairing {
    fairing_with::<Nobody>(server)
}

/// The same for apps whose session is a request guard: what `S` finds is put into the extensions of the request that
/// the [`Host`](crate::Host) sees. It is asked at every endpoint.
///
/// ```
/// # #[macro_use] extern crate rocket;
/// use rocket::request::{FromRequest, Outcome, Request};
///
/// #[derive(Clone)]
/// struct Session(String);
///
/// #[rocket::async_trait]
/// impl<'r> FromRequest<'r> for Session {
///     type Error = ();
///
///     async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
///         # fn known(_: &str) -> Option<Session> { None }
///         let cookie = request.cookies().get("session");
///         match cookie.and_then(|cookie| known(cookie.value())) {
///             Some(session) => Outcome::Success(session),
///             None => Outcome::Forward(rocket::http::Status::Unauthorized),
///         }
///     }
/// }
///
/// # fn app(oauth: grantor::Server) -> rocket::Rocket<rocket::Build> {
/// rocket::build().attach(grantor::rocket::fairing_with::<Session>(&oauth))
/// # }
/// // In the host: `request.extensions.get::<Option<Session>>()`
/// ```
#[must_use]
pub fn fairing_with<S>(server: &Server) -> impl Fairing
where
    S: for<'r> FromRequest<'r> + Clone + Send + Sync + 'static,
{
    Endpoints::<S> { patterns: server.routes().into(), of: Answering::Server(server.clone()), session: PhantomData }
}

/// The metadata of a resource in another process than its authorization server, to be attached like [`fairing()`].
#[must_use]
pub fn resource_fairing(resource: &ResourceServer) -> impl Fairing {
    let (patterns, of) = (resource.routes().into(), Answering::Resource(resource.clone()));
    Endpoints::<Nobody> { patterns, of, session: PhantomData }
}

#[derive(Clone)]
struct Endpoints<S> {
    patterns: Arc<[RoutePattern]>,
    of: Answering,
    session: PhantomData<fn() -> S>,
}

#[derive(Clone)]
enum Answering {
    Server(Server),
    Resource(ResourceServer),
}

#[async_trait]
impl<S: for<'r> FromRequest<'r> + Clone + Send + Sync + 'static> Fairing for Endpoints<S> {
    fn info(&self) -> Info {
        Info { name: "grantor", kind: Kind::Ignite | Kind::Response }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        // One route for all paths, as Rocket compares them decoded and the server as they were sent.
        let methods = [Get, Put, Post, Delete, Options, Head, Trace, Connect, Patch];
        Ok(rocket.mount("/", methods.map(|method| Route::ranked(FIRST, method, "/<_..>", self.clone()))))
    }

    /// What a page of another origin needs to read the answer of a guarded route, be it that of a catcher.
    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        for (name, value) in cors_headers().iter().filter(|_| admitted(request).is_some()) {
            if let (false, Ok(value)) = (response.headers().contains(name.as_str()), value.to_str()) {
                response.set_raw_header(name.as_str().to_owned(), value.to_owned());
            }
        }
    }
}

#[async_trait]
impl<S: for<'r> FromRequest<'r> + Clone + Send + Sync + 'static> Handler for Endpoints<S> {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let path = request.uri().path();
        if !self.patterns.iter().any(|pattern| pattern.matches(path.as_str())) {
            return Outcome::Forward((data, Status::NotFound));
        }
        let Ok(mut parts) = parts(request) else { return Outcome::Error(Status::BadRequest) };
        let server = match &self.of {
            Answering::Server(server) => server,
            Answering::Resource(resource) => return Outcome::Success(response(resource.handle(&parts))),
        };
        parts.extensions.insert(request.guard::<S>().await.succeeded());
        let body = match data.open(ByteUnit::from(MAX_BODY + 1)).into_bytes().await {
            Ok(body) => Bytes::from(body.into_inner()),
            Err(_) => broken_body(),
        };
        Outcome::Success(response(server.handle(http::Request::from_parts(parts, body)).await))
    }
}

/// The session of apps that have none within Rocket's reach.
#[derive(Clone)]
struct Nobody;

#[async_trait]
impl<'r> FromRequest<'r> for Nobody {
    type Error = ();

    async fn from_request(_: &'r Request<'_>) -> request::Outcome<Self, ()> {
        request::Outcome::Forward(Status::Unauthorized)
    }
}

pub(super) fn parts(request: &Request<'_>) -> Result<Parts, http::Error> {
    let head = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    let fields = request.headers().iter();
    let head = fields.fold(head, |head, field| head.header(field.name.as_str(), field.value.as_bytes()));
    Ok(head.body(())?.into_parts().0)
}

pub(super) fn response(answer: http::Response<Bytes>) -> Response<'static> {
    let (mut parts, body) = answer.into_parts();
    // Rocket takes a length from the body and from nothing else, also that of an answer to HEAD.
    let length = parts.headers.remove(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut response = Response::new();
    response.set_status(Status::new(parts.status.as_u16()));
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            response.adjoin_raw_header(name.as_str().to_owned(), value.to_owned());
        }
    }
    response.set_sized_body(length.unwrap_or(body.len()), Cursor::new(body));
    response
}
