//! How long answers took.

use std::time::Duration;

use crate::doctor::clients::{ALL, KnownClient};
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Exchange, Observations, Ways};

/// Claude gives up then.
const LIMIT: Duration = Duration::from_secs(10);
const NOTEWORTHY: Duration = Duration::from_secs(3);

static TOO_SLOW: Rule =
    Rule::fails("too_slow", &[KnownClient::Claude], "an answer takes ten seconds, and it gives up then")
        .change("Answer faster: keep the app awake, and its store close.", "");
static SLOW: Rule = Rule::advises("slow", ALL, "an answer takes seconds; some clients give up after ten in all")
    .change("Answer faster: keep the app awake, and its store close.", "");

pub(super) fn judge(seen: &Observations, findings: &mut Findings) {
    for exchange in all(seen) {
        let took = exchange.seen_with(&format!("{} ms", exchange.took.as_millis()));
        if exchange.took >= LIMIT {
            findings.add(&TOO_SLOW, took);
        } else if exchange.took >= NOTEWORTHY {
            findings.add(&SLOW, took);
        }
    }
}

/// What clients wait for.
fn all(seen: &Observations) -> Vec<&Exchange> {
    let resource = &seen.resource;
    let mut all = vec![&resource.plain, &resource.initialize, &resource.wrong_token];
    all.extend(resource.documents.iter().map(|(_, exchange)| exchange));
    all.extend(seen.server.iter().flat_map(|server| &server.documents).map(|(_, exchange)| exchange));
    let ways = [&seen.resource_ways, &seen.server_ways].into_iter().flatten();
    all.extend(ways.flat_map(|Ways { head, options, from_page, preflight }| [head, options, from_page, preflight]));
    let endpoints = &seen.endpoints;
    all.extend(endpoints.authorize.iter().map(|authorize| &authorize.unknown_client));
    all.extend(endpoints.token.iter().flat_map(|token| [&token.unknown_client, &token.dead_refresh_token]));
    all.extend(endpoints.with_documents.iter().map(|(_, exchange)| exchange));
    for registered in &endpoints.registered {
        all.push(&registered.registration);
        all.extend(registered.authorize.iter().chain(&registered.for_origin));
    }
    all
}
