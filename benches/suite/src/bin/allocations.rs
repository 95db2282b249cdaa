//! What requests and tokens cost in allocations and in bytes: `cargo bench --bench suite -- allocations`. A program of
//! its own: an allocator that counts makes threads wait for each other.

use std::alloc::System;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use grantor::protocol::time::Timestamp;
use grantor_benches::machine::Machine;
use grantor_benches::ours::Ours;
use grantor_benches::report::{Figure, Goal, Report};
use http::Request;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let mut report = Report::new("allocations", "Allocations and bytes, the store in memory");
    allocations(&mut report);
    bytes(&mut report);
    report.finish();
}

fn allocations(report: &mut Report) {
    let ours = Ours::new();
    let token = ours.token();
    let handle = |request: Request<Bytes>| drop(black_box(ours.handle(request)));
    let guard = allocated(|| ours.shows(&ours.token()), |request| ours.guards(&request));
    report.figure("allocations of a guarded request", Figure(guard, ""), Goal::AtMost(1.0));
    let exchange = allocated(|| ours.redeems(), handle);
    report.figure("allocations of an exchange, Request → Response", Figure(exchange, ""), Goal::AtMost(12.0));
    report.figure("allocations of a refresh", Figure(allocated(|| ours.refreshes(), handle), ""), Goal::None);
    let machine = allocated(|| Ours::client_credentials(), handle);
    report.figure("allocations of client credentials", Figure(machine, ""), Goal::None);
    let introspection = allocated(|| ours.introspects(&token), handle);
    report.figure("allocations of an introspection", Figure(introspection, ""), Goal::None);
}

/// Allocations of one run, on average over many: a table grows now and then.
fn allocated<T>(mut prepare: impl FnMut() -> T, mut operation: impl FnMut(T)) -> f64 {
    const TIMES: usize = 1_000;
    operation(prepare());
    let mut sum = 0;
    for _ in 0..TIMES {
        let ready = prepare();
        let region = Region::new(ALLOCATOR);
        operation(ready);
        let change = region.change();
        sum += change.allocations + change.reallocations;
    }
    (sum as f64 / TIMES as f64 * 10.0).round() / 10.0
}

/// What a token takes that has three brothers, with its share of their grant.
fn bytes(report: &mut Report) {
    const TOKENS: usize = 400_000;
    // A thousand a second: the store keeps them in the order of time.
    let time = AtomicU64::new(1_800_000_000_000);
    let mut machine = Machine::new(move || Timestamp::from_millis(time.fetch_add(1, Ordering::Relaxed)));
    let region = Region::new(ALLOCATOR);
    (0..TOKENS).for_each(|_| _ = black_box(machine.token()));
    let change = region.change();
    let each = (change.bytes_allocated - change.bytes_deallocated) as f64 / TOKENS as f64;
    report.figure(
        "bytes of a live token, with its share of a grant of four",
        Figure(each.round(), "B"),
        Goal::AtMost(128.0),
    );
}
