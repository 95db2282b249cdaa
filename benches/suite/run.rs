//! `cargo bench --bench suite`: builds the package beside this file, which brings the rivals, and runs its benches, or
//! the one that is named: `cargo bench --bench suite -- capacity`. What a whole run found goes into the manual and the
//! README by `cargo bench --bench suite -- publish`.

#![allow(clippy::disallowed_methods, reason = "it starts programs that measure time")]

use std::path::Path;
use std::process::{Command, ExitCode};

const PUBLISH: &str = "publish";
const BENCHES: [&str; 6] = ["instructions", "allocations", "rivals", "capacity", "http", "footprint"];

fn main() -> ExitCode {
    // Cargo says `--bench` to every bench.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let named = arguments.next();
    if let Some(unknown) = named.as_deref().filter(|name| !BENCHES.contains(name) && *name != PUBLISH) {
        eprintln!("there is no bench {unknown}: take one of {}, or {PUBLISH}", BENCHES.join(", "));
        return ExitCode::FAILURE;
    }
    let arguments: Vec<_> = arguments.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = match named.as_deref() {
        Some(named) => vec![named],
        None => {
            let _ = std::fs::remove_dir_all(root.join("target/report"));
            BENCHES.to_vec()
        }
    };
    // One that fails keeps none of the others from running.
    let failed = wanted.iter().filter(|bench| !run(root, bench, named.is_none(), &arguments)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(root: &Path, bench: &str, is_whole_run: bool, arguments: &[String]) -> bool {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--locked", "--bin", bench, "--manifest-path"])
        .arg(root.join("benches/suite/Cargo.toml"))
        .arg("--")
        .args(arguments)
        // By that word criterion knows that it is to measure.
        .args((bench == "rivals").then_some("--bench"))
        .env("CARGO_TARGET_DIR", root.join("target/suite"))
        // Its rows are then kept to be published.
        .envs(is_whole_run.then_some(("GRANTOR_BENCHES_WHOLE_RUN", "yes")))
        .status();
    status.is_ok_and(|status| status.success())
}
