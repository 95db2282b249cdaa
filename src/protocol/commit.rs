//! What a decision asks the store to do, and what can come of it. The `storage` module has the
//! operations themselves.

use std::sync::Arc;

use super::client::ClientId;
use super::grant::{AccessRecord, CodeRecord, Grant, Subject};
use super::prompt::PromptId;
use super::secret::OrderedId;
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

/// A live grant.
#[derive(Debug, Clone)]
pub struct StoredGrant {
    /// The grant.
    pub grant: Arc<Grant>,
    /// When the last code or token of it ends.
    pub expires_at: Timestamp,
}

/// What came of adding a client.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It was added.
    New,
    /// There is one of that id, which stays as it is.
    Taken,
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
    /// When the grant ends from now on.
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

/// A withdrawal of a grant by its user.
#[derive(Debug, Clone)]
pub struct RevokeGrant {
    /// The grant.
    pub grant: OrderedId,
    /// The user whose grant it must be.
    pub subject: Subject,
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
    /// This user has no such grant.
    Unknown,
}
