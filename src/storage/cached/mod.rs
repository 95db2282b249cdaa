//! A cache in front of a store.

mod cache;
mod marks;
mod sets;

use std::fmt;
use std::sync::{Arc, Weak};

use self::cache::Cache;
use self::marks::Running;
use super::{
    ClaimOnce, Claimed, Decide, Decided, Durability, Feed, GrantClient, Granted, InsertClient, Inserted, IssueAccess,
    Issued, Listener, Owner, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess,
    RevokeGrant, RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, Scanned, Sharing, Storage,
    StorageError, StoredAccess, StoredCode, StoredGrant, StoredRefresh, Table, UpdateClient, Updated,
};
use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// How many access tokens are kept if nobody says.
const CAPACITY: usize = 1 << 16;

/// A store with a cache in front of it, for the two look-ups that are made all the time: a client by its
/// id, and an access token by its id with its grant. All else goes to the store.
///
/// ```
/// use grantor::storage::{Cached, MemoryStorage};
///
/// let store = Cached::new(MemoryStorage::new()).capacity(10_000);
/// ```
///
/// Within this process it is exact: once a revocation, or whatever else ended a grant or changed a client,
/// has answered, failed or been given up, no later look-up tells less than the store would. What of
/// others' changes is noticed depends on the store's [`sharing`](Storage::sharing):
///
/// - [`Sharing::Sole`]: nobody else changes anything, so it is exact.
/// - [`Sharing::Heard`]: what others change is heard of, and the cache answers only while the feed is
///   current. A look-up may be as outdated as that feed says it can be, and no more.
/// - [`Sharing::Unheard`]: nothing is kept and every look-up goes to the store. So a cache over an SQLite
///   file that other processes may write to does nothing.
///
/// "Sole" means this value: every change must go through it, so wrap a store once and share the
/// wrapper, for instance in an [`Arc`]. A change made through another handle on the same store, such as
/// [`inner`](Self::inner), is not noticed.
///
/// An operation whose outcome was not seen, since its caller went away or the store failed, may still be
/// carried out at any time. Its client, user, grant or token is looked up in the store from then on, as long as the
/// process runs. This takes one bit of a table of fixed size, which has four million at the default capacity: a
/// hundred thousand such operations later, about one look-up in twenty goes to the store without need.
///
/// That something does not exist is never kept, nor that it was revoked, nor a client that registered itself and
/// never got a grant, since any registration may have it give way.
pub struct Cached<S> {
    inner: S,
    /// `None` if nothing may be kept.
    cache: Option<Arc<Cache>>,
    /// Who tells of the changes that others make, if there are others.
    feed: Option<Arc<dyn Feed>>,
}

impl<S: Storage> Cached<S> {
    /// Puts a cache in front of a store, for at most 65,536 access tokens.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { inner: store, cache: None, feed: None }.capacity(CAPACITY)
    }

    /// Keeps at most `tokens` access tokens and an eighth as many clients; for 0 nothing is kept. Each takes
    /// about half a kilobyte, more for a client with much to say; the table they lie in takes under a tenth of
    /// that, at once. What was kept is forgotten.
    #[must_use]
    pub fn capacity(mut self, tokens: usize) -> Self {
        let keep = || Some(Arc::new(Cache::new(tokens)));
        (self.cache, self.feed) = match self.inner.sharing() {
            Sharing::Sole => (keep(), None),
            Sharing::Heard(feed) => (keep(), Some(feed)),
            Sharing::Unheard => (None, None),
        };
        if let (Some(cache), Some(feed)) = (&self.cache, &self.feed) {
            let listener: Weak<dyn Listener> = Arc::<Cache>::downgrade(cache);
            feed.subscribe(listener);
        }
        self
    }
}

impl<S> Cached<S> {
    /// The store itself. What is changed there directly goes unnoticed.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// The cache, if it may answer now. Asked before the marks: what the feed had told by then shows there.
    fn answering(&self) -> Option<&Cache> {
        let is_current = self.feed.as_ref().is_none_or(|feed| feed.is_current());
        self.cache.as_deref().filter(|_| is_current)
    }

    /// A store cleans up by itself as it writes: what ended by then may be gone.
    fn it_is(&self, now: Timestamp) {
        if let Some(cache) = &self.cache {
            cache.it_is(now);
        }
    }

    /// A client changes, and perhaps all that it was given ends.
    fn client_changes(&self, client: &ClientId, ends_access: bool, now: Timestamp) -> Vec<Running<'_>> {
        let Some(cache) = &self.cache else { return Vec::new() };
        cache.it_is(now);
        let all = ends_access.then(|| cache.all_changes(&Owner::Client(client.clone()), now));
        std::iter::once(cache.client_changes(client)).chain(all).collect()
    }
}

impl<S> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached(..)")
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Cached<S> {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }
    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }
    async fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Result<Vec<Scanned>, StorageError> {
        self.inner.scan(table, after, limit).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let Some(cache) = self.answering() else { return self.inner.client(id).await };
        if let Some(kept) = cache.client(id) {
            return Ok(Some(kept));
        }
        let moment = cache.moment();
        let found = self.inner.client(id).await?;
        if let (Some(client), Some(cache)) = (&found, self.answering()) {
            cache.keep_client(client, moment);
        }
        Ok(found)
    }
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Arc<Client>>, StorageError> {
        self.inner.clients(after, limit).await
    }
    async fn code(&self, id: OrderedId) -> Result<Option<StoredCode>, StorageError> {
        self.inner.code(id).await
    }
    async fn access_token(&self, id: OrderedId) -> Result<Option<StoredAccess>, StorageError> {
        let Some(cache) = self.answering() else { return self.inner.access_token(id).await };
        if let Some(kept) = cache.token(id) {
            return Ok(Some(kept));
        }
        let moment = cache.moment();
        let found = self.inner.access_token(id).await?;
        if let (Some(stored), Some(cache)) = (&found, self.answering()) {
            cache.keep_token(stored, moment);
        }
        Ok(found)
    }
    async fn refresh_token(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        self.inner.refresh_token(id).await
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
    async fn consents(&self, subject: &Subject, client: &ClientId) -> Result<Vec<Consent>, StorageError> {
        self.inner.consents(subject, client).await
    }
    async fn insert_client(&self, op: InsertClient) -> Result<Inserted, StorageError> {
        self.it_is(op.now);
        let outcome = self.inner.insert_client(op).await?;
        // It stays longer now.
        if let (Inserted::Folded(same), Some(cache)) = (&outcome, &self.cache) {
            cache.client_changed(same);
        }
        Ok(outcome)
    }
    async fn update_client(&self, op: UpdateClient) -> Result<Updated, StorageError> {
        let running = self.client_changes(&op.client.id, op.ends_access, op.now);
        let outcome = self.inner.update_client(op).await?;
        running.into_iter().for_each(|running| running.end(true));
        Ok(outcome)
    }
    async fn policy(&self) -> Result<Option<Arc<PolicyRecords>>, StorageError> {
        self.inner.policy().await
    }
    async fn remove_client(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        let running = self.client_changes(&op.client, true, op.now);
        let outcome = self.inner.remove_client(op).await?;
        running.into_iter().for_each(|running| running.end(true));
        Ok(outcome)
    }
    async fn renew_client(&self, op: RenewClient) -> Result<Renewed, StorageError> {
        let running = self.client_changes(&op.client, false, op.now);
        let outcome = self.inner.renew_client(op).await?;
        running.into_iter().for_each(|running| running.end(true));
        Ok(outcome)
    }
    async fn grant_client(&self, op: GrantClient) -> Result<Granted, StorageError> {
        self.it_is(op.now);
        let client = op.client.clone();
        let outcome = self.inner.grant_client(op).await?;
        if let (Granted::ClientChanged, Some(cache)) = (outcome, &self.cache) {
            cache.client_changed(&client);
        }
        Ok(outcome)
    }
    async fn save_policy(&self, op: SavePolicy) -> Result<Saved, StorageError> {
        self.inner.save_policy(op).await
    }
    async fn claim_once(&self, op: ClaimOnce) -> Result<Claimed, StorageError> {
        self.inner.claim_once(op).await
    }
    async fn decide(&self, op: Decide) -> Result<Decided, StorageError> {
        self.it_is(op.now);
        let client = op.client.clone();
        let outcome = self.inner.decide(op).await?;
        // Others changed it and that was not heard of yet: whoever tries again needs its new state.
        if let (Decided::ClientChanged, Some(cache)) = (outcome, &self.cache) {
            cache.client_changed(&client);
        }
        Ok(outcome)
    }
    async fn redeem_code(&self, op: RedeemCode) -> Result<Redeemed, StorageError> {
        let running = self.cache.as_ref().map(|cache| cache.grant_changes(op.access.grant, op.now));
        let outcome = self.inner.redeem_code(op).await?;
        if let Some(running) = running {
            running.end(outcome != Redeemed::First);
        }
        Ok(outcome)
    }
    async fn rotate_refresh(&self, op: RotateRefresh) -> Result<Rotated, StorageError> {
        let running = self.cache.as_ref().map(|cache| cache.grant_changes(op.access.grant, op.now));
        let outcome = self.inner.rotate_refresh(op).await?;
        if let Some(running) = running {
            running.end(!matches!(outcome, Rotated::First | Rotated::Repeated(_)));
        }
        Ok(outcome)
    }
    async fn issue_access(&self, op: IssueAccess) -> Result<Issued, StorageError> {
        self.inner.issue_access(op).await
    }
    async fn revoke_access(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        let running = self.cache.as_ref().map(|cache| cache.token_changes(op.token, op.now));
        let outcome = self.inner.revoke_access(op).await?;
        if let Some(running) = running {
            running.end(true);
        }
        Ok(outcome)
    }
    async fn revoke_grant(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        let running = self.cache.as_ref().map(|cache| cache.grant_changes(op.grant, op.now));
        let outcome = self.inner.revoke_grant(op).await?;
        if let Some(running) = running {
            running.end(true);
        }
        Ok(outcome)
    }
    async fn revoke_grants(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        let running = self.cache.as_ref().map(|cache| cache.all_changes(&op.owner, op.now));
        let outcome = self.inner.revoke_grants(op).await?;
        if let Some(running) = running {
            running.end(true);
        }
        Ok(outcome)
    }
    async fn purge(&self, now: Timestamp, limit: u32) -> Result<u32, StorageError> {
        if let Some(cache) = &self.cache {
            cache.purged(now);
        }
        self.inner.purge(now, limit).await
    }
}
