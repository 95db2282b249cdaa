//! Puts what the last run of `cargo bench` found into the manual and the README:
//! `cargo bench --bench suite -- publish`.
//!
//! A document says where by a pair of comments, `<!-- NAME -->` and `<!-- /NAME -->`.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use grantor_benches::report::{REPORT, root};

/// The rows that the README shows: the bench, what it is, and the peer if there are several.
const IN_README: [(&str, &str, &str); 10] = [
    ("http", "guarded resource", "bare axum"),
    ("http", "metadata", "bare axum"),
    ("http", "introspection", "bare axum"),
    ("http", "client credentials", "oauth-as"),
    ("http", "exchange", "oauth-as"),
    ("http", "p99 while growing to 10⁶ tokens", "oauth-as"),
    ("rivals", "exchange of a code, Request → Response", "oauth-as"),
    ("rivals", "refresh, in process", "oauth-as"),
    ("capacity", "guard, 10⁷ live tokens", "10³"),
    ("footprint", "cold start to the first answer", ""),
];

const TABLES: [&str; 5] = ["allocations", "rivals", "capacity", "http", "footprint"];

type Problem = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match publish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn publish() -> Result<(), Problem> {
    let mut manual = vec![("machine", machine()?)];
    for name in TABLES {
        manual.push((name, table(name)?));
    }
    fill(&root().join("src/manual/performance.md"), &manual)?;
    fill(&root().join("README.md"), &[("figures", figures()?)])
}

fn table(name: &str) -> Result<String, Problem> {
    let file = root().join(REPORT).join(name).with_extension("md");
    fs::read_to_string(file).map_err(|error| format!("no figures of {name}: run `cargo bench` first ({error})").into())
}

/// The README's rows, without their goals.
fn figures() -> Result<String, Problem> {
    let mut table = "| | grantor | beside | ratio |\n|---|--:|---|--:|\n".to_owned();
    for (bench, what, peer) in IN_README {
        let rows = self::table(bench)?;
        let row = rows.lines().map(cells).find(
            |cells| matches!(cells.as_slice(), [said, _, of, ..] if said.starts_with(what) && of.starts_with(peer)),
        );
        let row = row.ok_or_else(|| format!("{bench} has no row {what:?} against {peer:?}"))?;
        let over = if bench == "http" { "HTTP: " } else { "" };
        table.push_str(&format!("| {over}{} |\n", row[..4].join(" | ")));
    }
    Ok(table)
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// What it ran on.
fn machine() -> Result<String, Problem> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    let rustc = Command::new("rustc").arg("--version").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let system = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let (rustc, system) = (rustc.trim(), system.trim());
    let place = if processors.contains(" hypervisor") { " in a virtual machine" } else { "" };
    Ok(format!("{model}, {cores} cores{place}; Linux {system}; {rustc}.\n"))
}

/// Replaces what is between the comments of each name.
fn fill(document: &Path, parts: &[(&str, String)]) -> Result<(), Problem> {
    let mut text = fs::read_to_string(document)?;
    for (name, part) in parts {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let place = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
        let (before, after) = place.ok_or_else(|| format!("{} has no place for {name}", document.display()))?;
        text = format!("{before}{begin}{part}{end}{after}");
    }
    fs::write(document, text)?;
    println!("{} is up to date", document.display());
    Ok(())
}
