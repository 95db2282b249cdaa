//! Where connections come from: the store's own, or a pool of the app.
//!
//! The store keeps its own connections itself. A pool asks the server about every connection that it gets
//! back, which is as much work as a look-up.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::{is_temporary, timed_out};

/// A connection that was idle for longer is asked whether it still lives before anything relies on it.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long it may take to answer that.
const PING: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const RECONNECT: Duration = Duration::from_millis(50);

pub(super) enum Connections {
    Own(Box<Own>),
    Pool(PgPool),
}

/// Connections of the store itself.
pub(super) struct Own {
    options: PgConnectOptions,
    most: u32,
    acquire_timeout: Duration,
    permits: Semaphore,
    /// The one that was used last is at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    /// `None` if it was given back amid a statement.
    since: Option<Instant>,
}

/// A connection that is in use. It goes back when it is dropped.
pub(super) struct Held<'c> {
    source: Source<'c>,
    is_amid_a_statement: bool,
}

enum Source<'c> {
    Own { own: &'c Own, connection: PgConnection, _permit: SemaphorePermit<'c> },
    Pool(PoolConnection<Postgres>),
    Closed,
}

impl Connections {
    pub(super) fn own(options: PgConnectOptions, most: u32, acquire_timeout: Duration) -> Self {
        let permits = Semaphore::new(most as usize);
        Self::Own(Box::new(Own { options, most, acquire_timeout, permits, idle: Mutex::default() }))
    }

    /// How many there are at most.
    pub(super) fn most(&self) -> u32 {
        match self {
            Self::Own(own) => own.most,
            Self::Pool(pool) => pool.options().get_max_connections(),
        }
    }

    /// How to open another.
    pub(super) fn options(&self) -> PgConnectOptions {
        match self {
            Self::Own(own) => own.options.clone(),
            Self::Pool(pool) => (*pool.connect_options()).clone(),
        }
    }

    pub(super) async fn acquire(&self) -> Result<Held<'_>, sqlx::Error> {
        let source = match self {
            Self::Own(own) => own.acquire().await?,
            Self::Pool(pool) => Source::Pool(pool.acquire().await?),
        };
        Ok(Held { source, is_amid_a_statement: false })
    }
}

impl Own {
    async fn acquire(&self) -> Result<Source<'_>, sqlx::Error> {
        let deadline = Instant::now() + self.acquire_timeout;
        let waiting = timeout_at(deadline, self.permits.acquire()).await;
        let permit = waiting.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let connection = match self.reuse().await {
            Some(connection) => connection,
            None => self.connect(deadline).await?,
        };
        Ok(Source::Own { own: self, connection, _permit: permit })
    }

    /// An idle connection that lives. Those that do not are dropped.
    async fn reuse(&self) -> Option<PgConnection> {
        loop {
            let Idle { mut connection, since } = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.is_some_and(|since| since.elapsed() <= TRUSTED_IDLE) {
                return Some(connection);
            }
            if let Ok(Ok(())) = tokio::time::timeout(PING, connection.ping()).await {
                return Some(connection);
            }
        }
    }

    /// A new connection. A server that restarts is waited for.
    async fn connect(&self, deadline: Instant) -> Result<PgConnection, sqlx::Error> {
        loop {
            let error = match timeout_at(deadline, self.options.connect()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => error,
                Err(_) => return Err(timed_out()),
            };
            if !is_temporary(&error) || Instant::now() + RECONNECT >= deadline {
                return Err(error);
            }
            sleep(RECONNECT).await;
        }
    }
}

impl Held<'_> {
    /// The connection, for a statement that begins.
    ///
    /// # Errors
    /// If it was closed.
    pub(super) fn begin(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.is_amid_a_statement = true;
        match &mut self.source {
            Source::Own { connection, .. } => Ok(connection),
            Source::Pool(connection) => Ok(connection),
            Source::Closed => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Says that the statement came to its end.
    pub(super) const fn end(&mut self) {
        self.is_amid_a_statement = false;
    }

    /// Closes a connection that is no good any more.
    pub(super) fn close(&mut self) {
        if let Source::Pool(connection) = mem::replace(&mut self.source, Source::Closed) {
            drop(connection.detach());
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // A pool looks after its connections itself.
        if let Source::Own { own, connection, _permit } = mem::replace(&mut self.source, Source::Closed) {
            let since = (!self.is_amid_a_statement).then(Instant::now);
            own.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { connection, since });
        }
    }
}
