//! What goes wrong behind the metadata: at the endpoints, for pages, and when clients register.

use grantor::doctor::{KnownClient, Outcome};
use http::StatusCode;

use super::{Case, Whom, case, edit, replace, set};
use crate::site::Asked;

const TOKEN: &str = "/oauth/token";
const REGISTER: &str = "/oauth/register";
const AUTHORIZE: &str = "/oauth/authorize";

pub(super) fn at_the_endpoints() -> Vec<Case> {
    use KnownClient::{Claude, ClaudeCode, VsCode};
    use Outcome::{Connects, Degraded, Fails};
    vec![
        case("authorization_endpoint_absent", Whom::All, Fails, |asked, answer| {
            if asked.path == AUTHORIZE && asked.query.contains("grantor-doctor-unknown") {
                replace(answer, 404, "text/plain", "");
            }
        }),
        case("unknown_client_redirected", Whom::All, Degraded, |asked, answer| {
            if asked.path == AUTHORIZE && asked.query.contains("grantor-doctor-unknown") {
                replace(answer, 302, "text/plain", "");
                set(answer, "location", "https://client.example/callback?error=unauthorized_client");
            }
        }),
        case("authorization_endpoint_breaks", Whom::All, Degraded, |asked, answer| {
            if asked.path == AUTHORIZE && asked.query.contains("grantor-doctor-unknown") {
                replace(answer, 500, "text/plain", "");
            }
        }),
        case("document_client_refused", Whom::Only(&[Claude, ClaudeCode, VsCode]), Fails, |asked, answer| {
            if asked.path == AUTHORIZE && asked.query.contains("client_id=https") {
                replace(answer, 400, "text/html", "no");
            }
        }),
        case("authorization_endpoint_readable", Whom::All, Connects, |asked, answer| {
            if asked.path == AUTHORIZE {
                set(answer, "access-control-allow-origin", "*");
            }
        }),
        case("token_endpoint_breaks", Whom::All, Fails, |asked, answer| {
            if asked.path == TOKEN && asked.method == "POST" {
                replace(answer, 502, "text/html", "bad gateway");
            }
        }),
        case("token_error_not_json", Whom::All, Degraded, |asked, answer| {
            if asked.path == TOKEN && asked.method == "POST" {
                replace(answer, 401, "text/html", "no");
            }
        }),
        case("unknown_client_not_told", Whom::Only(&[Claude]), Degraded, |asked, answer| {
            if asked.path == TOKEN && asked.body.contains("authorization_code") {
                replace(answer, 400, "application/json", r#"{"error":"invalid_request"}"#);
            }
        }),
        case("dead_refresh_token_not_told", Whom::Only(&[Claude]), Degraded, |asked, answer| {
            if asked.path == TOKEN && asked.body.contains("refresh_token") {
                replace(answer, 400, "application/json", r#"{"error":"invalid_request"}"#);
            }
        }),
        case("token_answers_cacheable", Whom::All, Connects, |asked, answer| {
            if asked.path == TOKEN {
                answer.headers_mut().remove("cache-control");
            }
        }),
    ]
}

pub(super) fn for_pages() -> Vec<Case> {
    use Outcome::{Connects, Degraded, Fails};
    let inspector = || Whom::Only(&[KnownClient::Inspector]);
    vec![
        case("pages_shut_out", inspector(), Fails, |_, answer| {
            let names: Vec<_> =
                answer.headers().keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
            for name in names {
                answer.headers_mut().remove(name);
            }
        }),
        case("pages_shut_out", inspector(), Fails, |asked, answer| {
            if asked.path == "/mcp" && asked.method == "OPTIONS" {
                replace(answer, 401, "text/plain", "");
            }
        }),
        case("pages_shut_out", inspector(), Fails, |asked, answer| {
            if asked.path == "/mcp" && asked.method == "OPTIONS" {
                set(answer, "access-control-allow-headers", "*");
            }
        }),
        case("headers_not_allowed", inspector(), Degraded, |asked, answer| {
            if asked.path == "/mcp" && asked.method == "OPTIONS" {
                set(answer, "access-control-allow-headers", "Authorization, Content-Type, MCP-Protocol-Version");
            }
        }),
        case("headers_not_exposed", inspector(), Degraded, |asked, answer| {
            if asked.path == "/mcp" {
                set(answer, "access-control-expose-headers", "Mcp-Session-Id");
            }
        }),
        case("pages_with_cookies", Whom::All, Connects, |asked, answer| {
            if asked.path == TOKEN && asked.has_origin {
                set(answer, "access-control-allow-origin", "http://localhost:6274");
                set(answer, "access-control-allow-credentials", "true");
            }
        }),
    ]
}

pub(super) fn at_registration() -> Vec<Case> {
    use KnownClient::{Codex, Cursor, Inspector, VsCode};
    use Outcome::{Connects, Degraded, Fails};
    let registers =
        |asked: &Asked, who: &str| asked.path == REGISTER && asked.method == "POST" && asked.body.contains(who);
    vec![
        case("registration_refused", Whom::Only(&[Cursor]), Fails, move |asked, answer| {
            if registers(asked, "cursor://") {
                replace(answer, 400, "application/json", r#"{"error":"invalid_redirect_uri"}"#);
            }
        }),
        case("registration_refused", Whom::Only(&[VsCode]), Fails, move |asked, answer| {
            if registers(asked, "device_code") {
                replace(answer, 400, "application/json", r#"{"error":"invalid_client_metadata"}"#);
            }
        }),
        case("registration_drops_redirect_uris", Whom::Only(&[Cursor]), Fails, move |asked, answer| {
            if registers(asked, "cursor://") {
                edit(REGISTER, |document| {
                    document["redirect_uris"].as_array_mut().unwrap().pop();
                })(asked, answer);
            }
        }),
        case("registration_has_nulls", Whom::Only(&[Inspector]), Degraded, move |asked, answer| {
            if registers(asked, "Inspector") {
                edit(REGISTER, |document| document["scope"] = "".into())(asked, answer);
            }
        }),
        case("secret_for_public_client", Whom::Only(&[Codex]), Degraded, move |asked, answer| {
            if registers(asked, "Codex") {
                edit(REGISTER, |document| document["client_secret"] = "hush-hush".into())(asked, answer);
            }
        }),
        case("registration_without_client_id", Whom::Only(&[Codex]), Fails, move |asked, answer| {
            if registers(asked, "Codex") {
                replace(answer, 201, "application/json", "{}");
            }
        }),
        case("registration_not_201", Whom::Only(&[Codex]), Connects, move |asked, answer| {
            if registers(asked, "Codex") {
                *answer.status_mut() = StatusCode::OK;
            }
        }),
        case("registration_content_type", Whom::Only(&[Codex]), Degraded, move |asked, answer| {
            if registers(asked, "Codex") {
                set(answer, "content-type", "text/html");
            }
        }),
        case("registered_client_refused", Whom::Only(&[Codex]), Fails, |asked, answer| {
            if asked.path == AUTHORIZE && asked.query.contains("41337") {
                let resource = asked.query.split('&').find_map(|pair| pair.strip_prefix("resource=")).unwrap();
                let issuer = resource.strip_suffix("%2Fmcp").unwrap();
                replace(answer, 302, "text/plain", "");
                let back = format!("http://127.0.0.1:41337/callback/6f1e2d?error=invalid_scope&iss={issuer}");
                set(answer, "location", &back);
            }
        }),
        case("iss_missing_in_answer", Whom::Only(&[Codex]), Fails, |asked, answer| {
            if asked.path == AUTHORIZE && asked.query.contains("41337") {
                replace(answer, 302, "text/plain", "");
                set(answer, "location", "http://127.0.0.1:41337/callback/6f1e2d?code=hush-hush");
            }
        }),
    ]
    .into_iter()
    .map(Case::registering)
    .collect()
}
