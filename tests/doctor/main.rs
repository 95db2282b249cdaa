//! The doctor against real deployments: healthy ones, and ones with one thing spoilt.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod hostile;
mod site;
mod spoilt;
#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "an example has a `main`, which nobody calls here")]
#[path = "../../examples/mcp.rs"]
mod example;

use std::sync::Arc;

use grantor::doctor::{Examination, ExamineError, KnownClient, Outcome, Report, Severity};

/// The names of all findings but that the address is one of this machine.
fn found(report: &Report) -> Vec<&'static str> {
    let names = report.findings.iter().map(|finding| finding.name);
    names.filter(|name| *name != "loopback_address").collect()
}

fn outcome(report: &Report, client: KnownClient) -> Outcome {
    report.verdicts.iter().find(|verdict| verdict.client == client).unwrap().outcome
}

fn text(report: &Report, client: KnownClient) -> &str {
    &report.verdicts.iter().find(|verdict| verdict.client == client).unwrap().text
}

#[tokio::test]
async fn every_client_connects_to_a_healthy_deployment() {
    let origin = site::start(|builder| builder, Arc::new(|_, _| {})).await;
    for report in [site::examine(&origin).await, site::examine_registering(&origin).await] {
        assert_eq!(found(&report), [""; 0], "{report}");
        assert!(report.all_connect());
        for verdict in &report.verdicts {
            assert_eq!(verdict.outcome, Outcome::Connects, "{report}");
        }
        assert_eq!(
            text(&report, KnownClient::Claude),
            "connects, with its metadata document, once it is at a public address"
        );
        assert_eq!(text(&report, KnownClient::VsCode), "connects, with its metadata document");
        assert_eq!(text(&report, KnownClient::Cursor), "connects, and registers itself");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_is_as_good() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let oauth = grantor::Server::builder(&format!("{origin}/tenant/one"))
        .storage(grantor::MemoryStorage::new())
        .host(support::App)
        .scope("projects:read", "See your projects")
        .default_scopes("projects:read")
        .resource("/mcp")
        .client_metadata_documents(site::documents())
        .registration(grantor::Registration::Open)
        .build()
        .unwrap();
    let guard = oauth.resource(&format!("{origin}/mcp")).unwrap().require("").unwrap();
    let route = axum::routing::any(|| async { "in" }).layer(guard);
    let app = axum::Router::new().route("/mcp", route).merge(grantor::axum::routes(&oauth));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    assert_eq!(found(&site::examine(&origin).await), [""; 0]);
}

#[tokio::test]
async fn every_client_connects_to_the_example() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = example::routes(example::App::new(origin.clone(), "secret"), |oauth| oauth).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    for report in [site::examine(&origin).await, site::examine_registering(&origin).await] {
        assert_eq!(found(&report), [""; 0], "{report}");
        assert!(report.all_connect(), "{report}");
    }
}

#[tokio::test]
async fn what_a_deployment_leaves_out_is_said_of_those_who_miss_it() {
    let leave_out = |plain: grantor::Builder| {
        plain
            .scope("projects:read", "See your projects")
            .default_scopes("projects:read")
            .resource("/mcp")
            .registration(grantor::Registration::Open)
    };
    let origin = site::start_plain(leave_out, Arc::new(|_, _| {})).await;
    let report = site::examine(&origin).await;
    assert!(report.all_connect(), "{report}");
    assert_eq!(found(&report), ["no_metadata_documents"], "{report}");
    assert_eq!(outcome(&report, KnownClient::Claude), Outcome::Degraded);
    assert_eq!(
        text(&report, KnownClient::Claude),
        "would register anew at each connection, since metadata documents of clients are not supported"
    );
    let degraded = report.verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Degraded);
    assert_eq!(degraded.count(), 1);
    // Nobody said that the origin is another name of the resource.
    let report = site::examine_registering(&origin).await;
    assert_eq!(found(&report), ["origin_is_no_resource", "no_metadata_documents"], "{report}");
    assert_eq!(outcome(&report, KnownClient::ChatGpt), Outcome::Fails);
}

#[tokio::test]
async fn it_registers_nobody_unless_told_to() {
    for (registers, clients) in [(false, 0), (true, 12)] {
        let registrations = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&registrations);
        let spoil = move |asked: &site::Asked, _: &mut site::Answer| {
            if asked.path == "/oauth/register" && asked.method == "POST" {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        };
        let origin = site::start(|builder| builder, Arc::new(spoil)).await;
        let report = if registers { site::examine_registering(&origin).await } else { site::examine(&origin).await };
        assert_eq!(report.registered, registers);
        assert_eq!(registrations.load(std::sync::atomic::Ordering::SeqCst), clients);
    }
}

#[test]
fn what_is_no_endpoint_is_not_examined() {
    for url in
        ["", "app.example/mcp", "ftp://app.example/", "https://", "https://a:b@app.example/", "https://a.example/?b"]
    {
        assert!(matches!(Examination::new(url), Err(ExamineError::NotAnEndpoint)), "{url}");
    }
}

#[tokio::test]
async fn where_nobody_answers_nobody_connects() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let report = site::examine(&origin).await;
    assert_eq!(found(&report), ["no_answer"], "{report}");
    assert!(report.verdicts.iter().all(|verdict| verdict.outcome == Outcome::Fails));
    // Nothing is sent in the clear.
    let report = Examination::new("http://app.example/mcp").unwrap().run().await;
    assert_eq!(found(&report), ["plain_http"], "{report}");
}

#[tokio::test]
async fn the_report_is_for_people_and_for_machines() {
    let origin = site::start(|builder| builder.registration(grantor::Registration::Off), Arc::new(|_, _| {})).await;
    let report = site::examine(&origin).await;
    let shown = report.to_string();
    assert!(shown.contains("\n- Cursor        fails: clients cannot register themselves"), "{shown}");
    assert!(shown.contains("\nFAILS no_registration (Cursor, mcp-remote, Gemini CLI)\n"), "{shown}");
    assert!(shown.contains("  change: Let them: `.registration(Registration::Open)`.\n"), "{shown}");
    assert!(shown.contains("  see:    RFC 7591 §3\n"), "{shown}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][0]["name"], "no_registration");
    assert_eq!(json["findings"][0]["severity"], "fails");
    assert_eq!(json["findings"][0]["clients"], serde_json::json!(["cursor", "mcp_remote", "gemini_cli"]));
    assert_eq!(report.findings[0].severity, Severity::Fails);
    assert_eq!(json["verdicts"][0]["client"], "claude");
    assert_eq!(json["verdicts"][0]["outcome"], "connects");
}
