//! What a store costs as it grows, and while it is cleaned. The same for every store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use grantor::OrderedId;
use grantor::storage::Storage;

use super::load::{self, START};
use super::verdict;

const HOUR: u64 = 3_600_000;

/// When the rows were made that a store has grown by, and when they end: an hour ago, and in a day.
pub(crate) const GROWN: (u64, u64) = (START.as_millis() - HOUR, START.as_millis() + 24 * HOUR);

/// The same of rows that are to be cleaned up.
pub(crate) const ENDED: (u64, u64) = (START.as_millis() - 240 * HOUR, START.as_millis() - 200 * HOUR);

/// How many rows a store had grown by, and what it cost then.
pub(crate) struct Cost {
    pub(crate) rows: usize,
    exchange: f64,
    look_up: f64,
}

/// Measures a store that has `ids` among its tokens.
pub(crate) async fn cost<S: Storage>(store: &Arc<S>, ids: &[i64], callers: usize, exchanges: usize) -> Cost {
    let ops = load::exchanges(store, exchanges, START).await;
    let run = load::exchange_all(store, ops, callers).await;
    // From all over the table, in an order that has no neighbours.
    let count = ids.len().min(5_000);
    let asked: Vec<_> = (0..count).map(|number| ids[number.wrapping_mul(7_919_777) % ids.len()]).collect();
    let started = Instant::now();
    for id in &asked {
        let id = OrderedId::from_bits(id.cast_unsigned()).unwrap();
        assert!(store.access_token(id).await.unwrap().is_some());
    }
    let look_up = started.elapsed().as_secs_f64() / count as f64;
    Cost { rows: ids.len(), exchange: 1.0 / run.rate, look_up }
}

pub(crate) fn table(costs: &[Cost]) {
    println!("    {:>9}   {:>14}   {:>14}", "grants", "exchange", "look-up");
    for Cost { rows, exchange, look_up } in costs {
        println!("    {rows:>9}   {:>11.1} µs   {:>11.1} µs", exchange * 1e6, look_up * 1e6);
    }
}

/// Holds the slowest of a hundred exchanges while a million rows are removed against the same in quiet.
pub(crate) async fn cleaning<S: Storage>(store: &Arc<S>, fill: impl AsyncFnOnce(usize), callers: usize, share: usize) {
    const ROWS: usize = 500_000;
    let mut quiet = Vec::new();
    for _ in 0..3 {
        let ops = load::exchanges(store, share, START).await;
        quiet.push(load::exchange_all(store, ops, callers).await.p99());
    }
    quiet.sort_unstable();
    // Prepared before, so that nothing else goes on while the clean-up does.
    let mut loads = Vec::new();
    for _ in 0..8 {
        loads.push(load::exchanges(store, share, START).await);
    }
    fill(ROWS).await;
    let done = Arc::new(AtomicBool::new(false));
    let purging = tokio::spawn({
        let (store, done) = (Arc::clone(store), Arc::clone(&done));
        async move {
            let (started, mut removed) = (Instant::now(), 0);
            loop {
                let gone = store.purge(START, 10_000).await.unwrap();
                removed += gone;
                if gone < 10_000 {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
            (removed, started.elapsed())
        }
    });
    let mut busy = Vec::new();
    for ops in loads {
        let run = load::exchange_all(store, ops, callers).await;
        if !done.load(Ordering::Relaxed) {
            busy.push(run.p99());
        }
    }
    let (removed, took): (u32, Duration) = purging.await.unwrap();
    busy.sort_unstable();
    let (quiet, busy) =
        (quiet[quiet.len() / 2], *busy.get(busy.len() / 2).expect("the clean-up goes on beside exchanges"));
    println!(
        "  {removed} of them were removed by `purge` in {:.1} s, {:.2} µs each, the others by the exchanges of {callers} callers",
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / f64::from(removed)
    );
    println!("  p99 of an exchange: {:.2} ms in quiet, {:.2} ms beside the clean-up", millis(quiet), millis(busy));
    verdict("p99 beside the clean-up against p99 in quiet", millis(busy) / millis(quiet), 2.0, false);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
