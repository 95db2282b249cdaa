//! What was measured, as ratios, each with its goal.

use std::fs;
use std::path::PathBuf;

use grantor_benches::report::{Figure, Goal, Report};

/// A bench of this run: its group and its name.
type Bench = (&'static str, &'static str);

struct Row {
    what: &'static str,
    ours: Bench,
    peer: (&'static str, Bench),
    goal: Goal,
}

const fn row(what: &'static str, ours: Bench, peer: (&'static str, Bench), goal: Goal) -> Row {
    Row { what, ours, peer, goal }
}

const OAUTH_AS: &str = "oauth-as, in process";

const SERVICE: &str = "oauth-as, its service";

const ROWS: [Row; 12] = [
    row(
        "exchange of a code, in process",
        ("exchange", "ours in process"),
        (OAUTH_AS, ("exchange", "oauth-as")),
        Goal::AtMost(0.6),
    ),
    row(
        "exchange of a code, Request → Response",
        ("exchange", "ours"),
        (SERVICE, ("exchange", "oauth-as by its service")),
        Goal::AtMost(0.6),
    ),
    row("the same, the peer in process", ("exchange", "ours"), (OAUTH_AS, ("exchange", "oauth-as")), Goal::None),
    row(
        "the same, without PKCE at the peer",
        ("exchange", "ours"),
        ("oxide-auth, in process", ("exchange", "oxide-auth")),
        Goal::None,
    ),
    row(
        "authorize and exchange, in process",
        ("authorize and exchange", "ours in process"),
        (OAUTH_AS, ("authorize and exchange", "oauth-as")),
        Goal::AtMost(0.6),
    ),
    row(
        "authorize and exchange, Request → Response",
        ("authorize and exchange", "ours"),
        (OAUTH_AS, ("authorize and exchange", "oauth-as")),
        Goal::None,
    ),
    row("refresh, in process", ("refresh", "ours in process"), (OAUTH_AS, ("refresh", "oauth-as")), Goal::AtMost(0.6)),
    row("refresh, Request → Response", ("refresh", "ours"), (OAUTH_AS, ("refresh", "oauth-as")), Goal::None),
    row(
        "client credentials, in process",
        ("client credentials", "ours in process"),
        (OAUTH_AS, ("client credentials", "oauth-as")),
        Goal::None,
    ),
    row(
        "client credentials, Request → Response",
        ("client credentials", "ours"),
        (OAUTH_AS, ("client credentials", "oauth-as")),
        Goal::None,
    ),
    row(
        "guard, all checks, hashed at rest, 10³ live tokens",
        ("guard", "ours"),
        ("SHA-256 of the secret", ("guard", "SHA-256")),
        Goal::AtMost(2.5),
    ),
    row(
        "the same, the peer without hashing and audience",
        ("guard", "ours"),
        ("oauth-as with one token", ("guard", "oauth-as")),
        Goal::None,
    ),
];

/// The median of a bench of this run, in nanoseconds.
fn median((group, name): Bench) -> Option<f64> {
    let home: PathBuf = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let file = home.join("criterion").join(group).join(name).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

pub(crate) fn print() {
    let mut report = Report::new("rivals", "In process, one thread, the store in memory");
    for Row { what, ours, peer, goal } in ROWS {
        let (Some(ours), Some(theirs)) = (median(ours), median(peer.1)) else { continue };
        report.ratio(what, Figure(ours, "ns"), (peer.0, Figure(theirs, "ns")), goal);
    }
    report.finish();
}
