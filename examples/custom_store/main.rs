//! A store of your own, in the database that your app has anyway: `cargo run --example custom_store`.
//!
//! `store/` is the store: `schema.sql` its tables, `operations.rs` what must be atomic. This file is the proof:
//! the conformance kit, which you run over yours in the same few lines. `grantor::manual::storage` goes
//! through it step by step.

#![allow(clippy::expect_used, reason = "a proof may fail loudly; nothing in `store` does")]

mod store;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use grantor::storage::testkit::{self, Yielding};
use rusqlite::Connection;

use crate::store::AppStorage;

/// The app's database, with a table of the app's own, in memory or in a file.
fn app_database(file: Option<&Path>) -> Result<AppStorage, Box<dyn Error>> {
    let connection = file.map_or_else(Connection::open_in_memory, Connection::open)?;
    connection
        .execute_batch("CREATE TABLE note (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, text TEXT NOT NULL)")?;
    Ok(AppStorage::new(connection)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("The conformance kit over the store of this example; it ends at the first invariant that is broken.");

    // Each invariant gets an empty store of its own.
    testkit::run_all(|| async { app_database(None).expect("a database in memory") }).await;
    println!("in memory: all invariants hold");

    // This one widens the gaps in which a race goes wrong.
    testkit::run_all(|| async { Yielding::new(app_database(None).expect("a database in memory")) }).await;
    println!("in memory, where every call gives way to others: all invariants hold");

    let (folder, files) = (Folder::new()?, AtomicU32::new(0));
    testkit::run_all(|| async {
        let file = folder.0.join(format!("{}.db", files.fetch_add(1, Ordering::Relaxed)));
        app_database(Some(&file)).expect("a database in a file")
    })
    .await;
    println!("in a file, where every commit waits for the disk: all invariants hold");
    Ok(())
}

/// A folder that is there as long as this is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("grantor-custom-store-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}
