//! The guard of one resource, several times.

use std::cell::Cell;
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
        thread_local! {
            static AT: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        if AT.get() == usize::MAX {
            AT.set(THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        &self.0[AT.get() % STRIPES]
    }
}
