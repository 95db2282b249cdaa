//! One fetch at a time of each thing, such as a document: whoever wants the same meanwhile waits for it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::protocol::error::DocumentReason;

/// The fetches that are under way. There are never more than requests.
pub(super) struct Flights<K>(Mutex<HashMap<K, Arc<Flight>>>);

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Default)]
struct Flight(Mutex<State>);

#[derive(Default)]
struct State {
    is_over: bool,
    failed: Option<DocumentReason>,
    waiting: Vec<Waker>,
}

/// What a request does about what it needs.
pub(super) enum Boarding<'a, K: Hash + Eq> {
    /// It fetches.
    Fetch(Boarded<'a, K>),
    /// Another one has fetched. Why that failed, or `None` if it did not, or was given up.
    Landed(Option<DocumentReason>),
}

/// The right to fetch. Whoever waits goes on when it is dropped.
pub(super) struct Boarded<'a, K: Hash + Eq> {
    flights: &'a Flights<K>,
    id: K,
    flight: Arc<Flight>,
}

impl<K: Hash + Eq + Clone + Send + Sync> Flights<K> {
    /// The right to fetch, or what came of the fetch that was under way.
    pub(super) async fn board(&self, id: &K) -> Boarding<'_, K> {
        let flight = {
            let mut flights = self.lock();
            let Some(under_way) = flights.get(id) else {
                let flight = Arc::<Flight>::default();
                flights.insert(id.clone(), Arc::clone(&flight));
                return Boarding::Fetch(Boarded { flights: self, id: id.clone(), flight });
            };
            Arc::clone(under_way)
        };
        poll_fn(|context| {
            let mut state = flight.lock();
            if state.is_over {
                return Poll::Ready(Boarding::Landed(state.failed));
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<K> Flights<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Boarded<'_, K> {
    /// Tells those that wait why there is nothing.
    pub(super) fn failed(&self, reason: DocumentReason) {
        self.flight.lock().failed = Some(reason);
    }
}

impl<K: Hash + Eq> Drop for Boarded<'_, K> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.id);
        let mut state = self.flight.lock();
        state.is_over = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
