//! A store with a client in it, and the common steps with their expected outcomes.

use std::sync::Arc;

use super::records;
use crate::protocol::client::{Client, ClientId, Tenure};
use crate::protocol::grant::Grant;
use crate::protocol::interaction::Consent;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{
    Approval, Decide, Decided, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued, RedeemCode, Redeemed,
    Removed, Renewed, RevokeGrant, RevokeGrants, Revoked, RotateRefresh, Rotated, Scanned, Storage, StoredAccess,
    StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};

pub(super) struct Scene<S> {
    pub(super) store: Arc<S>,
    pub(super) client: Arc<Client>,
}

/// A grant with tokens that can be refreshed.
pub(super) struct Refreshable {
    pub(super) approval: Approval,
    pub(super) access: OrderedId,
    pub(super) refresh: OrderedId,
}

impl<S: Storage> Scene<S> {
    pub(super) async fn new(store: S) -> Self {
        let scene = Self { store: Arc::new(store), client: Arc::new(records::client("client")) };
        scene.insert(&scene.client).await;
        scene
    }

    pub(super) async fn insert(&self, client: &Arc<Client>) {
        let inserted =
            self.store.insert_client(records::insert(Arc::clone(client))).await.expect("insert_client answers");
        assert_eq!(inserted, Inserted::New, "the id of a new client was free");
    }

    pub(super) async fn register(&self, op: InsertClient) -> Inserted {
        self.store.insert_client(op).await.expect("insert_client answers")
    }

    pub(super) async fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.store.client(id).await.expect("client answers")
    }

    /// How long a client stays.
    pub(super) async fn tenure(&self, id: &ClientId) -> Option<Tenure> {
        self.client(id).await.expect("the client is found").tenure
    }

    pub(super) async fn renew(&self, client: &ClientId, until: Timestamp) -> Renewed {
        let op = records::renew(client, until, records::NOW);
        self.store.renew_client(op).await.expect("renew_client answers")
    }

    pub(super) async fn remove(&self, client: &ClientId) -> Removed {
        self.store.remove_client(records::remove(client)).await.expect("remove_client answers")
    }

    pub(super) async fn grant_client(&self, op: GrantClient) -> Granted {
        self.store.grant_client(op).await.expect("grant_client answers")
    }

    /// A new grant of a client's own, and its token.
    pub(super) async fn granted(&self, client: &Client) -> OrderedId {
        let op = records::grant_client(client, records::NOW);
        let token = op.access.id;
        assert_eq!(self.grant_client(op).await, Granted::Now, "a client gets a grant of its own with free ids");
        token
    }

    pub(super) async fn revoke_all(&self, op: RevokeGrants) -> u32 {
        self.store.revoke_grants(op).await.expect("revoke_grants answers")
    }

    pub(super) async fn decide(&self, op: Decide) -> Decided {
        self.store.decide(op).await.expect("decide answers")
    }

    pub(super) async fn redeem(&self, op: RedeemCode) -> Redeemed {
        self.store.redeem_code(op).await.expect("redeem_code answers")
    }

    pub(super) async fn rotate(&self, op: RotateRefresh) -> Rotated {
        self.store.rotate_refresh(op).await.expect("rotate_refresh answers")
    }

    pub(super) async fn issue(&self, op: IssueAccess) -> Issued {
        self.store.issue_access(op).await.expect("issue_access answers")
    }

    pub(super) async fn revoke_access(&self, token: OrderedId) -> Revoked {
        let op = records::revoke_access(token, records::NOW);
        self.store.revoke_access(op).await.expect("revoke_access answers")
    }

    pub(super) async fn revoke(&self, op: RevokeGrant) -> Revoked {
        self.store.revoke_grant(op).await.expect("revoke_grant answers")
    }

    pub(super) async fn purge(&self, now: Timestamp, limit: u32) -> u32 {
        self.store.purge(now, limit).await.expect("purge answers")
    }

    pub(super) async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Vec<Scanned> {
        self.store.scan(table, after, limit).await.expect("scan answers")
    }

    pub(super) async fn update(&self, client: Client) -> Updated {
        self.change(records::update(client)).await
    }

    pub(super) async fn change(&self, op: UpdateClient) -> Updated {
        self.store.update_client(op).await.expect("update_client answers")
    }

    pub(super) async fn code(&self, id: OrderedId) -> Option<StoredCode> {
        self.store.code(id).await.expect("code answers")
    }

    pub(super) async fn token(&self, id: OrderedId) -> Option<StoredAccess> {
        self.store.access_token(id).await.expect("access_token answers")
    }

    pub(super) async fn refresh(&self, id: OrderedId) -> Option<StoredRefresh> {
        self.store.refresh_token(id).await.expect("refresh_token answers")
    }

    pub(super) async fn grants(&self, subject: &str, now: Timestamp) -> Vec<StoredGrant> {
        self.store.grants(&records::subject(subject), None, 1000, now).await.expect("grants answers")
    }

    pub(super) async fn consents(&self, subject: &str, client: &str) -> Vec<Consent> {
        let client = ClientId::parse(client).expect("a client id");
        self.store.consents(&records::subject(subject), &client).await.expect("consents answers")
    }

    /// A new grant of `subject`, approved at `now`.
    pub(super) async fn approved(&self, subject: &str, now: Timestamp) -> Approval {
        let approval = records::approval(&records::subject(subject), &self.client.id, now);
        self.approve(&approval, now).await;
        approval
    }

    /// Approves a new prompt.
    pub(super) async fn approve(&self, approval: &Approval, now: Timestamp) {
        let op = records::approve(records::prompt(now), &self.client, approval, now);
        assert_eq!(self.decide(op).await, Decided::First, "a new prompt was approved with free ids");
    }

    /// A new grant of `subject` whose code was exchanged at once, and its token.
    pub(super) async fn redeemed(&self, subject: &str, now: Timestamp) -> (Approval, OrderedId) {
        let approval = self.approved(subject, now).await;
        let op = records::redeem(&approval, now);
        let token = op.access.id;
        assert_eq!(self.redeem(op).await, Redeemed::First, "a new code was redeemed");
        (approval, token)
    }

    /// A new grant of `subject` with tokens that can be refreshed.
    pub(super) async fn refreshable(&self, subject: &str, now: Timestamp) -> Refreshable {
        let approval = self.approved(subject, now).await;
        let op = records::redeem_with_refresh(&approval, now);
        let (access, refresh) = (op.access.id, op.refresh.as_ref().expect("there is a refresh token").id);
        assert_eq!(self.redeem(op).await, Redeemed::First, "a new code was redeemed");
        Refreshable { approval, access, refresh }
    }

    /// Uses a live refresh token for the first time.
    pub(super) async fn rotated(&self, presented: OrderedId, grant: &Grant, now: Timestamp) -> RotateRefresh {
        let op = records::rotate(presented, grant, now);
        assert_eq!(self.rotate(op.clone()).await, Rotated::First, "a live refresh token was used for the first time");
        op
    }

    pub(super) async fn is_live(&self, token: OrderedId) -> bool {
        self.token(token).await.is_some_and(|stored| !stored.revoked)
    }

    pub(super) async fn assert_live(&self, token: OrderedId, why: &str) {
        assert!(self.is_live(token).await, "the token must be live: {why}");
    }

    pub(super) async fn assert_dead(&self, token: OrderedId, why: &str) {
        assert!(!self.is_live(token).await, "the token must not be live: {why}");
    }

    /// Nothing of an approval is there: no code that could be redeemed and no grant on the list.
    pub(super) async fn assert_absent(&self, approval: &Approval, now: Timestamp, why: &str) {
        assert!(self.code(approval.code.id).await.is_none(), "the code must not exist: {why}");
        assert!(!self.lists(&approval.grant, now).await, "the grant must not exist: {why}");
        let revoked = self.revoke(records::revoke(&approval.grant, now)).await;
        assert_eq!(revoked, Revoked::Unknown, "the grant must not exist: {why}");
    }

    pub(super) async fn lists(&self, grant: &Grant, now: Timestamp) -> bool {
        self.grants(records::user_of(grant).as_str(), now).await.iter().any(|stored| stored.grant.id == grant.id)
    }
}

/// One millisecond before `time`.
pub(super) const fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(1))
}
