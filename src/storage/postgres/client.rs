//! Registrations and changes of clients.

use super::Database;
use crate::protocol::client::Client;
use crate::storage::sql::client_text;
use crate::storage::{Inserted, StorageError, Updated};

pub(super) const INSERT: &str = "
WITH added AS (
    INSERT INTO {}.client (id, revision, data) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id
)
SELECT id, {tell} FROM added";

/// A revision has 32 bits.
pub(super) const UPDATE: &str = "
WITH changed AS (
    UPDATE {}.client SET revision = (revision + 1) % 4294967296, data = $2 WHERE id = $1 RETURNING id
)
SELECT id, {tell} FROM changed";

impl Database {
    pub(super) async fn insert_client(&self, client: &Client) -> Result<Inserted, StorageError> {
        let (id, revision, text) = (client.id.as_str(), i64::from(client.revision), client_text(client)?);
        let statement = &self.statements.insert_client;
        let rows = self.write(|| sqlx::query(statement.clone()).bind(id).bind(revision).bind(&text)).await?;
        Ok(if rows.is_empty() { Inserted::Taken } else { Inserted::New })
    }

    pub(super) async fn update_client(&self, client: &Client) -> Result<Updated, StorageError> {
        let (id, text) = (client.id.as_str(), client_text(client)?);
        let statement = &self.statements.update_client;
        let rows = self.write(|| sqlx::query(statement.clone()).bind(id).bind(&text)).await?;
        Ok(if rows.is_empty() { Updated::Unknown } else { Updated::Now })
    }
}
