//! What is wrong with pages, and with what a walk shows.

use grantor::protocol::secret::OrderedId;
use grantor::protocol::time::Timestamp;
use grantor::storage::testkit::records::CODE_LIFETIME;
use grantor::storage::{Row, Scanned, Storage, StorageError, Table};

use super::{Broken, Flaw};

impl Broken {
    pub(super) async fn show(
        &self,
        table: Table,
        after: Option<OrderedId>,
        limit: u32,
    ) -> Result<Vec<Scanned>, StorageError> {
        let limit = if self.has(Flaw::IgnoresLimits) { 1000 } else { limit };
        let after = match after {
            Some(after) if self.has(Flaw::PagesInclusively) => {
                after.to_bits().checked_sub(1).and_then(OrderedId::from_bits)
            }
            _ => after,
        };
        let mut page = self.inner.scan(table, after, limit).await?;
        for row in &mut page {
            self.spoil(row);
        }
        let latest = *self.latest.lock().unwrap();
        match self.flaw {
            Flaw::ListsOldestFirst => page.reverse(),
            Flaw::HidesRevoked => page.retain(|row| !row.revoked),
            Flaw::HidesWhatHasEnded => page.retain(|row| end(row) > latest),
            Flaw::CutsFullPages => cut(&mut page, limit),
            _ => {}
        }
        Ok(page)
    }

    fn spoil(&self, row: &mut Scanned) {
        row.revoked &= !self.has(Flaw::ForgetsRevocations);
        if self.has(Flaw::ShowsFirstEnds) {
            row.grant_expires_at = row.grant.created_at.after(CODE_LIFETIME);
        }
        if let Row::Refresh { token, rotation, predecessor } = &mut row.row {
            match self.flaw {
                Flaw::ForgetsPredecessors => *predecessor = None,
                Flaw::KeepsAnswers => *rotation = self.rotations.lock().unwrap().get(&token.id).cloned(),
                _ => {}
            }
        }
    }

    /// What an operation says the present is.
    pub(super) fn look_at_the_clock(&self, now: &mut Timestamp) {
        let mut latest = self.latest.lock().unwrap();
        *latest = (*latest).max(*now);
        if self.has(Flaw::HasOneClock) {
            *now = *latest;
        }
    }
}

fn end(row: &Scanned) -> Timestamp {
    match &row.row {
        Row::Grant => row.grant_expires_at,
        Row::Code { code, .. } => code.expires_at,
        Row::Access(token) => token.expires_at,
        Row::Refresh { token, .. } => token.expires_at,
    }
}

/// Loses the first row of a large page that is full.
pub(super) fn cut<T>(page: &mut Vec<T>, limit: u32) {
    if limit >= 500 && page.len() == limit as usize {
        page.remove(0);
    }
}
