//! What the benches share: grantor as a host has it, and the report of what was found.

pub mod machine;
pub mod ours;
pub mod report;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Nothing here waits: all stores are in memory.
pub fn now<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a store in memory waited"),
    }
}
