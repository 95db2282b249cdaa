//! What each client would do.

use serde::Serialize;

use super::clients::KnownClient;
use super::finding::{Finding, Severity};
use super::observed::Document;

/// What one client would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The client.
    pub client: KnownClient,
    /// Whether it connects.
    pub outcome: Outcome,
    /// The same in plain words: "connects, with its metadata document".
    pub text: String,
}

/// Whether a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It connects.
    Connects,
    /// It connects, by a detour or not for long, or some of its versions do not.
    Degraded,
    /// It does not connect.
    Fails,
}

/// What a client would do, after all that was found; `server` is the metadata of the authorization server.
pub(super) fn verdict(client: KnownClient, findings: &[Finding], server: Option<&Document>) -> Verdict {
    let own = |severity| {
        let own = findings.iter().filter(move |finding| finding.clients.contains(&client));
        own.filter(move |finding| finding.severity == severity)
    };
    let (outcome, text) = if let Some(worst) = own(Severity::Fails).next() {
        (Outcome::Fails, format!("fails: {}{}", worst.wrong, and_more(own(Severity::Fails).count())))
    } else if let Some(worst) = own(Severity::Degraded).next() {
        let text = match worst.meaning {
            Some(meaning) => format!("{meaning}, since {}", worst.wrong),
            None => format!("{}, but {}", connects(client, server), worst.wrong),
        };
        (Outcome::Degraded, format!("{text}{}", and_more(own(Severity::Degraded).count())))
    } else {
        let condition = own(Severity::Advice).find_map(|advice| advice.meaning);
        let condition = condition.map(|condition| format!(", {condition}")).unwrap_or_default();
        (Outcome::Connects, format!("{}{condition}", connects(client, server)))
    };
    Verdict { client, outcome, text }
}

fn and_more(count: usize) -> String {
    if count > 1 { format!("; and {} more", count - 1) } else { String::new() }
}

fn connects(client: KnownClient, server: Option<&Document>) -> &'static str {
    let has = client.habits().has_document;
    match server.is_some_and(|server| server.flag("client_id_metadata_document_supported")) && has {
        true => "connects, with its metadata document",
        false => "connects, and registers itself",
    }
}
