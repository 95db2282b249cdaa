//! The load: grants with codes to exchange, and many callers that exchange them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use grantor::Timestamp;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Approval, Decided, RedeemCode, Redeemed, Storage};

/// Approves `count` prompts at `now`, and gives the exchanges of their codes.
pub(crate) async fn exchanges<S: Storage>(store: &Arc<S>, count: usize, now: Timestamp) -> Vec<RedeemCode> {
    let client = Arc::new(records::client("client"));
    let _ = store.insert_client(records::insert(Arc::clone(&client))).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|part| {
            let (store, client) = (Arc::clone(store), Arc::clone(&client));
            tokio::spawn(async move {
                let mut ops = Vec::new();
                for number in (part..count).step_by(64) {
                    // Prompts of one load are a few seconds apart, as they are in life.
                    let now = now.after(Duration::from_millis(number as u64 / 50));
                    let subject = records::subject(&format!("user-{number}"));
                    let approval: Approval = records::approval(&subject, &client.id, now);
                    let op = records::approve(records::prompt(now), &client, &approval, now);
                    assert_eq!(store.decide(op).await.unwrap(), Decided::First);
                    ops.push(records::redeem_with_refresh(&approval, now));
                }
                ops
            })
        })
        .collect();
    let mut ops = Vec::with_capacity(count);
    for task in tasks {
        ops.extend(task.await.unwrap());
    }
    // Codes are exchanged about in the order in which they were given.
    ops.sort_unstable_by_key(|op| op.code);
    ops
}

/// Exchanges everything with `callers` tasks, each waiting for its answer before it asks again.
pub(crate) async fn exchange_all<S: Storage>(store: &Arc<S>, ops: Vec<RedeemCode>, callers: usize) -> Run {
    let count = ops.len();
    let mut shares: Vec<_> = (0..callers).map(|_| Vec::with_capacity(count / callers + 1)).collect();
    for (number, op) in ops.into_iter().enumerate() {
        shares[number % callers].push(op);
    }
    let started = Instant::now();
    let mut tasks = Vec::new();
    for mine in shares {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::with_capacity(mine.len());
            for op in mine {
                let asked = Instant::now();
                assert_eq!(store.redeem_code(op).await.unwrap(), Redeemed::First);
                latencies.push(asked.elapsed());
            }
            latencies
        }));
    }
    let mut latencies = Vec::with_capacity(count);
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    Run { rate: count as f64 / took.as_secs_f64(), latencies }
}

/// What came of a load.
pub(crate) struct Run {
    /// Operations a second.
    pub(crate) rate: f64,
    latencies: Vec<Duration>,
}

impl Run {
    pub(crate) fn p99(&self) -> Duration {
        self.latencies[self.latencies.len() * 99 / 100]
    }
}

/// The middle of several measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) const START: Timestamp = NOW;
