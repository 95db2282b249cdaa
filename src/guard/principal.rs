//! Who sent a request.

use crate::protocol::client::ClientId;
use crate::protocol::grant::{Holder, Subject};
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;
use crate::storage::StoredAccess;

/// Who sent a request, what they may do and by which grant. Only a guard makes one.
#[derive(Debug, Clone)]
pub struct Principal(StoredAccess);

impl Principal {
    pub(super) const fn new(access: StoredAccess) -> Self {
        Self(access)
    }

    /// Whose access it is: a user's, or the client's own.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.0.grant.holder
    }

    /// The user on whose behalf the request is made; `None` if a client makes it for itself.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.0.grant.holder.subject()
    }

    /// The client that makes the request.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.0.grant.client
    }

    /// What the token allows.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.0.token.scopes
    }

    /// Whether the token has a scope.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.0.token.scopes.contains(scope)
    }

    /// The resource that the token is for.
    #[must_use]
    pub const fn resource(&self) -> &ResourceUri {
        &self.0.token.resource
    }

    /// The grant that the token belongs to.
    #[must_use]
    pub fn grant(&self) -> OrderedId {
        self.0.grant.id
    }
}
