//! How the authorization and the token endpoint treat those whom they do not know.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::status_of;
use crate::doctor::clients::{ALL, KnownClient};
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Authorize, Endpoints, Exchange, Token};
use crate::doctor::seen::quoted;

static NO_AUTHORIZE: Rule =
    Rule::fails("authorization_endpoint_absent", ALL, "there is nothing at the authorization endpoint")
        .change("Have the metadata name the place where it is, and every proxy pass that path on.", "RFC 6749 §3.1");
static OPEN_REDIRECT: Rule = Rule::degrades(
    "unknown_client_redirected",
    ALL,
    "the authorization endpoint sends browsers wherever a client says that it does not even know",
)
.change(
    "Show a page for a client or a redirect URI that is not known; grantor does.",
    "RFC 6749 §4.1.2.1, RFC 9700 §4.11",
);
static AUTHORIZE_BREAKS: Rule = Rule::degrades(
    "authorization_endpoint_breaks",
    ALL,
    "the authorization endpoint breaks at a client that it does not know, and people get no word of what to do",
)
.change("Show a page that says so, with 400; see the app's log for what broke.", "RFC 6749 §4.1.2.1");
static DOCUMENT_REFUSED: Rule = Rule::fails(
    "document_client_refused",
    &[],
    "metadata documents are advertised, but this client is refused with its own",
)
.change(
    "See the app's log for the reason; `MetadataDocuments::allow_hosts` and `Host::admit_document` may have one.",
    "draft-ietf-oauth-client-id-metadata-document",
);
static TOKEN_BREAKS: Rule = Rule::fails(
    "token_endpoint_breaks",
    ALL,
    "the token endpoint does not answer the form that a client sends with an OAuth error or with tokens",
)
.change(
    "Have the metadata name the place where it is, every proxy pass that path on, with POST, and see the app's log.",
    "RFC 6749 §5.2",
);
static NOT_JSON: Rule = Rule::degrades(
    "token_error_not_json",
    ALL,
    "errors of the token endpoint are not JSON, so that nobody can tell what to do about them",
)
.change(
    "Answer with `application/json` and `{\"error\": ..}`; see that no proxy puts its own page there.",
    "RFC 6749 §5.2",
);
static UNKNOWN_CLIENT: Rule = Rule::degrades(
    "unknown_client_not_told",
    &[KnownClient::Claude],
    "a client that the token endpoint does not know is not told so with 401 and `invalid_client`, and never registers anew",
)
.change("Answer 401 `invalid_client` to a client that is not known (any more).", "RFC 6749 §5.2");
static DEAD_REFRESH_TOKEN: Rule = Rule::degrades(
    "dead_refresh_token_not_told",
    &[KnownClient::Claude],
    "a refresh token that is not good is not answered with `invalid_grant`, so that nobody has its user sign in again",
)
.change("Answer 400 `invalid_grant` to it, and 401 `invalid_client` to a client that is not known.", "RFC 6749 §5.2");
static CACHEABLE: Rule = Rule::advises(
    "token_answers_cacheable",
    ALL,
    "answers of the token endpoint may be kept by whoever passes them on",
)
.change("Send `Cache-Control: no-store` with them.", "RFC 6749 §5.1");

pub(super) fn judge(endpoints: &Endpoints, findings: &mut Findings) {
    if let Some(seen) = &endpoints.authorize {
        authorize(seen, findings);
    }
    for (client, exchange) in &endpoints.with_documents {
        let status = status_of(exchange, &[*client], findings);
        if status.is_some_and(|status| status.is_client_error() || status.is_server_error()) {
            findings.add_for(&DOCUMENT_REFUSED, &[*client], exchange.seen());
        }
    }
    if let Some(seen) = &endpoints.token {
        token(seen, findings);
    }
    if let Some(exchange) = &endpoints.dead_refresh_token
        && is_error(exchange, findings)
        && exchange.error().as_deref() != Some("invalid_grant")
    {
        findings.add(&DEAD_REFRESH_TOKEN, error_seen(exchange));
    }
}

fn authorize(seen: &Authorize, findings: &mut Findings) {
    let exchange = &seen.unknown_client;
    let Some(status) = status_of(exchange, ALL, findings) else { return };
    if exchange.is_absent() || status.as_u16() == 405 {
        findings.add(&NO_AUTHORIZE, exchange.seen());
    } else if status.is_server_error() {
        findings.add(&AUTHORIZE_BREAKS, exchange.seen());
    } else if exchange.is_redirect() && exchange.location().is_some_and(|to| to.host_str() == Some("client.example")) {
        findings.add(&OPEN_REDIRECT, exchange.seen());
    }
}

fn token(seen: &Token, findings: &mut Findings) {
    let unknown = &seen.unknown_client;
    if is_error(unknown, findings) {
        let is_told = unknown.error().as_deref() == Some("invalid_client");
        if !is_told || unknown.status().is_none_or(|status| status.as_u16() != 401) {
            findings.add(&UNKNOWN_CLIENT, error_seen(unknown));
        }
        let kept = unknown.header(&CACHE_CONTROL).unwrap_or_default();
        if !kept.to_ascii_lowercase().contains("no-store") {
            findings.add(&CACHEABLE, unknown.seen_with(&format!("Cache-Control: {}", quoted(&kept))));
        }
    }
    let dead = &seen.dead_refresh_token;
    if is_error(dead, findings) && !matches!(dead.error().as_deref(), Some("invalid_grant" | "invalid_client")) {
        findings.add(&DEAD_REFRESH_TOKEN, error_seen(dead));
    }
}

/// Whether it is an error as RFC 6749 §5.2 has it; if not, that is said.
fn is_error(exchange: &Exchange, findings: &mut Findings) -> bool {
    let Some(status) = status_of(exchange, ALL, findings) else { return false };
    if !matches!(status.as_u16(), 400 | 401 | 403 | 429) {
        findings.add(&TOKEN_BREAKS, exchange.seen());
        return false;
    }
    let content_type = exchange.header(&CONTENT_TYPE).unwrap_or_default();
    let is_json = content_type.to_ascii_lowercase().contains("json") && exchange.error().is_some();
    if !is_json {
        findings.add(&NOT_JSON, exchange.seen_with(&format!("Content-Type: {}", quoted(&content_type))));
    }
    is_json
}

fn error_seen(exchange: &Exchange) -> String {
    exchange.seen_with(&format!("error: {}", quoted(&exchange.error().unwrap_or_default())))
}
