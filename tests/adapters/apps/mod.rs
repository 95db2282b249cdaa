//! One app, written for each framework: guarded routes, a session that the framework's middleware
//! finds, a start page for every unknown path, and grantor.

mod actix;
mod axum;
mod poem;
mod rocket;
mod salvo;
mod warp;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use actix::{actix_app, actix_sessions};
pub(crate) use axum::{axum_app, tower_app};
pub(crate) use poem::poem_app;
pub(crate) use rocket::{quiet, rocket_app};
pub(crate) use salvo::salvo_app;
pub(crate) use warp::warp_app;

use grantor::host::EntropyError;
use grantor::{Entropy, Guard, Host, HostError, MemoryStorage, Principal, Server, SignIn, User};
use http::request::Parts;

use crate::support::World;

/// An app whose randomness and clock are the same each time.
pub(crate) fn world(issuer: &str) -> World {
    World::at(issuer, MemoryStorage::new(), |builder| {
        builder.host(App).entropy(Counter(AtomicU64::new(1))).registration_management()
    })
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            // splitmix64
            let mut mixed = self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Who is signed in, as the framework's middleware found out.
#[derive(Clone)]
pub(crate) struct Session(String);

impl Session {
    pub(crate) fn of<'a>(cookies: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut pairs = cookies.flat_map(|header| header.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
        let name = pairs.find_map(|pair| pair.strip_prefix(b"session="))?;
        Some(Self(String::from_utf8(name.to_owned()).ok()?))
    }
}

/// Looks into the extensions alone, and shows the bytes of a header to the user.
struct App;

impl Host for App {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        assert!(!request.headers.contains_key("x-panic"), "an error in the app");
        let session = request.extensions.get::<Option<Session>>().cloned().flatten();
        let odd = request.headers.get_all("x-odd").iter().map(|value| value.as_bytes().escape_ascii().to_string());
        let odd = odd.collect::<Vec<_>>().join("+");
        Ok(session.map(|Session(name)| User::new(&name, format!("{name} {odd}"), format!("{name}.1"))))
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?by={}&return_to={}", request.method, ask.return_to))
    }
}

fn guard(server: &Server, resource: &str, scopes: &str) -> Guard {
    server.resource(resource).unwrap().require(scopes).unwrap()
}

const START_PAGE: &str = "the start page";
const OWN_CORS: (&str, &str) = ("access-control-allow-origin", "https://one.example");

fn by_token(method: &str, principal: &Principal) -> String {
    format!("{method} by {} for {}", principal.subject().unwrap(), principal.resource())
}

fn by_either(method: &str, principal: Option<&Principal>, session: Option<&Session>) -> String {
    match (principal, session) {
        (Some(principal), _) => by_token(method, principal),
        (None, Some(Session(name))) => format!("{method} by the session of {name}"),
        (None, None) => format!("{method} by nobody"),
    }
}
