//! What was measured, as ratios, each with its goal.

use std::fs;
use std::path::PathBuf;

/// The median of a bench of this run, in nanoseconds.
fn median(group: &str, name: &str) -> Option<f64> {
    let home: PathBuf = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let clean = |text: &str| text.replace('/', "_");
    let file = home.join("criterion").join(clean(group)).join(clean(name)).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

struct Row {
    what: &'static str,
    of: (&'static str, &'static str),
    against: (&'static str, &'static str),
    goal: f64,
}

const ROWS: [Row; 9] = [
    row(
        "exchange of a code, Request → Response, against oauth-as in process",
        ("exchange", "ours"),
        ("exchange", "oauth-as"),
        0.6,
    ),
    row("the same, both Request → Response", ("exchange", "ours"), ("exchange", "oauth-as by its service"), 0.6),
    row("the same, against oxide-auth in process, without PKCE", ("exchange", "ours"), ("exchange", "oxide-auth"), 0.6),
    row(
        "authorize and exchange, against oauth-as in process",
        ("authorize and exchange", "ours"),
        ("authorize and exchange", "oauth-as"),
        0.6,
    ),
    row("refresh, against oauth-as in process", ("refresh", "ours"), ("refresh", "oauth-as"), 0.6),
    row(
        "client credentials, against oauth-as in process",
        ("client credentials", "ours"),
        ("client credentials", "oauth-as"),
        1.0,
    ),
    row(
        "guard at 1,000 live tokens, against SHA-256 of the token",
        ("guard", "few"),
        ("guard", "SHA-256 of a token"),
        2.5,
    ),
    row("guard at 1,000,000 live tokens, against 1,000", ("guard", "many"), ("guard", "few"), 3.0),
    row("guard at 1,000 live tokens, against oauth-as with one", ("guard", "few"), ("guard", "oauth-as"), 1.0),
];

const fn row(
    what: &'static str,
    of: (&'static str, &'static str),
    against: (&'static str, &'static str),
    goal: f64,
) -> Row {
    Row { what, of, against, goal }
}

pub(crate) fn print() {
    println!("\n{:<72} {:>9} {:>9} {:>8}   goal", "medians", "ours", "peer", "ratio");
    for Row { what, of, against, goal } in ROWS {
        let (Some(ours), Some(peer)) = (median(of.0, of.1), median(against.0, against.1)) else { continue };
        let ratio = ours / peer;
        let word = if ratio <= goal { "met" } else { "MISSED" };
        println!("{what:<72} {ours:>6.0} ns {peer:>6.0} ns {ratio:>6.2} ×   ≤ {goal} × {word}");
    }
}
