//! What is counted and measured, as an exporter gets it through the `metrics` facade.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use support::{API, Client, World};

/// A run with consent, tokens, a replay, refusals everywhere and a guard.
async fn run() -> Client {
    let world = World::new();
    let client = world.public_client().await;
    let code = world.code(&client).await;
    let tokens = world.exchange(&client, &code, &[]).await;
    let token = tokens.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.guard(API, "projects:read", &token).await, 200);
    assert_eq!(world.guard(API, "projects:read", "gra_forged").await, 401);
    world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
    world.exchange(&client, "grc_forged", &[]).await.assert_error(400, "invalid_grant");
    world.browser_of("alice").deny(&client.authorize()).await;
    world.browser_of("alice").get("/oauth/authorize?client_id=a-stranger").await.assert_page(400);
    client
}

#[test]
fn events_and_durations_are_counted_under_a_few_words() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = metrics::with_local_recorder(&recorder, || runtime.block_on(run()));

    let mut counters = BTreeMap::new();
    let mut durations = BTreeSet::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
        for label in &labels {
            assert!(!label.contains("alice") && !label.contains(&client.id), "{label} is no word of ours");
            assert!(label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{label}");
        }
        match (key.key().name(), value) {
            ("grantor_events_total", DebugValue::Counter(count)) => drop(counters.insert(labels.join(" "), count)),
            ("grantor_request_duration_seconds", DebugValue::Histogram(values)) => {
                assert!(values.iter().all(|seconds| (0.0..60.0).contains(&seconds.into_inner())));
                durations.insert(labels.join(" "));
            }
            (other, value) => panic!("{other}: {value:?}"),
        }
    }
    let expected = [
        ("client_registered register new", 1),
        ("code_replayed token ", 1),
        ("consent_denied consent ", 1),
        ("consent_given consent asked", 1),
        ("refused authorize client_unknown", 1),
        ("refused guard unknown", 1),
        ("refused token code_replayed", 1),
        ("refused token code_unknown", 1),
        ("tokens_issued token code", 1),
    ];
    assert_eq!(counters, expected.map(|(labels, count)| (labels.to_owned(), count)).into());
    let expected = ["authorize 2xx", "authorize 4xx", "consent 3xx", "register 2xx", "token 2xx", "token 4xx"];
    assert_eq!(durations, expected.map(str::to_owned).into());
}
