//! Withdrawals.

use super::Database;
use super::failure::failed;
use crate::storage::sql::bits;
use crate::storage::{Owner, RevokeAccess, RevokeGrant, Revoked, StorageError};

pub(super) const ACCESS: &str = "
WITH gone AS (DELETE FROM {}.access_token WHERE id = $1 RETURNING id)
SELECT id, {tell} FROM gone";

pub(super) const GRANT: &str = "
WITH theirs AS (
    SELECT g.id, g.revoked, g.subject_key, g.subject, g.client
    FROM {}.grants g WHERE g.id = $1 AND {owner}
    FOR UPDATE
), revoked_now AS (
    UPDATE {}.grants g SET revoked = true
    FROM theirs t WHERE g.id = t.id AND NOT t.revoked
), forgotten AS (
    DELETE FROM {}.consent WHERE key IN (
        SELECT c.key FROM {}.consent c
        JOIN theirs t ON c.subject_key = t.subject_key AND c.subject = t.subject AND c.client = t.client
        ORDER BY c.key
        FOR UPDATE OF c
    )
)
SELECT revoked, {tell} FROM theirs";

impl Database {
    pub(super) async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        let rows = self.write(|| sqlx::query(self.statements.revoke_access.clone()).bind(bits(op.token))).await?;
        Ok(if rows.is_empty() { Revoked::Unknown } else { Revoked::Now })
    }

    pub(super) async fn revoke_grant(&self, op: &RevokeGrant) -> Result<Revoked, StorageError> {
        let grant = bits(op.grant);
        let rows = match &op.owner {
            Owner::User(subject) => {
                let (text, owner) = (&self.statements.revoke_by_user, subject.as_str().as_bytes());
                self.write(|| sqlx::query(text.clone()).bind(grant).bind(owner)).await?
            }
            Owner::Client(client) => {
                let (text, owner) = (&self.statements.revoke_by_client, client.as_str());
                self.write(|| sqlx::query(text.clone()).bind(grant).bind(owner)).await?
            }
        };
        let Some(row) = rows.first() else { return Ok(Revoked::Unknown) };
        let was_revoked: bool = sqlx::Row::try_get(row, 0).map_err(failed)?;
        Ok(if was_revoked { Revoked::Already } else { Revoked::Now })
    }
}
