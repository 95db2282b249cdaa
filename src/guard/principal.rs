//! Who sent a request.

use crate::protocol::catalogue::Allowed;
use crate::protocol::client::ClientId;
use crate::protocol::grant::{Holder, Subject};
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;
use crate::storage::StoredAccess;

/// Who sent a request, what they may do and by which grant. Only a guard makes one.
#[derive(Debug, Clone)]
pub struct Principal {
    access: StoredAccess,
    /// What the token allows, if that is not what it has in it.
    allowed: Option<Allowed>,
}

impl Principal {
    pub(super) const fn new(access: StoredAccess, allowed: Option<Allowed>) -> Self {
        Self { access, allowed }
    }

    /// Whose access it is: a user's, or the client's own.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.access.grant.holder
    }

    /// The user on whose behalf the request is made; `None` if a client makes it for itself.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.access.grant.holder.subject()
    }

    /// The client that makes the request.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.access.grant.client
    }

    /// What the token allows, by the names of scopes: all that are alive, those that came with others included.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        self.allowed.as_ref().map_or(&self.access.token.scopes, |allowed| &allowed.all)
    }

    /// Whether the token allows what a scope stands for.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.scopes().contains(scope)
    }

    /// The resource that the token is for.
    #[must_use]
    pub const fn resource(&self) -> &ResourceUri {
        &self.access.token.resource
    }

    /// The grant that the token belongs to.
    #[must_use]
    pub fn grant(&self) -> OrderedId {
        self.access.grant.id
    }
}
