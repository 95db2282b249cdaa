//! A walk through all that is stored, for checks and exports.

use std::sync::Arc;

use crate::protocol::grant::{AccessRecord, CodeRecord, Grant, RefreshRecord, Rotation};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// A table that [`Storage::scan`](super::Storage::scan) walks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Grants.
    Grants,
    /// Authorization codes.
    Codes,
    /// Access tokens.
    AccessTokens,
    /// Refresh tokens.
    RefreshTokens,
}

/// A row with the grant that it hangs on, read together.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// The row.
    pub row: Row,
    /// Its grant.
    pub grant: Arc<Grant>,
    /// When that grant ends.
    pub grant_expires_at: Timestamp,
    /// Whether that grant was revoked.
    pub revoked: bool,
}

impl Scanned {
    /// The key of the row.
    #[must_use]
    pub fn id(&self) -> OrderedId {
        match &self.row {
            Row::Grant => self.grant.id,
            Row::Code { code, .. } => code.id,
            Row::Access(token) => token.id,
            Row::Refresh { token, .. } => token.id,
        }
    }
}

/// What a row is, besides its grant.
#[derive(Debug, Clone)]
pub enum Row {
    /// The grant itself.
    Grant,
    /// A code.
    Code {
        /// The code.
        code: CodeRecord,
        /// Whether it was redeemed.
        redeemed: bool,
    },
    /// An access token.
    Access(AccessRecord),
    /// A refresh token.
    Refresh {
        /// The token.
        token: RefreshRecord,
        /// What became of it if it was used.
        rotation: Option<Rotation>,
        /// The token that it took the place of.
        predecessor: Option<OrderedId>,
    },
}
