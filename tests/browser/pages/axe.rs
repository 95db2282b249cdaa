//! axe-core, the accessibility checker: <https://github.com/dequelabs/axe-core>.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::chrome::{Chrome, under_target};

/// The checker's script, installed by npm on its first use.
pub(crate) fn source() -> String {
    let directory = under_target("axe");
    let script = directory.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        let installed = Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "axe-core@4", "--prefix"])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("npm starts");
        assert!(installed.success(), "npm installs axe-core");
    }
    fs::read_to_string(script).expect("axe-core has its script")
}

/// What the checker holds against the page that is open.
pub(crate) async fn violations(browser: &Chrome, axe: &str) -> Vec<String> {
    browser.execute(axe, Vec::new()).await.unwrap();
    let run = "const done = arguments[arguments.length - 1]; \
               axe.run(document).then(found => done(found.passes.length > 9 ? found.violations : [{ id: 'few checks', nodes: [] }]), error => done([{ id: String(error), nodes: [] }]))";
    let found: Vec<Value> = browser.execute_async(run, Vec::new()).await.unwrap().convert().unwrap();
    found.iter().map(described).collect()
}

fn described(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().into_iter().flatten();
    let nodes: Vec<_> = nodes.map(|node| format!("{} {}", node["html"], node["failureSummary"])).collect();
    format!("{} ({}): {}", violation["id"], violation["help"], nodes.join("; "))
}
