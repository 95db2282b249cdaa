//! Where clients, grants, codes and tokens are kept: the port that a store implements.
//!
//! A store decides what happens when two requests race. Each rule that must hold even then is one
//! operation here, carried out whole or not at all, and its answer says which of the possible
//! things happened. Reads are advice: what they saw may be outdated when an operation runs, so an
//! operation checks again what its safety depends on.
//!
//! Implement [`Storage`] with plain `async fn`; `storage::testkit` (feature `testkit`) proves an
//! implementation.

mod cached;
mod erased;
mod error;
mod in_force;
pub mod invariants;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod scan;
mod shared;
mod sharing;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "testkit")]
pub mod testkit;

use std::sync::Arc;

pub use crate::protocol::commit::{
    Approval, ClaimOnce, Claimed, Decide, Decided, GrantClient, Granted, InsertClient, Inserted, IssueAccess, Issued,
    LentAccess, Owner, RedeemCode, Redeemed, RemoveClient, Removed, RenewClient, Renewed, RevokeAccess, RevokeGrant,
    RevokeGrants, Revoked, RotateRefresh, Rotated, SavePolicy, Saved, StoredAccess, StoredCode, StoredGrant,
    StoredRefresh, UpdateClient, Updated,
};
pub use cached::Cached;
pub use erased::AnyStorage;
pub use error::{StorageError, StorageErrorKind};
pub(crate) use in_force::{Current, InForce};
pub use memory::MemoryStorage;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStorage};
pub use scan::{Row, Scanned, Table};
pub use sharing::{Change, Feed, Listener, Listeners, Sharing};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStorage};

use crate::protocol::client::{Client, ClientId};
use crate::protocol::grant::Subject;
use crate::protocol::interaction::Consent;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// How long a store remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Until the process ends.
    Process,
    /// Beyond the process, so that what seals prompts must be kept as well.
    Persistent,
}

/// A store. Every operation below is atomic and durable when its future completes with `Ok`; a
/// future that is dropped midway has done all of it or nothing.
pub trait Storage: Send + Sync + 'static {
    /// How long this store remembers.
    fn durability(&self) -> Durability;

    /// Who else changes what this store has: whether a cache in front of it can know of every change.
    ///
    /// *If it is wrong*: a cache lets a token pass that was revoked. *Safe answer*: [`Sharing::Unheard`].
    fn sharing(&self) -> Sharing;

    /// The client of that id.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn client(&self, id: &ClientId) -> impl Future<Output = Result<Option<Arc<Client>>, StorageError>> + Send;

    /// All clients in the order of their ids, at most `limit` of those behind `after`, so that the last id
    /// of a page asks for the next one.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn clients(
        &self,
        after: Option<&ClientId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Arc<Client>>, StorageError>> + Send;

    /// The code of that id, expired and redeemed ones included, with its grant.
    ///
    /// *Join*: code and grant are read in one statement, so that `revoked` is never older than the rest.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn code(&self, id: OrderedId) -> impl Future<Output = Result<Option<StoredCode>, StorageError>> + Send;

    /// The access token of that id, expired ones included, with its grant.
    ///
    /// *Join*: token and grant are read in one statement. *If it is broken*: a token stays alive after
    /// a revocation that raced its issue. *Safe failure*: saying `revoked` falsely costs a user a new
    /// consent; not saying it leaves access that was taken away.
    ///
    /// ```sql
    /// SELECT t.*, g.* FROM access_token t JOIN grants g ON g.id = t.grant_id WHERE t.id = $1
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn access_token(&self, id: OrderedId) -> impl Future<Output = Result<Option<StoredAccess>, StorageError>> + Send;

    /// The refresh token of that id, ended and rotated ones included, with its grant.
    ///
    /// *Join*: as for access tokens.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn refresh_token(&self, id: OrderedId) -> impl Future<Output = Result<Option<StoredRefresh>, StorageError>> + Send;

    /// What a user has agreed to for a client, for any redirect URI and resources.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn consents(
        &self,
        subject: &Subject,
        client: &ClientId,
    ) -> impl Future<Output = Result<Vec<Consent>, StorageError>> + Send;

    /// The live grants of a user, newest first: neither revoked nor ended by `now`. At most `limit`
    /// of them, with ids below `before` if that is given, so that the last id of a page asks for the
    /// next one.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn grants(
        &self,
        subject: &Subject,
        before: Option<OrderedId>,
        limit: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<StoredGrant>, StorageError>> + Send;

    /// The rows of a table in the order of their ids, at most `limit` of those behind `after`, so that the
    /// last id of a page asks for the next one. All rows but those whose grant is gone, expired and revoked
    /// ones included: it is how [`invariants::check`] sees everything in bounded memory.
    ///
    /// *Join*: each row and its grant are read in one statement.
    ///
    /// ```sql
    /// SELECT t.*, g.* FROM access_token t JOIN grants g ON g.id = t.grant_id WHERE t.id > $1 ORDER BY t.id LIMIT $2
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn scan(
        &self,
        table: Table,
        after: Option<OrderedId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Scanned>, StorageError>> + Send;

    /// The scopes and resources that are kept as data; `None` if none were ever saved.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn policy(&self) -> impl Future<Output = Result<Option<Arc<PolicyRecords>>, StorageError>> + Send;

    /// Adds a client, or finds that a client is there which registered the very same.
    ///
    /// *Invariant*: one client an id, and one client a [`fold`](crate::protocol::client::SelfRegistration::fold). With a
    /// budget, at most so many clients that registered themselves and never got a grant: those that would end first
    /// give way, and never one that has a grant. *If it is broken*: whoever registers an id again takes over its
    /// grants; registrations fill the database; a client that was blocked comes back by registering anew.
    /// *Safe failure*: `Taken`, `Blocked`.
    ///
    /// ```sql
    /// BEGIN;
    /// INSERT INTO client (…) VALUES (…) ON CONFLICT DO NOTHING;
    ///   -- no row: SELECT … FROM client WHERE fold = $fold FOR UPDATE;         -- none: Taken
    ///   -- blocked: Blocked; else UPDATE client SET keep_until = greatest(keep_until, $until), COMMIT, Folded
    /// DELETE FROM client WHERE id IN (SELECT id FROM client WHERE keep_until IS NOT NULL AND NOT granted
    ///   ORDER BY keep_until DESC, id OFFSET $budget) AND NOT granted;          -- not the new one
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn insert_client(&self, op: InsertClient) -> impl Future<Output = Result<Inserted, StorageError>> + Send;

    /// Replaces a client by another state of it, and raises the stored revision by one, if it is still in the
    /// state that the change was made from. How long it stays is left as it is.
    ///
    /// *Invariant*: a decision about the earlier state, made or on its way, does not count for the new one, and
    /// of two changes of one state one counts. With `ends_access`, no look-up returns anything of the client as
    /// valid from then on. *If it is broken*: consent to one redirect URI is used for another; a client that was
    /// blocked goes on. *Safe failure*: an error.
    ///
    /// ```sql
    /// BEGIN;
    /// UPDATE client SET …, revision = revision + 1 WHERE id = $1 AND revision = $2;  -- no row: Changed or Unknown
    /// UPDATE grants SET revoked = true WHERE client = $1;    -- if access ends; in a statement of its own, so that
    /// DELETE FROM consent WHERE client = $1;                 -- it sees what was committed before the client was locked
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn update_client(&self, op: UpdateClient) -> impl Future<Output = Result<Updated, StorageError>> + Send;

    /// Removes a client with everything that it was given.
    ///
    /// *Invariant* and *safe failure*: as for a change that ends access.
    ///
    /// ```sql
    /// BEGIN;
    /// DELETE FROM client WHERE id = $1;                      -- no row: Unknown
    /// UPDATE grants SET revoked = true WHERE client = $1;
    /// DELETE FROM consent WHERE client = $1;
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn remove_client(&self, op: RemoveClient) -> impl Future<Output = Result<Removed, StorageError>> + Send;

    /// Moves the end of a client that registered itself, never to an earlier time. Its revision stays.
    ///
    /// ```sql
    /// UPDATE client SET keep_until = greatest(keep_until, $2) WHERE id = $1 AND keep_until IS NOT NULL
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn renew_client(&self, op: RenewClient) -> impl Future<Output = Result<Renewed, StorageError>> + Send;

    /// Adds a grant of a client's own, and its token.
    ///
    /// *Invariant*: nothing is given to a client that was changed, blocked or removed since it was decided about.
    /// *If it is broken*: a client that is blocked at this moment gets access for another hour. *Safe failure*:
    /// `ClientChanged`.
    ///
    /// ```sql
    /// BEGIN;
    /// SELECT 1 FROM client WHERE id = $client AND revision = $revision FOR SHARE;  -- none: ClientChanged
    /// INSERT INTO grants (…) VALUES (…);         -- ends with its token; taken id: ROLLBACK, Collision
    /// INSERT INTO access_token (…) VALUES (…);   -- the same
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn grant_client(&self, op: GrantClient) -> impl Future<Output = Result<Granted, StorageError>> + Send;

    /// Replaces the scopes and resources that are kept as data, if they are still those that the change was made from.
    ///
    /// *Invariant*: of two changes of one state one counts, and nothing of it is lost. *If it is broken*: a scope that
    /// one administrator retired is brought back by another who described one; tokens for a resource that was retired
    /// are good again. *Safe failure*: `Changed`.
    ///
    /// ```sql
    /// UPDATE policy SET data = …, revision = revision + 1 WHERE revision = $1    -- or an INSERT for the first time
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn save_policy(&self, op: SavePolicy) -> impl Future<Output = Result<Saved, StorageError>> + Send;

    /// Claims what counts once.
    ///
    /// *Invariant*: of any number of claims of one key one is the first. *If it is broken*: an assertion that
    /// somebody saw is used again. *Safe failure*: `Again`.
    ///
    /// ```sql
    /// INSERT INTO claim (key, keep_until) VALUES (…) ON CONFLICT DO NOTHING    -- no row: Again
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn claim_once(&self, op: ClaimOnce) -> impl Future<Output = Result<Claimed, StorageError>> + Send;

    /// Records what a user decided about one prompt, and for an approval adds the grant and its code.
    ///
    /// *Invariant*: a prompt is decided once, whichever way, and only for a client that is still the
    /// one the user was shown. *If it is broken*: a form that is sent twice mints two codes, a denial is
    /// overruled by a stale tab, a client that was changed or removed in between gains a grant.
    /// *Safe failure*: `AlreadyDecided` or `ClientChanged`; the user is asked again.
    ///
    /// ```sql
    /// BEGIN;
    /// SELECT 1 FROM client WHERE id = $client AND revision = $revision FOR SHARE;   -- else ClientChanged
    /// INSERT INTO decision (prompt, approved, keep_until) VALUES (…) ON CONFLICT DO NOTHING;  -- else AlreadyDecided
    /// SELECT scopes FROM consent WHERE (subject, client, redirect_uri, resources) = (…) FOR UPDATE;
    ///   -- if nobody was asked and that does not cover the scopes: ROLLBACK, ConsentGone
    /// INSERT INTO grants (…) VALUES (…);   -- on a taken id: ROLLBACK, Collision
    /// INSERT INTO code (…) VALUES (…);     -- the same
    /// INSERT INTO consent (…) VALUES (…) ON CONFLICT … DO UPDATE SET scopes = (old and new scopes);
    /// UPDATE client SET granted = true, keep_until = greatest(keep_until, $client_until)
    ///   WHERE id = $client AND keep_until IS NOT NULL AND NOT granted;
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn decide(&self, op: Decide) -> impl Future<Output = Result<Decided, StorageError>> + Send;

    /// Redeems a code and adds the access token, or, if it was redeemed before, revokes its grant.
    ///
    /// *Invariant*: one code, one token; after a replay nothing of the grant is valid (RFC 6749
    /// §4.1.2). *If it is broken*: a stolen code is worth a token although its owner used it.
    /// *Safe failure*: `Replayed` falsely logs one installation out; `First` falsely is a
    /// vulnerability.
    ///
    /// ```sql
    /// BEGIN;
    /// SELECT … FROM grants WHERE id = $grant FOR UPDATE;                      -- revoked or absent: Gone
    /// UPDATE code SET redeemed = true WHERE id = $code AND NOT redeemed AND expires_at > $now;
    ///   -- no row: if the code is redeemed, UPDATE grants SET revoked = true, COMMIT, Replayed; else Gone
    /// INSERT INTO access_token (…) VALUES (…);                               -- taken id: ROLLBACK, Collision
    /// INSERT INTO refresh_token (…) VALUES (…);                              -- if there is one; the same
    /// UPDATE grants SET expires_at = greatest(expires_at, $grant_expires_at) WHERE id = $grant;
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn redeem_code(&self, op: RedeemCode) -> impl Future<Output = Result<Redeemed, StorageError>> + Send;

    /// Uses a refresh token: it is rotated, or the answer of its first use is found, or it was reused.
    ///
    /// *Invariant*: one successor. Whoever comes again before `grace_until`, and before the successor was
    /// used itself, learns of the first use; whoever comes later ends the grant. The first use of a
    /// successor removes the sealed answer of its predecessor. *If it is broken*: a stolen token is worth
    /// a second family of tokens, or a lost answer logs its user out. *Safe failure*: `Gone`; `Reused`
    /// falsely logs one installation out; `First` twice is a vulnerability.
    ///
    /// ```sql
    /// BEGIN;
    /// SELECT … FROM grants WHERE id = $grant FOR UPDATE;                      -- revoked or absent: Gone
    /// SELECT … FROM refresh_token WHERE id = $refresh;                        -- absent or ended: Gone
    ///   -- rotated, answer kept and $now < grace_until: Repeated
    ///   -- rotated otherwise: UPDATE grants SET revoked = true, COMMIT, Reused
    /// INSERT INTO refresh_token (…, predecessor) VALUES (…, $refresh);        -- taken id: ROLLBACK, Collision
    /// INSERT INTO access_token (…) VALUES (…);                                -- the same
    /// UPDATE refresh_token SET successor = …, answer = …, grace_until = … WHERE id = $refresh;
    /// UPDATE refresh_token SET answer = NULL WHERE id = (the predecessor of $refresh);
    /// UPDATE grants SET expires_at = greatest(expires_at, $grant_expires_at) WHERE id = $grant;
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn rotate_refresh(&self, op: RotateRefresh) -> impl Future<Output = Result<Rotated, StorageError>> + Send;

    /// Adds an access token to a grant that is live.
    ///
    /// *Invariant*: nothing is added to a grant that was revoked or has ended, and the grant does not end
    /// before the token. *If it is broken*: a refresh that races a revocation brings the grant back to life.
    /// *Safe failure*: `Gone`.
    ///
    /// ```sql
    /// BEGIN;
    /// SELECT … FROM grants WHERE id = $grant FOR UPDATE;                      -- revoked, ended or absent: Gone
    /// INSERT INTO access_token (…) VALUES (…);                                -- taken id: ROLLBACK, Collision
    /// UPDATE grants SET expires_at = greatest(expires_at, $token_expires_at) WHERE id = $grant;
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn issue_access(&self, op: IssueAccess) -> impl Future<Output = Result<Issued, StorageError>> + Send;

    /// Revokes one access token and nothing else; from then on no look-up finds it.
    ///
    /// *Invariant* and *safe failure*: as for a grant.
    ///
    /// ```sql
    /// DELETE FROM access_token WHERE id = $1
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn revoke_access(&self, op: RevokeAccess) -> impl Future<Output = Result<Revoked, StorageError>> + Send;

    /// Revokes one grant of its owner: from then on no look-up returns anything of it as valid.
    ///
    /// What the user had agreed to for that client is forgotten with it, so that they are asked again.
    ///
    /// *Invariant*: a revoked grant stays revoked, and an operation that races this one either comes
    /// first or fails. *If it is broken*: access that a user took away lives on. *Safe failure*: an
    /// error, never `Ok` before it holds.
    ///
    /// ```sql
    /// BEGIN;
    /// UPDATE grants SET revoked = true WHERE id = $1 AND (subject = $2 or client = $2, as the owner is);
    /// DELETE FROM consent WHERE (subject, client) = (those of the grant);
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn revoke_grant(&self, op: RevokeGrant) -> impl Future<Output = Result<Revoked, StorageError>> + Send;

    /// Revokes all grants of an owner, and forgets the consent that goes with them. Answers how many it ended.
    ///
    /// *Invariant* and *safe failure*: as for one grant. A grant that is made at this moment comes first or stays.
    ///
    /// ```sql
    /// BEGIN;
    /// UPDATE grants SET revoked = true WHERE NOT revoked AND (subject = $1 or client = $1, as the owner is);
    /// DELETE FROM consent WHERE (subject = $1 or client = $1);
    /// COMMIT;
    /// ```
    ///
    /// # Errors
    /// If the store cannot answer.
    fn revoke_grants(&self, op: RevokeGrants) -> impl Future<Output = Result<u32, StorageError>> + Send;

    /// Removes at most about `limit` rows that mean nothing any more: marks of prompts, claims, codes, tokens,
    /// grants and clients that registered themselves, past their end. Answers how many went; fewer than `limit` says that nothing is left.
    ///
    /// The sealed answers of refresh tokens whose time is over go as well; they do not count.
    ///
    /// *Invariant*: only what has ended by `now` goes, in steps so small that nobody waits for them.
    ///
    /// A store may also clean up by itself as it writes, but not before a minute has passed since the end
    /// of a row: a code that comes again just after its end still shows that it was stolen.
    ///
    /// # Errors
    /// If the store cannot answer.
    fn purge(&self, now: Timestamp, limit: u32) -> impl Future<Output = Result<u32, StorageError>> + Send;
}
