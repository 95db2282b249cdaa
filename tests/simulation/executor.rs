//! Tasks on one thread, of which chance picks the next one, and a time that passes only while all of them sleep.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::random::Random;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time of one run, in milliseconds.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<Agenda>>);

struct Agenda {
    now: u64,
    order: u64,
    sleepers: BTreeMap<(u64, u64), Waker>,
}

impl Time {
    pub(crate) fn new(now: u64) -> Self {
        Self(Arc::new(Mutex::new(Agenda { now, order: 0, sleepers: BTreeMap::new() })))
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.lock().unwrap().now
    }

    /// A number above all earlier ones: what comes before what, where the time is the same.
    pub(crate) fn moment(&self) -> u64 {
        let mut agenda = self.0.lock().unwrap();
        agenda.order += 1;
        agenda.order
    }

    /// Completes after so many milliseconds; after none, as soon as chance comes back to the task.
    pub(crate) fn sleep(&self, millis: u64) -> Sleep {
        Sleep { time: self.clone(), due: self.now() + millis, key: None }
    }

    /// What a future gives if it is done within that time.
    pub(crate) async fn within<T>(&self, millis: u64, future: impl Future<Output = T> + Send) -> Option<T> {
        let (mut future, mut over) = (Box::pin(future), self.sleep(millis));
        std::future::poll_fn(move |context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Pin::new(&mut over).poll(context).map(|()| None),
        })
        .await
    }

    /// Moves on to the next moment at which somebody wakes; false if nobody ever does.
    fn pass(&self) -> bool {
        let mut agenda = self.0.lock().unwrap();
        let Some(((due, _), waker)) = agenda.sleepers.pop_first() else { return false };
        agenda.now = agenda.now.max(due);
        let mut awake = vec![waker];
        while let Some(entry) = agenda.sleepers.first_entry().filter(|entry| entry.key().0 <= due) {
            awake.push(entry.remove());
        }
        drop(agenda);
        awake.into_iter().for_each(Waker::wake);
        true
    }
}

pub(crate) struct Sleep {
    time: Time,
    due: u64,
    key: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let moment = self.time.moment();
        let mut agenda = self.time.0.lock().unwrap();
        if self.key.is_some() && agenda.now >= self.due {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or((self.due, moment));
        let is_now = agenda.now >= self.due;
        if is_now {
            context.waker().wake_by_ref();
        } else {
            agenda.sleepers.insert(key, context.waker().clone());
        }
        drop(agenda);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.time.0.lock().unwrap().sleepers.remove(&key);
        }
    }
}

#[derive(Default)]
struct Queue {
    ready: Vec<usize>,
    new: Vec<(usize, Task)>,
    ended: Vec<usize>,
    count: usize,
}

/// Starts tasks, and ends them midway.
#[derive(Clone, Default)]
pub(crate) struct Spawner(Arc<Mutex<Queue>>);

impl Spawner {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> usize {
        let mut queue = self.0.lock().unwrap();
        queue.count += 1;
        let id = queue.count;
        queue.new.push((id, Box::pin(task)));
        queue.ready.push(id);
        id
    }

    /// Drops what a task is at, before it does anything more.
    pub(crate) fn end(&self, task: usize) {
        self.0.lock().unwrap().ended.push(task);
    }
}

struct Bell {
    task: usize,
    queue: Spawner,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut queue = self.queue.0.lock().unwrap();
        if !queue.ready.contains(&self.task) {
            queue.ready.push(self.task);
        }
    }
}

pub(crate) struct Executor {
    pub(crate) time: Time,
    pub(crate) spawner: Spawner,
    pub(crate) polls: u64,
    random: Random,
    tasks: BTreeMap<usize, (Task, Waker)>,
}

impl Executor {
    pub(crate) fn new(time: Time, random: Random) -> Self {
        Self { time, spawner: Spawner::default(), polls: 0, random, tasks: BTreeMap::new() }
    }

    /// Runs until every task is done.
    pub(crate) fn run(&mut self) {
        loop {
            self.take_over();
            match self.next() {
                Some(task) => self.poll(task),
                None if self.time.pass() => {}
                None => break,
            }
            assert!(self.polls < 20_000_000, "the tasks come to no end");
        }
        assert!(self.tasks.is_empty(), "{} tasks wait for something that never comes", self.tasks.len());
    }

    fn take_over(&mut self) {
        let (new, ended) = {
            let mut queue = self.spawner.0.lock().unwrap();
            (std::mem::take(&mut queue.new), std::mem::take(&mut queue.ended))
        };
        for (id, task) in new {
            let waker = Waker::from(Arc::new(Bell { task: id, queue: self.spawner.clone() }));
            self.tasks.insert(id, (task, waker));
        }
        // What is dropped may ring bells, so the queue is not locked meanwhile.
        ended.iter().for_each(|task| drop(self.tasks.remove(task)));
    }

    fn next(&mut self) -> Option<usize> {
        let mut queue = self.spawner.0.lock().unwrap();
        if queue.ready.is_empty() {
            return None;
        }
        let at = self.random.below(queue.ready.len());
        Some(queue.ready.swap_remove(at))
    }

    fn poll(&mut self, id: usize) {
        let Some((task, waker)) = self.tasks.get_mut(&id) else { return };
        self.polls += 1;
        if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
            self.tasks.remove(&id);
        }
    }
}

/// What one task waits for and another one brings.
pub(crate) struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }

    pub(crate) fn put(&self, value: T) {
        let mut slot = self.0.lock().unwrap();
        slot.0 = Some(value);
        if let Some(waker) = slot.1.take() {
            waker.wake();
        }
    }

    /// What is there by now.
    pub(crate) fn now(&self) -> Option<T> {
        self.0.lock().unwrap().0.take()
    }

    pub(crate) async fn take(&self) -> T {
        std::future::poll_fn(|context| {
            let mut slot = self.0.lock().unwrap();
            slot.1 = Some(context.waker().clone());
            slot.0.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
