//! The scopes that are kept as data.

use std::sync::Arc;

use super::races::{CROWD, Racer, count, race};
use super::records;
use crate::protocol::scope_records::{Retired, ScopeRecords};
use crate::storage::{SaveScopes, Saved, Storage};

async fn read<S: Storage>(store: &S) -> Option<Arc<ScopeRecords>> {
    store.scopes().await.expect("scopes answers")
}

async fn save<S: Storage>(store: &S, op: SaveScopes) -> Saved {
    store.save_scopes(op).await.expect("save_scopes answers")
}

/// Scopes come back as they were saved, in their order, with a revision that is one higher. What was made from
/// another state is refused and changes nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn scopes_are_read_back_as_they_were_saved<S: Storage>(store: S) {
    assert_eq!(read(&store).await, None, "none were ever saved");
    assert_eq!(save(&store, records::save_scopes(1, &["a"])).await, Saved::Changed, "there is no such state");
    assert_eq!(read(&store).await, None, "a refused change saves nothing");
    let mut hostile = records::save_scopes(0, &["b", "a", "c:ü\u{202e}'; DROP TABLE scopes; --"]);
    let scopes = Arc::make_mut(&mut hostile.records);
    scopes.records[0].description = " Grüße\u{0} \\ '\" \n".to_owned();
    scopes.records[1].retired = Some(Retired::Dead);
    scopes.records[1].reserved = true;
    scopes.records[2].retired = Some(Retired::RunsOut);
    scopes.records[2].advertised = false;
    scopes.records[2].needs_consent = false;
    scopes.records[2].implies = vec!["id of b".to_owned(), "id of a".to_owned()];
    for (revision, op) in [hostile.clone(), records::save_scopes(1, &[]), hostile].into_iter().enumerate() {
        let revision = revision as u32;
        for outdated in [revision.wrapping_sub(1), revision + 1, u32::MAX] {
            let op = records::save_scopes(outdated, &["outdated"]);
            assert_eq!(save(&store, op).await, Saved::Changed, "{outdated} while {revision} is stored");
        }
        let records = op.records.records.clone();
        let op = SaveScopes { records: Arc::new(ScopeRecords { revision, records: records.clone() }) };
        assert_eq!(save(&store, op).await, Saved::Now, "made from what is stored");
        let stored = read(&store).await.expect("they were saved");
        assert_eq!(*stored, ScopeRecords { revision: revision + 1, records }, "as they were saved");
    }
}

/// Of many changes of one state at once one counts, whole; also of many that are the first.
///
/// # Panics
/// If the invariant is broken.
pub async fn of_parallel_changes_of_the_scopes_one_counts<S: Storage>(store: S) {
    let store = Arc::new(store);
    for revision in 0..8 {
        let racers = (0..CROWD).map(|number| {
            let op = records::save_scopes(revision, &[&format!("a{number}"), &format!("b{number}")]);
            let store = Arc::clone(&store);
            Box::pin(async move { store.save_scopes(op).await.expect("save_scopes answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Saved::Now), 1, "one change of a state counts: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Saved::Now).unwrap_or_default();
        let stored = read(&store).await.expect("they were saved");
        let names: Vec<_> = stored.records.iter().map(|record| record.name.clone()).collect();
        assert_eq!(names, [format!("a{winner}"), format!("b{winner}")], "what is stored is the change that counted");
        assert_eq!(stored.revision, revision + 1, "a change raises the revision by one");
    }
}
