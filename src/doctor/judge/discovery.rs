//! Where the metadata of the authorization server is, and what is where it is not.

use super::resource::check_address;
use crate::doctor::clients::ALL;
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Document, Exchange, Observations, Server, ServerPlace};

const EXEMPT: &str = "Answer 404 wherever there is no metadata, and never with a redirect, a login or the app's start \
    page: `grantor::axum::routes` does so for all of `/.well-known/` that clients look at, if it is mounted at the root \
    of the origin and no proxy answers before it.";

static NONE: Rule = Rule::fails(
    "no_server_metadata",
    ALL,
    "there is no metadata of the authorization server where clients look for it",
)
.change(
    "Mount the routes at the root of the origin: `.merge(grantor::axum::routes(&oauth))`. For an issuer with a \
             path, pass `/.well-known/` on to the app as well, and not its path alone.",
    "RFC 8414 §3.1",
);
static MISPLACED: Rule = Rule::fails(
    "server_metadata_misplaced",
    ALL,
    "the metadata of the authorization server is behind the issuer's path, and clients look for it in front of it",
)
.change(
    "Answer at `/.well-known/oauth-authorization-server/<path of the issuer>` on the root of the host.",
    "RFC 8414 §3.1",
);
static REDIRECTS: Rule = Rule::fails(
    "server_metadata_redirects",
    ALL,
    "the way to the authorization server's metadata goes by a redirect, and no other leads there",
)
.change("Answer there without a redirect, at the very origin of the issuer.", "RFC 8414 §3.2");
static NOT_JSON: Rule = Rule::fails(
    "server_metadata_not_json",
    ALL,
    "there is something else than metadata where the authorization server's should be",
)
.change(EXEMPT, "RFC 8414 §3.2");
static STRAYS: Rule = Rule::degrades(
    "discovery_redirects",
    ALL,
    "there is a redirect where clients look for other metadata, and some end up where it leads",
)
.change(EXEMPT, "RFC 8414 §3.2");
static STRAY_CONTENT: Rule = Rule::degrades(
    "discovery_not_json",
    ALL,
    "there is something else than metadata where clients look for it, and some give up on that",
)
.change(EXEMPT, "RFC 8414 §3.2");
static NOT_404: Rule = Rule::degrades(
    "discovery_not_404",
    ALL,
    "the answer is an error other than 404 where there is no metadata, and some give up on that",
)
.change(EXEMPT, "RFC 8414 §3.2");
static OPENID: Rule = Rule::degrades(
    "openid_configuration_not_real",
    ALL,
    "there is an `openid-configuration` that is no OpenID metadata, and some read it before OAuth's and refuse it",
)
.change(
    "Answer 404 there, or with all that OpenID Connect Discovery demands: `jwks_uri`, `subject_types_supported`, \
     `id_token_signing_alg_values_supported` and the rest. An app that answers unknown paths with its start page has to \
     leave out `/.well-known/`.",
    "OpenID Connect Discovery 1.0 §3",
);

/// What OpenID metadata cannot be without.
const OPENID_MEMBERS: [&str; 6] = [
    "issuer",
    "authorization_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
];

pub(super) fn judge(seen: &Observations, findings: &mut Findings) {
    let Some(server) = &seen.server else { return };
    check_address(seen, "the issuer", &server.issuer, findings);
    match server.metadata() {
        Some((taken, _, _)) => elsewhere(server, taken, findings),
        // That nobody was asked, or that there is none where it was only guessed is no news.
        None if server.is_guessed || server.documents.iter().all(|(_, exchange)| !exchange.was_asked) => {}
        None => nowhere(server, findings),
    }
}

fn nowhere(server: &Server, findings: &mut Findings) {
    let find = |is: fn(&Exchange) -> bool| server.documents.iter().find(|(_, exchange)| is(exchange));
    let misplaced = |(place, exchange): &&(ServerPlace, Exchange)| {
        *place == ServerPlace::OAuthAppended && exchange.document().is_some()
    };
    let (rule, seen) = if let Some((_, exchange)) = server.documents.iter().find(misplaced) {
        (&MISPLACED, exchange.seen())
    } else if let Some((_, exchange)) = find(Exchange::is_redirect) {
        (&REDIRECTS, exchange.seen())
    } else if let Some((_, exchange)) = find(Exchange::is_ok) {
        (&NOT_JSON, exchange.seen_with("no JSON object"))
    } else {
        let all: Vec<_> = server.documents.iter().map(|(_, exchange)| exchange.seen()).collect();
        (&NONE, all.join("; "))
    };
    findings.add(rule, seen);
}

/// At all places but the one where the metadata was taken from.
fn elsewhere(server: &Server, taken: ServerPlace, findings: &mut Findings) {
    for (place, exchange) in &server.documents {
        match exchange.document() {
            Some(document) if place.is_openid() => openid(exchange, &document, findings),
            _ if *place == taken || exchange.is_absent() || !exchange.was_asked => {}
            Some(_) => {}
            None if exchange.is_redirect() => findings.add(&STRAYS, exchange.seen()),
            None if exchange.is_ok() && place.is_openid() => {
                findings.add(&OPENID, exchange.seen_with("no JSON object"))
            }
            None if exchange.is_ok() => findings.add(&STRAY_CONTENT, exchange.seen_with("no JSON object")),
            None => findings.add(&NOT_404, exchange.seen()),
        }
    }
}

fn openid(exchange: &Exchange, document: &Document, findings: &mut Findings) {
    let missing: Vec<_> = OPENID_MEMBERS.into_iter().filter(|name| !document.0.contains_key(*name)).collect();
    if !missing.is_empty() {
        findings.add(&OPENID, exchange.seen_with(&format!("without {}", missing.join(", "))));
    }
}
