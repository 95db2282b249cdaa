//! PostgreSQL for tests: the server that all share, and servers of their own for tests that kill them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The URL of the server that the tests share.
///
/// # Panics
/// If nobody says where it is.
pub fn shared_url() -> String {
    let url = std::env::var_os("GRANTOR_TEST_POSTGRES").and_then(|url| url.into_string().ok());
    url.unwrap_or_else(|| {
        panic!(
            "This test needs PostgreSQL. `./tests/run` starts one; or run `tests/postgres start DIR`, set \
             GRANTOR_TEST_POSTGRES to the URL that it prints, and end it with `tests/postgres stop DIR`."
        )
    })
}

/// The name of a schema that nobody uses, on whichever server and in whichever process.
pub fn fresh_schema() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("test_{:x}_{}_{number}", real_millis(), std::process::id())
}

#[allow(clippy::disallowed_methods, reason = "names differ from run to run")]
fn real_millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Waits until nobody else is connected to the server: what a killed app had sent is done then, or never will be.
///
/// # Panics
/// If others stay.
#[cfg(feature = "postgres")]
pub async fn wait_until_alone(url: &str) {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    for _ in 0..500 {
        let others =
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let others: i64 = sqlx::query_scalar(others).fetch_one(&mut connection).await.unwrap();
        if others == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("somebody else stays connected to the server");
}

/// A server of its own, which ends with this value.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    url: String,
}

impl Cluster {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("grantor-{}", fresh_schema()));
        let url = script("start", &folder);
        assert!(url.starts_with("postgres://"), "{url:?}");
        Self { folder, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the server keeps its files.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the server has to say.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Kills all its processes at once, as `kill -9` does.
    pub fn kill(&self) {
        script("kill", &self.folder);
    }

    /// Ends it as an administrator would; [`restart`](Self::restart) goes on with its data.
    pub fn halt(&self) {
        script("halt", &self.folder);
    }

    /// Starts it again, at the same URL.
    pub fn restart(&self) {
        assert_eq!(script("restart", &self.folder), self.url, "it has the same port again");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script("stop", &self.folder);
    }
}

fn script(action: &str, folder: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    let mut command = Command::new(script);
    // In a group of its own, it ends in order when a terminal interrupts the tests.
    command.arg(action).arg(folder).process_group(0);
    let output = command.output().expect("tests/postgres runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/postgres {action}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// All that is in a schema, as SQL.
///
/// # Panics
/// If there is no `pg_dump`.
pub fn dump(url: &str, schema: &str) -> String {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres"))
        .args(["dump", url, schema])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder for one test, which goes with this value.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("grantor-{}", fresh_schema()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
