//! What is wrong with registrations, and with how many there may be.

use std::collections::HashMap;
use std::sync::Arc;

use grantor::protocol::client::{Client, ClientId};
use grantor::storage::testkit::records;
use grantor::storage::{Decide, Decided, InsertClient, Inserted, Storage, StorageError};

use super::{BEGINNING, Broken, Flaw};

/// Which client each kind of registration led to.
pub(super) type Folds = HashMap<[u8; 32], ClientId>;

impl Broken {
    pub(super) async fn add_client(&self, mut op: InsertClient) -> Result<Inserted, StorageError> {
        self.revisions.lock().unwrap().entry(op.client.id.clone()).or_insert(op.client.revision);
        let fold = op.client.registration.as_ref().and_then(|registration| registration.fold);
        let same = fold.and_then(|fold| self.folds.lock().unwrap().get(&fold).cloned());
        match self.flaw {
            Flaw::FoldsNothing => Arc::make_mut(&mut op.client).registration = None,
            Flaw::ChecksBeforeActing if fold.is_some() => {
                if let Some(same) = same {
                    return Ok(Inserted::Folded(same));
                }
                tokio::task::yield_now().await;
                self.note_fold(fold, &op.client);
                Arc::make_mut(&mut op.client).registration = None;
            }
            Flaw::LosesUpdates if same.is_some() => {
                if let Some(tenure) = &mut Arc::make_mut(&mut op.client).tenure {
                    tenure.until = BEGINNING;
                }
            }
            Flaw::RemembersRefusals => {
                if let Some(same) = same.filter(|same| *same != op.client.id) {
                    return Ok(Inserted::Folded(same));
                }
                self.note_fold(fold, &op.client);
            }
            _ => self.note_fold(fold, &op.client),
        }
        let outcome = match op.budget {
            Some(budget) => self.add_within(op, budget as usize).await?,
            None => self.inner.insert_client(op).await?,
        };
        Ok(match (self.flaw, outcome) {
            (Flaw::ReplacesClients, _) => Inserted::New,
            (Flaw::FreesTheBlocked, Inserted::Blocked) => same_or_taken(fold, &self.folds.lock().unwrap()),
            (_, outcome) => outcome,
        })
    }

    fn note_fold(&self, fold: Option<[u8; 32]>, client: &Client) {
        if let Some(fold) = fold {
            self.folds.lock().unwrap().entry(fold).or_insert_with(|| client.id.clone());
        }
    }

    async fn add_within(&self, op: InsertClient, budget: usize) -> Result<Inserted, StorageError> {
        let evicts_by_itself = matches!(
            self.flaw,
            Flaw::IgnoresBudgets
                | Flaw::EvictsTheLatest
                | Flaw::EvictsTheGranted
                | Flaw::EvictsTheNew
                | Flaw::ChecksBeforeActing
        );
        if !evicts_by_itself {
            return self.inner.insert_client(op).await;
        }
        let new = op.client.id.clone();
        let outcome = self.inner.insert_client(InsertClient { budget: None, ..op }).await?;
        if outcome != Inserted::New || self.has(Flaw::IgnoresBudgets) {
            return Ok(outcome);
        }
        let mut found = self.inner.clients(None, u32::MAX).await?;
        found.retain(|client| client.tenure.is_some_and(|tenure| !tenure.granted || self.has(Flaw::EvictsTheGranted)));
        let too_many = found.len().saturating_sub(budget);
        found.sort_by_key(|client| client.tenure.map(|tenure| tenure.until));
        if self.has(Flaw::EvictsTheLatest) {
            found.reverse();
        }
        found.retain(|client| client.id != new || self.has(Flaw::EvictsTheNew));
        tokio::task::yield_now().await;
        for client in found.iter().take(too_many) {
            let _ = self.inner.remove_client(records::remove(&client.id)).await?;
        }
        Ok(outcome)
    }

    /// What goes wrong with the end of a client when it gets a grant.
    pub(super) async fn renew_on_approval(&self, op: Decide, outcome: Decided) -> Result<(), StorageError> {
        if let (Flaw::MovesEndsWithEachGrant, Some(approval)) = (self.flaw, op.approval) {
            let _ = self.inner.renew_client(records::renew(&op.client, approval.client_until, op.now)).await?;
        } else if self.has(Flaw::ChangesOnRenewal)
            && outcome == Decided::First
            && let Some(client) = self.inner.client(&op.client).await?
        {
            let _ = self.inner.update_client(records::update((*client).clone())).await?;
        }
        Ok(())
    }
}

fn same_or_taken(fold: Option<[u8; 32]>, folds: &Folds) -> Inserted {
    fold.and_then(|fold| folds.get(&fold).cloned()).map_or(Inserted::Taken, Inserted::Folded)
}
