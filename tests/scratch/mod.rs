//! Folders for the files of one test.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new folder that goes with all that is in it.
pub struct Folder {
    path: PathBuf,
    files: AtomicU32,
}

impl Folder {
    pub fn new(name: &str) -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self { path, files: AtomicU32::new(0) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file that is not there yet.
    pub fn fresh(&self) -> PathBuf {
        self.path.join(format!("{}.db", self.files.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
