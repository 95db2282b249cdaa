//! A store in an SQLite file.

mod changes;
mod claims;
mod clients;
mod decide;
mod error;
mod exchange;
mod lists;
mod open;
mod queue;
mod readers;
mod reads;
mod rows;
mod schema;
mod sweep;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use self::lists::Lists;
pub use self::open::SqliteOptions;
use self::readers::Readers;
use self::sweep::{Position, Step};
use self::writer::Writer;
use super::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant, RevokeGrants,
    Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError, StoredAccess,
    StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// A store in an SQLite file, for an app that runs on one machine. Clones share the file.
///
/// What an operation answers is on the disk: operations that run at the same time share one durable
/// commit (write-ahead log, `synchronous=FULL`), and none is answered before it. Look-ups do not wait for
/// writers. Every commit also removes a few rows that ended more than a minute ago, so that the file
/// follows the load.
///
/// Several processes may use one file on one machine; give the file to no network file system. The
/// manual's chapter on storage tells how to back it up.
///
/// ```no_run
/// # async fn open() -> Result<(), grantor::StorageError> {
/// let storage = grantor::SqliteStorage::open("oauth.db").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStorage(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: Readers,
    /// For lists, which take longer than a look-up.
    lists: Lists,
    /// Where the next purge goes on.
    purged_to: Mutex<Position>,
    durability: Durability,
    sharing: Sharing,
}

impl SqliteStorage {
    /// Opens a file, which is made if it is not there, and brings its tables up to date. Its folder must
    /// be writable: SQLite keeps its log beside the file.
    ///
    /// # Errors
    /// If the file cannot be opened or is not a store of this version or an older one.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        SqliteOptions::new().open(path).await
    }

    /// A new store in memory, which ends with its last clone: for tests that want SQLite's own behaviour.
    ///
    /// # Errors
    /// If SQLite cannot make it.
    pub async fn in_memory() -> Result<Self, StorageError> {
        SqliteOptions::new().in_memory().await
    }
}

/// How far one step of a purge goes: far below a millisecond, and others write before the next one.
const PURGE: Step = Step { looks: 1024, removes: 256, made_by: Timestamp::from_millis(u64::MAX) };

impl SqliteStorage {
    async fn write<T: Send + 'static>(
        &self,
        now: Timestamp,
        act: impl FnMut(&rusqlite::Connection) -> Result<T, error::Failure> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.0.writer.run(Some(now), act).await
    }

    /// Removes sealed answers whose time is over.
    async fn forget_answers(&self, now: Timestamp) -> Result<(), StorageError> {
        let limit = PURGE.removes;
        let step = move |connection: &_| sweep::forget_answers(connection, now, limit);
        while self.0.writer.run(None, step).await? >= limit as usize {}
        Ok(())
    }

    /// Removes claims and clients that have ended, until `limit` of them are gone.
    async fn remove_by_end(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        let mut left = limit;
        loop {
            let most = PURGE.removes.min(left);
            let step = move |connection: &_| sweep::remove_by_end(connection, now, most);
            let removed = self.0.writer.run(None, step).await?;
            left = left.saturating_sub(removed);
            if removed < most || left == 0 {
                return Ok(limit - left);
            }
        }
    }

    /// Goes around the tables whose rows lie in the order of time once, from where the last purge ended, or until `limit` rows are gone.
    async fn remove_ended(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        let start = self.0.purged_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut position, mut left, mut ends) = (start.clone(), limit, 0);
        while left > 0 && ends < 2 && !(ends == 1 && position >= start) {
            let step = Step { removes: PURGE.removes.min(left), ..PURGE };
            let from = position.clone();
            let swept = self.0.writer.run(None, move |connection| {
                let mut position = from.clone();
                let swept = position.step(connection, now, step)?;
                Ok((position, swept))
            });
            let (reached, swept) = swept.await?;
            (position, left, ends) = (reached, left.saturating_sub(swept.removed), ends + u32::from(swept.ended));
        }
        *self.0.purged_to.lock().unwrap_or_else(PoisonError::into_inner) = position;
        Ok(limit - left)
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage").field("durability", &self.0.durability).finish_non_exhaustive()
    }
}

impl Storage for SqliteStorage {
    fn durability(&self) -> Durability {
        self.0.durability
    }
    fn sharing(&self) -> Sharing {
        self.0.sharing.clone()
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        Ok(self.0.readers.read(|connection| reads::client(connection, id))?)
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        let after = after.cloned();
        self.0.lists.read(move |connection| reads::clients(connection, after.as_ref(), limit)).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        Ok(self.0.readers.read(|connection| reads::code(connection, id))?)
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        Ok(self.0.readers.read(|connection| reads::access_token(connection, id))?)
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        Ok(self.0.readers.read(|connection| reads::refresh_token(connection, id))?)
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        Ok(self.0.readers.read(|connection| reads::consents(connection, subject, client))?)
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        let subject = subject.clone();
        self.0.lists.read(move |connection| reads::grants(connection, &subject, before, limit, now)).await
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.0.lists.read(move |connection| reads::scan(connection, table, after, limit)).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.write(op.now, move |connection| clients::insert_client(connection, &op)).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.write(op.now, move |connection| clients::update_client(connection, &op)).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        Ok(self.0.readers.read(claims::policy)?)
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.write(op.now, move |connection| clients::remove_client(connection, &op)).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.write(op.now, move |connection| clients::renew_client(connection, &op)).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.write(op.now, move |connection| exchange::grant_client(connection, &op)).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.0.writer.run(None, move |connection| claims::save_policy(connection, &op)).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.write(op.now, move |connection| claims::claim_once(connection, &op)).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.write(op.now, move |connection| decide::decide(connection, &op)).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.write(op.now, move |connection| exchange::redeem_code(connection, &op)).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.write(op.now, move |connection| exchange::rotate_refresh(connection, &op)).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.write(op.now, move |connection| exchange::issue_access(connection, &op)).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.write(op.now, move |connection| changes::revoke_access(connection, op)).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.write(op.now, move |connection| changes::revoke_grant(connection, &op)).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.write(op.now, move |connection| changes::revoke_grants(connection, &op)).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.forget_answers(now).await?;
        let removed = self.remove_by_end(now, limit).await?;
        Ok(removed + self.remove_ended(now, limit - removed).await?)
    }
}
