//! The guard around routes of Rocket, and the principal as a request guard.

use std::future::ready;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Mutex, PoisonError};

use http::request::Parts;
use rocket::data::ByteUnit;
use rocket::http::Method::Options;
use rocket::http::Status;
use rocket::request::{self, FromRequest};
use rocket::response::{self, Responder};
use rocket::route::{BoxFuture, Handler, Outcome};
use rocket::{Data, Request, Response, Route, async_trait};

use super::gate::{Gate, UnreadBody, say_close, unread_body};
use super::rocket::{parts, response};
use crate::guard::{Guard, OptionalGuard, Principal, Refusal};
use crate::web::MAX_BODY;

macro_rules! protect {
    ($guard:ty) => {
        impl $guard {
            /// These routes of Rocket behind this guard, to be mounted. They answer preflights too. A handler takes the
            /// [`Principal`] as a request guard; an optional guard's takes an `Option<Principal>`.
            #[must_use]
            pub fn protect(&self, routes: Vec<Route>) -> Vec<Route> {
                protect(&Gate::from(self), routes)
            }
        }
    };
}

protect!(Guard);
protect!(OptionalGuard);

fn protect(gate: &Gate, routes: Vec<Route>) -> Vec<Route> {
    // No two routes may have the same rank if their paths could meet; those for preflights give way to the app's own.
    static LAST: AtomicIsize = AtomicIsize::new(1_000);
    let preflight = |route: &Route| {
        let (rank, inner) = (LAST.fetch_add(1, Ordering::Relaxed), Box::new(no_method));
        Route::ranked(rank, Options, route.uri.as_str(), Guarded { gate: gate.clone(), inner })
    };
    let mut guarded: Vec<_> = routes.iter().filter(|route| route.method != Options).map(preflight).collect();
    guarded.extend(routes.into_iter().map(|mut route| {
        route.handler = Box::new(Guarded { gate: gate.clone(), inner: route.handler });
        route
    }));
    guarded
}

fn no_method<'r>(_: &'r Request<'_>, data: Data<'r>) -> BoxFuture<'r> {
    Box::pin(ready(Outcome::Forward((data, Status::NotFound))))
}

#[derive(Clone)]
struct Guarded {
    gate: Gate,
    inner: Box<dyn Handler>,
}

#[async_trait]
impl Handler for Guarded {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let Ok(parts) = parts(request) else { return Outcome::Error(Status::BadRequest) };
        match self.gate.check(&parts).await {
            Ok(principal) => {
                admit(request, Some(principal));
                let outcome = self.inner.handle(request, data).await;
                if let Outcome::Forward(_) = outcome {
                    admit(request, None);
                }
                outcome
            }
            Err(refusal) => Outcome::Success(refused(&parts, data, &refusal).await),
        }
    }
}

/// Whom the guard of the route let through: `None` if there is none, `Some(None)` if an optional one took no token.
#[derive(Default)]
struct Admitted(Mutex<Option<Option<Principal>>>);

fn admit(request: &Request<'_>, principal: Option<Option<Principal>>) {
    *request.local_cache(Admitted::default).0.lock().unwrap_or_else(PoisonError::into_inner) = principal;
}

pub(super) fn admitted(request: &Request<'_>) -> Option<Option<Principal>> {
    request.local_cache(Admitted::default).0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn refused(request: &Parts, data: Data<'_>, refusal: &Refusal) -> Response<'static> {
    let mut answer = refusal.response();
    let is_read = match unread_body(request) {
        UnreadBody::None => true,
        UnreadBody::Short => data.open(ByteUnit::from(MAX_BODY)).into_bytes().await.is_ok(),
        UnreadBody::Long => false,
    };
    if !is_read {
        say_close(&mut answer);
    }
    response(answer)
}

/// Nobody was let through: the route has no guard, or an optional one and no token came. An error in the app, answered
/// with 500.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a handler takes a Principal, but no guard let one through: mount it with `guard.protect(routes![…])`")]
pub struct Unguarded(());

/// What [`Principal::require`] refuses, as the error of a handler.
impl<'r> Responder<'r, 'static> for Refusal {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Ok(response(self.response()))
    }
}

/// Who the guard let through. An `Option<Principal>` is for routes with an [`OptionalGuard`]. Where there is no guard at
/// all Rocket makes it `None`, whatever token came; the log tells of it.
#[async_trait]
impl<'r> FromRequest<'r> for Principal {
    type Error = Unguarded;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, Unguarded> {
        let admitted = admitted(request);
        if admitted.is_none() {
            tracing::error!(path = request.uri().path().as_str(), "a handler looks for a Principal where no guard is");
        }
        match admitted.flatten() {
            Some(principal) => request::Outcome::Success(principal),
            None => request::Outcome::Error((Status::InternalServerError, Unguarded(()))),
        }
    }
}
