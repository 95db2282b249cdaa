//! How a store in PostgreSQL is opened.

use std::time::Duration;

use sqlx::PgPool;

use super::connections::Connections;
use super::failure::failed;
use super::{PostgresStorage, migration};
use crate::storage::{StorageError, StorageErrorKind};

/// How a [`PostgresStorage`] is opened, where the defaults do not fit.
///
/// ```no_run
/// # async fn open() -> Result<(), grantor::StorageError> {
/// use grantor::storage::PostgresOptions;
///
/// let store = PostgresOptions::new().schema("oauth").max_connections(8).connect("postgres://localhost/app").await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    schema: String,
    max_connections: u32,
    pub(super) notifications: bool,
    migrate: bool,
    acquire_timeout: Duration,
    pub(super) statement_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "grantor".to_owned(),
            max_connections: 4,
            notifications: true,
            migrate: true,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The schema that the tables are in, `grantor` by default: 1 to 63 ASCII letters, digits, `_` and `-`,
    /// in the case that is given. Two stores of different schemas share nothing.
    pub fn schema(mut self, name: &str) -> Self {
        name.clone_into(&mut self.schema);
        self
    }

    /// How many connections [`connect`](Self::connect) opens at most, 4 by default. A few do: concurrent
    /// operations share statements. One more is opened for notifications once a cache listens.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// Whether revocations and changes of clients are told to other processes with `NOTIFY`, as they are by
    /// default. Every process on one schema must have the same here: a cache hears only of what is told.
    /// Switch it off for databases that do not have it, such as CockroachDB.
    pub const fn notifications(mut self, notifications: bool) -> Self {
        self.notifications = notifications;
        self
    }

    /// Whether opening the store creates its tables and brings them up to date, as it does by default.
    /// Without it, a schema that is not of this version is an error.
    pub const fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// How long an operation waits for a connection before the store counts as unavailable, 3 seconds by
    /// default. It is for [`connect`](Self::connect); a pool of your own has its own.
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long a statement may take before its connection counts as lost, 10 seconds by default.
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Opens the store at a URL such as `postgres://user:password@host/database`, with connections of its own.
    ///
    /// # Errors
    /// If the URL or an option is wrong, the server cannot be reached, or the schema is of another version.
    pub async fn connect(self, url: &str) -> Result<PostgresStorage, StorageError> {
        let options = url.parse().map_err(failed)?;
        let connections = Connections::own(options, self.max_connections, self.acquire_timeout);
        self.open(connections).await
    }

    /// Opens the store over connections of yours. It takes as many at once as the pool has, but none while it
    /// has nothing to do. Any isolation level will do, read committed is the fastest.
    ///
    /// # Errors
    /// If an option is wrong, the server cannot be reached, or the schema is of another version.
    pub async fn with_pool(self, pool: PgPool) -> Result<PostgresStorage, StorageError> {
        self.open(Connections::Pool(pool)).await
    }

    async fn open(self, connections: Connections) -> Result<PostgresStorage, StorageError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=63).contains(&self.schema.len()) || !self.schema.bytes().all(allowed) {
            let what = "the name of a schema has 1 to 63 ASCII letters, digits, `_` and `-`";
            return Err(StorageError::new(StorageErrorKind::Other, what));
        }
        migration::run(&connections, &self.schema, self.migrate).await?;
        Ok(PostgresStorage::open(connections, &self.schema, &self))
    }
}
