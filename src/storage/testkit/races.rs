//! Tasks that start together.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one task of a race does.
pub(super) type Racer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How many tasks compete for one thing.
pub(super) const CROWD: usize = 64;

/// Runs all of `racers` as tasks of their own, which wait for one another at the start.
pub(super) async fn race<T: Send + 'static>(racers: Vec<Racer<T>>) -> Vec<T> {
    let waiting = Arc::new(AtomicUsize::new(racers.len()));
    let tasks: Vec<_> = racers
        .into_iter()
        .map(|racer| {
            let waiting = Arc::clone(&waiting);
            tokio::spawn(async move {
                waiting.fetch_sub(1, Ordering::AcqRel);
                // Woken by a signal, they would start one after the other.
                while waiting.load(Ordering::Acquire) > 0 {
                    tokio::task::yield_now().await;
                }
                racer.await
            })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.expect("a task of the race panicked"));
    }
    outcomes
}

/// How many of `outcomes` are `wanted`.
pub(super) fn count<T: PartialEq>(outcomes: &[T], wanted: &T) -> usize {
    outcomes.iter().filter(|outcome| *outcome == wanted).count()
}

/// Does `work` for every number below `total`, many at a time, so that a store can share its commits.
pub(super) async fn each_of_many<W, F>(total: u32, work: W)
where
    W: Fn(u32) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    const AT_A_TIME: u32 = 256;
    let tasks: Vec<_> = (0..AT_A_TIME)
        .map(|first| {
            let work = work.clone();
            tokio::spawn(async move {
                for number in (first..total).step_by(AT_A_TIME as usize) {
                    work(number).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("one of many tasks panicked");
    }
}
