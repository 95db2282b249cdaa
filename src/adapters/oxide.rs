//! For apps that come from oxide-auth 0.6: its guards accept our tokens, its scopes are ours, and its clients can be
//! brought over. [`manual::oxide_auth`](crate::manual::oxide_auth) is the guide.
//!
//! oxide-auth's traits do not wait: what is here blocks its thread until the store has answered. In a runtime of tokio
//! that has a single thread, whoever has to wait gets an error instead, as nobody would wake it. Apps that use
//! `oxide-auth-async` take `grantor::oxide_async`.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, UNIX_EPOCH};

use http::header::{AUTHORIZATION, HOST, HeaderValue};
use oxide_auth::primitives::grant::{Extensions, Grant, Value};
use oxide_auth::primitives::issuer::{self, IssuedToken, RefreshedToken};
use oxide_auth::primitives::registrar::{
    self, BoundClient, ClientUrl, ExactUrl, PreGrant, RegisteredUrl, RegistrarError,
};
use oxide_auth::primitives::scope::{ParseScopeErr, Scope};
use tokio::runtime::{Handle, RuntimeFlavor};

pub use super::oxide_clients::{ImportError, Imported, import_confidential, import_public};
pub use super::oxide_consent::{Consent, Decisions, Request};

use crate::guard::{Guard, Principal};
use crate::protocol::client::ClientId;
use crate::protocol::scope::ScopeSet;
use crate::server::Server;

/// The name of the public extension of a [`Grant`] that has the URL of the resource that the token is for.
pub const RESOURCE: &str = "resource";

/// Tells oxide-auth's guards what our tokens are worth. It mints nothing: what would, gives its error.
#[derive(Debug, Clone)]
pub struct Issuer(Guard);

impl Issuer {
    /// For the routes of the guard's resource. With `require("")` any token for that will do, and oxide-auth compares
    /// its scopes with those of the route.
    #[must_use]
    pub fn new(guard: &Guard) -> Self {
        Self(guard.clone())
    }

    /// The grant of a token, `None` if it is worth nothing here, an error if nobody can tell.
    pub(super) async fn grant(&self, token: &str) -> Result<Option<Grant>, ()> {
        let Ok(authorization) = HeaderValue::try_from(format!("Bearer {token}")) else { return Ok(None) };
        // oxide-auth does not hand on under which name a request came; an app that needs it asks the guard itself.
        let request = http::Request::get("/").header(HOST, "localhost").header(AUTHORIZATION, authorization);
        let (request, ()) = request.body(()).map_err(drop)?.into_parts();
        match self.0.check(&request).await {
            Ok(principal) => grant(&principal).map(Some).ok_or(()),
            Err(refusal) if refusal.response().status().is_server_error() => Err(()),
            Err(_) => Ok(None),
        }
    }
}

fn grant(principal: &Principal) -> Option<Grant> {
    let mut extensions = Extensions::new();
    let resource = principal.resource().to_string();
    extensions.set_raw(RESOURCE.to_owned(), Value::public(Some(resource.clone())));
    let client = principal.client().to_string();
    Some(Grant {
        owner_id: principal.subject().map_or_else(|| client.clone(), ToString::to_string),
        client_id: client,
        scope: to_oxide(principal.scopes()).ok()?,
        // A token is not bound to one; it stands for the resource, so that nobody is sent astray.
        redirect_uri: resource.parse().ok()?,
        until: UNIX_EPOCH.checked_add(Duration::from_millis(principal.expires_at().as_millis()))?.into(),
        extensions,
    })
}

impl issuer::Issuer for Issuer {
    fn issue(&mut self, _: Grant) -> Result<IssuedToken, ()> {
        Err(())
    }

    fn refresh(&mut self, _: &str, _: Grant) -> Result<RefreshedToken, ()> {
        Err(())
    }

    fn recover_token<'a>(&'a self, token: &'a str) -> Result<Option<Grant>, ()> {
        block_on(self.grant(token)).ok_or(())?
    }

    fn recover_refresh<'a>(&'a self, _: &'a str) -> Result<Option<Grant>, ()> {
        Err(())
    }
}

/// Tells oxide-auth of our clients, as they are now. It changes nothing.
#[derive(Debug, Clone)]
pub struct Registrar(Server);

impl Registrar {
    /// Of the clients of `server`.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self(server.clone())
    }

    pub(super) async fn bound<'a>(&self, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
        let id = id(&bound.client_id)?;
        let presented = bound.redirect_uri.as_ref().map(|uri| uri.as_str());
        let found = self.0.redirect_of(&id, presented).await.map_err(|_| RegistrarError::PrimitiveError)?;
        let uri = found.ok_or(RegistrarError::Unspecified)?.as_str().to_owned();
        let uri = RegisteredUrl::Exact(ExactUrl::new(uri).map_err(|_| RegistrarError::PrimitiveError)?);
        Ok(BoundClient { client_id: bound.client_id, redirect_uri: std::borrow::Cow::Owned(uri) })
    }

    pub(super) async fn negotiated(
        &self,
        client: BoundClient<'_>,
        scope: Option<Scope>,
    ) -> Result<PreGrant, RegistrarError> {
        let asked = scope.as_ref().map(from_oxide).transpose().map_err(|_| RegistrarError::Unspecified)?;
        let found = self.0.scopes_of(&id(&client.client_id)?, asked.as_ref()).await;
        let scopes = found.map_err(|_| RegistrarError::PrimitiveError)?.ok_or(RegistrarError::Unspecified)?;
        let scope = to_oxide(&scopes).map_err(|_| RegistrarError::PrimitiveError)?;
        let (client_id, redirect_uri) = (client.client_id.into_owned(), client.redirect_uri.into_owned());
        Ok(PreGrant { client_id, redirect_uri, scope })
    }

    pub(super) async fn checked(&self, client: &str, passphrase: Option<&[u8]>) -> Result<(), RegistrarError> {
        let secret = passphrase.map(str::from_utf8).transpose().map_err(|_| RegistrarError::Unspecified)?;
        let found = self.0.is_secret_of(&id(client)?, secret).await;
        if found.map_err(|_| RegistrarError::PrimitiveError)? { Ok(()) } else { Err(RegistrarError::Unspecified) }
    }
}

fn id(client: &str) -> Result<ClientId, RegistrarError> {
    ClientId::parse(client).map_err(|_| RegistrarError::Unspecified)
}

impl registrar::Registrar for Registrar {
    fn bound_redirect<'a>(&self, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
        block_on(self.bound(bound)).ok_or(RegistrarError::PrimitiveError)?
    }

    fn negotiate(&self, client: BoundClient<'_>, scope: Option<Scope>) -> Result<PreGrant, RegistrarError> {
        block_on(self.negotiated(client, scope)).ok_or(RegistrarError::PrimitiveError)?
    }

    fn check(&self, client_id: &str, passphrase: Option<&[u8]>) -> Result<(), RegistrarError> {
        block_on(self.checked(client_id, passphrase)).ok_or(RegistrarError::PrimitiveError)?
    }
}

/// Our scopes as oxide-auth's.
///
/// # Errors
/// If oxide-auth does not take one of them.
pub fn to_oxide(scopes: &ScopeSet) -> Result<Scope, ParseScopeErr> {
    scopes.as_str().parse()
}

/// oxide-auth's scopes as ours. Its own order is another one each time.
///
/// # Errors
/// If one of them is none here, which oxide-auth's own reading does not let through.
pub fn from_oxide(scope: &Scope) -> Result<ScopeSet, crate::protocol::scope::InvalidScope> {
    ScopeSet::parse(&scope.to_string())
}

/// Waits for an answer; `None` if it would take for ever.
fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    // A store in memory answers at once.
    if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return Some(answer);
    }
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            Some(tokio::task::block_in_place(|| runtime.block_on(future)))
        }
        Ok(_) => {
            tracing::error!("a runtime with a single thread cannot wait for the store: use `grantor::oxide_async`");
            None
        }
        Err(_) => Some(park_until_ready(future)),
    }
}

fn park_until_ready<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
