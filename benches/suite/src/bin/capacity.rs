//! What a guard costs at ten million live tokens, what a second thread brings, and what cleaning up costs:
//! `cargo bench --bench suite -- capacity`. It takes about 3 GiB of memory.
//!
//! The store is the one in memory, and four tokens belong to a grant.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use grantor::protocol::time::Timestamp;
use grantor_benches::machine::{Machine, TOKENS_OF_A_GRANT};
use grantor_benches::ours::Ours;
use grantor_benches::report::{Figure, Goal, Report, median};

const FEW: usize = 1_000;
const MANY: usize = 10_000_000;
const ROUNDS: usize = 7;
/// Small steps of clean-up, to see how long anything is locked at most.
const STEPS: usize = 10_000;
const ROWS_OF_A_STEP: u32 = 256;

fn main() {
    let mut report = Report::new("capacity", "Threads and ten million live tokens, the store in memory");
    threads(&mut report);
    growth(&mut report);
    report.finish();
}

/// The throughput of two threads against that of one, in turns, so that a drift of the machine hits both.
fn threads(report: &mut Report) {
    let ours = Ours::new();
    let guards = two_against_one(|| many(100_000, || ours.shows(&ours.token())), |request| ours.guards(&request));
    let exchanges =
        two_against_one(|| many(20_000, || ours.redeems()), |request| drop(black_box(ours.handle(request))));
    for (what, [two, one]) in [("guard", guards), ("exchange", exchanges)] {
        let what = format!("{what}, requests/s of two threads");
        report.ratio(what, Figure(two, "/s"), ("one", Figure(one, "/s")), Goal::AtLeast(1.8));
    }
}

fn many<T>(count: usize, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}

fn two_against_one<T>(prepare: impl Fn() -> Vec<T> + Sync, operation: impl Fn(T) + Sync) -> [f64; 2] {
    let (mut two, mut one) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(rate(1, &prepare, &operation));
        two.push(rate(2, &prepare, &operation));
    }
    [two, one].map(median)
}

/// Requests a second. Each thread makes its own ready, as one that reads them from its connections does.
fn rate<T>(threads: usize, prepare: impl Fn() -> Vec<T> + Sync, operation: impl Fn(T) + Sync) -> f64 {
    let all_are_ready = Barrier::new(threads);
    let work = || {
        let requests = prepare();
        let count = requests.len() as f64;
        all_are_ready.wait();
        let started = Instant::now();
        requests.into_iter().for_each(&operation);
        count / started.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// The time of a server whose tokens all end at once.
fn growth(report: &mut Report) {
    let time = Arc::new(AtomicU64::new(1_800_000_000_000));
    let clock = Arc::clone(&time);
    let mut machine = Machine::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let mut tokens = Tokens::default();
    tokens.grow(&mut machine, FEW, &time);
    let few = tokens.guarded(&machine);
    tokens.grow(&mut machine, MANY, &time);
    let many = tokens.guarded(&machine);
    report.ratio("guard, 10⁷ live tokens", many, ("10³", few), Goal::AtMost(3.0));
    // Behind all that is freed: else the allocator gives it back to the system in one go at the end, which stops every
    // thread of the process for as long as that takes.
    let _last = many_boxes();
    clean_up(report, &machine, &tokens, &time);
}

fn many_boxes() -> Vec<Box<[u8]>> {
    (0..1_000).map(|_| vec![1; 100_000].into_boxed_slice()).collect()
}

/// The texts of many tokens, side by side.
#[derive(Default)]
struct Tokens(Vec<[u8; 58]>);

impl Tokens {
    fn grow(&mut self, machine: &mut Machine, count: usize, time: &AtomicU64) {
        while self.0.len() < count {
            self.0.push(machine.token());
            // A busy server: twenty a millisecond.
            if self.0.len().is_multiple_of(20) {
                time.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Nanoseconds of a guarded request, over all tokens in no order. Requests are made ready a few at a time.
    fn guarded(&self, machine: &Machine) -> Figure {
        const TIMES: usize = 400_000;
        let (mut took, mut at) = (Duration::ZERO, 0);
        for _ in 0..TIMES / 16 {
            let requests: Vec<_> = (0..16)
                .map(|_| {
                    at = (at + 7_368_787) % self.0.len();
                    machine.shows(&self.0[at])
                })
                .collect();
            let started = Instant::now();
            requests.iter().for_each(|request| machine.guards(request));
            took += started.elapsed();
        }
        Figure(took.as_nanos() as f64 / TIMES as f64, "ns")
    }
}

/// Removes everything in steps, while another thread looks on: how long a request waits at most.
fn clean_up(report: &mut Report, machine: &Machine, tokens: &Tokens, time: &AtomicU64) {
    let request = machine.shows(tokens.0.last().unwrap());
    let is_over = AtomicBool::new(false);
    let watched = |work: &mut dyn FnMut()| {
        thread::scope(|scope| {
            is_over.store(false, Ordering::Relaxed);
            let watcher = scope.spawn(|| longest(machine, &request, &is_over));
            work();
            is_over.store(true, Ordering::Relaxed);
            watcher.join().unwrap()
        })
    };
    let idle = watched(&mut || thread::sleep(Duration::from_secs(2)));
    time.fetch_add(2 * 60 * 60 * 1000, Ordering::Relaxed);
    let (mut removed, mut took, mut steps) = (0, Duration::ZERO, Vec::with_capacity(STEPS));
    let busy = watched(&mut || {
        let started = Instant::now();
        for _ in 0..STEPS {
            let started = Instant::now();
            removed += machine.purge(ROWS_OF_A_STEP);
            steps.push(started.elapsed().as_secs_f64() * 1e3);
        }
        loop {
            match machine.purge(100_000) {
                0 => break,
                rows => removed += rows,
            }
        }
        took = started.elapsed();
    });
    // And the two of the grant that the others are made after.
    let rows = MANY + MANY / TOKENS_OF_A_GRANT as usize + 2;
    assert_eq!(removed as usize, rows, "tokens and their grants");
    let each = took.as_nanos() as f64 / f64::from(removed);
    report.figure("clean-up of 10⁷ tokens and their grants, a row", Figure(each, "ns"), Goal::AtMost(100.0));
    // Nothing is locked for longer than a call takes that removes so little. Now and then the machine does something else.
    steps.sort_by(f64::total_cmp);
    let step = Figure(steps[STEPS - 1 - STEPS / 100], "ms");
    report.figure("clean-up of 256 rows of 10⁷, 99 of 100 times", step, Goal::AtMost(1.0));
    report.ratio("longest request while cleaning up", busy, ("without", idle), Goal::None);
}

fn longest(machine: &Machine, request: &http::request::Parts, is_over: &AtomicBool) -> Figure {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let started = Instant::now();
        black_box(machine.asks(request));
        longest = longest.max(started.elapsed());
    }
    Figure(longest.as_secs_f64() * 1e3, "ms")
}
