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
        judge_one(exchange, findings);
    }
}

fn judge_one(exchange: &Exchange, findings: &mut Findings) {
    let took = exchange.seen_with(&format!("{} ms", exchange.took.as_millis()));
    if exchange.took >= LIMIT {
        findings.add(&TOO_SLOW, took);
    } else if exchange.took >= NOTEWORTHY {
        findings.add(&SLOW, took);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_noteworthy_and_ten_are_too_much() {
        for (milliseconds, found) in
            [(0, None), (2999, None), (3000, Some("slow")), (9999, Some("slow")), (10_000, Some("too_slow"))]
        {
            let mut findings = Findings::default();
            let exchange = Exchange {
                method: http::Method::GET,
                url: "https://app.example/mcp".to_owned(),
                outcome: Ok(http::Response::default()),
                took: Duration::from_millis(milliseconds),
                was_asked: true,
            };
            judge_one(&exchange, &mut findings);
            let list = findings.into_list();
            assert_eq!(list.first().map(|finding| finding.name), found, "{milliseconds}");
        }
    }
}
