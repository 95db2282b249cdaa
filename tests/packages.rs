//! What a user without features gets: few packages, and no runtime, web framework or database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

const PAGE: &str = include_str!("../src/manual/features.md");
const AT_MOST: usize = 60;
const NEVER: &[&str] = &["tokio", "hyper", "axum", "actix", "sqlx", "askama", "tower", "rusqlite"];

#[test]
fn without_features_there_are_few_packages() {
    let packages = packages();
    for never in NEVER {
        let found = packages.iter().find(|package| is_of(package, never));
        assert!(found.is_none(), "without features there must be no {never}, but there is {found:?}");
    }
    // Written past the capture of the test harness, so that every run shows the number.
    writeln!(std::io::stdout(), "packages without features: {} (at most {AT_MOST})", packages.len()).unwrap();
    assert!(packages.len() <= AT_MOST, "{packages:#?}");
}

/// The page that says what each feature costs is right about the packages: `benches/features` makes its table.
#[test]
fn the_page_of_features_says_how_many_packages_each_brings() {
    let manifest = include_str!("../Cargo.toml");
    let features = manifest.split("[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| !name.starts_with('#') && !["default", "https"].contains(name)).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in ["none"].into_iter().chain(names) {
        let feature = if name == "none" { "" } else { name };
        let row = format!("| {name} | {} |", packages_of(feature, "normal,build").len());
        assert!(PAGE.lines().any(|line| line.starts_with(&row)), "the page has no row {row:?}");
    }
}

/// Name and version of every package of a build without features, grantor itself excluded.
fn packages() -> BTreeSet<String> {
    packages_of("", "normal")
}

fn packages_of(features: &str, edges: &str) -> BTreeSet<String> {
    // Whatever built this test has fetched everything, so no network is needed.
    let arguments = ["tree", "--offline", "--no-default-features", "--features", features];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["-e", edges, "--prefix", "none", "--no-dedupe"])
        .args(["--color", "never"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packages: BTreeSet<_> = text.lines().filter_map(package).collect();
    assert!(packages.iter().any(|package| is_of(package, "serde")), "this is no tree: {text}");
    packages.into_iter().filter(|package| !is_of(package, env!("CARGO_PKG_NAME"))).collect()
}

/// `serde v1.0.229` of a line such as `serde v1.0.229 (proc-macro) (*)`.
fn package(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}

/// Whether a package is `name` or one of its parts, as `tower-layer` is of `tower`.
fn is_of(package: &str, name: &str) -> bool {
    package.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '-']))
}
