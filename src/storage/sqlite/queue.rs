//! The queue before the writer, and how operations gather to share a commit.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::writer::Job;
use crate::storage::{StorageError, StorageErrorKind};

/// How many operations share a commit at most.
const GROUP: usize = 256;

/// How many operations may wait. More of them would wait for longer than their clients do.
const WAITING: usize = 16_384;

/// The longest that a group is waited for.
const PATIENCE: Duration = Duration::from_micros(500);

/// Operations on their way to the writer.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Box<dyn Job>>,
    closed: bool,
    /// How many callers there seem to be: those who were answered at last and those who waited meanwhile.
    callers: usize,
    /// How long they are waited for, so that they share a commit again.
    patience: Duration,
    /// Groups that are not waited for, since the last one did not come.
    hurry: u32,
    hurries: u32,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), StorageError> {
        let mut state = self.lock();
        if state.jobs.len() >= WAITING {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "too many operations wait"));
        }
        state.jobs.push(job);
        let count = state.jobs.len();
        if count == 1 || count == state.callers.min(GROUP) {
            self.came.notify_one();
        }
        Ok(())
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    /// Waits for work and takes a group of it; `false` when there will be no more.
    pub(super) fn take(&self, group: &mut Vec<Box<dyn Job>>) -> bool {
        let nothing = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let mut state = self.came.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        if state.jobs.is_empty() {
            return false;
        }
        if state.hurry > 0 {
            state.hurry -= 1;
        } else if state.jobs.len() < state.callers.min(GROUP) {
            state = self.gather(state);
        }
        let count = state.jobs.len().min(GROUP);
        group.extend(state.jobs.drain(..count));
        true
    }

    /// Waits a little for callers who were just answered, and are about to come back. If they do not, the
    /// next groups are not waited for.
    fn gather<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let patience = state.patience;
        let too_few = |state: &mut State| state.jobs.len() < state.callers.min(GROUP) && !state.closed;
        let waited = self.came.wait_timeout_while(state, patience, too_few);
        let (mut state, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        if outcome.timed_out() {
            state.hurries = (state.hurries * 2 + 1).min(63);
            state.hurry = state.hurries;
        } else {
            state.hurries = 0;
        }
        state
    }

    /// Notes that a group of `count` operations was answered after `took`.
    pub(super) fn committed(&self, count: usize, took: Duration) {
        let mut state = self.lock();
        state.callers = count + state.jobs.len();
        // To wait for longer than a part of a commit would lose more than it wins.
        state.patience = (took / 2).min(PATIENCE);
    }
}
