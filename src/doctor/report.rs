//! The report.

use std::fmt;

use serde::Serialize;

use super::clients::ALL;
use super::finding::{Finding, Severity};
use super::judge::judge;
use super::observed::Observations;
use super::seen::inert;
use super::verdict::{Outcome, Verdict, verdict};

/// What an examination found. `Display` prints it for a terminal, `Serialize` for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The URL of the endpoint, as it was given.
    pub url: String,
    /// Whether each client was registered as well.
    pub registered: bool,
    /// What each client would do.
    pub verdicts: Vec<Verdict>,
    /// What is to be changed, the worst first.
    pub findings: Vec<Finding>,
}

/// The longest line, where words allow it.
const WIDTH: usize = 100;

impl Report {
    pub(super) fn of(seen: &Observations, registered: bool) -> Self {
        let findings = judge(seen);
        let server = seen.server.as_ref().and_then(|server| server.metadata()).map(|(_, _, document)| document);
        let verdicts = ALL.iter().map(|client| verdict(*client, &findings, server.as_ref())).collect();
        Self { url: seen.url.clone(), registered, verdicts, findings }
    }

    /// Whether no client fails.
    #[must_use]
    pub fn all_connect(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.outcome != Outcome::Fails)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", inert(&self.url))?;
        for verdict in &self.verdicts {
            let sign = match verdict.outcome {
                Outcome::Connects => '+',
                Outcome::Degraded => '~',
                Outcome::Fails => '-',
            };
            wrapped(f, &format!("{sign} {:<14}", verdict.client), &verdict.text)?;
        }
        for finding in &self.findings {
            show(f, finding)?;
        }
        if !self.registered {
            writeln!(f, "\nNo client was registered, so what comes of each one's own registration was not seen.")?;
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let severity = match finding.severity {
        Severity::Fails => "FAILS",
        Severity::Degraded => "DEGRADED",
        Severity::Advice => "ADVICE",
    };
    let whom = if finding.clients == ALL {
        "all clients".to_owned()
    } else {
        finding.clients.iter().map(|client| client.name()).collect::<Vec<_>>().join(", ")
    };
    writeln!(f, "\n{severity} {} ({whom})", finding.name)?;
    wrapped(f, "  wrong:  ", finding.wrong)?;
    for seen in finding.seen.iter().filter(|seen| !seen.is_empty()) {
        writeln!(f, "  seen:   {seen}")?;
    }
    wrapped(f, "  change: ", finding.change)?;
    if !finding.section.is_empty() {
        writeln!(f, "  see:    {}", finding.section)?;
    }
    Ok(())
}

/// A text behind a label, in lines that begin under one another.
fn wrapped(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    f.write_str(label)?;
    let mut column = label.len();
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 && column + 1 + word.len() > WIDTH {
            write!(f, "\n{:1$}", "", label.len())?;
            column = label.len();
        } else if at > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += word.len();
    }
    writeln!(f)
}
