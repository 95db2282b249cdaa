#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::rules::{self, Rule};
use super::walk::Walk;
use super::{Report, check};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::{Grant, Rotation, Subject};
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::resource::ResourceId;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::testkit::records::{self, NOW};
use crate::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    MemoryStorage, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, Row, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};

/// Rows as a store might have them, one state after the other.
#[derive(Default)]
struct Rows {
    states: Vec<Vec<Scanned>>,
    /// How many changes come before each look, the first one first; none when they have run out.
    changes: Mutex<Vec<usize>>,
    state: AtomicUsize,
}

impl Rows {
    /// Rows that do not change.
    fn of(rows: &[Scanned]) -> Self {
        Self { states: vec![rows.to_vec()], ..Self::default() }
    }
}

impl Storage for Rows {
    fn durability(&self) -> Durability {
        Durability::Process
    }
    fn sharing(&self) -> Sharing {
        Sharing::Sole
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        let is_of = |row: &&Scanned| super::report::table(row) == table;
        let changes = self.changes.lock().unwrap().pop().unwrap_or_default();
        let state = self.state.fetch_add(changes, Ordering::Relaxed) + changes;
        let Some(rows) = self.states.get(state).or(self.states.last()) else { return Ok(Vec::new()) };
        let mut page: Vec<_> = rows.iter().filter(is_of).filter(|row| after < Some(row.id())).cloned().collect();
        page.sort_by_key(Scanned::id);
        page.truncate(limit as usize);
        Ok(page)
    }
    async fn client(&self, _: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        unimplemented!()
    }
    async fn clients(&self, _: Option<&ClientId>, _: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        unimplemented!()
    }
    async fn code(&self, _: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        unimplemented!()
    }
    async fn access_token(&self, _: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        unimplemented!()
    }
    async fn refresh_token(&self, _: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        unimplemented!()
    }
    async fn consents(&self, _: &Subject, _: &ClientId) -> Result<Vec<Consent>, StorageError> {
        unimplemented!()
    }
    async fn grants(
        &self,
        _: &Subject,
        _: Option<OrderedId>,
        _: u32,
        _: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        unimplemented!()
    }
    async fn insert_client(&self, _: InsertClient) -> Result<Inserted, StorageError> {
        unimplemented!()
    }
    async fn update_client(&self, _: UpdateClient) -> Result<Updated, StorageError> {
        unimplemented!()
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        unimplemented!()
    }
    async fn remove_client(&self, _: RemoveClient) -> Result<Removed, StorageError> {
        unimplemented!()
    }
    async fn renew_client(&self, _: RenewClient) -> Result<Renewed, StorageError> {
        unimplemented!()
    }
    async fn grant_client(&self, _: GrantClient) -> Result<Granted, StorageError> {
        unimplemented!()
    }
    async fn save_policy(&self, _: SavePolicy) -> Result<Saved, StorageError> {
        unimplemented!()
    }
    async fn claim_once(&self, _: ClaimOnce) -> Result<Claimed, StorageError> {
        unimplemented!()
    }
    async fn revoke_grants(&self, _: RevokeGrants) -> Result<u32, StorageError> {
        unimplemented!()
    }
    async fn decide(&self, _: Decide) -> Result<Decided, StorageError> {
        unimplemented!()
    }
    async fn redeem_code(&self, _: RedeemCode) -> Result<Redeemed, StorageError> {
        unimplemented!()
    }
    async fn rotate_refresh(&self, _: RotateRefresh) -> Result<Rotated, StorageError> {
        unimplemented!()
    }
    async fn issue_access(&self, _: IssueAccess) -> Result<Issued, StorageError> {
        unimplemented!()
    }
    async fn revoke_access(&self, _: RevokeAccess) -> Result<Revoked, StorageError> {
        unimplemented!()
    }
    async fn revoke_grant(&self, _: RevokeGrant) -> Result<Revoked, StorageError> {
        unimplemented!()
    }
    async fn purge(&self, _: Timestamp, _: u32) -> Result<u32, StorageError> {
        unimplemented!()
    }
}

fn scanned(grant: &Arc<Grant>, row: Row) -> Scanned {
    Scanned {
        row,
        grant: Arc::clone(grant),
        grant_expires_at: NOW.after(records::REFRESH_LIFETIME * 2),
        revoked: false,
    }
}

fn refresh(grant: &Arc<Grant>, predecessor: Option<OrderedId>) -> Scanned {
    scanned(grant, Row::Refresh { token: records::refresh(grant, NOW), rotation: None, predecessor })
}

/// Uses a refresh token that is the last of `rows`: its successor comes behind it.
fn rotate(rows: &mut Vec<Scanned>) {
    let last = rows.len() - 1;
    let successor = refresh(&rows[last].grant, Some(rows[last].id()));
    let grandparent = match &mut rows[last].row {
        Row::Refresh { rotation, predecessor, .. } => {
            *rotation = Some(Rotation {
                successor: successor.id(),
                answer: Some(Arc::from([1, 2, 3])),
                grace_until: NOW.after(records::GRACE),
            });
            *predecessor
        }
        _ => panic!("no refresh token"),
    };
    for row in &mut *rows {
        if Some(row.id()) == grandparent {
            rotation_of(row).as_mut().unwrap().answer = None;
        }
    }
    rows.push(successor);
}

fn rotation_of(row: &mut Scanned) -> &mut Option<Rotation> {
    match &mut row.row {
        Row::Refresh { rotation, .. } => rotation,
        _ => panic!("no refresh token"),
    }
}

fn predecessor_of(row: &mut Scanned) -> &mut Option<OrderedId> {
    match &mut row.row {
        Row::Refresh { predecessor, .. } => predecessor,
        _ => panic!("no refresh token"),
    }
}

/// A grant, its code, an access token, and refresh tokens of which all but the last were used: 8 rows.
fn sound_grant() -> Vec<Scanned> {
    let approval = records::approval(&records::subject("user"), &records::client("client").id, NOW);
    let grant = &approval.grant;
    let mut rows = vec![
        scanned(grant, Row::Grant),
        scanned(grant, Row::Code { code: approval.code, redeemed: true }),
        scanned(grant, Row::Access(records::access(grant, NOW))),
        refresh(grant, None),
    ];
    for _ in 0..4 {
        rotate(&mut rows);
    }
    rows
}

/// The same twice, with a row in between that the second one of the two is to be changed in.
fn sound() -> Vec<Scanned> {
    [sound_grant(), sound_grant(), sound_grant()].concat()
}

/// Where the rows of the second grant are.
const GRANT: usize = 8;
const CODE: usize = GRANT + 1;
const ACCESS: usize = GRANT + 2;
const REFRESH: [usize; 5] = [GRANT + 3, GRANT + 4, GRANT + 5, GRANT + 6, GRANT + 7];

async fn check_with(rows: &[Scanned], page: u32, grants: usize) -> Report {
    Walk::new(&Rows::of(rows), page, grants).run().await.unwrap()
}

/// Fails unless exactly this rule is broken, however large pages and windows are.
async fn assert_finds(rule: Rule, change: impl Fn(&mut Vec<Scanned>)) {
    let mut rows = sound();
    change(&mut rows);
    let judged: Vec<_> = rules::broken(&rows).iter().map(|violation| violation.rule).collect();
    assert_eq!(judged, [rule], "at rest");
    for (page, grants) in [(256, 1 << 17), (1, 1 << 17), (3, 1), (256, 1), (2, 2)] {
        let report = check_with(&rows, page, grants).await;
        let found: Vec<_> = report.violations().iter().map(|violation| violation.rule).collect();
        assert_eq!(found, [rule], "pages of {page}, windows of {grants}: {report}");
        assert_eq!(report.found(), 1);
        assert!(!report.is_clean());
    }
}

#[tokio::test]
async fn a_sound_store_is_clean_and_every_row_is_counted() {
    let rows = sound();
    assert!(rules::broken(&rows).is_empty());
    for (page, grants) in [(256, 1 << 17), (1, 1), (2, 2), (5, 3)] {
        let report = check_with(&rows, page, grants).await;
        assert!(report.is_clean(), "{report}");
        let counted = [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens];
        assert_eq!(counted.map(|table| report.rows(table)), [3, 3, 3, 15]);
    }
    assert_eq!(
        check(&Rows::of(&rows)).await.unwrap().to_string(),
        "3 grants, 3 codes, 3 access tokens, 15 refresh tokens: nothing is wrong"
    );
    assert!(check(&Rows::default()).await.unwrap().is_clean());
}

/// Rows vanish in any order: what ended first by the clock that made it goes first.
#[tokio::test]
async fn a_row_that_was_purged_is_no_violation() {
    for gone in 0..8 {
        for also in 0..8 {
            let mut rows = sound();
            let (gone, also) = (rows[GRANT + gone].id(), rows[GRANT + also].id());
            rows.retain(|row| row.id() != gone && row.id() != also);
            assert!(rules::broken(&rows).is_empty());
            for grants in [1, 100] {
                let report = check_with(&rows, 2, grants).await;
                assert!(report.is_clean(), "{report}");
            }
        }
    }
}

/// Ids say nothing about what came first: clocks jump.
#[tokio::test]
async fn refresh_tokens_may_come_in_any_order() {
    for seed in 0..50_u64 {
        let mut rows = sound();
        let ids: Vec<_> = REFRESH.iter().map(|at| rows[*at].id()).collect();
        let shuffled = |id: OrderedId| {
            let at = ids.iter().position(|known| *known == id).unwrap();
            let bits = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(13 * at as u32) >> 1;
            OrderedId::from_bits(bits).unwrap()
        };
        for at in REFRESH {
            if let Row::Refresh { token, rotation, predecessor } = &mut rows[at].row {
                token.id = shuffled(token.id);
                *predecessor = predecessor.map(shuffled);
                if let Some(rotation) = rotation {
                    rotation.successor = shuffled(rotation.successor);
                }
            }
        }
        for grants in [1, 100] {
            let report = check_with(&rows, 2, grants).await;
            assert!(report.is_clean(), "{report}");
        }
        rotation_of(&mut rows[REFRESH[1]]).as_mut().unwrap().answer = Some(Arc::from([0]));
        for grants in [1, 100] {
            let report = check_with(&rows, 2, grants).await;
            let found = report.violations();
            assert!(!found.is_empty() && found.iter().all(|found| found.rule == Rule::Answer), "{report}");
        }
    }
}

#[tokio::test]
async fn what_names_another_grant_is_found() {
    for at in [CODE, ACCESS, REFRESH[0], REFRESH[4]] {
        assert_finds(Rule::OwnGrant, |rows| {
            let other = rows[0].id();
            match &mut rows[at].row {
                Row::Grant => {}
                Row::Code { code, .. } => code.grant = other,
                Row::Access(token) => token.grant = other,
                Row::Refresh { token, .. } => token.grant = other,
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_outlives_its_grant_is_found() {
    for at in [CODE, ACCESS, REFRESH[0], REFRESH[4]] {
        assert_finds(Rule::End, |rows| {
            let late = rows[at].grant_expires_at.after(Duration::from_millis(1));
            match &mut rows[at].row {
                Row::Grant => {}
                Row::Code { code, .. } => code.expires_at = late,
                Row::Access(token) => token.expires_at = late,
                Row::Refresh { token, .. } => token.expires_at = late,
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_that_allows_too_much_is_found() {
    assert_finds(Rule::Scopes, |rows| {
        let Row::Access(token) = &mut rows[ACCESS].row else { return };
        token.scopes = ScopeSet::parse("projects:read admin").unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_token_for_another_resource_is_found() {
    assert_finds(Rule::Resource, |rows| {
        let Row::Access(token) = &mut rows[ACCESS].row else { return };
        token.resource = ResourceId::parse("https://app.example/mcp").unwrap();
    })
    .await;
    assert_finds(Rule::Resource, |rows| Arc::make_mut(&mut rows[GRANT].grant).resources = Arc::new([])).await;
}

#[tokio::test]
async fn a_second_code_is_found() {
    assert_finds(Rule::OneCode, |rows| {
        let mut second = rows[CODE].clone();
        if let Row::Code { code, .. } = &mut second.row {
            code.id = records::ordered_id(NOW);
        }
        rows.push(second);
    })
    .await;
}

#[tokio::test]
async fn a_token_whose_code_was_not_redeemed_is_found() {
    let unredeem = |rows: &mut Vec<Scanned>| {
        if let Row::Code { redeemed, .. } = &mut rows[CODE].row {
            *redeemed = false;
        }
    };
    assert_finds(Rule::RedeemedCode, |rows| {
        unredeem(rows);
        rows.drain(REFRESH[0]..=REFRESH[4]);
    })
    .await;
    assert_finds(Rule::RedeemedCode, |rows| {
        unredeem(rows);
        rows.drain(ACCESS..REFRESH[4]);
    })
    .await;
}

#[tokio::test]
async fn a_second_family_is_found() {
    assert_finds(Rule::OneFamily, |rows| {
        let mut family = vec![refresh(&rows[GRANT].grant, None)];
        rotate(&mut family);
        // Its token that can be used is gone.
        rows.push(family.remove(0));
    })
    .await;
}

#[tokio::test]
async fn a_second_token_that_can_be_used_is_found() {
    assert_finds(Rule::OneToUse, |rows| {
        // What it took the place of is gone.
        let second = refresh(&rows[GRANT].grant, Some(records::ordered_id(NOW)));
        rows.push(second);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_its_predecessor_does_not_remember_is_found() {
    for at in [0, 3] {
        assert_finds(Rule::Predecessor, |rows| {
            // What the predecessor remembers is gone.
            rotation_of(&mut rows[REFRESH[at]]).as_mut().unwrap().successor = records::ordered_id(NOW);
        })
        .await;
    }
    assert_finds(Rule::Predecessor, |rows| {
        // Of another grant.
        let stranger = rows[REFRESH[4]].id();
        let mut second = refresh(&rows[0].grant, Some(stranger));
        *rotation_of(&mut second) =
            Some(Rotation { successor: records::ordered_id(NOW), answer: None, grace_until: NOW });
        rows.push(second);
    })
    .await;
}

#[tokio::test]
async fn a_successor_that_names_another_predecessor_is_found() {
    for at in [1, 2, 4] {
        assert_finds(Rule::Successor, |rows| {
            *predecessor_of(&mut rows[REFRESH[at]]) = Some(records::ordered_id(NOW));
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_that_follows_itself_is_found() {
    let mut rows = sound();
    let id = rows[REFRESH[4]].id();
    *rotation_of(&mut rows[REFRESH[4]]) = Some(Rotation { successor: id, answer: None, grace_until: NOW });
    assert!(!rules::broken(&rows).is_empty());
    for grants in [1, 100] {
        assert!(!check_with(&rows, 2, grants).await.is_clean());
    }
}

#[tokio::test]
async fn an_answer_that_is_kept_too_long_is_found() {
    for at in [0, 1, 2] {
        assert_finds(Rule::Answer, |rows| {
            rotation_of(&mut rows[REFRESH[at]]).as_mut().unwrap().answer = Some(Arc::from([0]));
        })
        .await;
    }
}

/// Shows its second page again and again.
#[tokio::test]
async fn a_scan_that_goes_backwards_is_found_and_comes_to_an_end() {
    let mut rows = sound();
    rows.extend(sound_grant());
    rows.push(rows[ACCESS].clone());
    let report = check_with(&rows, 256, 100).await;
    assert_eq!(report.violations()[0].rule, Rule::Order, "{report}");
}

#[tokio::test]
async fn only_a_hundred_violations_are_kept_and_all_are_counted() {
    let mut rows = Vec::new();
    for _ in 0..150 {
        let mut grant = sound_grant();
        grant[2].grant_expires_at = NOW;
        rows.extend(grant);
    }
    let report = check_with(&rows, 256, 40).await;
    assert_eq!((report.violations().len(), report.found()), (100, 150));
    let text = report.to_string();
    let first = report.violations()[0];
    assert!(text.contains(&format!("access token {} of grant {} outlives its grant", first.id, first.grant)), "{text}");
    assert!(text.ends_with("and 50 more"), "{text}");
}

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

async fn snapshot(store: &MemoryStorage) -> Vec<Scanned> {
    let mut rows = Vec::new();
    for table in [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens] {
        rows.extend(store.scan(table, None, u32::MAX).await.unwrap());
    }
    rows
}

/// The states that a store goes through with two grants, whose refresh tokens have ids in any order.
async fn history(seed: &mut u64) -> Vec<Vec<Scanned>> {
    let store = MemoryStorage::new();
    let client = records::client("client");
    let _ = store.insert_client(records::insert(client.clone())).await.unwrap();
    let mut states = vec![snapshot(&store).await];
    let mut any_id = || OrderedId::from_bits(random(seed, 1 << 31) << 31 | random(seed, 1 << 31)).unwrap();
    let mut heads = Vec::new();
    for _ in 0..2 {
        let approval = records::approval(&records::subject("user"), &client.id, NOW);
        let op = records::approve(records::prompt(NOW), &client, &approval, NOW);
        assert_eq!(store.decide(op).await.unwrap(), Decided::First);
        states.push(snapshot(&store).await);
        let mut op = records::redeem_with_refresh(&approval, NOW);
        op.refresh.as_mut().unwrap().id = any_id();
        heads.push((approval, op.refresh.as_ref().unwrap().id));
        assert_eq!(store.redeem_code(op).await.unwrap(), Redeemed::First);
        states.push(snapshot(&store).await);
        for step in 0..8 {
            let at = step % heads.len();
            let (approval, head) = &mut heads[at];
            let mut op = records::rotate(*head, &approval.grant, NOW);
            op.successor.id = any_id();
            // Some end before their predecessors, and are purged before them.
            op.successor.expires_at = NOW.after(records::REFRESH_LIFETIME * [1, 2][step / 2 % 2]);
            op.grant_expires_at = NOW.after(records::REFRESH_LIFETIME * 2);
            *head = op.successor.id;
            assert_eq!(store.rotate_refresh(op).await.unwrap(), Rotated::First);
            states.push(snapshot(&store).await);
        }
        assert_eq!(store.issue_access(records::issue(&heads[0].0.grant, NOW)).await.unwrap(), Issued::Now);
        states.push(snapshot(&store).await);
    }
    for lifetime in [records::CODE_LIFETIME, records::REFRESH_LIFETIME] {
        store.purge(NOW.after(lifetime), 1000).await.unwrap();
        states.push(snapshot(&store).await);
    }
    for state in &states {
        assert!(rules::broken(state).is_empty(), "the store is sound at every moment: {:?}", rules::broken(state));
    }
    states
}

/// Whatever happens between two looks, and however much of it, a sound store looks sound.
#[tokio::test]
async fn changes_between_two_looks_do_not_look_like_violations() {
    let mut seed = 1;
    for _ in 0..40 {
        let states = history(&mut seed).await;
        for run in 0..200 {
            let often = [2, 4, 10, 40][run % 4];
            let some = |seed: &mut u64| if random(seed, often) == 0 { random(seed, 4) as usize } else { 0 };
            let changes = Mutex::new((0..400).map(|_| some(&mut seed)).collect());
            let first = random(&mut seed, states.len() as u64) as usize;
            let rows = Rows { states: states.clone(), changes, state: AtomicUsize::new(first) };
            let (page, grants) = [(1, 100), (2, 100), (3, 1), (256, 100)][run / 4 % 4];
            let report = Walk::new(&rows, page, grants).run().await.unwrap();
            assert!(report.is_clean(), "pages of {page}, windows of {grants}: {report}");
        }
    }
}

/// Somebody's whole life with the store: grants, rotations, replays, revocations, clocks that differ.
async fn live(store: MemoryStorage, client: Client, until: Arc<AtomicBool>, rounds: Arc<AtomicU32>, skew: u64) {
    for round in 0..u64::MAX {
        if until.load(Ordering::Relaxed) {
            return;
        }
        let now = Timestamp::from_millis(NOW.as_millis() + round * 7000 % 5_000_000 + skew);
        let approval = records::approval(&records::subject("user"), &client.id, now);
        let op = records::approve(records::prompt(now), &client, &approval, now);
        let _ = store.decide(op).await.unwrap();
        let op = records::redeem_with_refresh(&approval, now);
        let mut token = op.refresh.as_ref().unwrap().id;
        // Somebody whose clock is ahead may have purged what is used here.
        let _ = store.redeem_code(op).await.unwrap();
        for step in 0..round % 6 {
            let back = Timestamp::from_millis(now.as_millis() - step * 1000);
            let op = records::rotate(token, &approval.grant, back);
            token = op.successor.id;
            let _ = store.rotate_refresh(op).await.unwrap();
            let _ = store.issue_access(records::issue(&approval.grant, now)).await.unwrap();
        }
        match round % 8 {
            0 => drop(store.revoke_grant(records::revoke(&approval.grant, now)).await.unwrap()),
            1 => drop(store.redeem_code(records::redeem(&approval, now)).await.unwrap()),
            2 => drop(store.purge(now, 100).await.unwrap()),
            // What is stored stays little.
            3 if round % 64 == 3 => drop(store.purge(Timestamp::from_millis(u64::MAX), 10_000).await.unwrap()),
            _ => {}
        }
        rounds.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_beside_a_check_do_not_look_like_violations() {
    let store = MemoryStorage::new();
    let client = records::client("client");
    let _ = store.insert_client(records::insert(client.clone())).await.unwrap();
    let (until, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writers: Vec<_> = (0..3)
        .map(|skew| tokio::spawn(live(store.clone(), client.clone(), until.clone(), rounds.clone(), skew * 300_000)))
        .collect();
    while rounds.load(Ordering::Relaxed) < 50 {
        tokio::task::yield_now().await;
    }
    let (mut seen, before) = (0, rounds.load(Ordering::Relaxed));
    for (page, grants) in [(256, 1 << 17), (3, 1 << 17), (256, 16), (7, 40), (1, 60)] {
        for _ in 0..100 {
            let report = Walk::new(&store, page, grants).run().await.unwrap();
            assert!(report.is_clean(), "beside {} rounds: {report}", rounds.load(Ordering::Relaxed));
            seen += report.rows(Table::RefreshTokens);
        }
    }
    until.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let beside = rounds.load(Ordering::Relaxed) - before;
    assert!(seen > 1000 && beside > 100, "{seen} refresh tokens were seen beside {beside} rounds");
}
