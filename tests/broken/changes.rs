//! What is wrong with changes of clients.

use std::sync::Arc;

use grantor::protocol::client::{Client, ClientId};
use grantor::storage::{Storage, StorageError, Updated};

use super::{Broken, Flaw};

impl Broken {
    pub(super) async fn read_client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let mut client = self.inner.client(id).await?;
        if let Some(client) = &mut client {
            match self.flaw {
                Flaw::ForgetsClientNames => Arc::make_mut(client).metadata.name = None,
                Flaw::KeepsRevisions | Flaw::TakesRevisions => {
                    let brought = self.revisions.lock().unwrap().get(id).copied();
                    Arc::make_mut(client).revision = brought.unwrap_or(client.revision);
                }
                _ => {}
            }
        }
        Ok(client)
    }

    pub(super) async fn change_client(&self, client: Arc<Client>) -> Result<Updated, StorageError> {
        match self.flaw {
            Flaw::TakesRevisions => drop(self.revisions.lock().unwrap().insert(client.id.clone(), client.revision)),
            Flaw::AddsOnUpdate => drop(self.inner.insert_client(client.clone()).await?),
            Flaw::LosesUpdates => {
                let Ok(_turn) = self.one_at_a_time.try_lock() else { return Ok(Updated::Now) };
                tokio::task::yield_now().await;
                return self.inner.update_client(client).await;
            }
            _ => {}
        }
        self.inner.update_client(client).await
    }
}
