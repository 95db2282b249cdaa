//! The rows of a bench: printed with a verdict each, and left to be published by a whole run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the rows of a whole run are, in the repository.
pub const REPORT: &str = "target/report";
/// The variable that a whole run sets.
const WHOLE: &str = "GRANTOR_BENCHES_WHOLE_RUN";

/// What a row must be to meet its goal.
#[derive(Clone, Copy)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is shown for what it is.
    None,
}

impl Goal {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(goal) => value <= goal,
            Self::AtLeast(goal) => value >= goal,
            Self::None => true,
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        match (self, self.is_met_by(value)) {
            (Self::None, _) => "",
            (_, true) => "met",
            (_, false) => "MISSED",
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(goal) => format!("≤ {goal} {unit}"),
            Self::AtLeast(goal) => format!("≥ {goal} {unit}"),
            Self::None => String::new(),
        }
    }
}

/// A figure and its unit, as "6.4 µs".
#[derive(Clone, Copy)]
pub struct Figure(pub f64, pub &'static str);

impl Figure {
    fn text(self) -> String {
        let Self(value, unit) = self;
        let digits = if value >= 100.0 || value.fract() == 0.0 { 0 } else { 2 };
        format!("{value:.digits$} {unit}")
    }
}

struct Row {
    what: String,
    ours: String,
    peer: String,
    result: f64,
    unit: &'static str,
    goal: Goal,
}

/// The rows of one bench.
pub struct Report {
    name: &'static str,
    title: &'static str,
    rows: Vec<Row>,
}

impl Report {
    /// `name` is that of the bench, `title` says what its rows are.
    pub const fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, rows: Vec::new() }
    }

    /// A figure of grantor against that of a peer in the same run, in the same unit.
    pub fn ratio(&mut self, what: impl Into<String>, ours: Figure, peer: (&str, Figure), goal: Goal) {
        self.rows.push(Row {
            what: what.into(),
            ours: ours.text(),
            peer: format!("{}: {}", peer.0, peer.1.text()),
            result: ours.0 / peer.1.0,
            unit: "×",
            goal,
        });
    }

    /// A figure that stands for itself.
    pub fn figure(&mut self, what: impl Into<String>, ours: Figure, goal: Goal) {
        let Figure(result, unit) = ours;
        self.rows.push(Row { what: what.into(), ours: ours.text(), peer: String::new(), result, unit, goal });
    }

    /// Prints the rows, and leaves them where they are published from.
    pub fn finish(self) {
        println!("\n{}", self.title);
        let mut table =
            format!("### {}\n\n| | grantor | peer | ratio | goal | |\n|---|--:|---|--:|--:|---|\n", self.title);
        for Row { what, ours, peer, result, unit, goal } in self.rows {
            let ratio = if peer.is_empty() { String::new() } else { format!("{result:.2} {unit}") };
            let (verdict, goal) = (goal.verdict(result), goal.text(unit));
            println!("  {what:<62} {ours:>12}  {peer:<32} {ratio:>8}  {goal:<10} {verdict}");
            let _ = writeln!(table, "| {what} | {ours} | {peer} | {ratio} | {goal} | {verdict} |");
        }
        // What is published is of one run: one bench alone leaves nothing.
        if std::env::var_os(WHOLE).is_none() {
            return;
        }
        let folder = root().join(REPORT);
        let written =
            fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(self.name).with_extension("md"), table));
        if let Err(error) = written {
            eprintln!("the rows cannot be kept in {}: {error}", folder.display());
        }
    }
}

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The middle one of some figures.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
