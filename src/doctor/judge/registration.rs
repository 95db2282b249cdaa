//! What came of it when each client was registered with its own request.

use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::status_of;
use crate::doctor::clients::{ALL, KnownClient};
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Document, Exchange, Observations, Registered};
use crate::doctor::seen::{inert, quoted};

static REFUSED: Rule = Rule::fails("registration_refused", &[], "its own registration request is refused").change(
    "Take registrations of public clients with loopback, custom-scheme and https redirect URIs, any \
         `application_type`, and drop scopes, grants and response types that are not known rather than refuse them: \
         `.registration(Registration::Open)` does. `Registration::Decided` and initial access tokens shut clients out.",
    "RFC 7591 §2",
);
static NO_CLIENT_ID: Rule =
    Rule::fails("registration_without_client_id", &[], "the answer to its registration has no id")
        .change("Answer with `client_id` and all metadata that was registered.", "RFC 7591 §3.2.1");
static REDIRECT_URIS: Rule = Rule::fails(
    "registration_drops_redirect_uris",
    &[],
    "the answer to its registration does not have all the redirect URIs that it asked for",
)
.change("Register all of them, character for character, and have them in the answer.", "RFC 7591 §3.2.1");
static NOT_201: Rule = Rule::advises("registration_not_201", &[], "the answer to a registration is not 201")
    .change("Answer with 201.", "RFC 7591 §3.2.1");
static NOT_JSON: Rule = Rule::degrades(
    "registration_content_type",
    &[],
    "the answer to its registration is not called JSON by its `Content-Type`",
)
.change("Answer with `application/json`.", "RFC 7591 §3.2.1");
static NULLS: Rule = Rule::degrades(
    "registration_has_nulls",
    &[],
    "the answer to its registration has nulls or empty texts, for which strict readers refuse it",
)
.change("Leave out what was not registered.", "RFC 7591 §3.2.1");
static SECRET: Rule = Rule::degrades(
    "secret_for_public_client",
    &[],
    "it registered as a public client and got a secret, which it does not keep or does not send",
)
.change("Issue no `client_secret` where `token_endpoint_auth_method` is `none`.", "RFC 7591 §2");
static NOT_LET_IN: Rule = Rule::fails(
    "registered_client_refused",
    &[],
    "it is registered, and its authorization request is refused all the same",
)
.change("See the app's log and the page that the address shows in a browser for the reason.", "RFC 6749 §4.1.1");
static ORIGIN: Rule = Rule::fails(
    "origin_is_no_resource",
    &[KnownClient::ChatGpt],
    "it asks for a token for the origin in place of the endpoint's URL, and is refused",
)
.change(
    "Let the origin be another name of that resource: `.resource(Resource::new(\"/mcp\").also_for_origin())`.",
    "RFC 8707 §2",
);
static NO_ISS: Rule = Rule::fails(
    "iss_missing_in_answer",
    &[KnownClient::Codex],
    "`iss` is promised, and an authorization response comes without it or with another than the issuer",
)
.change("Send the issuer as `iss` with every response, errors included; grantor does.", "RFC 9207 §2");

pub(super) fn judge(seen: &Observations, findings: &mut Findings) {
    let server = seen.server.as_ref().and_then(|server| server.metadata()).map(|(_, _, document)| document);
    for registered in &seen.endpoints.registered {
        let client = &[registered.client];
        registration(registered, findings);
        let accepted = registered.authorize.as_ref().is_some_and(|exchange| authorize(client, exchange, findings));
        if let Some(exchange) = registered.for_origin.as_ref().filter(|_| accepted)
            && refusal(exchange).is_some()
        {
            findings.add(&ORIGIN, exchange.seen());
        }
        for answer in [&registered.authorize, &registered.for_origin].into_iter().flatten() {
            issuer_of(answer, server.as_ref(), findings);
        }
    }
}

fn registration(registered: &Registered, findings: &mut Findings) {
    let (client, exchange) = (&[registered.client], &registered.registration);
    let Some(status) = status_of(exchange, client, findings) else { return };
    if !status.is_success() {
        let error = exchange.error().map(|error| format!("error: {}", quoted(&error)));
        findings.add_for(&REFUSED, client, exchange.seen_with(&error.unwrap_or_else(|| "no error".to_owned())));
        return;
    }
    let Some(answer) = exchange.object().map(Document).filter(|answer| answer.text("client_id").is_some()) else {
        findings.add_for(&NO_CLIENT_ID, client, exchange.seen());
        return;
    };
    if status.as_u16() != 201 {
        findings.add_for(&NOT_201, client, exchange.seen());
    }
    let content_type = exchange.header(&CONTENT_TYPE).unwrap_or_default();
    if !content_type.to_ascii_lowercase().contains("json") {
        findings.add_for(&NOT_JSON, client, exchange.seen_with(&format!("Content-Type: {}", quoted(&content_type))));
    }
    let asked = registered.client.habits().redirect_uris;
    if !asked.iter().all(|uri| answer.has("redirect_uris", uri)) {
        findings.add_for(&REDIRECT_URIS, client, exchange.seen_with(&answer.seen("redirect_uris")));
    }
    let empty = answer.0.iter().filter(|(_, value)| value.is_null() || *value == "");
    let empty: Vec<_> = empty.map(|(name, _)| inert(name)).collect();
    if !empty.is_empty() {
        findings.add_for(&NULLS, client, exchange.seen_with(&format!("empty: {}", empty.join(", "))));
    }
    // A method other than that which it asked for is a confidential client's.
    if answer.0.get("client_secret").is_some_and(Value::is_string) && method(&answer) == "none" {
        findings.add_for(&SECRET, client, exchange.seen_with("a client_secret, and the method is none"));
    }
}

fn method(answer: &Document) -> &str {
    // All of them ask for it.
    answer.text("token_endpoint_auth_method").unwrap_or("none")
}

/// Whether an authorization request was accepted; if not, that is said.
fn authorize(client: &[KnownClient], exchange: &Exchange, findings: &mut Findings) -> bool {
    if status_of(exchange, client, findings).is_none() {
        return false;
    }
    let refusal = refusal(exchange);
    if let Some(error) = &refusal {
        findings.add_for(&NOT_LET_IN, client, exchange.seen_with(error));
    }
    refusal.is_none()
}

/// How an authorization request was refused: by a page, or by an error that is sent to the client.
fn refusal(exchange: &Exchange) -> Option<String> {
    let status = exchange.status()?;
    if status.is_client_error() || status.is_server_error() {
        return Some("a page with an error".to_owned());
    }
    let answer = exchange.location().filter(|_| exchange.is_redirect())?;
    let error = answer.query_pairs().find(|(name, _)| name == "error")?.1.into_owned();
    // The login page is the app's own affair.
    ALL.iter().any(|client| is_at(answer.as_str(), *client)).then(|| format!("error: {}", quoted(&error)))
}

fn is_at(answer: &str, client: KnownClient) -> bool {
    client.habits().redirect_uris.iter().any(|uri| answer.starts_with(uri))
}

fn issuer_of(exchange: &Exchange, server: Option<&Document>, findings: &mut Findings) {
    let promised = server.filter(|server| server.flag("authorization_response_iss_parameter_supported"));
    let (Some(server), Some(answer)) = (promised, exchange.location().filter(|_| exchange.is_redirect())) else {
        return;
    };
    let is_answer = ALL.iter().any(|client| is_at(answer.as_str(), *client));
    let iss = answer.query_pairs().find(|(name, _)| name == "iss").map(|(_, value)| value.into_owned());
    if is_answer && iss.as_deref() != server.text("issuer") {
        findings.add(&NO_ISS, exchange.seen_with(&format!("iss: {}", quoted(&iss.unwrap_or_default()))));
    }
}
