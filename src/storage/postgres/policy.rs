//! The scopes and resources that are kept as data, in the table that had only scopes at first.

use std::sync::Arc;

use super::Database;
use super::row::Columns;
use crate::protocol::policy_records::PolicyRecords;
use crate::storage::sql::{self, corrupt};
use crate::storage::{SavePolicy, Saved, StorageError};

pub(super) const READ: &str = "SELECT data, revision FROM {}.scopes";

/// Revision 0 is that of no state, and also follows the highest one.
pub(super) const SAVE: &str = "
WITH changed AS (
    UPDATE {}.scopes SET revision = (revision + 1) % 4294967296, data = $2 WHERE revision = $1 RETURNING revision
), added AS (
    INSERT INTO {}.scopes (is_all, revision, data)
    SELECT true, 1, $2 WHERE $1 = 0 AND NOT EXISTS (SELECT 1 FROM changed)
    ON CONFLICT (is_all) DO NOTHING
    RETURNING revision
)
SELECT revision FROM changed UNION ALL SELECT revision FROM added";

impl Database {
    pub(super) async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        let rows = self.read(|| sqlx::query(self.statements.policy.clone())).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut columns = Columns::of(row);
        let (text, revision): (&str, i64) = (columns.next()?, columns.next()?);
        let revision = u32::try_from(revision).map_err(|_| corrupt("a revision has more than 32 bits"))?;
        sql::policy(text, revision).map(Arc::new).map(Some)
    }

    pub(super) async fn save_policy(&self, op: &SavePolicy) -> Result<Saved, StorageError> {
        let text = sql::policy_text(&op.records)?;
        let (statement, revision) = (&self.statements.save_policy, i64::from(op.records.revision));
        let rows = self.write(|| sqlx::query(statement.clone()).bind(revision).bind(&text)).await?;
        Ok(if rows.is_empty() { Saved::Changed } else { Saved::Now })
    }
}
