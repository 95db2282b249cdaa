//! What is wrong with what was seen. Nothing here asks anything: one file for each concern, with its rules on top.

pub(super) mod challenge;
mod cors;
mod discovery;
mod endpoints;
mod registration;
mod resource;
mod server;
mod time;

use http::StatusCode;

use super::clients::{ALL, KnownClient};
use super::finding::{Finding, Findings, Rule};
use super::observed::{Exchange, Observations};

static NO_ANSWER: Rule = Rule::fails("no_answer", ALL, "there is no answer, or none that can be read")
    .change("See that the address is right, that it is reachable from outside, and what the app's log says.", "");
static CUT_SHORT: Rule =
    Rule::advises("cut_short", ALL, "the answers took so long that not everything was asked; the rest is not known")
        .change("Find out what is slow, and ask again.", "");

/// The status of an answer. That there is none is said, unless nobody asked for it.
fn status_of(exchange: &Exchange, clients: &[KnownClient], findings: &mut Findings) -> Option<StatusCode> {
    let status = exchange.status();
    if status.is_none() && exchange.was_asked {
        findings.add_for(&NO_ANSWER, clients, exchange.seen());
    }
    status
}

/// All that is wrong, the worst first.
pub(super) fn judge(seen: &Observations) -> Vec<Finding> {
    let mut findings = Findings::default();
    challenge::judge(&seen.resource, &mut findings);
    resource::judge(seen, &mut findings);
    discovery::judge(seen, &mut findings);
    server::judge(seen, &mut findings);
    endpoints::judge(&seen.endpoints, &mut findings);
    registration::judge(seen, &mut findings);
    cors::judge(seen, &mut findings);
    time::judge(seen, &mut findings);
    if seen.was_cut_short {
        findings.add(&CUT_SHORT, "");
    }
    findings.into_list()
}
