//! Deployments with exactly one thing spoilt: exactly that is found, and the right clients are told.

use std::sync::Arc;

use grantor::doctor::{KnownClient, Outcome};
use grantor::{Builder, Registration};
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::site::{Answer, Asked, Spoil, examine, examine_registering, start};
use crate::{found, outcome};

const SERVER: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const OPENID: &str = "/.well-known/openid-configuration";
const TOKEN: &str = "/oauth/token";
const REGISTER: &str = "/oauth/register";
const AUTHORIZE: &str = "/oauth/authorize";

/// Whom a finding concerns, and what becomes of them; all others connect.
enum Whom {
    All,
    Only(&'static [KnownClient]),
}

struct Case {
    name: &'static str,
    whom: Whom,
    outcome: Outcome,
    registers: bool,
    spoil: Spoil,
}

fn case(
    name: &'static str,
    whom: Whom,
    outcome: Outcome,
    spoil: impl Fn(&Asked, &mut Answer) + Send + Sync + 'static,
) -> Case {
    Case { name, whom, outcome, registers: false, spoil: Arc::new(spoil) }
}

impl Case {
    fn registering(self) -> Self {
        Self { registers: true, ..self }
    }
}

fn set(answer: &mut Answer, name: &str, value: &str) {
    let name = HeaderName::try_from(name).unwrap();
    answer.headers_mut().insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
}

fn replace(answer: &mut Answer, status: u16, content_type: &str, body: &str) {
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    set(answer, "content-type", content_type);
    *answer.body_mut() = body.to_owned();
}

fn html(answer: &mut Answer) {
    replace(answer, 200, "text/html", "<!doctype html><title>App</title>");
}

/// A change to the JSON document at a path.
fn edit(
    path: &'static str,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
) -> impl Fn(&Asked, &mut Answer) + Send + Sync + 'static {
    move |asked, answer| {
        if asked.path == path
            && let Ok(mut document) = serde_json::from_str::<Value>(answer.body())
        {
            change(&mut document);
            *answer.body_mut() = document.to_string();
        }
    }
}

fn without(path: &'static str, name: &'static str) -> impl Fn(&Asked, &mut Answer) + Send + Sync + 'static {
    edit(path, move |document| {
        document.as_object_mut().unwrap().remove(name);
    })
}

/// A change to the challenge.
fn challenge(change: impl Fn(&str) -> String + Send + Sync + 'static) -> impl Fn(&Asked, &mut Answer) + Send + Sync {
    move |asked, answer| {
        if asked.path == "/mcp"
            && let Some(value) = answer.headers().get("www-authenticate")
        {
            let changed = change(value.to_str().unwrap());
            set(answer, "www-authenticate", &changed);
        }
    }
}

fn to_the_resource() -> Vec<Case> {
    use Outcome::{Connects, Degraded, Fails};
    let bare = |asked: &Asked| asked.path == "/mcp" && !asked.has_token && asked.method != "OPTIONS";
    vec![
        case("no_challenge", Whom::All, Degraded, |asked, answer| {
            if asked.path == "/mcp" {
                answer.headers_mut().remove("www-authenticate");
            }
        }),
        case("several_challenges", Whom::All, Degraded, |asked, answer| {
            if asked.path == "/mcp" && answer.status() == 401 {
                answer.headers_mut().append("www-authenticate", HeaderValue::from_static("Basic realm=\"app\""));
            }
        }),
        case("challenge_unquoted", Whom::All, Degraded, challenge(|value| value.replace('"', ""))),
        case("challenge_not_ascii", Whom::All, Degraded, challenge(|value| format!("{value}, realm=\"Café\""))),
        case(
            "challenge_without_resource_metadata",
            Whom::All,
            Degraded,
            challenge(|value| value.replace("resource_metadata", "realm")),
        ),
        case("challenge_without_scope", Whom::All, Connects, challenge(|value| value.replace("scope", "realm"))),
        case(
            "error_without_credentials",
            Whom::All,
            Connects,
            challenge(|value| match value.contains("error=") {
                true => value.to_owned(),
                false => format!("{value}, error=\"invalid_token\""),
            }),
        ),
        case("get_not_challenged", Whom::Only(&[KnownClient::Codex]), Fails, |asked, answer| {
            if asked.path == "/mcp" && asked.method == "GET" {
                replace(answer, 405, "text/plain", "");
            }
        }),
        case("post_not_challenged", Whom::All, Fails, move |asked, answer| {
            // Pages are a concern of their own.
            if bare(asked) && asked.method == "POST" && !asked.has_origin {
                replace(answer, 403, "text/plain", "");
            }
        }),
        case("open_without_token", Whom::All, Fails, move |asked, answer| {
            if bare(asked) && asked.method == "GET" {
                replace(answer, 200, "text/plain", "in");
            }
        }),
        case("wrong_token_let_in", Whom::All, Fails, |asked, answer| {
            if asked.path == "/mcp" && asked.has_token {
                replace(answer, 200, "text/plain", "in");
            }
        }),
        case("wrong_token_not_401", Whom::All, Degraded, |asked, answer| {
            if asked.path == "/mcp" && asked.has_token {
                replace(answer, 500, "text/plain", "");
            }
        }),
    ]
}

fn in_the_resources_metadata() -> Vec<Case> {
    use Outcome::{Connects, Degraded, Fails};
    vec![
        case("no_resource_metadata", Whom::All, Fails, |asked, answer| {
            // The server's own has to be away as well: some would guess it.
            if asked.path.starts_with("/.well-known/") && asked.method != "OPTIONS" {
                replace(answer, 404, "text/plain", "");
            }
        }),
        case("server_has_to_be_guessed", Whom::All, Degraded, |asked, answer| {
            if asked.path.starts_with("/.well-known/oauth-protected-resource") && asked.method != "OPTIONS" {
                replace(answer, 404, "text/plain", "");
            }
        }),
        case(
            "challenge_leads_nowhere",
            Whom::All,
            Fails,
            challenge(|value| value.replace("resource/mcp", "resource/x")),
        ),
        case("resource_metadata_not_at_root", Whom::All, Connects, |asked, answer| {
            if asked.path == "/.well-known/oauth-protected-resource" {
                replace(answer, 404, "text/plain", "");
            }
        }),
        case("resource_metadata_redirects", Whom::All, Degraded, |asked, answer| {
            if asked.path == "/.well-known/oauth-protected-resource" {
                replace(answer, 302, "text/plain", "");
                set(answer, "location", "/login");
            }
        }),
        case("resource_metadata_not_json", Whom::All, Degraded, |asked, answer| {
            if asked.path == "/.well-known/oauth-protected-resource" {
                html(answer);
            }
        }),
        case("resource_missing", Whom::All, Fails, without(RESOURCE, "resource")),
        case(
            "resource_differs",
            Whom::Only(&[KnownClient::VsCode]),
            Fails,
            edit(RESOURCE, |document| {
                document["resource"] = format!("{}/", document["resource"].as_str().unwrap()).into()
            }),
        ),
        case(
            "resource_is_another",
            Whom::All,
            Fails,
            edit(RESOURCE, |document| document["resource"] = "http://backend:8080/mcp".into()),
        ),
        case(
            "several_authorization_servers",
            Whom::All,
            Connects,
            edit(RESOURCE, |document| {
                document["authorization_servers"].as_array_mut().unwrap().push("https://other.example".into());
            }),
        ),
        case(
            "offline_access_of_resource",
            Whom::All,
            Connects,
            edit(RESOURCE, |document| document["scopes_supported"] = json!(["projects:read", "offline_access"])),
        ),
        case(
            "metadata_has_nulls",
            Whom::All,
            Degraded,
            edit(RESOURCE, |document| document["resource_name"] = Value::Null),
        ),
    ]
}

fn in_discovery() -> Vec<Case> {
    use Outcome::{Degraded, Fails};
    vec![
        case("no_server_metadata", Whom::All, Fails, |asked, answer| {
            if asked.path.starts_with(SERVER) {
                replace(answer, 404, "text/plain", "");
            }
        }),
        case("server_metadata_redirects", Whom::All, Fails, |asked, answer| {
            if asked.path == SERVER {
                replace(answer, 301, "text/plain", "");
                set(answer, "location", "https://www.app.example/");
            }
        }),
        case("server_metadata_not_json", Whom::All, Fails, |asked, answer| {
            if asked.path == SERVER {
                html(answer);
            }
        }),
        case("discovery_redirects", Whom::All, Degraded, |asked, answer| {
            if asked.path == OPENID {
                replace(answer, 302, "text/plain", "");
                set(answer, "location", "/login");
            }
        }),
        case("openid_configuration_not_real", Whom::All, Degraded, |asked, answer| {
            if asked.path == OPENID {
                html(answer);
            }
        }),
        case("openid_configuration_not_real", Whom::All, Degraded, |asked, answer| {
            if asked.path == OPENID {
                replace(answer, 200, "application/json", r#"{"issuer":"https://app.example"}"#);
            }
        }),
        case("discovery_not_json", Whom::All, Degraded, |asked, answer| {
            if asked.path == format!("{SERVER}/mcp") {
                html(answer);
            }
        }),
        case("discovery_not_404", Whom::All, Degraded, |asked, answer| {
            if asked.path == OPENID {
                replace(answer, 500, "text/plain", "");
            }
        }),
        case("metadata_head_or_options", Whom::All, Outcome::Connects, |asked, answer| {
            if asked.path == SERVER && asked.method == "HEAD" {
                replace(answer, 405, "text/plain", "");
            }
        }),
    ]
}

fn in_the_servers_metadata() -> Vec<Case> {
    use KnownClient::{ChatGpt, Claude, Codex, Cursor, GeminiCli, McpRemote};
    use Outcome::{Connects, Degraded, Fails};
    let methods = "token_endpoint_auth_methods_supported";
    vec![
        case(
            "issuer_differs",
            Whom::All,
            Fails,
            edit(SERVER, |document| document["issuer"] = format!("{}/", document["issuer"].as_str().unwrap()).into()),
        ),
        case("endpoint_missing", Whom::All, Fails, without(SERVER, "token_endpoint")),
        case(
            "iss_not_advertised",
            Whom::All,
            Connects,
            without(SERVER, "authorization_response_iss_parameter_supported"),
        ),
        case("pkce_not_advertised", Whom::All, Fails, without(SERVER, "code_challenge_methods_supported")),
        case(
            "code_not_supported",
            Whom::All,
            Fails,
            edit(SERVER, |document| document["response_types_supported"] = json!(["token"])),
        ),
        case("refresh_not_advertised", Whom::All, Degraded, without(SERVER, "grant_types_supported")),
        case(
            "offline_access_not_advertised",
            Whom::All,
            Connects,
            edit(SERVER, |document| document["scopes_supported"] = json!(["projects:read"])),
        ),
        case(
            "documents_without_none",
            Whom::Only(&[Claude]),
            Degraded,
            edit(SERVER, move |document| document[methods] = json!(["client_secret_post", "private_key_jwt"])),
        ),
        case(
            "private_key_jwt_not_offered",
            Whom::Only(&[ChatGpt]),
            Connects,
            edit(SERVER, move |document| document[methods] = json!(["none"])),
        ),
        case(
            "rs256_not_offered",
            Whom::Only(&[ChatGpt]),
            Degraded,
            without(SERVER, "token_endpoint_auth_signing_alg_values_supported"),
        ),
        case(
            "no_registration",
            Whom::Only(&[Cursor, McpRemote, GeminiCli]),
            Fails,
            without(SERVER, "registration_endpoint"),
        ),
        case(
            "no_metadata_documents",
            Whom::Only(&[Claude]),
            Degraded,
            without(SERVER, "client_id_metadata_document_supported"),
        ),
        case(
            "no_way_to_register",
            Whom::All,
            Fails,
            edit(SERVER, |document| {
                let members = document.as_object_mut().unwrap();
                members.remove("registration_endpoint");
                members.remove("client_id_metadata_document_supported");
            }),
        ),
        case(
            "authorization_endpoint_elsewhere",
            Whom::Only(&[Codex]),
            Fails,
            edit(SERVER, |document| {
                let endpoint = document["authorization_endpoint"].as_str().unwrap().replace("127.0.0.1", "localhost");
                document["authorization_endpoint"] = endpoint.into();
                document.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
            }),
        ),
        case(
            "plain_http",
            Whom::All,
            Fails,
            edit(SERVER, |document| {
                document["revocation_endpoint"] = Value::Null;
                let members = document.as_object_mut().unwrap();
                members.remove("revocation_endpoint");
                members.insert("revocation_endpoint".to_owned(), "http://app.example/oauth/revoke".into());
            }),
        ),
    ]
}

fn at_the_endpoints() -> Vec<Case> {
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

fn for_pages() -> Vec<Case> {
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

fn at_registration() -> Vec<Case> {
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

async fn check(cases: Vec<Case>) {
    for case in cases {
        let origin = start(|builder| builder, case.spoil).await;
        let report = if case.registers { examine_registering(&origin).await } else { examine(&origin).await };
        assert_eq!(found(&report), [case.name], "{report}");
        let finding = report.findings.iter().find(|finding| finding.name == case.name).unwrap();
        assert!(!finding.change.is_empty() && !finding.seen.is_empty(), "{finding:?}");
        for verdict in &report.verdicts {
            let is_told = match &case.whom {
                Whom::All => true,
                Whom::Only(clients) => clients.contains(&verdict.client),
            };
            assert_eq!(finding.clients.contains(&verdict.client), is_told, "{}: {report}", case.name);
            let expected = if is_told { case.outcome } else { Outcome::Connects };
            assert_eq!(verdict.outcome, expected, "{}: {report}", case.name);
        }
        assert!(!report.to_string().contains("hush-hush"), "no secret is shown");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_resources_answers_is_found() {
    check(to_the_resource()).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_resources_metadata_is_found() {
    check(in_the_resources_metadata()).await;
}

#[tokio::test]
async fn what_is_wrong_with_discovery_is_found() {
    check(in_discovery()).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_servers_metadata_is_found() {
    check(in_the_servers_metadata()).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_endpoints_is_found() {
    check(at_the_endpoints()).await;
}

#[tokio::test]
async fn what_keeps_pages_out_is_found() {
    check(for_pages()).await;
}

#[tokio::test]
async fn what_is_wrong_with_registrations_is_found() {
    check(at_registration()).await;
}

#[tokio::test]
async fn what_the_operator_left_out_is_found() {
    type Change = fn(Builder) -> Builder;
    let off: Change = |builder| builder.registration(Registration::Off);
    let origin = start(off, Arc::new(|_, _| {})).await;
    let report = examine(&origin).await;
    assert_eq!(found(&report), ["no_registration"]);
    assert_eq!(outcome(&report, KnownClient::Cursor), Outcome::Fails);
    assert_eq!(outcome(&report, KnownClient::Claude), Outcome::Connects);
}
