//! What the benches share: grantor as a host has it, and the report of what was found.

pub mod in_process;
pub mod machine;
#[cfg(feature = "rivals")]
pub mod oauth_as;
pub mod ours;
pub mod report;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs an operation to its end on this thread. All stores are in memory: what it may wait for, and that for less than
/// a microsecond, is that another thread has read what is in force.
pub fn now<T>(operation: impl Future<Output = T>) -> T {
    let mut operation = pin!(operation);
    loop {
        match operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::hint::spin_loop(),
        }
    }
}
