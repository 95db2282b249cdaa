//! The scopes and resources that are kept as data.

use std::sync::Arc;
use std::time::Duration;

use super::races::{CROWD, Racer, count, race};
use super::records;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::resource::ResourceId;
use crate::protocol::scope::ScopeSet;
use crate::protocol::scope_records::Retired;
use crate::storage::{SavePolicy, Saved, Storage};

async fn read<S: Storage>(store: &S) -> Option<Arc<PolicyRecords>> {
    store.policy().await.expect("policy answers")
}

async fn save<S: Storage>(store: &S, op: SavePolicy) -> Saved {
    store.save_policy(op).await.expect("save_policy answers")
}

/// Scopes and resources come back as they were saved, in their order, with a revision that is one higher. What was made from
/// another state is refused and changes nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn the_policy_is_read_back_as_it_was_saved<S: Storage>(store: S) {
    assert_eq!(read(&store).await, None, "none were ever saved");
    assert_eq!(save(&store, records::save_policy(1, &["a"])).await, Saved::Changed, "there is no such state");
    assert_eq!(read(&store).await, None, "a refused change saves nothing");
    let mut hostile = records::save_policy(0, &["b", "a", "c:ü\u{202e}'; DROP TABLE scopes; --"]);
    let policy = Arc::make_mut(&mut hostile.records);
    policy.scopes[0].description = " Grüße\u{0} \\ '\" \n".to_owned();
    policy.scopes[1].retired = Some(Retired::Dead);
    policy.scopes[1].reserved = true;
    policy.scopes[2].retired = Some(Retired::RunsOut);
    policy.scopes[2].advertised = false;
    policy.scopes[2].needs_consent = false;
    policy.scopes[2].implies = vec!["id of b".to_owned(), "id of a".to_owned()];
    policy.resources[0].name = Some(" Grüße\u{0} \\ '\" \n".to_owned());
    policy.resources[1].id = ResourceId::numbered(&policy.resources[1].id.uri(), 7);
    policy.resources[1].scopes = ScopeSet::parse("b a").ok();
    policy.resources[1].retired = true;
    policy.resources[2].access_token = Some(Duration::from_millis(1001));
    policy.resources[2].is_origin = true;
    policy.resources[2].advertised = false;
    for (revision, op) in [hostile.clone(), records::save_policy(1, &[]), hostile].into_iter().enumerate() {
        let revision = revision as u32;
        for outdated in [revision.wrapping_sub(1), revision + 1, u32::MAX] {
            let op = records::save_policy(outdated, &["outdated"]);
            assert_eq!(save(&store, op).await, Saved::Changed, "{outdated} while {revision} is stored");
        }
        let saved = PolicyRecords { revision, ..(*op.records).clone() };
        let op = SavePolicy { records: Arc::new(saved.clone()) };
        assert_eq!(save(&store, op).await, Saved::Now, "made from what is stored");
        let stored = read(&store).await.expect("they were saved");
        assert_eq!(*stored, PolicyRecords { revision: revision + 1, ..saved }, "as they were saved");
    }
}

/// Of many changes of one state at once one counts, whole; also of many that are the first.
///
/// # Panics
/// If the invariant is broken.
pub async fn of_parallel_changes_of_the_policy_one_counts<S: Storage>(store: S) {
    let store = Arc::new(store);
    for revision in 0..8 {
        let racers = (0..CROWD).map(|number| {
            let op = records::save_policy(revision, &[&format!("a{number}"), &format!("b{number}")]);
            let store = Arc::clone(&store);
            Box::pin(async move { store.save_policy(op).await.expect("save_policy answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Saved::Now), 1, "one change of a state counts: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Saved::Now).unwrap_or_default();
        let stored = read(&store).await.expect("they were saved");
        let names: Vec<_> = stored.scopes.iter().map(|record| record.name.clone()).collect();
        assert_eq!(names, [format!("a{winner}"), format!("b{winner}")], "what is stored is the change that counted");
        assert_eq!(stored.revision, revision + 1, "a change raises the revision by one");
    }
}
