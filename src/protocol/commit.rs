//! What a decision asks the store to do, and what can come of it. The `storage` module has the
//! operations themselves.

use std::sync::Arc;

use super::client::{Client, ClientId};
use super::grant::{AccessRecord, CodeRecord, Grant, RefreshRecord, Rotation, Subject};
use super::interaction::Consent;
use super::policy_records::PolicyRecords;
use super::prompt::PromptId;
use super::resource::ResourceId;
use super::scope::ScopeSet;
use super::secret::{OrderedId, SecretHash};
use super::time::Timestamp;

/// A code and what it hangs on, read together.
#[derive(Debug, Clone)]
pub struct StoredCode {
    /// The code.
    pub code: CodeRecord,
    /// Whether it was redeemed.
    pub redeemed: bool,
    /// The grant that it belongs to.
    pub grant: Arc<Grant>,
    /// Whether that grant was revoked.
    pub revoked: bool,
}

/// An access token and what it hangs on, read together.
#[derive(Debug, Clone)]
pub struct StoredAccess {
    /// The token.
    pub token: AccessRecord,
    /// The grant that it belongs to.
    pub grant: Arc<Grant>,
    /// Whether that grant was revoked.
    pub revoked: bool,
}

/// The same as a store lends it for a moment, without a copy.
#[derive(Debug, Clone, Copy)]
pub struct LentAccess<'a> {
    /// The key of the token.
    pub id: OrderedId,
    /// The hash of its secret.
    pub hash: &'a SecretHash,
    /// What it allows, by id.
    pub scopes: &'a ScopeSet,
    /// The resource that it is for.
    pub resource: &'a ResourceId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The grant that it belongs to.
    pub grant: &'a Arc<Grant>,
    /// Whether that grant was revoked.
    pub revoked: bool,
}

impl StoredAccess {
    /// Lends it.
    #[must_use]
    pub const fn lend(&self) -> LentAccess<'_> {
        let Self { token, grant, revoked } = self;
        let AccessRecord { id, hash, scopes, resource, expires_at, .. } = token;
        LentAccess { id: *id, hash, scopes, resource, expires_at: *expires_at, grant, revoked: *revoked }
    }
}

/// A refresh token and what hangs on it, read together.
#[derive(Debug, Clone)]
pub struct StoredRefresh {
    /// The token.
    pub token: RefreshRecord,
    /// What became of it if it was used.
    pub rotation: Option<Rotation>,
    /// The grant that it belongs to.
    pub grant: Arc<Grant>,
    /// Whether that grant was revoked.
    pub revoked: bool,
}

/// A live grant.
#[derive(Debug, Clone)]
pub struct StoredGrant {
    /// The grant.
    pub grant: Arc<Grant>,
    /// When the last code or token of it ends.
    pub expires_at: Timestamp,
}

/// A client that is to be added.
#[derive(Debug, Clone)]
pub struct InsertClient {
    /// The client.
    pub client: Arc<Client>,
    /// How many clients that registered themselves and never got a grant there may be. Beyond that, those that
    /// would end first give way. `None` for a client of the app's own people.
    pub budget: Option<u32>,
    /// The present.
    pub now: Timestamp,
}

/// What came of adding a client.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It was added.
    New,
    /// This one has registered the very same before, and now stays for as long as the new one would have.
    Folded(ClientId),
    /// Who has registered the very same before is blocked; nothing changed.
    Blocked,
    /// There is one of that id, which stays as it is.
    Taken,
}

/// A change of a client.
#[derive(Debug, Clone)]
pub struct UpdateClient {
    /// Its new state, with the revision of the state that it was made from.
    pub client: Arc<Client>,
    /// Whether everything that it was given ends with the change: all its grants, and all consent to it.
    pub ends_access: bool,
    /// The present.
    pub now: Timestamp,
}

/// What came of changing a client.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// It is as it was given, with a revision that no decision has seen yet.
    Now,
    /// Somebody else has changed it meanwhile; nothing changed.
    Changed,
    /// There is no client of that id.
    Unknown,
}

/// A removal of a client, with everything that it was given.
#[derive(Debug, Clone)]
pub struct RemoveClient {
    /// The client.
    pub client: ClientId,
    /// The present.
    pub now: Timestamp,
}

/// What came of removing a client.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Now,
    /// There is no client of that id.
    Unknown,
}

/// A use of a client that registered itself, which keeps it from ending.
#[derive(Debug, Clone)]
pub struct RenewClient {
    /// The client.
    pub client: ClientId,
    /// Until when it stays at least.
    pub until: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// What came of a use.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// It stays until then or longer.
    Now,
    /// There is no client of that id, or it stays until it is removed.
    Unknown,
}

/// Access that a client gets for itself (RFC 6749 §4.4).
#[derive(Debug, Clone)]
pub struct GrantClient {
    /// The client.
    pub client: ClientId,
    /// The state of the client that was decided about.
    pub client_revision: u32,
    /// The new grant, which ends with its token.
    pub grant: Arc<Grant>,
    /// Its token.
    pub access: AccessRecord,
    /// The present.
    pub now: Timestamp,
}

/// What came of a client's own grant.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// Grant and token exist.
    Now,
    /// The client is gone or not the one that was decided about; nothing changed.
    ClientChanged,
    /// An id is taken; nothing changed, and the caller tries again with others.
    Collision,
}

/// A user's decision about a prompt.
#[derive(Debug, Clone)]
pub struct Decide {
    /// The prompt, which can be decided once.
    pub prompt: PromptId,
    /// How long the store must remember that it was decided: beyond the end of the prompt.
    pub keep_until: Timestamp,
    /// The client that asks.
    pub client: ClientId,
    /// The state of the client that the user was shown.
    pub client_revision: u32,
    /// What to add if the user approved; `None` if not.
    pub approval: Option<Approval>,
    /// The present.
    pub now: Timestamp,
}

/// What an approval adds.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The new grant.
    pub grant: Arc<Grant>,
    /// Its code. The grant ends with it unless it is redeemed.
    pub code: CodeRecord,
    /// What is remembered: its scopes are added to what was remembered about the same.
    pub consent: Consent,
    /// Whether nobody was asked, so that all of `consent` must be remembered already.
    pub needs_consent: bool,
    /// Until when a client that registered itself stays at least, if this is its first grant.
    pub client_until: Timestamp,
}

/// What came of a decision.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// This is the decision; an approval's grant and code exist.
    First,
    /// The prompt was decided before; nothing was added.
    AlreadyDecided {
        /// Whether the earlier decision was an approval.
        approved: bool,
    },
    /// The client is gone or not the one that was shown; nothing was recorded.
    ClientChanged,
    /// Nobody was asked, and what that relied on is not remembered; nothing was recorded.
    ConsentGone,
    /// An id is taken; nothing was recorded, and the caller tries again with other ids.
    Collision,
}

/// An exchange of a code for a token.
#[derive(Debug, Clone)]
pub struct RedeemCode {
    /// The code.
    pub code: OrderedId,
    /// The token to add, of the code's own grant.
    pub access: AccessRecord,
    /// The refresh token to add as well, if the client gets one.
    pub refresh: Option<RefreshRecord>,
    /// When the grant ends from now on, unless it lasts longer as it is.
    pub grant_expires_at: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// What came of an exchange.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// The code is spent and the token exists.
    First,
    /// The code was spent before; its grant is revoked now.
    Replayed,
    /// The code is unknown or over, or its grant is revoked; nothing changed.
    Gone,
    /// The token's id is taken; nothing changed, and the caller tries again with another.
    Collision,
}

/// A use of a refresh token.
#[derive(Debug, Clone)]
pub struct RotateRefresh {
    /// The token that was presented.
    pub refresh: OrderedId,
    /// The one that takes its place, of the same grant.
    pub successor: RefreshRecord,
    /// The access token to add.
    pub access: AccessRecord,
    /// The answer, sealed, to be given again until `grace_until`.
    pub answer: Arc<[u8]>,
    /// Until when it is given again.
    pub grace_until: Timestamp,
    /// When the grant ends from now on, unless it lasts longer as it is.
    pub grant_expires_at: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// What came of a use of a refresh token.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// It was its first use: the successor and the access token exist.
    First,
    /// It was used before, and the answer is to be given again; nothing changed.
    Repeated(Rotation),
    /// It was used before and its answer is over; its grant is revoked now.
    Reused,
    /// It is unknown or has ended, or its grant is revoked; nothing changed.
    Gone,
    /// An id is taken; nothing changed, and the caller tries again with others.
    Collision,
}

/// An access token that is added to a live grant.
#[derive(Debug, Clone)]
pub struct IssueAccess {
    /// The token, of that grant.
    pub access: AccessRecord,
    /// The present.
    pub now: Timestamp,
}

/// What came of adding an access token.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// It exists.
    Now,
    /// The grant is unknown, has ended or was revoked; nothing changed.
    Gone,
    /// The id is taken; nothing changed, and the caller tries again with another.
    Collision,
}

/// Who takes a grant back. It must be theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The user who gave it.
    User(Subject),
    /// The client that got it.
    Client(ClientId),
}

/// A withdrawal of a grant.
#[derive(Debug, Clone)]
pub struct RevokeGrant {
    /// The grant.
    pub grant: OrderedId,
    /// Whose grant it must be.
    pub owner: Owner,
    /// The present.
    pub now: Timestamp,
}

/// A withdrawal of one access token.
#[derive(Debug, Clone, Copy)]
pub struct RevokeAccess {
    /// The token.
    pub token: OrderedId,
    /// The present.
    pub now: Timestamp,
}

/// What came of a withdrawal.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The grant is revoked now.
    Now,
    /// It was revoked before.
    Already,
    /// This owner has no such grant.
    Unknown,
}

/// A withdrawal of all grants of an owner: of a user, with all that they have agreed to, or of a client, with
/// all consent to it.
#[derive(Debug, Clone)]
pub struct RevokeGrants {
    /// Whose grants.
    pub owner: Owner,
    /// The present.
    pub now: Timestamp,
}

/// Something that counts once, such as the `jti` of an assertion.
#[derive(Debug, Clone)]
pub struct ClaimOnce {
    /// What it is, as the SHA-256 of a text that says so.
    pub key: [u8; 32],
    /// How long the store must remember it.
    pub keep_until: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// What came of a claim.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// This is the first.
    First,
    /// It was claimed before.
    Again,
}

/// A change of the scopes and resources that are kept as data.
#[derive(Debug, Clone)]
pub struct SavePolicy {
    /// All of them, with the revision of the state that they were made from; 0 if there was none.
    pub records: Arc<PolicyRecords>,
}

/// What came of it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// They are as given, and the revision is one higher.
    Now,
    /// Somebody else has changed them meanwhile; nothing changed.
    Changed,
}
