//! One fetch at a time for each document: whoever wants the same meanwhile waits for it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::protocol::client::ClientId;
use crate::protocol::error::DocumentReason;

/// The fetches that are under way. There are never more than requests.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<ClientId, Arc<Flight>>>);

#[derive(Default)]
struct Flight(Mutex<State>);

#[derive(Default)]
struct State {
    is_over: bool,
    failed: Option<DocumentReason>,
    waiting: Vec<Waker>,
}

/// What a request does about a document.
pub(super) enum Boarding<'a> {
    /// It fetches.
    Fetch(Boarded<'a>),
    /// Another one has fetched. Why that failed, or `None` if it did not, or was given up.
    Landed(Option<DocumentReason>),
}

/// The right to fetch. Whoever waits goes on when it is dropped.
pub(super) struct Boarded<'a> {
    flights: &'a Flights,
    id: ClientId,
    flight: Arc<Flight>,
}

impl Flights {
    /// The right to fetch, or what came of the fetch that was under way.
    pub(super) async fn board(&self, id: &ClientId) -> Boarding<'_> {
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

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Boarded<'_> {
    /// Tells those that wait why there is no document.
    pub(super) fn failed(&self, reason: DocumentReason) {
        self.flight.lock().failed = Some(reason);
    }
}

impl Drop for Boarded<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.id);
        let mut state = self.flight.lock();
        state.is_over = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
