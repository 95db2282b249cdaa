//! Who else changes what is stored, and how a cache hears of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::protocol::client::ClientId;
use crate::protocol::secret::OrderedId;

/// Who changes what a store has.
#[derive(Debug, Clone)]
pub enum Sharing {
    /// Only this value and its clones.
    Sole,
    /// Others as well, and nobody tells.
    Unheard,
    /// Others as well, and what they change is heard of here.
    Heard(Arc<dyn Feed>),
}

/// A source of changes that others make.
pub trait Feed: fmt::Debug + Send + Sync + 'static {
    /// Has `listener` told of every change from now on, for as long as it exists.
    fn subscribe(&self, listener: Weak<dyn Listener>);

    /// Whether everything that was committed up to a short, stated time ago has been told. It is asked on
    /// every look-up, and must not wait.
    fn is_current(&self) -> bool;
}

/// Who wants to be told of changes.
pub trait Listener: Send + Sync + 'static {
    /// Something changed.
    fn changed(&self, change: &Change);
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A client.
    Client(ClientId),
    /// A grant was revoked.
    Grant(OrderedId),
    /// An access token was revoked.
    AccessToken(OrderedId),
    /// Anything: something may have been missed.
    All,
}

/// The listeners of a feed.
#[derive(Default)]
pub struct Listeners(Mutex<Vec<Weak<dyn Listener>>>);

impl Listeners {
    /// Adds one.
    pub fn add(&self, listener: Weak<dyn Listener>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Tells all that still exist.
    pub fn tell(&self, change: &Change) {
        let mut present = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener| {
            let listener = listener.upgrade();
            let exists = listener.is_some();
            present.extend(listener);
            exists
        });
        for listener in present {
            listener.changed(change);
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners(..)")
    }
}
