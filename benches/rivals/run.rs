//! `cargo bench --bench rivals`: builds the package beside this file, which brings the rivals, and runs it.

#![allow(clippy::disallowed_methods, reason = "it starts a program that measures time")]

use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments = std::env::args().skip(1);
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(root.join("benches/rivals/Cargo.toml"))
        .arg("--")
        .args(arguments)
        // Cargo gives its own choices on to what it runs.
        .env("CARGO_TARGET_DIR", root.join("target/rivals"))
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
