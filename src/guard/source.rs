//! Who says what a token is worth: the store of this process, or the authorization server in another one.

use std::sync::Arc;

use super::remote::Remote;
use crate::host::{AnyHost, Clock, Host as _};
use crate::protocol::bearer::{self, GoodToken};
use crate::protocol::commit::{LentAccess, StoredAccess};
use crate::protocol::error::BearerReason;
use crate::protocol::grant::Subject;
use crate::protocol::policy::Policy;
use crate::protocol::resource::ResourceUri;
use crate::protocol::resource_registry::KnownResource;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::Bearer;
use crate::storage::{AnyStorage, InForce, Storage as _, StorageError};

/// Who says what a token is worth.
pub(crate) enum Source {
    Here(Here),
    Elsewhere(Box<Remote>),
}

/// The server of this very process, by its store.
pub(crate) struct Here {
    pub(crate) storage: AnyStorage,
    /// Who is asked about the user of every token, if somebody is.
    pub(crate) users: Option<AnyHost>,
    pub(crate) in_force: Arc<InForce>,
}

impl Source {
    /// What a token is worth at `resource`.
    pub(super) async fn look_up(
        &self,
        presented: &Bearer,
        text: &str,
        resource: &ResourceUri,
        clock: &dyn Clock,
    ) -> Result<GoodToken, BearerReason> {
        match self {
            Self::Here(here) => here.look_up(presented, resource, clock).await,
            // In a box, so that requests which ask nobody else carry no room for it.
            Self::Elsewhere(remote) => {
                let StoredAccess { token, grant, .. } = Box::pin(remote.look_up(presented, text, clock)).await?;
                let (id, expires_at) = (token.id, token.expires_at);
                Ok(GoodToken { id, grant, expires_at, of_its_own: Some(token.scopes), asked: None })
            }
        }
    }

    /// Whether the user of a token is still let in. An authorization server elsewhere has asked for itself.
    pub(super) async fn admits(&self, subject: Option<&Subject>) -> Result<(), BearerReason> {
        let Self::Here(Here { users: Some(host), .. }) = self else { return Ok(()) };
        let Some(subject) = subject else { return Ok(()) };
        match host.is_allowed(subject).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(BearerReason::UserNotAllowed),
            Err(error) => {
                tracing::error!(%error, "the host could not answer");
                Err(BearerReason::Unavailable)
            }
        }
    }

    /// Whether there is, or was, a scope of that name: at a resource, or at any.
    pub(super) fn has_heard_of(&self, scope: &str, resource: Option<&ResourceUri>) -> bool {
        match (self, resource) {
            (Self::Here(here), Some(resource)) => here.in_force.last_known().policy.has_heard_of(scope, resource),
            (Self::Here(here), None) => here.in_force.last_known().policy.has_heard_of_scope(scope),
            (Self::Elsewhere(remote), _) => remote.scopes().contains(scope),
        }
    }

    /// The scopes that a client without a token is told to ask for at a resource whose guard requires none.
    pub(super) fn suggested(&self, resource: &ResourceUri) -> ScopeSet {
        match self {
            Self::Here(here) => here.in_force.last_known().policy.suggested(resource),
            Self::Elsewhere(remote) => remote.default_scopes().clone(),
        }
    }

    /// Those of some names that there are scopes of.
    pub(super) fn present(&self, scopes: &ScopeSet) -> ScopeSet {
        match self {
            Self::Here(here) => here.in_force.last_known().policy.scopes.present(scopes),
            // What else there is, is known elsewhere.
            Self::Elsewhere(_) => scopes.clone(),
        }
    }
}

impl Here {
    async fn look_up(
        &self,
        presented: &Bearer,
        resource: &ResourceUri,
        clock: &dyn Clock,
    ) -> Result<GoodToken, BearerReason> {
        let lender = self.storage.lender();
        let stored = match lender {
            Some(_) => None,
            None => self.storage.access_token(presented.id).await.map_err(|error| no_answer(&error))?,
        };
        let now = clock.now();
        let current = self.in_force.current(now).await.map_err(|error| no_answer(&error))?;
        let Policy { scopes, resources, .. } = &current.policy;
        let resource = resources.at(resource.as_str()).map(KnownResource::id);
        let check = |lent: Option<LentAccess<'_>>| bearer::check(presented, lent, resource, scopes, now);
        match lender {
            Some(memory) => memory.lend_access_token(presented.id, check),
            None => check(stored.as_ref().map(StoredAccess::lend)),
        }
    }
}

fn no_answer(error: &StorageError) -> BearerReason {
    tracing::error!(error = error as &dyn std::error::Error, "the store could not answer");
    if error.is_temporary() { BearerReason::Unavailable } else { BearerReason::ServerError }
}
