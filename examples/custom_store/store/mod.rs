//! The rows of grantor in an app's own SQLite database, beside the app's own tables.
//!
//! It is the simplest store that is right, and made to be copied: put the calls of your own database in the
//! place of rusqlite's, and leave the statements and their order as they are. What it does without:
//!
//! - Speed. Operations wait for each other, and each for a sync of the disk of its own: some hundreds a
//!   second on most disks. `grantor::SqliteStorage` has many share one.
//! - Clean-up by itself. Call `Server::purge` from a job, say every minute.
//! - Migrations. The tables are made if there are none; change them with whatever changes your own.

mod clients;
mod operations;
mod reads;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use grantor::protocol::client::Client;
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant, RevokeGrants,
    Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageErrorKind, StoredAccess,
    StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use grantor::{ClientId, OrderedId, StorageError, Subject, Timestamp};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::Mutex;

/// A connection to the app's database. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct AppStorage(Arc<Mutex<Connection>>);

impl AppStorage {
    /// Takes a connection of its own and makes the tables if they are not there. It blocks for a moment.
    pub(crate) fn new(connection: Connection) -> Result<Self, StorageError> {
        prepare(&connection).map_err(storage_error)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` on the connection, one at a time. Rusqlite blocks, so it runs where that is allowed; and
    /// there it comes to its end even if the caller goes away in the middle.
    async fn run<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let mut connection = Arc::clone(&self.0).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || work(&mut connection)).await;
        done.map_err(|error| StorageError::new(StorageErrorKind::Other, error))?.map_err(storage_error)
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // The app writes as well, through connections of its own.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk before it is acknowledged: a revocation must survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(concat!("BEGIN IMMEDIATE;", include_str!("schema.sql"), "COMMIT;"))
}

/// What went wrong, as the server wants to know it: `Unavailable` and `Conflict` become a 503 that asks the
/// client to come back.
fn storage_error(error: rusqlite::Error) -> StorageError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageErrorKind::Conflict,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::DiskFull) => StorageErrorKind::Unavailable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageErrorKind::Corrupt,
        Some(_) => StorageErrorKind::Other,
        None => match error {
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..) => {
                StorageErrorKind::Corrupt
            }
            _ => StorageErrorKind::Other,
        },
    };
    StorageError::new(kind, error)
}

impl Storage for AppStorage {
    fn durability(&self) -> Durability {
        Durability::Persistent
    }

    fn sharing(&self) -> Sharing {
        // Others may open the file, and SQLite does not tell of what they do.
        Sharing::Unheard
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let id = id.clone();
        self.run(move |connection| reads::client(connection, &id)).await
    }

    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        let after = after.cloned();
        self.run(move |connection| reads::clients(connection, after.as_ref(), limit)).await
    }

    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.run(move |connection| reads::code(connection, id)).await
    }

    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.run(move |connection| reads::access_token(connection, id)).await
    }

    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.run(move |connection| reads::refresh_token(connection, id)).await
    }

    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        let (subject, client) = (subject.clone(), client.clone());
        self.run(move |connection| reads::consents(connection, &subject, &client)).await
    }

    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        let subject = subject.clone();
        self.run(move |connection| reads::grants(connection, &subject, before, limit, now)).await
    }

    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.run(move |connection| reads::scan(connection, table, after, limit)).await
    }

    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.run(move |connection| clients::insert_client(connection, &op)).await
    }

    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.run(move |connection| clients::update_client(connection, &op)).await
    }

    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.run(move |connection| reads::policy(connection)).await
    }

    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.run(move |connection| clients::remove_client(connection, &op)).await
    }

    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.run(move |connection| clients::renew_client(connection, &op)).await
    }

    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.run(move |connection| clients::grant_client(connection, &op)).await
    }

    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.run(move |connection| clients::save_policy(connection, &op)).await
    }

    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.run(move |connection| clients::claim_once(connection, &op)).await
    }

    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.run(move |connection| operations::decide(connection, &op)).await
    }

    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.run(move |connection| operations::redeem_code(connection, &op)).await
    }

    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.run(move |connection| operations::rotate_refresh(connection, &op)).await
    }

    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.run(move |connection| operations::issue_access(connection, &op)).await
    }

    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.run(move |connection| operations::revoke_access(connection, op)).await
    }

    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.run(move |connection| operations::revoke_grant(connection, &op)).await
    }

    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.run(move |connection| operations::revoke_grants(connection, &op)).await
    }

    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        // In steps, so that others get in between.
        while self.run(move |connection| operations::forget_answers(connection, now, 256)).await? >= 256 {}
        self.run(move |connection| operations::purge(connection, now, limit)).await
    }
}
