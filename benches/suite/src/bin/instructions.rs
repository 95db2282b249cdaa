//! How many instructions the hottest operations take, as multiples of one SHA-256: `cargo bench --bench suite --
//! instructions`, and in the gate.
//!
//! Counted by callgrind, so that neither load nor clock speed matters. A ratio that is 10 % above the one in
//! `instructions.txt` is a failure; `-- instructions --accept` writes that file anew.
//!
//! Valgrind runs the SHA-256 of ring for AVX, which takes about ten times the instructions of a processor's own. So the
//! ratios say how one state of the code compares with another, and nothing of times. They were taken on x86-64 with
//! AVX2; on other processors they differ, and nothing is judged.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use grantor_benches::ours::Ours;
use grantor_benches::report::root;

const OPERATIONS: [&str; 6] = ["SHA-256", "guard", "exchange", "refresh", "client_credentials", "introspection"];

/// So often is an operation run while it is counted.
const TIMES: usize = 2_000;
/// So much more than accepted is a failure.
const TOLERANCE: f64 = 1.10;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    if OPERATIONS.contains(&argument.as_str()) {
        run(&argument);
        return ExitCode::SUCCESS;
    }
    if !is_comparable() {
        println!("instructions: this processor has no AVX2, nothing is judged");
        return ExitCode::SUCCESS;
    }
    let [hash, operations @ ..] = OPERATIONS;
    let hash = instructions(hash);
    println!("instructions: one SHA-256 takes {hash:.0}");
    let ratios: Vec<_> = operations.iter().map(|name| (*name, instructions(name) / hash)).collect();
    if argument == "--accept" {
        let lines: String = ratios.iter().map(|(name, ratio)| format!("{name} {ratio:.2}\n")).collect();
        fs::write(file(), lines).unwrap();
    }
    judge(&ratios)
}

fn is_comparable() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

fn file() -> PathBuf {
    root().join("benches/suite/instructions.txt")
}

fn judge(ratios: &[(&str, f64)]) -> ExitCode {
    let accepted = fs::read_to_string(file()).unwrap();
    let mut all_met = true;
    for (name, ratio) in ratios {
        let line = accepted.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let limit: f64 = line.expect("every operation has a ratio in instructions.txt").parse().unwrap();
        let is_met = *ratio <= limit * TOLERANCE;
        all_met &= is_met;
        let word = if is_met { "ok" } else { "MORE THAN ACCEPTED" };
        println!("instructions: {name:<20} {ratio:>6.2} × SHA-256, accepted {limit:>6.2} × {word}");
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The instructions of one run of an operation, by callgrind.
fn instructions(operation: &str) -> f64 {
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=instructions::counted"])
        .arg(std::env::current_exe().unwrap())
        .arg(operation)
        .output()
        .expect("valgrind is needed: on Debian it is the package valgrind");
    let said = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    collected.trim().parse::<f64>().unwrap() / TIMES as f64
}

/// What is counted: everything below this function.
#[inline(never)]
fn counted(operation: &mut dyn FnMut()) {
    operation();
}

fn repeat<T>(mut prepare: impl FnMut() -> T, mut operation: impl FnMut(T)) {
    // What happens once in the life of a server is over by then.
    for _ in 0..100 {
        operation(prepare());
    }
    for _ in 0..TIMES {
        let mut ready = Some(prepare());
        counted(&mut || operation(ready.take().unwrap()));
    }
}

fn run(operation: &str) {
    let ours = Ours::new();
    let handle = |request| drop(black_box(ours.handle(request)));
    match operation {
        "SHA-256" => repeat(
            || [7_u8; 32],
            |secret| {
                black_box(ring::digest::digest(&ring::digest::SHA256, &secret));
            },
        ),
        "guard" => repeat(|| ours.shows(&ours.token()), |request| ours.guards(&request)),
        "exchange" => repeat(|| ours.redeems(), handle),
        "refresh" => repeat(|| ours.refreshes(), handle),
        "client_credentials" => repeat(|| Ours::client_credentials(), handle),
        "introspection" => {
            let token = ours.token();
            repeat(|| ours.introspects(&token), handle);
        }
        unknown => panic!("there is no operation {unknown}"),
    }
}
