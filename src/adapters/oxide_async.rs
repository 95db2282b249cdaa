//! The same as [`oxide`] for apps that use `oxide-auth-async` 0.2, as types of their own: nobody waits.

use async_trait::async_trait;
use bytes::Bytes;
use oxide_auth::endpoint::Solicitation;
use oxide_auth::primitives::grant::Grant;
use oxide_auth::primitives::issuer::{IssuedToken, RefreshedToken};
use oxide_auth::primitives::registrar::{BoundClient, ClientUrl, PreGrant, RegistrarError};
use oxide_auth::primitives::scope::Scope;
use oxide_auth_async::endpoint::OwnerSolicitor;
use oxide_auth_async::primitives;
use tokio::sync::Mutex;

pub use super::oxide::{ImportError, Imported, Request, from_oxide, import_confidential, import_public, to_oxide};

use super::oxide;
use super::oxide_consent::{Ask, Word, consent, decide, show};
use crate::guard::Guard;
use crate::host::{ConsentUi, ConsentView, DecidedView, ErrorView, HostError, Page};
use crate::server::Server;

/// Tells oxide-auth's guards what our tokens are worth. It mints nothing: what would, gives its error.
#[derive(Debug, Clone)]
pub struct Issuer(oxide::Issuer);

impl Issuer {
    /// See [`oxide::Issuer::new`].
    #[must_use]
    pub fn new(guard: &Guard) -> Self {
        Self(oxide::Issuer::new(guard))
    }
}

#[async_trait]
impl primitives::Issuer for Issuer {
    async fn issue(&mut self, _: Grant) -> Result<IssuedToken, ()> {
        Err(())
    }

    async fn refresh(&mut self, _: &str, _: Grant) -> Result<RefreshedToken, ()> {
        Err(())
    }

    async fn recover_token(&mut self, token: &str) -> Result<Option<Grant>, ()> {
        self.0.grant(token).await
    }

    async fn recover_refresh(&mut self, _: &str) -> Result<Option<Grant>, ()> {
        Err(())
    }
}

/// Tells oxide-auth of our clients, as they are now. It changes nothing.
#[derive(Debug, Clone)]
pub struct Registrar(oxide::Registrar);

impl Registrar {
    /// Of the clients of `server`.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self(oxide::Registrar::new(server))
    }
}

#[async_trait]
impl primitives::Registrar for Registrar {
    async fn bound_redirect<'a>(&self, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
        self.0.bound(bound).await
    }

    async fn negotiate<'a>(&self, client: BoundClient<'a>, scope: Option<Scope>) -> Result<PreGrant, RegistrarError> {
        self.0.negotiated(client, scope).await
    }

    async fn check(&self, client_id: &str, passphrase: Option<&[u8]>) -> Result<(), RegistrarError> {
        self.0.checked(client_id, passphrase).await
    }
}

consent!(OwnerSolicitor, Mutex);

impl<S: OwnerSolicitor<Request> + Send> Ask for Mutex<S> {
    async fn ask(&self, mut request: Request, grant: PreGrant, state: &str) -> Word {
        let mut solicitor = self.lock().await;
        solicitor.check_consent(&mut request, Solicitation::new(&grant).with_state(state)).await.into()
    }
}
