//! The metadata of the resource.

use url::Url;

use super::challenge;
use crate::doctor::clients::{ALL, HOSTED, KnownClient};
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Document, Exchange, Observations, ResourcePlace};
use crate::doctor::place;
use crate::doctor::seen::{inert, quoted};

const MOUNT: &str = "Mount the routes at the root of the origin, outside of whatever prefix the app has: \
    `.merge(grantor::axum::routes(&oauth))`, and name the endpoint with `Builder::resource`.";

static NONE: Rule = Rule::fails(
    "no_resource_metadata",
    ALL,
    "there is no metadata of the resource, so that nobody knows where to sign in",
)
.change(MOUNT, "RFC 9728 §3");
static GUESSED: Rule = Rule::degrades(
    "server_has_to_be_guessed",
    ALL,
    "the resource does not say which authorization server it trusts; some look at its origin, as they had to before 2025",
)
.change(MOUNT, "RFC 9728 §3");
static NOT_AT_PATH: Rule = Rule::advises(
    "resource_metadata_not_at_its_path",
    ALL,
    "the resource's metadata is not at the well-known path that has the endpoint's path behind it",
)
.change(MOUNT, "RFC 9728 §3.1");
static NOT_AT_ROOT: Rule = Rule::advises(
    "resource_metadata_not_at_root",
    ALL,
    "there is no metadata at the well-known path alone, where some look first",
)
.change(MOUNT, "RFC 9728 §3.1");
static CHALLENGE_LEADS_NOWHERE: Rule = Rule::fails(
    "challenge_leads_nowhere",
    ALL,
    "there is no metadata where the challenge says that it is, and most look nowhere else then",
)
.change(MOUNT, "RFC 9728 §5.1");
static REDIRECTS: Rule = Rule::degrades(
    "resource_metadata_redirects",
    ALL,
    "the way to the resource's metadata goes by a redirect, which some do not follow",
)
.change("Answer there without a redirect; exempt `/.well-known/` from redirects to a login or another host.", "");
static NOT_JSON: Rule = Rule::degrades(
    "resource_metadata_not_json",
    ALL,
    "there is something else than metadata where clients look for the resource's",
)
.change(
    "Answer with the JSON document or with 404; an app that answers unknown paths with its start page has to leave out \
     `/.well-known/`.",
    "RFC 9728 §3.2",
);
static MISSING: Rule = Rule::fails("resource_missing", ALL, "the metadata of the resource does not say which it is")
    .change("Have the endpoint's URL as `resource` in it.", "RFC 9728 §2");
static DIFFERS: Rule = Rule::fails(
    "resource_differs",
    &[KnownClient::VsCode],
    "the `resource` in the metadata is not the URL that people paste, character for character",
)
.change(
    "Give `Builder::resource` the URL that people paste, with or without a slash at its end as they do, or have them \
     paste that one.",
    "RFC 9728 §3.3",
);
static ANOTHER: Rule = Rule::fails(
    "resource_is_another",
    ALL,
    "the `resource` in the metadata is another than the endpoint, and tokens for it are not sent to this one",
)
.change(
    "Give `Builder::resource` the public URL of the endpoint, as it is seen from outside and not as a proxy calls it.",
    "RFC 9728 §3.3",
);
static SEVERAL_SERVERS: Rule = Rule::advises(
    "several_authorization_servers",
    ALL,
    "the resource names several authorization servers; clients take the first and never ask their user",
)
.change("Name one, or have the one that strangers should use in front.", "RFC 9728 §7.6");
static OFFLINE_ACCESS: Rule = Rule::advises(
    "offline_access_of_resource",
    ALL,
    "the resource has `offline_access` among its scopes, which is the authorization server's affair",
)
.change("Have it in the authorization server's `scopes_supported` alone.", "");
static NO_SCOPES: Rule = Rule::degrades(
    "no_scopes_advertised",
    &[KnownClient::McpRemote],
    "no scopes are advertised anywhere, and it asks for `openid email profile` then",
)
.change("Advertise them: `Builder::scope`, and `Builder::default_scopes` for those in the challenge.", "RFC 9728 §2");
static LOOPBACK: Rule = Rule::advises(
    "loopback_address",
    HOSTED,
    "the address is one of this machine alone, which hosted clients cannot reach",
)
.change("Nothing, while you develop. For them, put it behind TLS at a public name.", "")
.meaning("once it is at a public address");
static PLAIN_HTTP: Rule = Rule::fails("plain_http", ALL, "an address is plain http, or none, and not of this machine")
    .change(
        "Use https, for the endpoint, the issuer and all that the metadata names. Behind a proxy that ends TLS, give \
         `Server::builder` and `Builder::resource` the https URLs as they are seen from outside.",
        "RFC 9728 §3, RFC 8414 §2",
    );

pub(super) fn judge(seen: &Observations, findings: &mut Findings) {
    if place::is_loopback(&seen.url) {
        findings.add(&LOOPBACK, inert(&seen.url));
    }
    check_address(seen, "the endpoint", &seen.url, findings);
    if seen.resource.documents.is_empty() {
        return;
    }
    places(seen, findings);
    match seen.resource.metadata() {
        Some((exchange, document)) => judge_document(seen, exchange, &document, findings),
        None if seen.server.as_ref().is_some_and(|server| server.metadata().is_some()) => {
            findings.add(&GUESSED, all(seen));
        }
        None => findings.add(&NONE, all(seen)),
    }
}

/// An address that clients are to go to.
pub(super) fn check_address(seen: &Observations, what: &str, address: &str, findings: &mut Findings) {
    let is_here = place::is_loopback(address) && place::is_loopback(&seen.url);
    if !address.starts_with("https://") && !is_here {
        findings.add(&PLAIN_HTTP, format!("{what}: {}", quoted(address)));
    }
}

fn all(seen: &Observations) -> String {
    let all: Vec<_> = seen.resource.documents.iter().map(|(_, exchange)| exchange.seen()).collect();
    all.join("; ")
}

/// What is where there should be metadata.
fn places(seen: &Observations, findings: &mut Findings) {
    for (place, exchange) in &seen.resource.documents {
        if *place == ResourcePlace::Challenge {
            check_address(seen, "resource_metadata in the challenge", &exchange.url, findings);
        }
        if exchange.document().is_some() || !exchange.was_asked {
            continue;
        }
        if exchange.is_redirect() {
            findings.add(&REDIRECTS, exchange.seen());
        } else if exchange.is_ok() {
            findings.add(&NOT_JSON, exchange.seen_with("no JSON object"));
        }
        // Once more where there is no metadata at all says nothing more.
        let (true, Some(_)) = (exchange.status() != Some(http::StatusCode::OK), seen.resource.metadata()) else {
            continue;
        };
        let rule = match place {
            ResourcePlace::Challenge => &CHALLENGE_LEADS_NOWHERE,
            ResourcePlace::Path => &NOT_AT_PATH,
            ResourcePlace::Root => &NOT_AT_ROOT,
        };
        if !exchange.is_redirect() {
            findings.add(rule, exchange.seen());
        }
    }
}

fn judge_document(seen: &Observations, exchange: &Exchange, document: &Document, findings: &mut Findings) {
    match document.text("resource") {
        None => findings.add(&MISSING, exchange.seen_with(&document.seen("resource"))),
        Some(resource) if resource == seen.url => {}
        Some(resource) => {
            let rule = if covers(resource, &seen.url) { &DIFFERS } else { &ANOTHER };
            findings.add(rule, format!("{}, pasted: {}", document.seen("resource"), quoted(&seen.url)));
        }
    }
    let servers = document.list("authorization_servers").unwrap_or_default();
    match servers.as_slice() {
        [] if seen.server.as_ref().is_some_and(|server| server.metadata().is_some()) => {
            findings.add(&GUESSED, exchange.seen_with(&document.seen("authorization_servers")));
        }
        [] => findings.add(&NONE, exchange.seen_with(&document.seen("authorization_servers"))),
        [_] => {}
        [..] => findings.add(&SEVERAL_SERVERS, document.seen("authorization_servers")),
    }
    if document.has("scopes_supported", "offline_access") {
        findings.add(&OFFLINE_ACCESS, document.seen("scopes_supported"));
    }
    super::server::no_nulls(exchange, document, findings);
    let server = seen.server.as_ref().and_then(|server| server.metadata()).map(|(_, _, document)| document);
    let advertised = [Some(document), server.as_ref()].into_iter().flatten();
    let is_empty = |document: &Document| document.list("scopes_supported").unwrap_or_default().is_empty();
    if challenge::parameter(&seen.resource.initialize, "scope").is_none() && advertised.into_iter().all(is_empty) {
        findings.add(&NO_SCOPES, document.seen("scopes_supported"));
    }
}

/// Whether clients that take a resource for its whole tree take it for this endpoint: they compare origin and path, as
/// the official SDKs do.
fn covers(resource: &str, endpoint: &str) -> bool {
    let (Ok(resource), Ok(endpoint)) = (Url::parse(resource), Url::parse(endpoint)) else { return false };
    let tree = |url: &Url| format!("{}/", url.path().trim_end_matches('/'));
    resource.origin() == endpoint.origin() && tree(&endpoint).starts_with(&tree(&resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_covers_what_is_below_it_and_nothing_else() {
        let endpoint = "https://app.example/mcp/v1";
        for resource in ["https://app.example", "https://app.example/mcp", "https://app.example/mcp/v1/"] {
            assert!(covers(resource, endpoint), "{resource}");
        }
        for resource in ["https://app.example/mc", "http://app.example/mcp", "https://app.example/mcp/v1/x", "mcp", ""]
        {
            assert!(!covers(resource, endpoint), "{resource}");
        }
    }
}
