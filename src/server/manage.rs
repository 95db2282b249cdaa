//! Clients that read, change and remove their own registration (RFC 7592).

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::request::Parts;

use super::{MINT_TRIES, Refused, Server};
use crate::host::EventKind;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::error::RegistrationReason;
use crate::protocol::new_client::NewClientSeed;
use crate::protocol::policy::Policy;
use crate::protocol::registered::Registered;
use crate::protocol::{management, registration};
use crate::storage::{RemoveClient, Removed, Storage as _, UpdateClient, Updated};

impl Server {
    /// What a client has registered (RFC 7592 §2.1).
    pub(crate) async fn read_registration(&self, id: &str, headers: &HeaderMap) -> Result<String, Refused> {
        self.read_managed(id, headers).await.map_err(|reason| self.unmanaged(id, reason))
    }

    async fn read_managed(&self, id: &str, headers: &HeaderMap) -> Result<String, RegistrationReason> {
        let client = self.managed_client(id, headers).await?;
        let current = self.current().await?;
        self.managed_answer(Registered::found(client), headers, &current.policy)
    }

    /// Replaces what a client has registered (RFC 7592 §2.2).
    pub(crate) async fn change_registration(&self, id: &str, request: &Parts, body: &[u8]) -> Result<String, Refused> {
        self.change_managed(id, request, body).await.map_err(|reason| self.unmanaged(id, reason))
    }

    async fn change_managed(&self, id: &str, request: &Parts, body: &[u8]) -> Result<String, RegistrationReason> {
        let headers = &request.headers;
        let _ = self.managed_client(id, headers).await?;
        let asked = registration::read(body, self.0.metadata_documents.is_some())?;
        // What the app would not take in, nobody becomes later.
        let _ = self.terms(&asked, request).await?;
        let current = self.current().await?;
        for _ in 0..MINT_TRIES {
            let client = self.managed_client(id, headers).await?;
            let seed = NewClientSeed::from_random(&self.random()?);
            let changed = management::change(&client, asked.clone(), &seed)?;
            let ends_access = client.ends_access_as(changed.client());
            let op = UpdateClient { client: Arc::clone(changed.client()), ends_access, now: self.now() };
            match self.0.storage.update_client(op).await? {
                Updated::Now => {
                    self.audit(EventKind::ClientUpdated { client: client.id.clone() });
                    return self.managed_answer(changed, headers, &current.policy);
                }
                // It is looked at anew: an administrator may have changed it, or blocked it.
                Updated::Changed | Updated::Unknown => {}
            }
        }
        Err(RegistrationReason::Unavailable)
    }

    /// Removes a client that asks for it, with everything that it was given (RFC 7592 §2.3).
    pub(crate) async fn remove_registration(&self, id: &str, headers: &HeaderMap) -> Result<(), Refused> {
        self.remove_managed(id, headers).await.map_err(|reason| self.unmanaged(id, reason))
    }

    async fn remove_managed(&self, id: &str, headers: &HeaderMap) -> Result<(), RegistrationReason> {
        let client = self.managed_client(id, headers).await?;
        let op = RemoveClient { client: client.id.clone(), now: self.now() };
        if self.0.storage.remove_client(op).await? == Removed::Now {
            self.audit(EventKind::ClientRemoved { client: client.id.clone() });
        }
        Ok(())
    }

    fn unmanaged(&self, id: &str, reason: RegistrationReason) -> Refused {
        self.refused(ClientId::parse(id).ok().as_ref(), reason)
    }

    /// The answer to a client that manages itself: with its token (RFC 7592 §3), which is known from the request.
    fn managed_answer(
        &self,
        registered: Registered,
        headers: &HeaderMap,
        policy: &Policy,
    ) -> Result<String, RegistrationReason> {
        let sent = headers.get(AUTHORIZATION).and_then(|header| management::bearer(header.as_bytes()));
        self.registration_answer(&registered.with_token(sent.unwrap_or_default()), policy)
    }

    async fn managed_client(&self, id: &str, headers: &HeaderMap) -> Result<Arc<Client>, RegistrationReason> {
        let client = match ClientId::parse(id) {
            Ok(id) => self.client_by_id(&id).await?,
            Err(_) => None,
        };
        let authorization = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        management::authenticate(client.as_ref(), authorization)
    }
}
