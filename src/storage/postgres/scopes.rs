//! The scopes that are kept as data.

use std::sync::Arc;

use super::Database;
use super::row::Columns;
use crate::protocol::scope_records::ScopeRecords;
use crate::storage::sql::corrupt;
use crate::storage::{SaveScopes, Saved, StorageError, StorageErrorKind};

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
    pub(super) async fn scopes(&self) -> Result<Option<Arc<ScopeRecords>>, StorageError> {
        let rows = self.read(|| sqlx::query(self.statements.scopes.clone())).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut columns = Columns::of(row);
        let (text, revision): (&str, i64) = (columns.next()?, columns.next()?);
        let records: ScopeRecords = serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))?;
        let revision = u32::try_from(revision).map_err(|_| corrupt("a revision has more than 32 bits"))?;
        Ok(Some(Arc::new(ScopeRecords { revision, ..records })))
    }

    pub(super) async fn save_scopes(&self, op: &SaveScopes) -> Result<Saved, StorageError> {
        let text = serde_json::to_string(&*op.records);
        let text = text.map_err(|error| StorageError::new(StorageErrorKind::Other, error))?;
        let (statement, revision) = (&self.statements.save_scopes, i64::from(op.records.revision));
        let rows = self.write(|| sqlx::query(statement.clone()).bind(revision).bind(&text)).await?;
        Ok(if rows.is_empty() { Saved::Changed } else { Saved::Now })
    }
}
