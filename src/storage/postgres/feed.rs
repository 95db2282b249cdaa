//! What other processes change, heard by `LISTEN`.
//!
//! Notifications come in the order of the commits that send them. Twice a second this process sends one to
//! itself; when that comes back, everything that was committed before it was sent has been told.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::connections::Connections;
use super::failure::timed_out;
use crate::protocol::client::ClientId;
use crate::protocol::secret::OrderedId;
use crate::storage::sql::id;
use crate::storage::{Change, Feed, Listener, Listeners};

/// How old the newest proof of being current may be.
const BOUND: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Silence after which a connection counts as lost: its own heartbeats would have come.
const SILENCE: Duration = Duration::from_secs(3);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// The feed of a store. What it needs runs from the first subscription on until the store is dropped.
pub(super) struct Notifications {
    state: Arc<State>,
    runtime: Handle,
    started: AtomicBool,
    tasks: Mutex<Vec<AbortHandle>>,
}

struct State {
    connections: Arc<Connections>,
    channel: String,
    /// By which this process knows its own heartbeats.
    name: u64,
    listeners: Listeners,
    origin: Instant,
    /// When the newest heartbeat that came back was sent, in milliseconds since just before `origin`; 0 if
    /// none has come.
    proven: AtomicU64,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").field("channel", &self.state.channel).finish_non_exhaustive()
    }
}

impl Notifications {
    pub(super) fn new(connections: Arc<Connections>, channel: String) -> Self {
        let state = State {
            connections,
            channel,
            name: RandomState::new().build_hasher().finish(),
            listeners: Listeners::default(),
            origin: Instant::now(),
            proven: AtomicU64::new(0),
        };
        Self {
            state: Arc::new(state),
            runtime: Handle::current(),
            started: AtomicBool::new(false),
            tasks: Mutex::default(),
        }
    }

    /// Ends what runs. Nothing is current from then on.
    pub(super) fn stop(&self) {
        self.started.store(true, Ordering::Release);
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl Feed for Notifications {
    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.state.listeners.add(listener);
        if self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        let listening = runtime.spawn(Arc::clone(&self.state).listen()).abort_handle();
        let beating = runtime.spawn(Arc::clone(&self.state).beat()).abort_handle();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend([listening, beating]);
    }

    fn is_current(&self) -> bool {
        let proven = self.state.proven.load(Ordering::Acquire);
        proven != 0 && self.state.clock().saturating_sub(proven) <= BOUND.as_millis() as u64
    }
}

impl State {
    /// Milliseconds on a clock that is never set, beginning with 1.
    fn clock(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Sends heartbeats. One that is late or lost proves nothing, and nothing depends on it.
    async fn beat(self: Arc<Self>) {
        loop {
            let payload = format!("p{} {}", self.name, self.clock());
            if let Ok(Err(error)) = timeout(SILENCE, self.notify(&payload)).await {
                tracing::debug!(%error, "a heartbeat of the cache's feed was not sent");
            }
            sleep(HEARTBEAT).await;
        }
    }

    async fn notify(&self, payload: &str) -> Result<(), sqlx::Error> {
        let mut held = self.connections.acquire().await?;
        let query = sqlx::query("SELECT pg_notify($1, $2)").bind(&self.channel).bind(payload);
        let sent = query.execute(held.begin()?).await;
        match sent {
            Ok(_) => held.end(),
            Err(_) => held.close(),
        }
        sent.map(drop)
    }

    async fn listen(self: Arc<Self>) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            match self.connect().await {
                Ok(mut listener) => {
                    backoff = FIRST_BACKOFF;
                    // What was committed before the connection listened was missed.
                    self.listeners.tell(&Change::All);
                    let error = self.hear(&mut listener).await;
                    tracing::info!(%error, "the connection of the cache's feed was lost");
                }
                Err(error) => tracing::warn!(%error, "the cache's feed cannot connect"),
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// A connection of its own that listens.
    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let options = self.connections.options();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(SILENCE)
            .connect_lazy_with(options);
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&self.channel).await?;
            Ok(listener)
        };
        timeout(SILENCE, listening).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Tells what comes until nothing comes any more, and answers why.
    async fn hear(&self, listener: &mut PgListener) -> sqlx::Error {
        loop {
            match timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.heard(notification.payload()),
                Ok(Ok(None)) => return std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into(),
                Ok(Err(error)) => return error,
                Err(_) => return timed_out(),
            }
        }
    }

    fn heard(&self, payload: &str) {
        if let Some(heartbeat) = payload.strip_prefix('p') {
            if let Some(sent) = heartbeat.split_once(' ').filter(|(name, _)| name.parse() == Ok(self.name))
                && let Ok(sent) = sent.1.parse()
            {
                self.proven.fetch_max(sent, Ordering::AcqRel);
            }
            return;
        }
        self.listeners.tell(&change(payload));
    }
}

/// What a notification says. One that is not understood may be from a newer version: anything may have changed.
fn change(payload: &str) -> Change {
    let ordered = |text: &str| text.parse().ok().and_then(|bits| id(bits).ok());
    let change = match payload.split_at_checked(1) {
        Some(("c", client)) => ClientId::parse(client).ok().map(Change::Client),
        Some(("g", grant)) => ordered(grant).map(|grant: OrderedId| Change::Grant(grant)),
        Some(("a", token)) => ordered(token).map(|token: OrderedId| Change::AccessToken(token)),
        _ => None,
    };
    change.unwrap_or(Change::All)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_that_is_not_understood_means_anything() {
        let number = |bits| OrderedId::from_bits(bits).unwrap();
        for (payload, expected) in [
            ("g17", Change::Grant(number(17))),
            ("a9223372036854775807", Change::AccessToken(number(i64::MAX as u64))),
            ("cclient 'a'", Change::Client(ClientId::parse("client 'a'").unwrap())),
            ("", Change::All),
            ("g", Change::All),
            ("g-1", Change::All),
            ("c", Change::All),
            ("*", Change::All),
            ("x1", Change::All),
            ("é", Change::All),
        ] {
            assert_eq!(change(payload), expected, "{payload}");
        }
    }
}
