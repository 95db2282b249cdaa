//! What is wrong with changes of clients, and with how long those stay that registered themselves.

use std::sync::Arc;

use grantor::protocol::client::{Client, ClientId, Tenure};
use grantor::storage::testkit::records;
use grantor::storage::{RenewClient, Renewed, Storage, StorageError, UpdateClient, Updated};

use super::{Broken, Flaw};

impl Broken {
    pub(super) async fn read_client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let mut client = self.inner.client(id).await?;
        if let Some(client) = &mut client {
            self.spoil_client(Arc::make_mut(client));
        }
        Ok(client)
    }

    fn spoil_client(&self, client: &mut Client) {
        match self.flaw {
            Flaw::ForgetsClientNames => client.metadata.name = None,
            Flaw::KeepsRevisions | Flaw::TakesRevisions => {
                let brought = self.revisions.lock().unwrap().get(&client.id).copied();
                client.revision = brought.unwrap_or(client.revision);
            }
            _ => {}
        }
        if let Some(tenure) = self.tenures.lock().unwrap().get(&client.id) {
            client.tenure = *tenure;
        }
        if let Some(tenure) = &mut client.tenure {
            tenure.granted &= !self.has(Flaw::ForgetsFirstGrants);
            tenure.granted |= self.has(Flaw::RemembersDenials) && self.has_denials();
        }
    }

    pub(super) async fn change_client(&self, mut op: UpdateClient) -> Result<Updated, StorageError> {
        let client = &op.client;
        match self.flaw {
            Flaw::TakesRevisions => drop(self.revisions.lock().unwrap().insert(client.id.clone(), client.revision)),
            Flaw::TakesTenures => drop(self.tenures.lock().unwrap().insert(client.id.clone(), client.tenure)),
            Flaw::AddsOnUpdate => drop(self.inner.insert_client(records::insert(Arc::clone(client))).await?),
            Flaw::LosesUpdates => {
                if let Some(stored) = self.inner.client(&client.id).await? {
                    Arc::make_mut(&mut op.client).revision = stored.revision;
                }
            }
            _ => {}
        }
        if self.has(Flaw::ChangesInTwoSteps) && op.ends_access {
            let outcome = self.inner.update_client(UpdateClient { ends_access: false, ..op.clone() }).await?;
            tokio::task::yield_now().await;
            if outcome == Updated::Now {
                self.inner.revoke_grants(records::revoke_all_of_client(&op.client.id, op.now)).await?;
            }
            return Ok(outcome);
        }
        self.end_access(&mut op).await?;
        self.inner.update_client(op).await
    }

    pub(super) async fn renew(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        let stored = self.inner.client(&op.client).await?;
        let has_end = stored.is_some_and(|client| client.tenure.is_some());
        match self.flaw {
            Flaw::RenewsAnything => {
                let _ = self.inner.renew_client(op).await?;
                return Ok(Renewed::Now);
            }
            Flaw::MovesEndsBack => {
                let moved = Tenure { until: op.until, granted: false };
                self.tenures.lock().unwrap().insert(op.client.clone(), Some(moved));
            }
            Flaw::ChecksBeforeActing if has_end => {
                tokio::task::yield_now().await;
                let _ = self.inner.renew_client(op).await?;
                return Ok(Renewed::Now);
            }
            Flaw::ChangesOnRenewal => {
                let outcome = self.inner.renew_client(op.clone()).await?;
                if let Some(client) = self.inner.client(&op.client).await? {
                    let _ = self.inner.update_client(records::update((*client).clone())).await?;
                }
                return Ok(outcome);
            }
            _ => {}
        }
        self.inner.renew_client(op).await
    }
}
