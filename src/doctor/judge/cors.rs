//! What pages of other origins may do: clients that run in a browser, such as the MCP Inspector.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName,
};

use super::status_of;
use crate::doctor::clients::{ALL, KnownClient};
use crate::doctor::examine::PAGE;
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Exchange, Observations};

const IN_PAGES: &[KnownClient] = &[KnownClient::Inspector];
const LEFT_TO_GRANTOR: &str = "Leave CORS to grantor, whose endpoints and guards answer preflights themselves: have no \
    CORS layer of your own around them, and no proxy that answers `OPTIONS`.";

static SHUT_OUT: Rule = Rule::fails(
    "pages_shut_out",
    IN_PAGES,
    "it runs in a page, and pages of other origins may not call this or read the answer",
)
.change(LEFT_TO_GRANTOR, "Fetch standard §3.2");
static HEADERS: Rule = Rule::degrades(
    "headers_not_allowed",
    IN_PAGES,
    "it runs in a page, which may not send some of the headers that clients of MCP send",
)
.change(LEFT_TO_GRANTOR, "Fetch standard §3.2.3");
static EXPOSED: Rule = Rule::degrades(
    "headers_not_exposed",
    IN_PAGES,
    "it runs in a page, which cannot read some of the headers that it goes by, such as the challenge",
)
.change(LEFT_TO_GRANTOR, "Fetch standard §3.2.3");
static CREDENTIALS: Rule =
    Rule::advises("pages_with_cookies", ALL, "pages of any origin may call this with the cookies of its visitors")
        .change(
            "Answer `Access-Control-Allow-Origin: *` without `Access-Control-Allow-Credentials`.",
            "Fetch standard §3.2.5",
        );
static AUTHORIZE: Rule = Rule::advises(
    "authorization_endpoint_readable",
    ALL,
    "pages of other origins may read what the authorization endpoint shows to whoever is signed in",
)
.change(
    "Send no CORS headers there: keep a CORS layer of your own off `/oauth/authorize` and the consent page.",
    "RFC 9700 §2.6",
);

/// What the guard of a resource has to allow for anything to work, and what beyond that.
const NEEDED: [&str; 3] = ["authorization", "content-type", "mcp-protocol-version"];
const WANTED: [&str; 5] = ["mcp-session-id", "mcp-method", "mcp-name", "last-event-id", "dpop"];
const EXPOSED_HEADERS: [&str; 4] = ["www-authenticate", "mcp-session-id", "retry-after", "dpop-nonce"];

pub(super) fn judge(seen: &Observations, findings: &mut Findings) {
    let resource = &seen.resource;
    preflight(&resource.preflight, &NEEDED, &WANTED, findings);
    readable(&resource.from_page, findings);
    exposed(&resource.from_page, findings);
    for ways in [&seen.resource_ways, &seen.server_ways].into_iter().flatten() {
        preflight(&ways.preflight, &[], &["mcp-protocol-version"], findings);
        readable(&ways.from_page, findings);
    }
    if let Some(token) = &seen.endpoints.token {
        preflight(&token.preflight, &[], &["authorization", "content-type", "dpop"], findings);
        readable(&token.from_page, findings);
    }
    for (name, exchange) in &seen.endpoints.preflights {
        let needed: &[_] = if *name == "registration_endpoint" { &["content-type"] } else { &[] };
        preflight(exchange, needed, &["authorization"], findings);
    }
    if let Some(authorize) = &seen.endpoints.authorize {
        for exchange in [&authorize.preflight, &authorize.unknown_client] {
            if let Some(origin) = exchange.header(&ACCESS_CONTROL_ALLOW_ORIGIN) {
                findings.add(&AUTHORIZE, exchange.seen_with(&of(&ACCESS_CONTROL_ALLOW_ORIGIN, &origin)));
            }
        }
    }
}

fn of(name: &HeaderName, value: &str) -> String {
    format!("{name}: {}", crate::doctor::seen::quoted(value))
}

/// Those of a list that another one does not have.
fn missing<'a>(wanted: &[&'a str], list: &str) -> Vec<&'a str> {
    let known: Vec<_> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    // Fetch §3.2.3: `*` stands for all but `Authorization`
    let any = known.iter().any(|name| name == "*");
    let is_known = |name: &&str| known.iter().any(|known| known == name) || (any && *name != "authorization");
    wanted.iter().copied().filter(|name| !is_known(name)).collect()
}

fn preflight(exchange: &Exchange, needed: &[&str], wanted: &[&str], findings: &mut Findings) {
    let Some(status) = status_of(exchange, IN_PAGES, findings) else { return };
    let allowed = exchange.header(&ACCESS_CONTROL_ALLOW_HEADERS).unwrap_or_default();
    let without = [missing(needed, &allowed), missing(wanted, &allowed)];
    let seen = |without: &[&str]| exchange.seen_with(&format!("not allowed: {}", without.join(", ")));
    if !status.is_success() || !may_read(exchange) {
        findings.add(&SHUT_OUT, origin_seen(exchange));
    } else if let [needed @ [_, ..], _] = [without[0].as_slice(), &without[1]] {
        findings.add(&SHUT_OUT, seen(needed));
    } else if let [_, wanted @ [_, ..]] = [without[0].as_slice(), &without[1]] {
        findings.add(&HEADERS, seen(wanted));
    }
    with_cookies(exchange, findings);
}

fn readable(exchange: &Exchange, findings: &mut Findings) {
    if status_of(exchange, IN_PAGES, findings).is_some() && !may_read(exchange) {
        findings.add(&SHUT_OUT, origin_seen(exchange));
    }
    with_cookies(exchange, findings);
}

fn exposed(exchange: &Exchange, findings: &mut Findings) {
    let without = missing(&EXPOSED_HEADERS, &exchange.header(&ACCESS_CONTROL_EXPOSE_HEADERS).unwrap_or_default());
    if exchange.status().is_some_and(|status| status.as_u16() == 401) && may_read(exchange) && !without.is_empty() {
        findings.add(&EXPOSED, exchange.seen_with(&format!("not exposed: {}", without.join(", "))));
    }
}

fn may_read(exchange: &Exchange) -> bool {
    exchange.header(&ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|origin| origin == "*" || origin == PAGE)
}

fn with_cookies(exchange: &Exchange, findings: &mut Findings) {
    let allowed = exchange.header(&ACCESS_CONTROL_ALLOW_CREDENTIALS);
    if allowed.as_deref() == Some("true") && exchange.header(&ACCESS_CONTROL_ALLOW_ORIGIN).as_deref() == Some(PAGE) {
        findings.add(&CREDENTIALS, exchange.seen_with(&of(&ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")));
    }
}

fn origin_seen(exchange: &Exchange) -> String {
    let origin = exchange.header(&ACCESS_CONTROL_ALLOW_ORIGIN);
    exchange.seen_with(&origin.map_or_else(
        || format!("no {ACCESS_CONTROL_ALLOW_ORIGIN}"),
        |origin| of(&ACCESS_CONTROL_ALLOW_ORIGIN, &origin),
    ))
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn a_star_allows_all_but_credentials() {
        assert_eq!(missing(&["authorization", "dpop"], "*"), ["authorization"]);
        assert_eq!(missing(&["authorization", "dpop"], "Authorization , x"), ["dpop"]);
        assert!(missing(&["authorization", "dpop"], "DPoP,AUTHORIZATION").is_empty());
    }
}
