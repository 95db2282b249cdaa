//! What is wrong with what counts once, and with the scopes and resources that are kept as data.

use std::collections::HashSet;
use std::sync::Arc;

use grantor::protocol::policy_records::PolicyRecords;
use grantor::storage::{ClaimOnce, Claimed, SavePolicy, Saved, Storage, StorageError};

use super::{Broken, Flaw};

/// What was claimed.
pub(super) type Keys = HashSet<[u8; 32]>;

impl Broken {
    pub(super) async fn claim(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        if self.has(Flaw::ChecksBeforeActing) {
            if self.claimed.lock().unwrap().contains(&op.key) {
                return Ok(Claimed::Again);
            }
            tokio::task::yield_now().await;
            self.claimed.lock().unwrap().insert(op.key);
            return Ok(Claimed::First);
        }
        let outcome = self.inner.claim_once(op).await?;
        Ok(if self.has(Flaw::ClaimsTwice) { Claimed::First } else { outcome })
    }

    pub(super) async fn read_policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        let mut stored = self.inner.policy().await?;
        if let Some(stored) = &mut stored {
            let stored = Arc::make_mut(stored);
            match self.flaw {
                Flaw::CleansTexts => {
                    for record in &mut stored.scopes {
                        record.description = record.description.trim().to_owned();
                    }
                }
                Flaw::ListsOldestFirst => stored.scopes.reverse(),
                Flaw::KeepsRevisions => stored.revision = 1,
                _ => {}
            }
        }
        Ok(stored)
    }

    pub(super) async fn save(&self, mut op: SavePolicy) -> Result<Saved, StorageError> {
        if self.has(Flaw::LosesUpdates) {
            let stored = self.inner.policy().await?;
            Arc::make_mut(&mut op.records).revision = stored.map_or(0, |stored| stored.revision);
        }
        if self.has(Flaw::ForgetsResources) {
            Arc::make_mut(&mut op.records).resources.clear();
        }
        self.inner.save_policy(op).await
    }
}
