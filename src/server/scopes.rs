//! Scopes that are added, changed and retired while the server runs.

use super::Server;
use super::change::Contended;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::scope_change::{InvalidScopeChange, Scope, ScopeChange};
use crate::protocol::scope_records::{Retired, ScopeRecord};
use crate::storage::StorageError;

/// The scopes of a server, for the app's own people to change while it runs; see [`Server::scopes`].
///
/// What they change is stored and laid over the scopes of the code. This instance knows of it at once, every other
/// one within two seconds.
#[derive(Debug, Clone)]
pub struct Scopes(Server);

/// Why scopes were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeScopesError {
    /// The change is none.
    #[error(transparent)]
    Invalid(#[from] InvalidScopeChange),
    /// Others changed scopes and resources again and again at the same moment; the same call may succeed later.
    #[error("others change the scopes at this moment")]
    Contended,
    /// The store could not answer. The change may have been made: list the scopes to see.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<Contended> for ChangeScopesError {
    fn from(_: Contended) -> Self {
        Self::Contended
    }
}

impl Server {
    /// The scopes of this server, to be looked at and changed at run time.
    ///
    /// ```
    /// # async fn change(oauth: grantor::Server) -> Result<(), grantor::server::ChangeScopesError> {
    /// use grantor::{Retired, Scope};
    ///
    /// let scopes = oauth.scopes();
    /// scopes.add(Scope::new("reports:read", "Read your reports")).await?;
    /// scopes.describe("reports:read", "Read your monthly reports").await?;
    /// scopes.retire("projects:write", Retired::Dead).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes(self.clone())
    }
}

impl Scopes {
    /// All scopes, in the order in which people read them, and behind them those that were retired.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn list(&self) -> Result<Vec<ScopeRecord>, StorageError> {
        self.refresh().await?;
        let current = self.0.0.in_force.last_known();
        let scopes = &current.policy.scopes;
        Ok(scopes.scopes().iter().chain(scopes.retired()).cloned().collect())
    }

    /// Adds a scope. After one of the same name that was retired it is another scope: nobody has it by that.
    ///
    /// It means something at every resource that does not list its scopes.
    ///
    /// # Errors
    /// If there is a scope of that name, or it implies one that there is not; see [`ChangeScopesError`].
    pub async fn add(&self, scope: Scope) -> Result<(), ChangeScopesError> {
        let name = scope.name().to_owned();
        self.change(ScopeChange::Add(scope)).await?;
        tracing::info!(scope = name, "scope added");
        Ok(())
    }

    /// Tells people something else about a scope from now on, also one of the code.
    ///
    /// # Errors
    /// See [`ChangeScopesError`].
    pub async fn describe(&self, name: &str, description: &str) -> Result<(), ChangeScopesError> {
        let (name, description) = (name.to_owned(), description.to_owned());
        self.change(ScopeChange::Describe { name: name.clone(), description }).await?;
        tracing::info!(scope = name, "scope described");
        Ok(())
    }

    /// Lets the metadata name a scope. Reserved ones stay out of it.
    ///
    /// # Errors
    /// See [`ChangeScopesError`].
    pub async fn advertise(&self, name: &str) -> Result<(), ChangeScopesError> {
        self.set_advertised(name, true).await
    }

    /// Takes a scope out of the metadata. Whoever knows of it may still ask for it.
    ///
    /// # Errors
    /// See [`ChangeScopesError`].
    pub async fn hide(&self, name: &str) -> Result<(), ChangeScopesError> {
        self.set_advertised(name, false).await
    }

    async fn set_advertised(&self, name: &str, advertised: bool) -> Result<(), ChangeScopesError> {
        self.change(ScopeChange::Advertise { name: name.to_owned(), advertised }).await?;
        tracing::info!(scope = name, advertised, "scope advertised or hidden");
        Ok(())
    }

    /// Takes a scope out of use: nobody gets it any more, and what it is worth in tokens that were issued is said by
    /// `how`. A scope that runs out can be retired once more, to be dead at once. There is no way back: a scope that
    /// is added under the same name is another one.
    ///
    /// # Errors
    /// If there never was a scope of that name; see [`ChangeScopesError`].
    pub async fn retire(&self, name: &str, how: Retired) -> Result<(), ChangeScopesError> {
        self.change(ScopeChange::Retire { name: name.to_owned(), how }).await?;
        tracing::info!(scope = name, ?how, "scope retired");
        Ok(())
    }

    /// Takes notice of what is stored now, as every request does by itself every other second. For routes that
    /// are made at the start and require scopes that were added at run time.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn refresh(&self) -> Result<(), StorageError> {
        self.0.refresh_policy().await
    }

    async fn change(&self, change: ScopeChange) -> Result<(), ChangeScopesError> {
        self.0
            .change_policy(|declared, stored| {
                let scopes = change.apply(&declared.scopes, &stored.scopes)?;
                Ok::<_, ChangeScopesError>(PolicyRecords { scopes, ..stored.clone() })
            })
            .await
    }
}
