//! Resources that are added and retired while the server runs.

use super::Server;
use super::change::Contended;
use crate::protocol::policy_records::{PolicyRecords, ResourceRecord};
use crate::protocol::resource_change::{InvalidResourceChange, Resource, ResourceChange};
use crate::storage::StorageError;

/// The resources of a server, for the app's own people to change while it runs; see [`Server::resources`].
///
/// What they change is stored and laid over the resources of the code. This instance knows of it at once, every other
/// one within two seconds.
#[derive(Debug, Clone)]
pub struct Resources(Server);

/// Why resources were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeResourcesError {
    /// The change is none.
    #[error(transparent)]
    Invalid(#[from] InvalidResourceChange),
    /// Others changed scopes and resources again and again at the same moment; the same call may succeed later.
    #[error("others change the resources at this moment")]
    Contended,
    /// The store could not answer. The change may have been made: list the resources to see.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<Contended> for ChangeResourcesError {
    fn from(_: Contended) -> Self {
        Self::Contended
    }
}

impl Server {
    /// The resources of this server, to be looked at and changed at run time: of an app with many tenants each may be
    /// one.
    ///
    /// ```
    /// # async fn change(oauth: grantor::Server) -> Result<(), grantor::server::ChangeResourcesError> {
    /// use grantor::Resource;
    ///
    /// let resources = oauth.resources();
    /// resources.add(Resource::new("/t/acme/mcp").name("Acme").unlisted()).await?;
    /// resources.retire("/t/acme/mcp").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resources(&self) -> Resources {
        Resources(self.clone())
    }
}

impl Resources {
    /// All resources, in the order in which they were added, and behind them those that were retired.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn list(&self) -> Result<Vec<ResourceRecord>, StorageError> {
        self.refresh().await?;
        let current = self.0.0.in_force.last_known();
        let resources = &current.policy.resources;
        Ok(resources.iter().chain(resources.retired()).map(|known| known.record.clone()).collect())
    }

    /// Adds a resource. After one of the same URL that was retired it is another resource: nobody has access to it by
    /// what they had of that.
    ///
    /// # Errors
    /// If there is a resource of that URL, or something of it cannot be; see [`ChangeResourcesError`].
    pub async fn add(&self, resource: impl Into<Resource>) -> Result<(), ChangeResourcesError> {
        let resource = resource.into();
        let url = resource.url().to_owned();
        self.change(ResourceChange::Add(resource)).await?;
        tracing::info!(resource = url, "resource added");
        Ok(())
    }

    /// Says anew what a resource is that was added at run time: all that can be said of one but its URL. It stays the
    /// same one, and what was granted stays.
    ///
    /// Scopes that it lists no more, and a shorter life of access tokens, count from the next token on.
    ///
    /// # Errors
    /// If the code says what it is, there is none of that URL, or something of it cannot be; see
    /// [`ChangeResourcesError`].
    pub async fn describe(&self, resource: impl Into<Resource>) -> Result<(), ChangeResourcesError> {
        let resource = resource.into();
        let url = resource.url().to_owned();
        self.change(ResourceChange::Describe(resource)).await?;
        tracing::info!(resource = url, "resource described");
        Ok(())
    }

    /// Takes a resource out of use, also one of the code: by its URL, or by its path on the issuer's origin. At once
    /// its tokens are worth nothing, nobody gets new ones, and its metadata is gone. Other resources of the same grants
    /// stay. There is no way back: a resource that is added at the same URL is another one.
    ///
    /// # Errors
    /// If there never was a resource of that URL, or it is the default one; see [`ChangeResourcesError`].
    pub async fn retire(&self, url: &str) -> Result<(), ChangeResourcesError> {
        self.change(ResourceChange::Retire { url: url.to_owned() }).await?;
        tracing::info!(resource = url, "resource retired");
        Ok(())
    }

    /// Takes notice of what is stored now, as every request does by itself every other second. For guards that are
    /// made for resources which another instance added.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn refresh(&self) -> Result<(), StorageError> {
        self.0.refresh_policy().await
    }

    async fn change(&self, change: ResourceChange) -> Result<(), ChangeResourcesError> {
        self.0
            .change_policy(|declared, stored| {
                let resources = change.apply(declared, stored)?;
                Ok::<_, ChangeResourcesError>(PolicyRecords { resources, ..stored.clone() })
            })
            .await
    }
}
