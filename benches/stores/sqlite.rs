//! The store in a file against SQLite alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use grantor::SqliteStorage;
use grantor::storage::{RedeemCode, Storage};

use super::load::{self, START, median};
use super::{bare_sqlite, growth, line, verdict};

const CALLERS: usize = 32;
const ROUNDS: usize = 7;
const EXCHANGES: usize = 8_000;

pub(crate) async fn run() {
    println!("SQLite, exchanges of a code for an access and a refresh token, durable (WAL, synchronous=FULL)");
    let folder = std::env::temp_dir().join(format!("grantor-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    exchanges(&folder).await;
    look_ups(&folder).await;
    grow(&folder).await;
    clean(&folder).await;
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn store(folder: &Path, name: &str) -> Arc<SqliteStorage> {
    Arc::new(SqliteStorage::open(folder.join(name)).await.unwrap())
}

/// A file in which everything is ready to be exchanged by SQLite alone.
async fn prepared(folder: &Path, name: &str, count: usize) -> (rusqlite::Connection, Vec<RedeemCode>) {
    let store = store(folder, name).await;
    let ops = load::exchanges(&store, count, START).await;
    drop(store);
    (bare_sqlite::open(&folder.join(name)), ops)
}

async fn exchanges(folder: &Path) {
    let (mut rounds, mut sizes) = (vec![], vec![]);
    for round in 0..ROUNDS {
        let (bare, ops) = prepared(folder, &format!("one-{round}.db"), EXCHANGES / 4).await;
        let single = bare_sqlite::exchange_all(&bare, &ops, 1);

        let name = format!("ours-{round}.db");
        let store = store(folder, &name).await;
        let ops = load::exchanges(&store, EXCHANGES, START).await;
        let before = commits(&folder.join(&name));
        let ours = load::exchange_all(&store, ops, CALLERS).await.rate;
        let size = EXCHANGES as f64 / f64::from(commits(&folder.join(&name)) - before);

        let (bare, ops) = prepared(folder, &format!("grouped-{round}.db"), EXCHANGES).await;
        let grouped = bare_sqlite::exchange_all(&bare, &ops, size.round() as usize);
        rounds.push([single, grouped, ours]);
        sizes.push(size);
    }
    let rate = |which: usize| median(rounds.iter().map(|round| round[which]).collect());
    let ratio = |against: usize| median(rounds.iter().map(|round| round[2] / round[against]).collect());
    let size = median(sizes);
    line("SQLite alone, one exchange a commit", rate(0), "/s");
    line(format!("SQLite alone, {size:.0} exchanges a commit"), rate(1), "/s");
    line(format!("SqliteStorage, {CALLERS} callers, {size:.1} exchanges a commit on average"), rate(2), "/s");
    verdict("against one a commit", ratio(0), 8.0, true);
    verdict("against the same number a commit", ratio(1), 0.6, true);
}

/// How many transactions the file has seen: SQLite counts them in its shared memory.
fn commits(path: &Path) -> u32 {
    let mut name = path.as_os_str().to_owned();
    name.push("-shm");
    let bytes = std::fs::read(name).unwrap();
    u32::from_ne_bytes(bytes[8..12].try_into().unwrap())
}

async fn look_ups(folder: &Path) {
    println!("SQLite, look-ups of an access token with its grant, one thread");
    let name = "look-ups.db";
    let store = store(folder, name).await;
    let ops = load::exchanges(&store, EXCHANGES, START).await;
    let ids: Vec<_> = ops.iter().map(|op| op.access.id).collect();
    load::exchange_all(&store, ops, CALLERS).await;
    let bare = bare_sqlite::open(&folder.join(name));
    let (mut alone, mut ours) = (vec![], vec![]);
    let bits: Vec<_> = ids.iter().map(|id| id.to_bits() as i64).collect();
    for _ in 0..ROUNDS {
        alone.push(bare_sqlite::look_up_all(&bare, &bits));
        let started = Instant::now();
        for id in &ids {
            assert!(store.access_token(*id).await.unwrap().is_some());
        }
        ours.push(ids.len() as f64 / started.elapsed().as_secs_f64());
    }
    let (alone, ours) = (median(alone), median(ours));
    line("SQLite alone, prepared", alone, "/s");
    line("SqliteStorage::access_token", ours, "/s");
    verdict("time of a look-up against SQLite alone", alone / ours, 2.0, false);
}

async fn grow(folder: &Path) {
    println!("SQLite, as it grows: an exchange with {CALLERS} callers, a look-up with one");
    let mut costs = Vec::new();
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let name = format!("grown-{count}.db");
        let store = store(folder, &name).await;
        let (made, end) = growth::GROWN;
        let ids = bare_sqlite::fill(&bare_sqlite::open(&folder.join(&name)), count, made, end);
        costs.push(growth::cost(&store, &ids, CALLERS, EXCHANGES).await);
    }
    growth::table(&costs);
}

async fn clean(folder: &Path) {
    println!("SQLite, clean-up of a million rows that ended, beside exchanges");
    let name = "cleaned.db";
    let store = store(folder, name).await;
    let path = folder.join(name);
    let fill = async |count| {
        let (made, end) = growth::ENDED;
        bare_sqlite::fill(&bare_sqlite::open(&path), count, made, end);
    };
    growth::cleaning(&store, fill, CALLERS, EXCHANGES).await;
}
