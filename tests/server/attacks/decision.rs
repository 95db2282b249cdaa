//! Attacks on the one decision that a prompt is good for: races, second thoughts, changes in between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Answer, Browser, ConsentPage, ISSUER, World};
use grantor::protocol::client::{Client as StoredClient, ClientId};
use grantor::protocol::grant::Subject;
use grantor::protocol::interaction::Consent;
use grantor::protocol::policy_records::PolicyRecords;
use grantor::protocol::redirect::RedirectUri;
use grantor::storage::testkit::{Call, Faulty, Lost, Yielding};
use grantor::storage::{
    ClaimOnce, Claimed, Decide, Decided, Durability, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    MemoryStorage, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage, StorageError,
    StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use grantor::{OrderedId, Timestamp};
use http::StatusCode;
use tokio::sync::Barrier;

const PARALLEL: usize = 64;

/// Posts one page that many times at once, with the decision that `decision` gives each.
async fn post_at_once<S: Storage + Clone>(
    browser: &Browser<S>,
    page: &ConsentPage,
    decision: fn(usize) -> &'static str,
) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(PARALLEL));
    let tasks: Vec<_> = (0..PARALLEL)
        .map(|at| {
            let (mut browser, page, start) = (browser.clone(), page.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                browser.decide(&page, decision(at)).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Fails unless one of the answers goes to the client and all others say that it was decided. Gives
/// the code, if the decision was an approval.
fn the_one_decision(answers: &[Answer]) -> Option<String> {
    let (decided, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status() == StatusCode::SEE_OTHER);
    assert_eq!(decided.len(), 1, "{:?}", decided.iter().map(|answer| answer.location()).collect::<Vec<_>>());
    let code = decided[0].redirect_parameter("code");
    let said = if code.is_some() { "You allowed" } else { "You denied" };
    for answer in others {
        answer.assert_page(409);
        answer.assert_refused(409, "decided");
        assert!(answer.body().contains(said), "{}", answer.body());
    }
    code
}

async fn grants<S: Storage + Clone>(world: &World<S>) -> usize {
    world.server.grants(&Subject::new("alice"), None, 100).await.unwrap().len()
}

async fn assert_parallel_posts_count_once<S: Storage + Clone>(world: World<S>) {
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");

    let page = browser.prompt(&client.authorize()).await;
    let code = the_one_decision(&post_at_once(&browser, &page, |_| "allow").await).unwrap();
    assert_eq!(grants(&world).await, 1);
    assert_eq!(world.exchange(&client, &code, &[]).await.status(), StatusCode::OK);

    let page = browser.prompt(&client.authorize()).await;
    assert_eq!(the_one_decision(&post_at_once(&browser, &page, |_| "deny").await), None);
    assert_eq!(grants(&world).await, 1, "a denial gives nothing");

    for _ in 0..8 {
        let before = grants(&world).await;
        let page = browser.prompt(&client.authorize()).await;
        let mixed = |at: usize| if at.is_multiple_of(2) { "allow" } else { "deny" };
        let code = the_one_decision(&post_at_once(&browser, &page, mixed).await);
        assert_eq!(grants(&world).await, before + usize::from(code.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_41_parallel_submissions_of_one_prompt_are_one_decision() {
    assert_parallel_posts_count_once(World::new()).await;
    assert_parallel_posts_count_once(World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder)).await;
}

#[tokio::test]
async fn attack_41_the_first_decision_stands() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");

    let page = browser.prompt(&client.authorize()).await;
    let denied = browser.decide(&page, "deny").await;
    assert_eq!(denied.redirect_parameter("error").as_deref(), Some("access_denied"));
    for decision in ["allow", "deny", "allow"] {
        browser.decide(&page, decision).await.assert_refused(409, "denied");
    }
    world.assert_nothing_granted(&["alice"]).await;

    let page = browser.prompt(&client.authorize()).await;
    let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
    for decision in ["deny", "allow", "deny"] {
        browser.decide(&page, decision).await.assert_refused(409, "allowed");
    }
    assert_eq!(grants(&world).await, 1, "a denial that comes late takes nothing back");
    assert_eq!(world.exchange(&client, &code, &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn attack_41_an_expired_prompt_is_over_and_stays_decided() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let unanswered = browser.prompt(&client.authorize()).await;
    let denied = browser.prompt(&client.authorize()).await;
    assert_eq!(browser.decide(&denied, "deny").await.status(), StatusCode::SEE_OTHER);

    world.clock.advance(Duration::from_mins(10) - Duration::from_millis(1));
    world.server.purge(1000).await.unwrap();
    browser.decide(&denied, "allow").await.assert_refused(409, "the mark lives as long as the prompt");
    world.clock.advance(Duration::from_millis(1));
    for decision in ["allow", "deny"] {
        browser.decide(&unanswered, decision).await.assert_refused(400, "at the end");
    }
    world.clock.advance(Duration::from_hours(24));
    world.server.purge(1000).await.unwrap();
    for page in [&unanswered, &denied] {
        browser.decide(page, "allow").await.assert_refused(400, "long after the end");
    }
    world.assert_nothing_granted(&["alice"]).await;
}

#[tokio::test]
async fn attack_41_a_decision_whose_answer_was_lost_is_not_made_again() {
    let world = World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder);
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    world.storage.lose(Lost::Answer, Call::Decide, 1);
    browser.decide(&page, "allow").await.assert_refused(503, "the store fell silent");
    browser.decide(&page, "allow").await.assert_refused(409, "it had decided");
    browser.decide(&page, "deny").await.assert_refused(409, "it had decided");
    assert_eq!(grants(&world).await, 1);
}

/// What a store says of a client.
type View = fn(&StoredClient) -> Option<StoredClient>;

/// A store whose clients are read as an administrator has left them meanwhile. Its decisions are made
/// on what is stored.
#[derive(Clone)]
struct Changing {
    inner: MemoryStorage,
    view: Arc<Mutex<View>>,
}

impl Changing {
    fn world() -> World<Self> {
        let storage = Self { inner: MemoryStorage::new(), view: Arc::new(Mutex::new(|client| Some(client.clone()))) };
        World::at(ISSUER, storage, |builder| builder)
    }

    fn show(&self, view: View) {
        *self.view.lock().unwrap() = view;
    }
}

impl Storage for Changing {
    fn durability(&self) -> Durability {
        Durability::Process
    }
    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.inner.scan(table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<StoredClient>>, StorageError> {
        let view = *self.view.lock().unwrap();
        Ok(self.inner.client(id).await?.and_then(|client| view(&client)).map(Arc::new))
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<StoredClient>>, StorageError> {
        self.inner.clients(after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.inner.code(id).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        self.inner.access_token(id).await
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.inner.refresh_token(id).await
    }
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.inner.consents(subject, client).await
    }
    async fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StorageError> {
        self.inner.grants(subject, before, limit, now).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.inner.insert_client(op).await
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        self.inner.update_client(op).await
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.inner.policy().await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        self.inner.remove_client(op).await
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        self.inner.renew_client(op).await
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.inner.grant_client(op).await
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.inner.save_policy(op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.inner.claim_once(op).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.inner.decide(op).await
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        self.inner.redeem_code(op).await
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        self.inner.rotate_refresh(op).await
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.inner.issue_access(op).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        self.inner.revoke_access(op).await
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        self.inner.revoke_grant(op).await
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        self.inner.revoke_grants(op).await
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        self.inner.purge(now, limit).await
    }
}

#[tokio::test]
async fn attack_41_a_client_that_is_gone_or_changed_gains_nothing() {
    let world = Changing::world();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let gone: View = |_| None;
    let changed: View = |client| Some(StoredClient { revision: client.revision + 1, ..client.clone() });
    let moved: View = |client| {
        let mut client = client.clone();
        client.metadata.redirect_uris = vec![RedirectUri::parse("https://client.example/other").unwrap()];
        Some(client)
    };
    for (view, what) in [(gone, "gone"), (changed, "changed"), (moved, "without that redirect URI")] {
        world.storage.show(view);
        for decision in ["allow", "deny"] {
            browser.decide(&page, decision).await.assert_refused(403, what);
        }
    }
    world.assert_nothing_granted(&["alice"]).await;
    world.storage.show(|client| Some(client.clone()));
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_41_a_client_that_changes_at_the_last_moment_gains_nothing() {
    let world = Changing::world();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    // The page and the check before the decision see the client as it was; what is stored is another one.
    world.storage.show(|client| {
        let mut other = StoredClient { revision: client.revision + 1, ..client.clone() };
        other.metadata.name = Some("Another".to_owned());
        Some(other)
    });
    let page = browser.prompt(&client.authorize()).await;
    for decision in ["allow", "deny"] {
        browser.decide(&page, decision).await.assert_refused(403, "the store itself checks again");
    }
    world.assert_nothing_granted(&["alice"]).await;

    let page = browser.prompt(&client.authorize()).await;
    world.storage.show(|client| Some(client.clone()));
    browser.decide(&page, "allow").await.assert_refused(403, "the page showed another state");
    world.assert_nothing_granted(&["alice"]).await;
}
