//! A feed that tells what a test wants, when it wants.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use grantor::storage::{Change, Feed, Listener, Listeners, Sharing};

#[derive(Default)]
pub(crate) struct TestFeed {
    listeners: Listeners,
    is_behind: AtomicBool,
    overdue: Mutex<Option<Change>>,
}

impl TestFeed {
    pub(crate) fn new() -> (Arc<Self>, Sharing) {
        let feed = Arc::new(Self::default());
        (Arc::clone(&feed), Sharing::Heard(feed))
    }

    pub(crate) fn tell(&self, change: &Change) {
        self.listeners.tell(change);
    }

    pub(crate) fn is_current(&self, is_current: bool) {
        self.is_behind.store(!is_current, Ordering::SeqCst);
    }

    /// Tells it just before it next says that it is current.
    pub(crate) fn tell_late(&self, change: Change) {
        *self.overdue.lock().unwrap() = Some(change);
    }
}

impl Feed for TestFeed {
    fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.listeners.add(listener);
    }
    fn is_current(&self) -> bool {
        if let Some(change) = self.overdue.lock().unwrap().take() {
            self.tell(&change);
        }
        !self.is_behind.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for TestFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestFeed(..)")
    }
}
