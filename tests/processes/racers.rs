//! Two processes that want the same thing of one database at the same moment.

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use grantor::Timestamp;
use grantor::protocol::secret::OrderedId;
use grantor::storage::testkit::records::NOW;
use grantor::storage::{AnyStorage, Inserted, Storage as _};
use serde::{Deserialize, Serialize};

use crate::child::{self, Child, Task};
use crate::kill::{assert_clean, in_runtime, report, seed};
use crate::place::Place;
use crate::postgres::{Folder, fresh_schema, shared_url};
use crate::steps::{Dice, Heard, Op, Step, client, perform};

const RACERS: usize = 64;

/// What the parent says.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    /// Get ready to do all of these at once.
    Prepare(Vec<Op>),
    Go,
}

/// What a child answers.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Open,
    Ready,
    Heard(Vec<Heard>),
}

/// Races as often as the parent wants.
pub(crate) fn run(task: &Task) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = runtime.block_on(task.place.open()).unwrap();
    child::begin_telling();
    child::tell(&Told::Open);
    let mut prepared = None;
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line.unwrap()).unwrap() {
            Said::Prepare(ops) => {
                prepared = Some(runtime.block_on(prepare(&store, ops)));
                child::tell(&Told::Ready);
            }
            Said::Go => {
                let Prepared { go, racers } = prepared.take().unwrap();
                go.store(true, Ordering::Release);
                // In the order of the operations, whoever came first.
                let heard = racers.into_iter().map(|racer| runtime.block_on(racer).unwrap()).collect();
                child::tell(&Told::Heard(heard));
            }
        }
    }
}

struct Prepared {
    go: Arc<AtomicBool>,
    racers: Vec<tokio::task::JoinHandle<Heard>>,
}

/// Tasks that all run, and wait for one signal.
async fn prepare(store: &AnyStorage, ops: Vec<Op>) -> Prepared {
    let (go, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut racers = Vec::new();
    let count = ops.len();
    for op in ops {
        let (store, go, running) = (store.clone(), Arc::clone(&go), Arc::clone(&running));
        racers.push(tokio::spawn(async move {
            running.fetch_add(1, Ordering::AcqRel);
            while !go.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
            loop {
                match perform(&store, &op).await {
                    Ok(heard) => return heard,
                    Err(error) => assert!(error.is_temporary(), "{error}: {:?}", std::error::Error::source(&error)),
                }
            }
        }));
    }
    while running.load(Ordering::Acquire) < count {
        tokio::task::yield_now().await;
    }
    Prepared { go, racers }
}

/// Two children at one database, and the view of a third process.
struct Field {
    place: Place,
    store: AnyStorage,
    children: [(Child, usize); 2],
    dice: Dice,
    now: Timestamp,
    /// In how many races each child was the first.
    won: [usize; 2],
}

pub(crate) fn sqlite(test: &'static str) {
    let folder = Folder::new();
    in_runtime(race(test, Place::Sqlite(folder.file("oauth.db")), 40));
}

pub(crate) fn postgres(test: &'static str) {
    in_runtime(race(test, Place::Postgres { url: shared_url(), schema: fresh_schema() }, 40));
}

async fn race(test: &'static str, place: Place, rounds: usize) {
    let mut field = Field::new(test, place).await;
    for _ in 0..rounds {
        field.one_code().await;
        field.one_refresh_token().await;
        field.a_revocation_beside_refreshes().await;
    }
    assert_clean(&field.store).await;
    let (engine, [one, other]) = (field.place.engine(), field.won);
    report(&format!(
        "two processes: {engine} {RACERS} racers, {rounds} codes gave {rounds} successes, {rounds} refresh tokens gave \
         {rounds} pairs, {rounds} revocations beside refreshes left nothing alive; first was one process {one} times, \
         the other {other}"
    ));
}

impl Field {
    async fn new(test: &'static str, place: Place) -> Self {
        let store = place.open().await.unwrap();
        assert_eq!(
            store.insert_client(grantor::storage::testkit::records::insert(client())).await.unwrap(),
            Inserted::New
        );
        let mut dice = Dice::new(seed(), 0);
        let mut start = || {
            let task = Task { place: place.clone(), seed: dice.next(), clock: NOW, heads: Vec::new() };
            let (mut child, mut known) = (Child::start(test, &task), 0);
            let told = child.next(&mut known);
            assert!(matches!(told, Told::Open), "{told:?}");
            (child, known)
        };
        let children = [start(), start()];
        Self { place, store, children, dice, now: NOW, won: [0; 2] }
    }

    async fn perform(&self, grant: OrderedId, step: Step) -> Heard {
        perform(&self.store, &Op { now: self.now, grant, step }).await.unwrap()
    }

    async fn is_live(&self, token: OrderedId) -> bool {
        self.store.access_token(token).await.unwrap().is_some_and(|stored| !stored.revoked)
    }

    fn id(&mut self) -> OrderedId {
        self.now = self.now.after(Duration::from_millis(1));
        self.dice.id(self.now)
    }

    /// A new grant and its code.
    async fn approved(&mut self) -> (OrderedId, OrderedId) {
        let (grant, prompt, code) = (self.id(), self.id(), self.id());
        assert_eq!(self.perform(grant, Step::Decide { prompt, code }).await, Heard::First);
        (grant, code)
    }

    /// A new grant and its refresh token.
    async fn refreshable(&mut self) -> (OrderedId, OrderedId) {
        let (grant, code) = self.approved().await;
        let (access, refresh) = (self.id(), self.id());
        assert_eq!(self.perform(grant, Step::Redeem { code, access, refresh }).await, Heard::First);
        (grant, refresh)
    }

    /// Does half of it in each process, all at the same time.
    fn race(&mut self, grant: OrderedId, steps: &[Step]) -> Vec<Heard> {
        let now = self.now;
        let ops: Vec<_> = steps.iter().map(|step| Op { now, grant, step: *step }).collect();
        for ((child, known), ops) in self.children.iter_mut().zip(ops.chunks(steps.len() / 2)) {
            child.say(&Said::Prepare(ops.to_vec()));
            let told = child.next(known);
            assert!(matches!(told, Told::Ready), "{told:?}");
        }
        // Neither is always the first to hear.
        let order = if self.dice.percent(50) { [0, 1] } else { [1, 0] };
        for number in order {
            self.children[number].0.say(&Said::Go);
        }
        let mut heard = Vec::new();
        for (child, known) in &mut self.children {
            match child.next(known) {
                Told::Heard(outcomes) => heard.extend(outcomes),
                other @ (Told::Open | Told::Ready) => panic!("{other:?}"),
            }
        }
        let first = heard.iter().position(|heard| *heard == Heard::First);
        self.won[first.unwrap() * 2 / heard.len()] += 1;
        heard
    }

    async fn one_code(&mut self) {
        let (grant, code) = self.approved().await;
        let steps: Vec<_> = (0..RACERS).map(|_| Step::Redeem { code, access: self.id(), refresh: self.id() }).collect();
        let heard = self.race(grant, &steps);
        assert_eq!(heard.iter().filter(|heard| **heard == Heard::First).count(), 1, "one code, one success: {heard:?}");
        assert!(heard.contains(&Heard::Again), "a replay is seen: {heard:?}");
        let others = heard.iter().all(|heard| matches!(heard, Heard::First | Heard::Again | Heard::Gone));
        assert!(others, "whoever comes later gets nothing: {heard:?}");
        for step in steps {
            let Step::Redeem { access, refresh, .. } = step else { continue };
            assert!(!self.is_live(access).await, "after a replay nothing is alive");
            let again = Step::Rotate { presented: refresh, access: self.id(), successor: self.id() };
            assert_eq!(self.perform(grant, again).await, Heard::Gone, "after a replay nothing is alive");
        }
    }

    async fn one_refresh_token(&mut self) {
        let (grant, presented) = self.refreshable().await;
        let steps: Vec<_> =
            (0..RACERS).map(|_| Step::Rotate { presented, access: self.id(), successor: self.id() }).collect();
        let heard = self.race(grant, &steps);
        let first = heard.iter().position(|heard| *heard == Heard::First).expect("one use is the first");
        let Step::Rotate { successor: only, .. } = steps[first] else { return };
        for (number, (step, heard)) in steps.iter().zip(&heard).enumerate() {
            let Step::Rotate { access, successor, .. } = *step else { continue };
            let expected = if number == first { Heard::First } else { Heard::Repeated { successor: only } };
            assert_eq!(*heard, expected, "all hear of the same successor");
            assert_eq!(self.is_live(access).await, number == first, "one access token");
            let stored = self.store.refresh_token(successor).await.unwrap();
            assert_eq!(stored.is_some(), number == first, "one successor");
        }
    }

    async fn a_revocation_beside_refreshes(&mut self) {
        let (grant, presented) = self.refreshable().await;
        let mut steps: Vec<_> = (0..RACERS)
            .map(|number| match number % 4 {
                0 => Step::Issue { access: self.id() },
                _ => Step::Rotate { presented, access: self.id(), successor: self.id() },
            })
            .collect();
        let at = usize::try_from(self.dice.below(RACERS as u64)).unwrap();
        steps[at] = Step::RevokeGrant;
        let heard = self.race(grant, &steps);
        assert_eq!(heard[at], Heard::First, "the revocation counts");
        for step in steps {
            let (Step::Rotate { access, .. } | Step::Issue { access }) = step else { continue };
            assert!(!self.is_live(access).await, "a revocation wins against every refresh");
            if let Step::Rotate { successor, .. } = step {
                let again = Step::Rotate { presented: successor, access: self.id(), successor: self.id() };
                assert_eq!(self.perform(grant, again).await, Heard::Gone, "nothing of it can be used again");
            }
        }
        let issued = Step::Issue { access: self.id() };
        assert_eq!(self.perform(grant, issued).await, Heard::Gone, "nothing is added to it any more");
    }
}
