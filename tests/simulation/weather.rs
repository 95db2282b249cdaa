//! What goes wrong between a client, the server and its store, and when. Chance decides, by the seed.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use grantor::host::{Entropy, EntropyError};
use grantor::storage::testkit::Lost;

use crate::executor::Time;
use crate::random::Random;

pub(crate) type Tally = BTreeMap<&'static str, usize>;

/// What becomes of one call of the store: how long it takes on either way, and what gets lost of it.
pub(crate) struct Fate {
    pub(crate) before: Option<u64>,
    pub(crate) lost: Option<Lost>,
    pub(crate) after: Option<u64>,
}

struct Sky {
    random: Random,
    /// From now on nothing goes wrong.
    fair: bool,
    down_until: u64,
    /// The request that the server is at.
    current: usize,
    tally: Tally,
}

#[derive(Clone)]
pub(crate) struct Weather {
    pub(crate) time: Time,
    sky: Arc<Mutex<Sky>>,
}

impl Weather {
    pub(crate) fn new(time: Time, random: Random) -> Self {
        let sky = Sky { random, fair: false, down_until: 0, current: 0, tally: Tally::new() };
        Self { time, sky: Arc::new(Mutex::new(sky)) }
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().unwrap()
    }

    pub(crate) fn clear_up(&self) {
        let mut sky = self.sky();
        sky.fair = true;
        sky.down_until = 0;
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.sky().tally.entry(what).or_default() += 1;
    }

    pub(crate) fn tally(&self) -> Tally {
        self.sky().tally.clone()
    }

    /// The request for which the store is called now.
    pub(crate) fn current(&self) -> usize {
        self.sky().current
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        self.sky().random.below(bound)
    }

    pub(crate) fn once_in(&self, times: usize) -> bool {
        self.sky().random.once_in(times)
    }

    pub(crate) fn pick<T: Copy>(&self, all: &[T]) -> T {
        *self.sky().random.pick(all)
    }

    /// A number up to one of these, which are far apart.
    pub(crate) fn about(&self, longest: &[u64]) -> u64 {
        let longest = self.pick(longest);
        self.sky().random.next() % (longest + 1)
    }

    pub(crate) fn is_down(&self) -> bool {
        let now = self.time.now();
        now < self.sky().down_until
    }

    pub(crate) fn go_down(&self, millis: u64) {
        let now = self.time.now();
        self.sky().down_until = now + millis;
        self.count("fault: the store is down for a while");
    }

    /// What becomes of a call of the store.
    pub(crate) fn fate(&self) -> Fate {
        if self.sky().fair {
            return Fate { before: None, lost: None, after: None };
        }
        let lost = match self.below(30) {
            0 => Some(Lost::Request),
            1 => Some(Lost::Answer),
            _ => None,
        };
        Fate { before: self.delay(), lost, after: self.delay() }
    }

    fn delay(&self) -> Option<u64> {
        match self.below(40) {
            0 => {
                self.count("fault: a call of the store takes long");
                Some(self.about(&[900, 5_000, 5_000, 70_000]))
            }
            1..12 => Some(self.about(&[3, 30])),
            12..28 => Some(0),
            _ => None,
        }
    }

    /// How long a message is on its way between a client and the server.
    pub(crate) fn latency(&self) -> u64 {
        if self.sky().fair { 1 } else { self.about(&[2, 40, 40, 400]) }
    }

    /// Whether a message between a client and the server gets lost.
    pub(crate) fn swallows(&self, what: &'static str) -> bool {
        let lost = !self.sky().fair && self.once_in(40);
        if lost {
            self.count(what);
        }
        lost
    }

    /// Does the work of a request, so that the calls of the store are known to be for it.
    pub(crate) async fn for_request<T>(&self, request: usize, work: impl Future<Output = T> + Send) -> T {
        For { request, work: Box::pin(work), weather: self.clone(), is_done: false }.await
    }
}

struct For<'a, T> {
    request: usize,
    work: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    weather: Weather,
    is_done: bool,
}

impl<T> Future for For<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.weather.sky().current = self.request;
        let polled = self.work.as_mut().poll(context);
        self.weather.sky().current = 0;
        self.is_done = polled.is_ready();
        polled
    }
}

impl<T> Drop for For<'_, T> {
    fn drop(&mut self) {
        if !self.is_done && !std::thread::panicking() {
            self.weather.count("fault: a request ends midway, its client has hung up");
        }
    }
}

/// Bytes that are the same for the same seed.
pub(crate) struct SeededEntropy(Mutex<Random>);

impl SeededEntropy {
    pub(crate) const fn new(random: Random) -> Self {
        Self(Mutex::new(random))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut random = self.0.lock().unwrap();
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]));
        Ok(())
    }
}
