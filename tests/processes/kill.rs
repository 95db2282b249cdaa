//! Stores whose process, or whose server, is killed at a random moment under full load, again and again.

use std::io::Write as _;
use std::thread::sleep;
use std::time::Duration;

use grantor::storage::testkit::records::NOW;
use grantor::storage::{AnyStorage, Inserted, Storage as _, invariants};

use crate::child::{Child, Task};
use crate::ledger::Ledger;
use crate::place::Place;
use crate::postgres::{Cluster, Folder, fresh_schema};
use crate::steps::{Dice, client};

/// How many grants of earlier rounds each round goes on with.
const HEADS: usize = 128;

/// The rounds of this run, unless the environment asks for more.
fn rounds(few: usize) -> usize {
    let asked = std::env::var_os("GRANTOR_KILL_ROUNDS").and_then(|rounds| rounds.to_str()?.parse().ok());
    asked.unwrap_or(few)
}

/// A seed that can be given again.
pub(crate) fn seed() -> u64 {
    let given = std::env::var_os("GRANTOR_TEST_SEED").and_then(|seed| seed.to_str()?.parse().ok());
    let seed = given.unwrap_or_else(|| {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(std::process::id())
    });
    report(&format!("GRANTOR_TEST_SEED={seed}"));
    seed
}

/// Shown also when the test passes, unlike what `println!` says.
pub(crate) fn report(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}

pub(crate) fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// What is killed in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    App,
    Server,
}

struct Harness<'a> {
    test: &'static str,
    place: Place,
    cluster: Option<&'a Cluster>,
    dice: Dice,
    ledger: Ledger,
    acknowledged: usize,
    least: usize,
}

pub(crate) fn sqlite(test: &'static str) {
    let folder = Folder::new();
    let mut harness = Harness::new(test, Place::Sqlite(folder.file("oauth.db")), None);
    let rounds = rounds(8);
    for number in 1..=rounds {
        harness.round(number, Victim::App);
    }
    harness.conclude(rounds);
}

pub(crate) fn postgres(test: &'static str) {
    let cluster = Cluster::start();
    let place = Place::Postgres { url: cluster.url().to_owned(), schema: fresh_schema() };
    let mut harness = Harness::new(test, place, Some(&cluster));
    let rounds = rounds(4);
    for number in 1..=rounds {
        harness.round(number, if number % 2 == 1 { Victim::Server } else { Victim::App });
    }
    harness.conclude(rounds);
}

impl<'a> Harness<'a> {
    fn new(test: &'static str, place: Place, cluster: Option<&'a Cluster>) -> Self {
        in_runtime(async {
            let inserted = place
                .open()
                .await
                .unwrap()
                .insert_client(grantor::storage::testkit::records::insert(client()))
                .await
                .unwrap();
            assert_eq!(inserted, Inserted::New);
        });
        let dice = Dice::new(seed(), 0);
        Self { test, place, cluster, dice, ledger: Ledger::new(NOW), acknowledged: 0, least: usize::MAX }
    }

    fn round(&mut self, number: usize, victim: Victim) {
        let task = Task {
            place: self.place.clone(),
            seed: self.dice.next(),
            clock: self.ledger.now,
            heads: self.ledger.heads(HEADS),
        };
        let mut child = Child::start(self.test, &task);
        child.wait_for_more_than(0);
        sleep(Duration::from_millis(50 + self.dice.below(1450)));
        let mut before = child.acknowledged();
        if victim == Victim::Server {
            self.kill_the_server(&mut child);
        } else {
            before = 0;
        }
        let round = self.ledger.add(child.kill());
        if victim == Victim::App {
            before = round.acknowledged;
            assert_eq!(round.failed, 0, "nothing but the app was killed");
        }
        assert!(before > 0, "something was acknowledged before the kill");
        let looked_at = in_runtime(self.verify(&round));
        (self.acknowledged, self.least) = (self.acknowledged + before, self.least.min(before));
        let open = round.begun - round.acknowledged;
        let engine = self.place.engine();
        report(&format!(
            "{engine} round {number} ({victim:?}): {before} operations acknowledged before the kill, {open} open, \
             {looked_at} grants looked at"
        ));
    }

    /// Kills the server under the app, and waits until the app goes on by itself.
    fn kill_the_server(&mut self, child: &mut Child) {
        let cluster = self.cluster.unwrap();
        cluster.kill();
        let before = child.acknowledged();
        sleep(Duration::from_millis(self.dice.below(300)));
        cluster.restart();
        child.wait_for_more_than(before);
        sleep(Duration::from_millis(self.dice.below(600)));
    }

    async fn verify(&mut self, round: &crate::ledger::Round) -> usize {
        #[cfg(feature = "postgres")]
        if let Place::Postgres { url, .. } = &self.place {
            crate::postgres::wait_until_alone(url).await;
        }
        let store = self.place.open().await.unwrap();
        let looked_at = self.ledger.check(&store, round, &mut self.dice).await;
        assert_clean(&store).await;
        looked_at
    }

    fn conclude(&self, rounds: usize) {
        let Self { acknowledged, least, .. } = self;
        let engine = self.place.engine();
        report(&format!(
            "kill -9: {engine} {rounds} rounds, {acknowledged} operations acknowledged before a kill (least in a \
             round: {least})"
        ));
    }
}

/// Checks every invariant that can be seen in the rows themselves.
pub(crate) async fn assert_clean(store: &AnyStorage) {
    let report = invariants::check(store).await.unwrap();
    assert!(report.is_clean(), "{report}");
}
