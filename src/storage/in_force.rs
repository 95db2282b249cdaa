//! What is in force: the policy of the code with the scopes and resources that are stored, read again every other
//! second.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use arc_swap::{ArcSwap, Guard};

use super::{AnyStorage, Storage as _, StorageError, StorageErrorKind};
use crate::protocol::policy::Policy;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::time::Timestamp;

/// For how long what was read is taken for true, in milliseconds.
const MAX_AGE: u64 = 2000;
/// When nothing was read yet.
const NEVER: u64 = u64::MAX;

/// The policy at one moment.
pub(crate) struct Current {
    pub(crate) policy: Policy,
    stored: Arc<PolicyRecords>,
}

impl Current {
    /// Tells one state of what is stored from another.
    pub(crate) fn revision(&self) -> u32 {
        self.stored.revision
    }
}

/// The policy in force. An instance sees its own changes at once, and those of others within two seconds.
///
/// One request reads while the others wait for it, and all of them are refused if the store cannot answer: a scope
/// or a resource may have been retired since. Reading what is known takes no lock.
pub(crate) struct InForce {
    declared: Policy,
    storage: AnyStorage,
    current: ArcSwap<Current>,
    /// When the store was asked for what is current.
    read_at: AtomicU64,
    flight: Mutex<Flight>,
}

/// The one request that reads, and those that wait for it.
#[derive(Default)]
struct Flight {
    number: u64,
    is_up: bool,
    failed: Option<StorageErrorKind>,
    waiting: Vec<Waker>,
    /// How many changes were made here.
    changes: u64,
}

impl InForce {
    pub(crate) fn new(declared: Policy, storage: AnyStorage) -> Self {
        let current = Current { policy: declared.clone(), stored: Arc::default() };
        Self {
            declared,
            storage,
            current: ArcSwap::from_pointee(current),
            read_at: AtomicU64::new(NEVER),
            flight: Mutex::default(),
        }
    }

    /// The policy of the code alone. Its issuer and lifetimes are those in force as well.
    pub(crate) const fn declared(&self) -> &Policy {
        &self.declared
    }

    /// What was in force when it was last looked at.
    pub(crate) fn last_known(&self) -> Guard<Arc<Current>> {
        self.current.load()
    }

    /// What is in force.
    pub(crate) async fn current(&self, now: Timestamp) -> Result<Guard<Arc<Current>>, StorageError> {
        loop {
            if self.is_fresh(now) {
                return Ok(self.current.load());
            }
            match self.board() {
                Ok(boarded) => {
                    boarded.read(now).await?;
                    return Ok(self.current.load());
                }
                Err(number) => self.wait_for(number).await?,
            }
        }
    }

    /// Reads what is stored, whenever that was done before.
    pub(crate) async fn refresh(&self, now: Timestamp) -> Result<(), StorageError> {
        let changes = self.flight().changes;
        let stored = self.storage.policy().await?;
        self.publish(stored, changes, now);
        Ok(())
    }

    /// Takes notice of a change that was made here.
    pub(crate) fn changed(&self, stored: Arc<PolicyRecords>) {
        let mut flight = self.flight();
        flight.changes += 1;
        if stored.revision > self.current.load().revision() {
            self.set(stored);
        }
    }

    fn publish(&self, stored: Option<Arc<PolicyRecords>>, changes: u64, asked_at: Timestamp) {
        let stored = stored.unwrap_or_default();
        let flight = self.flight();
        let known = self.current.load();
        // What was read before a change that was made here must not undo it. A lower revision is a restored backup.
        let is_newer = stored.revision > known.revision() || flight.changes == changes;
        if is_newer && *stored != *known.stored {
            self.set(stored);
        }
        self.read_at.store(asked_at.as_millis().min(NEVER - 1), Ordering::Release);
    }

    fn set(&self, stored: Arc<PolicyRecords>) {
        self.current.store(Arc::new(Current { policy: self.declared.with_stored(&stored), stored }));
    }

    /// A clock that was set back does not keep what is old.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let read_at = self.read_at.load(Ordering::Acquire);
        read_at != NEVER && now.as_millis().abs_diff(read_at) < MAX_AGE
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to read, or the number of the flight that is up.
    fn board(&self) -> Result<Boarded<'_>, u64> {
        let mut flight = self.flight();
        if flight.is_up {
            return Err(flight.number);
        }
        flight.number += 1;
        (flight.is_up, flight.failed) = (true, None);
        Ok(Boarded(self))
    }

    async fn wait_for(&self, number: u64) -> Result<(), StorageError> {
        poll_fn(|context| {
            let mut flight = self.flight();
            if flight.is_up && flight.number == number {
                flight.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            let failed = flight.failed.filter(|_| flight.number == number);
            Poll::Ready(failed.map_or(Ok(()), |kind| Err(StorageError::from(kind))))
        })
        .await
    }
}

/// The request that reads. Whoever waits for it goes on when it is done or given up.
struct Boarded<'a>(&'a InForce);

impl Boarded<'_> {
    async fn read(&self, now: Timestamp) -> Result<(), StorageError> {
        let read = self.0.refresh(now).await;
        self.0.flight().failed = read.as_ref().err().map(StorageError::kind);
        read
    }
}

impl Drop for Boarded<'_> {
    fn drop(&mut self) {
        let mut flight = self.0.flight();
        flight.is_up = false;
        let waiting = std::mem::take(&mut flight.waiting);
        drop(flight);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").field("issuer", &self.declared.issuer).finish_non_exhaustive()
    }
}
