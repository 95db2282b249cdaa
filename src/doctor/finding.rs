//! What is found, and how much it matters.

use serde::Serialize;

use super::clients::KnownClient;

/// What a finding means for the clients that it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// They do not connect.
    Fails,
    /// They connect, by a detour or not for long, or some versions of them do not.
    Degraded,
    /// They connect; it should be changed all the same.
    Advice,
}

/// One thing that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its name, which is stable, such as `several_challenges`.
    pub name: &'static str,
    /// What it means for those clients.
    pub severity: Severity,
    /// Whom it concerns, in the order of [`KnownClient`].
    pub clients: Vec<KnownClient>,
    /// What is wrong, as a clause.
    pub wrong: &'static str,
    /// What was seen: each a line of printable ASCII, and none with a secret.
    pub seen: Vec<String>,
    /// What to change; where there is a call of grantor that does it, that call.
    pub change: &'static str,
    /// Where it is specified, if it is.
    pub section: &'static str,
    /// What the clients do then, where that is not plain from what is wrong.
    #[serde(skip)]
    pub(super) meaning: Option<&'static str>,
}

/// Something that may be wrong. Those of one concern stand at the top of its file.
pub(super) struct Rule {
    pub(super) name: &'static str,
    severity: Severity,
    clients: &'static [KnownClient],
    wrong: &'static str,
    change: &'static str,
    section: &'static str,
    meaning: Option<&'static str>,
}

impl Rule {
    pub(super) const fn fails(name: &'static str, clients: &'static [KnownClient], wrong: &'static str) -> Self {
        Self { name, severity: Severity::Fails, clients, wrong, change: "", section: "", meaning: None }
    }

    pub(super) const fn degrades(name: &'static str, clients: &'static [KnownClient], wrong: &'static str) -> Self {
        Self { severity: Severity::Degraded, ..Self::fails(name, clients, wrong) }
    }

    pub(super) const fn advises(name: &'static str, clients: &'static [KnownClient], wrong: &'static str) -> Self {
        Self { severity: Severity::Advice, ..Self::fails(name, clients, wrong) }
    }

    pub(super) const fn change(self, change: &'static str, section: &'static str) -> Self {
        Self { change, section, ..self }
    }

    /// What the clients do then: "would register anew at each connection". For an advice: what has to be done first.
    pub(super) const fn meaning(self, meaning: &'static str) -> Self {
        Self { meaning: Some(meaning), ..self }
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

/// The most lines of what was seen, for one finding.
const LINES: usize = 8;

impl Findings {
    /// It is wrong for all that the rule names.
    pub(super) fn add(&mut self, rule: &'static Rule, seen: impl Into<String>) {
        self.add_for(rule, rule.clients, seen);
    }

    /// It is wrong for these.
    pub(super) fn add_for(&mut self, rule: &'static Rule, clients: &[KnownClient], seen: impl Into<String>) {
        let at = self.0.iter().position(|finding| finding.name == rule.name).unwrap_or_else(|| {
            self.0.push(Finding {
                name: rule.name,
                severity: rule.severity,
                clients: Vec::new(),
                wrong: rule.wrong,
                seen: Vec::new(),
                change: rule.change,
                section: rule.section,
                meaning: rule.meaning,
            });
            self.0.len() - 1
        });
        let Some(finding) = self.0.get_mut(at) else { return };
        finding.clients.extend(clients);
        finding.clients.sort_unstable();
        finding.clients.dedup();
        let seen = seen.into();
        if finding.seen.len() < LINES && !finding.seen.contains(&seen) {
            finding.seen.push(seen);
        }
    }

    /// The worst first, and otherwise as they came.
    pub(super) fn into_list(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.severity);
        self.0
    }
}
