//! The examples as programs.

use std::process::{Command, Stdio};

use serde_json::Value;

/// Builds an example and gives the path of its program: cargo hands a test those of the package's programs, but not
/// of its examples.
pub fn executable(name: &str, features: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    // Build scripts look at what cargo tells this test of its package, and would build half of the dependencies anew.
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")).for_each(|name| {
        cargo.env_remove(name);
    });
    let built = cargo
        .args(["build", "--quiet", "--example", name, "--message-format=json"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(built.status.success(), "{name} builds");
    let messages = String::from_utf8(built.stdout).expect("cargo speaks JSON");
    let mut artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = artifacts.find_map(|artifact| {
        let is_ours = artifact["target"]["name"] == name;
        artifact["executable"].as_str().filter(|_| is_ours).map(str::to_owned)
    });
    path.expect("cargo names the executable")
}
