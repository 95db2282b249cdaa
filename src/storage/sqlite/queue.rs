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
    /// How long a group is waited for in all.
    patience: Duration,
    /// Groups that are not waited for, since the last one did not come.
    hurry: u32,
    hurries: u32,
}

impl State {
    /// Moves what waits to a group, as much as it can hold.
    fn join(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let count = self.jobs.len().min(GROUP - group.len());
        group.extend(self.jobs.drain(..count));
    }
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
        if state.jobs.len() == 1 {
            self.came.notify_one();
        }
        Ok(())
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    /// Waits for work and begins a group with it; `false` when there will be no more.
    pub(super) fn begin(&self, group: &mut Vec<Box<dyn Job>>) -> bool {
        let nothing = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let mut state = self.came.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        state.join(group);
        !group.is_empty()
    }

    /// Adds to a group that was begun `since` ago; `false` when it is complete. Callers who were just
    /// answered are about to come back, and are waited for a little. If they do not, the next groups are
    /// not waited for.
    pub(super) fn more(&self, group: &mut Vec<Box<dyn Job>>, since: Duration) -> bool {
        let mut state = self.lock();
        let count = group.len();
        state.join(group);
        if group.len() > count {
            return true;
        }
        let is_complete = count >= state.callers.min(GROUP) || state.closed;
        if is_complete || state.hurry > 0 {
            state.hurry = state.hurry.saturating_sub(1);
            state.hurries = if is_complete { 0 } else { state.hurries };
            return false;
        }
        let left = state.patience.saturating_sub(since);
        let nothing = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let (mut state, _) = self.came.wait_timeout_while(state, left, nothing).unwrap_or_else(PoisonError::into_inner);
        state.join(group);
        if group.len() > count {
            return true;
        }
        state.hurries = (state.hurries * 2 + 1).min(63);
        state.hurry = state.hurries;
        false
    }

    /// Notes that a group of `count` operations was answered, and how long its commit took.
    pub(super) fn answered(&self, count: usize, commit: Duration) {
        let mut state = self.lock();
        state.callers = count + state.jobs.len();
        // To wait for longer than a commit would lose more than it wins.
        state.patience = commit.min(PATIENCE);
    }
}
