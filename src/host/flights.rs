//! One fetch at a time of each thing, such as a document: whoever wants the same meanwhile waits for it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The fetches that are under way, of things by `K`, which fail with `E`. There are never more than requests.
pub(crate) struct Flights<K, E>(Mutex<HashMap<K, Arc<Flight<E>>>>);

impl<K, E> Default for Flights<K, E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

struct Flight<E>(Mutex<State<E>>);

struct State<E> {
    is_over: bool,
    failed: Option<E>,
    waiting: Vec<Waker>,
}

/// What a request does about what it needs.
pub(crate) enum Boarding<'a, K: Hash + Eq, E> {
    /// It fetches.
    Fetch(Boarded<'a, K, E>),
    /// Another one has fetched. Why that failed, or `None` if it did not, or was given up.
    Landed(Option<E>),
}

/// The right to fetch. Whoever waits goes on when it is dropped.
pub(crate) struct Boarded<'a, K: Hash + Eq, E> {
    flights: &'a Flights<K, E>,
    id: K,
    flight: Arc<Flight<E>>,
}

impl<K: Hash + Eq + Clone + Send + Sync, E: Clone + Send> Flights<K, E> {
    /// The right to fetch, or what came of the fetch that was under way.
    pub(crate) async fn board(&self, id: &K) -> Boarding<'_, K, E> {
        let flight = {
            let mut flights = self.lock();
            let Some(under_way) = flights.get(id) else {
                let flight = Arc::new(Flight::new());
                flights.insert(id.clone(), Arc::clone(&flight));
                return Boarding::Fetch(Boarded { flights: self, id: id.clone(), flight });
            };
            Arc::clone(under_way)
        };
        poll_fn(|context| {
            let mut state = flight.lock();
            if state.is_over {
                return Poll::Ready(Boarding::Landed(state.failed.clone()));
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<K, E> Flights<K, E> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight<E>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Flight<E> {
    const fn new() -> Self {
        Self(Mutex::new(State { is_over: false, failed: None, waiting: Vec::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, E> Boarded<'_, K, E> {
    /// Tells those that wait why there is nothing.
    pub(crate) fn failed(&self, reason: E) {
        self.flight.lock().failed = Some(reason);
    }
}

impl<K: Hash + Eq, E> Drop for Boarded<'_, K, E> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.id);
        let mut state = self.flight.lock();
        state.is_over = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
