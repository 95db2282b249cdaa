//! A store in PostgreSQL.
//!
//! An operation is one statement, which PostgreSQL carries out whole or not at all; a few about clients are one
//! transaction of several, each of which sees what was committed before it began. It holds whatever the isolation
//! level: where others get in the way, the statement or the transaction is run again.

mod batch;
mod claim;
mod client;
mod connections;
mod database;
mod decide;
mod failure;
mod feed;
mod grant;
mod issue;
mod migration;
mod options;
mod policy;
mod read;
mod redeem;
mod revoke;
mod rotate;
mod row;
mod sweep;
mod text;
mod together;

use std::fmt;
use std::sync::Arc;

use sqlx::PgPool;

pub use self::options::PostgresOptions;

use self::batch::share;
use self::connections::Connections;
use self::database::Database;
use self::feed::Notifications;
use self::sweep::before_operation;
use self::text::Texts;
use super::sql::digest;
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

/// A store in PostgreSQL 12 or newer, for any number of processes. Clones share it.
///
/// It keeps its tables in a schema of its own, which it creates. [`PostgresOptions`] has what can be chosen.
///
/// Operations that are under way at the same time share statements, and so round trips and commits. Writes
/// remove a few rows by the way that ended more than a minute ago, so that the tables follow the load;
/// [`purge`](Storage::purge) is there for what a load leaves behind that ends abruptly.
///
/// An error leaves the caller in doubt only if the connection was lost, and then nothing is tried again:
/// the caller's own retry learns what happened.
#[derive(Clone)]
pub struct PostgresStorage(Arc<Handle>);

/// What ends when the last clone of a store is dropped.
struct Handle {
    database: Arc<Database>,
    feed: Option<Arc<Notifications>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(feed) = &self.feed {
            feed.stop();
        }
    }
}

impl PostgresStorage {
    /// Opens a store at a URL such as `postgres://user:password@host/database`, with the defaults.
    ///
    /// # Errors
    /// As for [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, StorageError> {
        PostgresOptions::new().connect(url).await
    }

    /// Opens a store over connections of yours, with the defaults.
    ///
    /// # Errors
    /// As for [`PostgresOptions::with_pool`].
    pub async fn with_pool(pool: PgPool) -> Result<Self, StorageError> {
        PostgresOptions::new().with_pool(pool).await
    }

    fn open(connections: Connections, schema: &str, options: &PostgresOptions) -> Self {
        let channel = options.notifications.then(|| channel(schema));
        let texts = Texts::new(schema, channel.as_deref());
        let connections = Arc::new(connections);
        let database = Arc::new(Database::new(Arc::clone(&connections), &texts, options));
        let feed = channel.map(|channel| Arc::new(Notifications::new(connections, channel)));
        Self(Arc::new(Handle { database, feed }))
    }

    fn database(&self) -> &Arc<Database> {
        &self.0.database
    }
}

/// A name for a channel has the length of one for a schema, but is shared by the whole database.
fn channel(schema: &str) -> String {
    let mut channel = "grantor_".to_owned();
    channel.extend(digest(&["grantor channel", schema]).iter().take(16).map(|byte| format!("{byte:02x}")));
    channel
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStorage(..)")
    }
}

impl Storage for PostgresStorage {
    fn durability(&self) -> Durability {
        Durability::Persistent
    }
    fn sharing(&self) -> Sharing {
        match &self.0.feed {
            Some(feed) => Sharing::Heard(Arc::<Notifications>::clone(feed)),
            None => Sharing::Unheard,
        }
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.database().scan(table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.database().client(id).await
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.database().clients(after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.database().code(id).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.database().access_token(id).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.database().refresh_token(id).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.database().grants(subject, before, limit, now).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.database().consents(subject, client).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.database().insert_client(op).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.database().together(op).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.database().policy().await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.database().together(op).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.database().renew_client(&op).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        before_operation(self.database(), op.now).await;
        share(self.database(), op).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.database().save_policy(&op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        before_operation(self.database(), op.now).await;
        share(self.database(), op).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        before_operation(self.database(), op.now).await;
        share(self.database(), op).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        before_operation(self.database(), op.now).await;
        share(self.database(), op).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        before_operation(self.database(), op.now).await;
        share(self.database(), op).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        before_operation(self.database(), op.now).await;
        share(self.database(), op).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.database().revoke_access(op).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.database().revoke_grant(&op).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.database().together(op).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.database().purge(now, limit).await
    }
}
