//! The guard of one resource, several times.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Bound, Rule};

const STRIPES: usize = 8;

/// Every principal holds the guard that let it through. Threads that counted that on one and the same would wait for
/// each other, so each takes its own of these.
pub(super) struct Stripes([Bound; STRIPES]);

impl Stripes {
    pub(super) fn new(rule: impl Fn() -> Rule) -> Self {
        Self(std::array::from_fn(|_| Bound(Arc::new(rule()))))
    }

    /// The one of this thread.
    pub(super) fn own(&self) -> &Bound {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static AT: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        AT.with(|at| &self.0[*at])
    }
}
