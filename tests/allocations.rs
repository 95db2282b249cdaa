//! What the store in memory costs in bytes and allocations, and what requests cost.
//!
//! One test in a binary of its own, so that nothing else allocates meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::alloc::System;
use std::future::Future;
use std::io::Write as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use grantor::protocol::scope::ScopeSet;
use grantor::protocol::secret::OrderedId;
use grantor::protocol::time::Timestamp;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{AnyStorage, Approval, Decided, Inserted, MemoryStorage, RedeemCode, Redeemed, Storage};
use http::Method;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{API, Client, World};

/// Shown also when the test passes, unlike what `println!` says.
macro_rules! report {
    ($($text:tt)*) => {{
        let mut out = std::io::stdout().lock();
        writeln!(out, $($text)*).unwrap();
    }};
}

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TOKENS: usize = 100_000;
const GOAL: usize = 128;

/// The store in memory never waits.
fn now<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the store in memory waited"),
    }
}

fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let region = Region::new(COUNTING);
    let kept = work();
    let allocations = region.change();
    let allocations = allocations.allocations + allocations.reallocations;
    drop(kept);
    allocations
}

fn live_bytes<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(COUNTING);
    let kept = work();
    let change = region.change();
    (change.bytes_allocated.saturating_sub(change.bytes_deallocated), kept)
}

fn store() -> MemoryStorage {
    let store = MemoryStorage::new();
    assert_eq!(now(store.insert_client(records::insert(records::client("client")))).unwrap(), Inserted::New);
    store
}

/// Tokens come at 20 a millisecond, as they do from a busy server.
fn moment(number: usize) -> Timestamp {
    NOW.after(Duration::from_millis(number as u64 / 20))
}

/// A grant, its own copies of all texts included, and its code.
fn approve(store: &MemoryStorage, number: usize) -> Approval {
    let client = records::client("client");
    let at = moment(number);
    let approval = records::approval(&records::subject(&format!("user {number}")), &client.id, at);
    let op = records::approve(records::prompt(at), &client, &approval, at);
    assert_eq!(now(store.decide(op)).unwrap(), Decided::First);
    approval
}

fn redeem(store: &MemoryStorage, op: RedeemCode) -> OrderedId {
    let token = op.access.id;
    assert_eq!(now(store.redeem_code(op)).unwrap(), Redeemed::First);
    token
}

/// Codes and marks go; grants and tokens stay.
fn forget_codes(store: &MemoryStorage) {
    let after_marks = NOW.after(records::MARK_LIFETIME + Duration::from_secs(60));
    while now(store.purge(after_marks, 1000)).unwrap() == 1000 {}
}

#[test]
fn what_tokens_and_requests_cost() {
    what_a_token_costs();
    what_requests_cost();
}

fn what_a_token_costs() {
    let (bytes, _store) = live_bytes(|| {
        let store = store();
        (0..TOKENS).for_each(|number| {
            let approval = approve(&store, number);
            redeem(&store, records::redeem(&approval, moment(number)));
        });
        forget_codes(&store);
        store
    });
    report!("bytes per live token with a grant of its own: {:.1}", bytes as f64 / TOKENS as f64);

    // The grants of codes that are redeemed later exist already.
    let store = store();
    let approvals: Vec<_> = (0..TOKENS).map(|number| approve(&store, number)).collect();
    let ops: Vec<_> =
        approvals.iter().enumerate().map(|(number, approval)| records::redeem(approval, moment(number))).collect();
    drop(approvals);
    let ids: Vec<_> = ops.iter().map(|op| op.access.id).collect();
    let (bytes, ()) = live_bytes(|| {
        for op in ops.iter().cloned() {
            redeem(&store, op);
        }
    });
    report!("bytes per live access token: {:.1} (goal {GOAL})", bytes as f64 / TOKENS as f64);
    assert!(bytes <= GOAL * TOKENS, "{} bytes a token", bytes / TOKENS);
    assert!(ids.iter().all(|id| now(store.access_token(*id)).unwrap().is_some()));

    let look_up = allocations(|| now(store.access_token(ids[TOKENS / 2])).unwrap());
    let any = AnyStorage::new(store.clone());
    let erased = allocations(|| now(any.access_token(ids[TOKENS / 2])).unwrap());
    report!("allocations per look-up of a token: {look_up}, behind AnyStorage {erased}");
    assert_eq!((look_up, erased), (0, 1));

    let approval = approve(&store, TOKENS);
    let code = allocations(|| now(store.code(approval.code.id)).unwrap());
    let mut narrowed = records::redeem(&approval, moment(TOKENS));
    narrowed.access.scopes = ScopeSet::parse("projects:read").unwrap();
    let narrowed = redeem(&store, narrowed);
    let narrowed = allocations(|| now(store.access_token(narrowed)).unwrap());
    assert_eq!((code, narrowed), (0, 0), "other look-ups allocate nothing either");
}

const REQUESTS: usize = 1000;
const GUARD_GOAL: usize = 1;
const EXCHANGE_GOAL: usize = 12;

fn what_requests_cost() {
    let world = World::new();
    let client = now(world.public_client());
    let token = now(world.access_token(&client));
    let guard = world.server.resource(API).unwrap().require("projects:read").unwrap();
    let request = support::request(Method::GET, "/api").header("authorization", format!("Bearer {token}"));
    let request = request.body(()).unwrap().into_parts().0;
    let guarded = allocations(|| (0..REQUESTS).for_each(|_| assert!(now(guard.check(&request)).is_ok())));
    report!("allocations per guard call: {} (goal {GUARD_GOAL})", guarded.div_ceil(REQUESTS));
    assert!(guarded <= GUARD_GOAL * REQUESTS, "{guarded} for {REQUESTS} calls");

    what_an_exchange_costs(&world, &client, "code");
    what_an_exchange_costs(&world, &now(world.refreshing_client("none")), "code with a refresh token");
}

fn what_an_exchange_costs(world: &World, client: &Client, of: &str) {
    let requests: Vec<_> = (0..2 * REQUESTS).map(|_| exchange(world, client)).collect();
    let (warm_up, measured) = requests.split_at(REQUESTS);
    let run = |requests: &[http::Request<bytes::Bytes>]| {
        // What it costs to copy the request is not the server's.
        let copies: Vec<_> = requests.to_vec();
        let mut answers = Vec::with_capacity(copies.len());
        let spent = allocations(|| copies.into_iter().for_each(|copy| answers.push(now(world.server.handle(copy)))));
        assert!(answers.iter().all(|answer| answer.status() == 200));
        spent
    };
    run(warm_up);
    let spent = run(measured);
    report!(
        "allocations per exchange of a {of} over Request → Response: {:.1} (goal {EXCHANGE_GOAL})",
        spent as f64 / REQUESTS as f64
    );
    assert!(spent <= EXCHANGE_GOAL * REQUESTS, "{spent} for {REQUESTS} exchanges");
}

/// The honest exchange of a fresh code.
fn exchange(world: &World, client: &Client) -> http::Request<bytes::Bytes> {
    let code = now(world.code(client));
    let form = support::encode(&support::pairs(&client.token_request(&code, &[])));
    let request = support::request(Method::POST, "/oauth/token");
    request.header("content-type", "application/x-www-form-urlencoded").body(form.into()).unwrap()
}
