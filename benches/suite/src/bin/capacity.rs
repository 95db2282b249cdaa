//! What a guard costs at ten million live tokens, what a second thread brings, and what cleaning up costs:
//! `cargo bench --bench suite -- capacity`. It takes about 3 GiB of memory.
//!
//! The store is the one in memory, and four tokens belong to a grant.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grantor::protocol::time::Timestamp;
use grantor_benches::machine::{Machine, TOKENS_OF_A_GRANT};
use grantor_benches::ours::Ours;
use grantor_benches::report::{Figure, Goal, Report, median};

const FEW: usize = 1_000;
const MANY: usize = 10_000_000;
const ROUNDS: usize = 7;

fn main() {
    let mut report = Report::new("capacity", "Threads and ten million live tokens, the store in memory");
    threads(&mut report);
    growth(&mut report);
    report.finish();
}

/// The throughput of two threads against that of one, in turns, so that a drift of the machine hits both.
fn threads(report: &mut Report) {
    let ours = Ours::new();
    let guards = |count: usize| {
        let requests: Vec<_> = (0..count).map(|_| ours.shows(&ours.token())).collect();
        requests.into_iter().map(|request| move |ours: &Ours| ours.guards(&request)).collect::<Vec<_>>()
    };
    let exchanges = |count: usize| {
        let requests: Vec<_> = (0..count).map(|_| ours.redeems()).collect();
        requests.into_iter().map(|request| move |ours: &Ours| drop(black_box(ours.handle(request)))).collect::<Vec<_>>()
    };
    let guard = two_against_one(&ours, || guards(100_000));
    report.ratio("guard, requests/s of two threads", guard.0, ("one", guard.1), Goal::AtLeast(1.8));
    let exchange = two_against_one(&ours, || exchanges(20_000));
    report.ratio("exchange, requests/s of two threads", exchange.0, ("one", exchange.1), Goal::AtLeast(1.8));
}

fn two_against_one<F: FnOnce(&Ours) + Send>(ours: &Ours, work: impl Fn() -> Vec<F>) -> (Figure, Figure) {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(rate(ours, vec![work()]));
        two.push(rate(ours, vec![work(), work()]));
    }
    (Figure(median(two), "/s"), Figure(median(one), "/s"))
}

fn rate<F: FnOnce(&Ours) + Send>(ours: &Ours, work: Vec<Vec<F>>) -> f64 {
    let count: usize = work.iter().map(Vec::len).sum();
    let started = Instant::now();
    thread::scope(|scope| {
        for share in work {
            scope.spawn(move || share.into_iter().for_each(|operation| operation(ours)));
        }
    });
    count as f64 / started.elapsed().as_secs_f64()
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
    clean_up(report, &machine, &tokens, &time);
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
    let (mut removed, mut took) = (0, Duration::ZERO);
    let busy = watched(&mut || {
        let started = Instant::now();
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
