//! Who sent a request.

use super::{Bound, Refusal};
use crate::protocol::bearer::GoodToken;
use crate::protocol::client::ClientId;
use crate::protocol::error::BearerReason;
use crate::protocol::grant::{Holder, Subject};
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// Who sent a request, what they may do and by which grant. Only a guard makes one.
#[derive(Debug, Clone)]
pub struct Principal {
    token: GoodToken,
    /// Who let it through.
    guard: Bound,
}

impl Principal {
    pub(super) const fn new(token: GoodToken, guard: Bound) -> Self {
        Self { token, guard }
    }

    /// Whose access it is: a user's, or the client's own.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.token.grant.holder
    }

    /// The user on whose behalf the request is made; `None` if a client makes it for itself.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.token.grant.holder.subject()
    }

    /// The client that makes the request.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.token.grant.client
    }

    /// What the token allows, by the names of scopes: all that are alive, those that came with others included.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        self.token.scopes()
    }

    /// Whether the token allows what a scope stands for.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.scopes().contains(scope)
    }

    /// Finds that the token allows what an operation needs beyond what the guard of its route requires, for routes
    /// that learn from the request's body what is to be done, as MCP endpoints do with their tools.
    ///
    /// ```
    /// # use grantor::{Principal, guard::Refusal};
    /// async fn call_tool(principal: Principal, tool: &str) -> Result<String, Refusal> {
    ///     if tool == "delete_project" {
    ///         principal.require("projects:admin")?;
    ///     }
    ///     Ok(format!("{tool} was called"))
    /// }
    /// ```
    ///
    /// # Errors
    /// If it does not: the answer to send is 403 `insufficient_scope`. It names the scopes of the guard, of the
    /// operation and of the token itself, so that a client which asks for just those loses nothing that it has
    /// (RFC 6750 §3.1). Names that are no scopes are allowed to nobody.
    pub fn require(&self, scopes: &str) -> Result<(), Refusal> {
        let needed = ScopeSet::parse(scopes).ok();
        if needed.as_ref().is_some_and(|needed| self.scopes().contains_all(needed)) {
            return Ok(());
        }
        Err(self.lacks(&needed.unwrap_or_default()))
    }

    /// The answer to a request that needs these scopes, by name, and lacks some of them.
    pub(super) fn lacks(&self, needed: &ScopeSet) -> Refusal {
        let Self { token: GoodToken { id, asked, .. }, guard } = self;
        let has = asked.as_ref().unwrap_or(self.scopes());
        // It is about the connection: a resource does not ask for it.
        let all = has.union(guard.required()).union(needed).without(OFFLINE_ACCESS);
        guard.deny(BearerReason::InsufficientScope, Some(*id), &all)
    }

    /// The resource that the token is for.
    #[must_use]
    pub fn resource(&self) -> &ResourceUri {
        self.guard.resource()
    }

    /// When the token ends, unless it is revoked before.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.token.expires_at
    }

    /// The grant that the token belongs to.
    #[must_use]
    pub fn grant(&self) -> OrderedId {
        self.token.grant.id
    }
}
