//! Changes of what is in force.

use std::sync::Arc;

use super::Server;
use crate::protocol::policy::Policy;
use crate::protocol::policy_records::PolicyRecords;
use crate::storage::{SavePolicy, Saved, Storage as _, StorageError};

/// How often a change is tried again that others were faster than: each time, one of them has got on.
const TRIES: usize = 64;

/// Others were faster each time.
#[derive(Debug)]
pub(super) struct Contended;

impl Server {
    /// Takes notice of what is stored now.
    pub(super) async fn refresh_policy(&self) -> Result<(), StorageError> {
        self.0.in_force.refresh(self.now()).await
    }

    /// Stores what `change` makes of what the code says and what is stored.
    pub(super) async fn change_policy<E: From<StorageError> + From<Contended>>(
        &self,
        change: impl Fn(&Policy, &PolicyRecords) -> Result<PolicyRecords, E>,
    ) -> Result<(), E> {
        let inner = &self.0;
        for _ in 0..TRIES {
            let stored = inner.storage.policy().await?.unwrap_or_default();
            let mut records = change(inner.in_force.declared(), &stored)?;
            if records == *stored {
                return Ok(self.refresh_policy().await?);
            }
            records.revision = stored.revision;
            match inner.storage.save_policy(SavePolicy { records: Arc::new(records.clone()) }).await? {
                Saved::Now => {
                    records.revision = records.revision.wrapping_add(1);
                    inner.in_force.changed(Arc::new(records));
                    return Ok(());
                }
                Saved::Changed => {}
            }
        }
        Err(Contended.into())
    }
}
