//! What the metadata of the authorization server says.

use url::Url;

use super::resource::check_address;
use crate::doctor::clients::{ALL, KnownClient, WITHOUT_DOCUMENT};
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Document, Exchange, Observations, Ways};
use crate::doctor::place;
use crate::doctor::seen::quoted;

const DOCUMENTS: &str = "Let clients come with their documents: `.client_metadata_documents(MetadataDocuments::new(\
    GuardedFetcher::new()?))`, with the feature `fetch`.";

static ISSUER: Rule = Rule::fails(
    "issuer_differs",
    ALL,
    "the `issuer` in the metadata is not the one that the resource names, character for character",
)
.change(
    "Have the same text in both, with or without a slash at its end. With grantor it is what `Server::builder` was given; \
     a resource server elsewhere has to be told the same.",
    "RFC 8414 §3.3",
);
static ENDPOINT: Rule = Rule::fails("endpoint_missing", ALL, "an endpoint that everybody needs is not in the metadata")
    .change("Have it there as an absolute URL.", "RFC 8414 §2");
static ELSEWHERE: Rule = Rule::fails(
    "authorization_endpoint_elsewhere",
    &[KnownClient::Codex],
    "the authorization endpoint is on another origin than the issuer, and no `iss` is promised that would prove whose it is",
)
.change(
    "Have both on one origin, or send `iss` with every authorization response and advertise \
     `authorization_response_iss_parameter_supported`; grantor does both.",
    "RFC 9207 §2.4",
);
static NO_ISS: Rule = Rule::advises(
    "iss_not_advertised",
    ALL,
    "no `iss` is promised in authorization responses, so that a client of several servers cannot tell whose answer it got",
)
.change(
    "Send it with every response and advertise `authorization_response_iss_parameter_supported`; grantor does.",
    "RFC 9207 §3",
);
static NO_PKCE: Rule = Rule::fails(
    "pkce_not_advertised",
    ALL,
    "PKCE with S256 is not advertised, and a client of MCP must not go on without",
)
.change("Support it and advertise it in `code_challenge_methods_supported`; grantor does.", "RFC 8414 §2, RFC 7636");
static NO_CODE: Rule = Rule::fails("code_not_supported", ALL, "the authorization code grant is not advertised").change(
    "Have `code` in `response_types_supported` and `authorization_code` in `grant_types_supported`.",
    "RFC 8414 §2",
);
static NO_REFRESH: Rule = Rule::degrades(
    "refresh_not_advertised",
    ALL,
    "refresh tokens are not advertised, and some clients do not ask for one then",
)
.change("Issue them and have `refresh_token` in `grant_types_supported`; grantor does.", "RFC 8414 §2")
.meaning("would have its user sign in again whenever a token ends");
static NO_WAY_IN: Rule = Rule::fails(
    "no_way_to_register",
    ALL,
    "neither metadata documents nor registration are supported, so that only clients that you enter by hand come in",
)
.change(
    "`.client_metadata_documents(..)` and `.registration(Registration::Open)`; or add each client with `Builder::client` \
     and give its id to its user, where the client lets them enter one.",
    "RFC 7591 §3, draft-ietf-oauth-client-id-metadata-document",
);
static NO_REGISTRATION: Rule = Rule::fails(
    "no_registration",
    WITHOUT_DOCUMENT,
    "clients cannot register themselves, and it has no metadata document",
)
.change("Let them: `.registration(Registration::Open)`.", "RFC 7591 §3");
static NO_DOCUMENTS: Rule =
    Rule::degrades("no_metadata_documents", &[KnownClient::Claude], "metadata documents of clients are not supported")
        .change(DOCUMENTS, "draft-ietf-oauth-client-id-metadata-document")
        .meaning("would register anew at each connection");
static DOCUMENTS_WITHOUT_NONE: Rule = Rule::degrades(
    "documents_without_none",
    &[KnownClient::Claude],
    "metadata documents are supported, but `none` is not among the methods of the token endpoint",
)
.change("Have `none` in `token_endpoint_auth_methods_supported`; grantor does.", "RFC 8414 §2")
.meaning("would register anew at each connection");
static SHUT_OUT_WITHOUT_NONE: Rule = Rule::fails(
    "documents_without_none_or_registration",
    &[KnownClient::Claude],
    "it uses its metadata document only if `none` is among the methods of the token endpoint, and it cannot register either",
)
.change("Have `none` in `token_endpoint_auth_methods_supported`; grantor does.", "RFC 8414 §2");
static NO_NONE: Rule = Rule::degrades(
    "public_clients_not_advertised",
    ALL,
    "`none` is not among the methods of the token endpoint, although nearly all clients have no secret",
)
.change("Take public clients and have `none` in `token_endpoint_auth_methods_supported`; grantor does.", "RFC 8414 §2");
static NO_ASSERTIONS: Rule = Rule::advises(
    "private_key_jwt_not_offered",
    &[KnownClient::ChatGpt],
    "`private_key_jwt` is not offered, so that it comes as a public client",
)
.change("Offer it; grantor does for clients with a metadata document that names their keys.", "RFC 7523");
static NO_RS256: Rule = Rule::degrades(
    "rs256_not_offered",
    &[KnownClient::ChatGpt],
    "`private_key_jwt` is offered, but not with RS256, which it signs with",
)
.change("Have RS256 in `token_endpoint_auth_signing_alg_values_supported`; grantor does.", "RFC 8414 §2");
static NO_OFFLINE_ACCESS: Rule = Rule::advises(
    "offline_access_not_advertised",
    ALL,
    "`offline_access` is not among the server's scopes; some ask for refresh tokens only by that name",
)
.change("Have it in the server's `scopes_supported`; grantor does.", "OpenID Connect Core 1.0 §11");
static NULLS: Rule = Rule::degrades(
    "metadata_has_nulls",
    ALL,
    "there are nulls in the metadata, for which strict readers refuse the whole document",
)
.change("Leave out what there is not.", "RFC 8414 §3.2, RFC 9728 §3.2");
static HEAD: Rule =
    Rule::advises("metadata_head_or_options", ALL, "the metadata answers GET, but not HEAD and OPTIONS as well")
        .change("Answer HEAD as GET without its content, and OPTIONS with 204.", "RFC 9110 §9.1");

pub(super) fn judge(seen: &Observations, findings: &mut Findings) {
    for ways in [&seen.resource_ways, &seen.server_ways].into_iter().flatten() {
        other_methods(ways, findings);
    }
    let Some(server) = &seen.server else { return };
    let Some((_, exchange, document)) = server.metadata() else { return };
    if document.text("issuer") != Some(&server.issuer) {
        let named = if server.is_guessed { "the origin" } else { "authorization_servers" };
        findings.add(&ISSUER, format!("{}, {named}: {}", document.seen("issuer"), quoted(&server.issuer)));
    }
    no_nulls(exchange, &document, findings);
    endpoints(seen, &document, findings);
    supported(&document, findings);
    ways_in(&document, findings);
}

fn other_methods(ways: &Ways, findings: &mut Findings) {
    if !ways.head.is_ok() {
        findings.add(&HEAD, ways.head.seen());
    }
    if !ways.options.status().is_some_and(|status| status.is_success()) {
        findings.add(&HEAD, ways.options.seen());
    }
}

pub(super) fn no_nulls(exchange: &Exchange, document: &Document, findings: &mut Findings) {
    for name in document.nulls() {
        findings.add(&NULLS, exchange.seen_with(&document.seen(name)));
    }
}

fn endpoints(seen: &Observations, document: &Document, findings: &mut Findings) {
    for name in ["authorization_endpoint", "token_endpoint"] {
        match document.text(name).filter(|address| Url::parse(address).is_ok()) {
            Some(address) => check_address(seen, name, address, findings),
            None => findings.add(&ENDPOINT, document.seen(name)),
        }
    }
    for name in ["registration_endpoint", "revocation_endpoint"] {
        if let Some(address) = document.text(name) {
            check_address(seen, name, address, findings);
        }
    }
    let origin = |name| Url::parse(document.text(name)?).ok().map(|url| place::origin(&url));
    if document.flag("authorization_response_iss_parameter_supported") {
        return;
    }
    match (origin("issuer"), origin("authorization_endpoint")) {
        (Some(issuer), Some(endpoint)) if issuer != endpoint => {
            let seen = format!("{}, {}", document.seen("issuer"), document.seen("authorization_endpoint"));
            findings.add(&ELSEWHERE, seen);
        }
        _ => findings.add(&NO_ISS, document.seen("authorization_response_iss_parameter_supported")),
    }
}

fn supported(document: &Document, findings: &mut Findings) {
    let lacks = |name, item| !document.has(name, item);
    if lacks("code_challenge_methods_supported", "S256") {
        findings.add(&NO_PKCE, document.seen("code_challenge_methods_supported"));
    }
    if lacks("response_types_supported", "code") {
        findings.add(&NO_CODE, document.seen("response_types_supported"));
    }
    // RFC 8414 §2: without a list, it has the authorization code and the implicit grant
    let has_grants = document.list("grant_types_supported").is_some();
    if has_grants && lacks("grant_types_supported", "authorization_code") {
        findings.add(&NO_CODE, document.seen("grant_types_supported"));
    }
    if lacks("grant_types_supported", "refresh_token") {
        findings.add(&NO_REFRESH, document.seen("grant_types_supported"));
    } else if lacks("scopes_supported", "offline_access") {
        findings.add(&NO_OFFLINE_ACCESS, document.seen("scopes_supported"));
    }
    if lacks("token_endpoint_auth_methods_supported", "private_key_jwt") {
        findings.add(&NO_ASSERTIONS, document.seen("token_endpoint_auth_methods_supported"));
    } else if lacks("token_endpoint_auth_signing_alg_values_supported", "RS256") {
        findings.add(&NO_RS256, document.seen("token_endpoint_auth_signing_alg_values_supported"));
    }
}

fn ways_in(document: &Document, findings: &mut Findings) {
    let documents = document.flag("client_id_metadata_document_supported");
    let registration = document.text("registration_endpoint").is_some();
    let none = document.has("token_endpoint_auth_methods_supported", "none");
    let way = |name| document.seen(name);
    let (documents_seen, methods) =
        (way("client_id_metadata_document_supported"), way("token_endpoint_auth_methods_supported"));
    match (documents, registration) {
        (false, false) => {
            findings.add(&NO_WAY_IN, format!("{documents_seen}, {}", way("registration_endpoint")));
            return;
        }
        (true, false) => findings.add(&NO_REGISTRATION, way("registration_endpoint")),
        (false, true) => findings.add(&NO_DOCUMENTS, documents_seen),
        (true, true) => {}
    }
    match (none, documents, registration) {
        (true, _, _) => {}
        (false, true, true) => findings.add(&DOCUMENTS_WITHOUT_NONE, methods),
        (false, true, false) => findings.add(&SHUT_OUT_WITHOUT_NONE, methods),
        (false, false, _) => findings.add(&NO_NONE, methods),
    }
}
