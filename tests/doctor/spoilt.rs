//! Deployments with exactly one thing spoilt: exactly that is found, and the right clients are told.

mod endpoints;

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
        case("resource_metadata_not_at_its_path", Whom::All, Connects, |asked, answer| {
            challenge(|value| value.replace("resource/mcp", "resource"))(asked, answer);
            if asked.path == RESOURCE {
                replace(answer, 404, "text/plain", "");
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
        case("server_metadata_misplaced", Whom::All, Fails, |asked, answer| {
            edit(RESOURCE, |document| {
                let issuer = format!("{}/x", document["authorization_servers"][0].as_str().unwrap());
                document["authorization_servers"] = json!([issuer]);
            })(asked, answer);
            if asked.path == format!("/x{SERVER}") {
                replace(answer, 200, "application/json", r#"{"issuer":"https://app.example/x"}"#);
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
    check(endpoints::at_the_endpoints()).await;
}

#[tokio::test]
async fn what_keeps_pages_out_is_found() {
    check(endpoints::for_pages()).await;
}

#[tokio::test]
async fn what_is_wrong_with_registrations_is_found() {
    check(endpoints::at_registration()).await;
}

#[tokio::test]
async fn what_comes_together_is_found_together() {
    type Change = fn(&mut serde_json::Map<String, Value>);
    let cases: [(Change, &[&str]); 3] = [
        (
            |document| {
                document.remove("client_id_metadata_document_supported");
                document.remove("token_endpoint_auth_methods_supported");
            },
            &["no_metadata_documents", "public_clients_not_advertised", "private_key_jwt_not_offered"],
        ),
        (
            |document| {
                document.remove("registration_endpoint");
                document["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
            },
            &["no_registration", "documents_without_none_or_registration"],
        ),
        (
            |document| {
                document.remove("scopes_supported");
            },
            &["no_scopes_advertised", "challenge_without_scope", "offline_access_not_advertised"],
        ),
    ];
    for (change, names) in cases {
        let spoil = move |asked: &Asked, answer: &mut Answer| {
            edit(SERVER, move |document| change(document.as_object_mut().unwrap()))(asked, answer);
            if names[0] == "no_scopes_advertised" {
                without(RESOURCE, "scopes_supported")(asked, answer);
                challenge(|value| value.replace("scope", "realm"))(asked, answer);
            }
        };
        let report = examine(&start(|builder| builder, Arc::new(spoil)).await).await;
        assert_eq!(found(&report), names, "{report}");
    }
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
