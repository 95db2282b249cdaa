//! An SQLite file that cannot grow, and one that another process does not let go.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use grantor::SqliteStorage;
use grantor::storage::AnyStorage;

use crate::postgres::Folder;
use crate::scene::{Everyone, assert_sound, assert_temporary, world};
use crate::support::World;
use crate::support::refreshing::Tokens;

const CHILD: &str = "GRANTOR_TEST_FULL_DISK";

/// How large a file of this process may become. What is written beyond fails, as on a full disk.
fn limit_files(bytes: Option<u64>) {
    let soft = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let pid = std::process::id().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={soft}:unlimited")]).status();
    assert!(status.expect("prlimit is there").success());
}

/// Runs this test in a process that is told of a file that may not grow, rather than killed.
fn run_in_a_process_of_its_own(test: &str) {
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1").process_group(0);
    let output = command.output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{error}");
}

#[test]
fn attack_44_a_full_disk_leaves_nothing_half_done() {
    if std::env::var_os(CHILD).is_none() {
        return run_in_a_process_of_its_own("disk::attack_44_a_full_disk_leaves_nothing_half_done");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = Folder::new();
        nothing_can_be_written(&folder.file("full.db")).await;
        commits_end_in_the_middle(&folder.file("torn.db")).await;
    });
}

async fn nothing_can_be_written(file: &Path) {
    let storage = AnyStorage::new(SqliteStorage::open(file).await.unwrap());
    let world = world(storage);
    let mut everyone = Everyone::come(&world).await;
    let client = world.public_client().await;
    let token = world.tokens_of("erin", &client, &[]).await.access;
    for _ in 0..3 {
        limit_files(Some(0));
        everyone.are_put_off_writing(&world).await;
        assert!(world.is_live(&token).await, "those who only look are served");
        world.browser_of("erin").prompt(&client.authorize()).await;
        limit_files(None);
        assert_sound(&world.storage).await;
    }
    everyone.are_served(&world).await;
    drop(world);
    assert_sound(&SqliteStorage::open(file).await.unwrap()).await;
}

/// The disk becomes full at every place of a commit.
async fn commits_end_in_the_middle(file: &Path) {
    let storage = AnyStorage::new(SqliteStorage::open(file).await.unwrap());
    let world = world(storage);
    let client = world.refreshing_client("none").await;
    let mut tokens = world.tokens(&client).await;
    let (mut refused, mut done) = (0, 0);
    for step in 0..60 {
        limit_files(Some(log_length(file) + step * 700));
        let answer = world.refresh(&client, &tokens.refresh, &[]).await;
        limit_files(None);
        if answer.status() == 200 {
            done += 1;
        } else {
            assert_temporary(&answer, &step);
            refused += 1;
        }
        // After a failure nobody has a successor yet; after a success the same pair comes again.
        let pair = world.refreshed(&client, &tokens.refresh, &[]).await;
        assert!(answer.status() != 200 || Tokens::of(&answer) == pair);
        assert_reads_alike(file, &world, &pair).await;
        tokens = pair;
    }
    assert!(refused > 5 && done > 5, "{refused} refused, {done} done");
    assert_sound(&world.storage).await;
}

fn log_length(file: &Path) -> u64 {
    fs::metadata(format!("{}-wal", file.display())).unwrap().len()
}

/// Whoever opens the file now sees what the app sees.
async fn assert_reads_alike(file: &Path, app: &World<AnyStorage>, tokens: &Tokens) {
    let other = world(AnyStorage::new(SqliteStorage::open(file).await.unwrap()));
    assert!(app.is_live(&tokens.access).await && other.is_live(&tokens.access).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_44_a_file_that_somebody_else_writes_to_is_waited_for_and_no_longer() {
    let folder = Folder::new();
    let file = folder.file("busy.db");
    let world = world(AnyStorage::new(SqliteStorage::open(&file).await.unwrap()));
    let mut everyone = Everyone::come(&world).await;
    let client = world.public_client().await;
    let token = world.tokens_of("erin", &client, &[]).await.access;
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    everyone.are_put_off_writing(&world).await;
    assert!(world.is_live(&token).await, "those who only look are served");
    other.execute_batch("ROLLBACK").unwrap();
    everyone.are_served(&world).await;
}
