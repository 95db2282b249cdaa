//! What holds of a few rows holds of many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::races::each_of_many;
use super::records::{self, CODE_LIFETIME, NOW, REFRESH_LIFETIME};
use super::scene::Scene;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Approval, Decided, Inserted, Scanned, Storage, Table};

const TABLES: [Table; 4] = [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens];

/// Fails without printing a hundred thousand ids.
fn assert_same<T: PartialEq>(seen: &[T], expected: &[T], what: &str) {
    let differs = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
    assert!(differs.is_none(), "{what}: row {differs:?} of {} is another one", expected.len());
    assert_eq!(seen.len(), expected.len(), "{what}: all of them");
}

/// A later approval of the same: parsing all of it a hundred thousand times would take longer than the store does.
fn another(first: &Approval, later: Duration) -> Approval {
    let mut approval = first.clone();
    let now = NOW.after(later);
    let grant = Arc::make_mut(&mut approval.grant);
    (grant.id, grant.created_at) = (records::ordered_id(now), now);
    let code = &mut approval.code;
    (code.id, code.hash, code.grant) = (records::ordered_id(now), records::hash(), grant.id);
    code.expires_at = now.after(CODE_LIFETIME);
    approval
}

/// Pages show each of `rows` grants of one user once, and so do walks through the tables.
///
/// # Panics
/// If the invariant is broken.
pub async fn pages_show_each_of_many_grants_once<S: Storage>(store: S, rows: u32) {
    let scene = Scene::new(store).await;
    let user = records::subject("user");
    let first = records::approval(&user, &scene.client.id, NOW);
    let approvals: Vec<_> =
        (0..rows).map(|number| another(&first, Duration::from_millis(number.into()) / 50)).collect();
    let (mut grants, mut codes): (Vec<_>, Vec<_>) =
        approvals.iter().map(|approval| (approval.grant.id, approval.code.id)).unzip();
    let (store, client, approvals) = (Arc::clone(&scene.store), Arc::clone(&scene.client), Arc::new(approvals));
    each_of_many(rows, move |number| {
        let op = records::approve(records::prompt(NOW), &client, &approvals[number as usize], NOW);
        let store = Arc::clone(&store);
        async move { assert_eq!(store.decide(op).await.expect("decide answers"), Decided::First, "a new prompt") }
    })
    .await;
    grants.sort_unstable();
    codes.sort_unstable();
    for limit in [1000, 7777] {
        for (table, expected) in [(Table::Grants, &grants), (Table::Codes, &codes)] {
            let mut seen = Vec::<OrderedId>::new();
            loop {
                let page = scene.scan(table, seen.last().copied(), limit).await;
                assert!(page.len() <= limit as usize, "a page of at most {limit} has {}", page.len());
                seen.extend(page.iter().map(Scanned::id));
                if page.is_empty() || seen.len() > expected.len() {
                    break;
                }
            }
            assert_same(&seen, expected, "a walk");
        }
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = scene.store.grants(&user, before, limit, NOW).await.expect("grants answers");
            assert!(page.len() <= limit as usize, "a page of at most {limit} has {}", page.len());
            let Some(last) = page.last() else { break };
            before = Some(last.grant.id);
            seen.extend(page.iter().map(|stored| stored.grant.id));
            if seen.len() > grants.len() {
                break;
            }
        }
        seen.reverse();
        assert_same(&seen, &grants, "the grants of a user");
    }
}

/// Pages show each of `rows` clients once.
///
/// # Panics
/// If the invariant is broken.
pub async fn pages_show_each_of_many_clients_once<S: Storage>(store: S, rows: u32) {
    let store = Arc::new(store);
    let name = |number: u32| format!("{:08x} client", number.wrapping_mul(0x9E37_79B1));
    let (inserting, first) = (Arc::clone(&store), records::client("client"));
    each_of_many(rows, move |number| {
        let id = ClientId::parse(&name(number)).expect("a client id");
        let (store, client) = (Arc::clone(&inserting), Arc::new(Client { id, ..first.clone() }));
        async move {
            let inserted =
                store.insert_client(records::insert(Arc::clone(&client))).await.expect("insert_client answers");
            assert_eq!(inserted, Inserted::New, "the id of a new client was free");
        }
    })
    .await;
    let mut expected: Vec<_> = (0..rows).map(|number| ClientId::parse(&name(number)).expect("a client id")).collect();
    expected.sort_unstable();
    for limit in [1000, 7777] {
        let mut seen = Vec::<ClientId>::new();
        loop {
            let page = store.clients(seen.last(), limit).await.expect("clients answers");
            assert!(page.len() <= limit as usize, "a page of at most {limit} has {}", page.len());
            seen.extend(page.iter().map(|client| client.id.clone()));
            if page.is_empty() || seen.len() > expected.len() {
                break;
            }
        }
        assert_same(&seen, &expected, "the clients");
    }
}

/// While `grants` grants that have ended are purged with all that hangs on them, exchanges and rotations go
/// on, and nothing of theirs goes.
///
/// # Panics
/// If the invariant is broken.
pub async fn purging_many_rows_beside_exchanges_leaves_what_is_alive<S: Storage>(store: S, grants: u32) {
    let scene = Arc::new(Scene::new(store).await);
    let ending = Arc::clone(&scene);
    each_of_many(grants, move |number| {
        let scene = Arc::clone(&ending);
        async move {
            let now = Timestamp::from_millis(NOW.as_millis() - u64::from(number) / 16);
            scene.refreshable(&format!("user {number}"), now).await;
        }
    })
    .await;
    let end = NOW.after(REFRESH_LIFETIME);
    let is_purged = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> =
        (0..16).map(|_| tokio::spawn(keep_refreshing(Arc::clone(&scene), end, Arc::clone(&is_purged)))).collect();
    let steps = 100 + grants * 6 / 200;
    let mut step = 0;
    while scene.purge(end, 200).await >= 200 {
        step += 1;
        assert!(step < steps, "purging does not come to an end");
    }
    is_purged.store(true, Ordering::Relaxed);
    let mut alive = Vec::new();
    for worker in workers {
        alive.extend(worker.await.expect("an exchange beside a purge panicked"));
    }
    assert!(!alive.is_empty(), "there were exchanges beside the purge");
    while scene.purge(end, 200).await >= 200 {}
    let counts = [1, 1, 3, 3].map(|each| each * alive.len());
    for (table, expected) in TABLES.into_iter().zip(counts) {
        let (mut seen, mut last) = (0, None);
        loop {
            let page = scene.scan(table, last, 1000).await;
            let Some(row) = page.last() else { break };
            (seen, last) = (seen + page.len(), Some(row.id()));
        }
        assert_eq!(seen, expected, "{table:?}: what has ended goes, and what is alive stays");
    }
    for token in alive {
        scene.assert_live(token, "it was issued beside a purge").await;
    }
}

/// Exchanges a code and refreshes twice, until the purge is done; the last access tokens.
async fn keep_refreshing<S: Storage>(
    scene: Arc<Scene<S>>,
    now: Timestamp,
    is_purged: Arc<AtomicBool>,
) -> Vec<OrderedId> {
    let mut tokens = Vec::new();
    while tokens.is_empty() || !is_purged.load(Ordering::Relaxed) {
        let start = scene.refreshable("user", now).await;
        let first = scene.rotated(start.refresh, &start.approval.grant, now).await;
        let second = scene.rotated(first.successor.id, &start.approval.grant, now).await;
        scene.assert_live(second.access.id, "it was issued beside a purge").await;
        tokens.push(second.access.id);
        tokio::task::yield_now().await;
    }
    tokens
}
