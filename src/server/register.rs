//! The registration endpoint.

use super::{MINT_TRIES, Server, log_no_free_id};
use crate::protocol::error::RegistrationReason;
use crate::protocol::new_client::NewClientSeed;
use crate::protocol::registration::{self, Registered};
use crate::storage::{InsertClient, Inserted, Storage as _};

impl Server {
    /// Answers a registration request with the body of the answer.
    pub(crate) async fn register(&self, body: &[u8]) -> Result<String, RegistrationReason> {
        let answer = self.register_and_tell(body).await;
        answer.inspect_err(|reason| tracing::info!(%reason, "registration refused"))
    }

    async fn register_and_tell(&self, body: &[u8]) -> Result<String, RegistrationReason> {
        let current = self.current().await?;
        let registered = self.register_client(body).await?;
        tracing::info!(client = %registered.client().id, "client registered");
        registered.to_json(&current.policy).map_err(|_| RegistrationReason::ServerError)
    }

    async fn register_client(&self, body: &[u8]) -> Result<Registered, RegistrationReason> {
        let metadata = registration::read(body)?;
        for _ in 0..MINT_TRIES {
            let seed = NewClientSeed::from_random(&self.random()?);
            let registered = Registered::new(metadata.clone(), &seed, self.now())?;
            let op = InsertClient { client: registered.client().clone(), budget: None, now: self.now() };
            match self.0.storage.insert_client(op).await? {
                Inserted::New => return Ok(registered),
                Inserted::Taken | Inserted::Folded(_) | Inserted::Blocked => {}
            }
        }
        log_no_free_id();
        Err(RegistrationReason::ServerError)
    }
}
