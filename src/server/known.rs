//! What another library wants to know of a client, for apps that use both.

use super::Server;
use crate::protocol::authorize::verified_redirect_uri;
use crate::protocol::client::ClientId;
use crate::protocol::client_auth::is_proven_by;
use crate::protocol::redirect::VerifiedRedirectUri;
use crate::protocol::scope::ScopeSet;
use crate::storage::StorageError;

impl Server {
    /// Where answers to a client go that names `presented`, or nothing.
    pub(crate) async fn redirect_of(
        &self,
        id: &ClientId,
        presented: Option<&str>,
    ) -> Result<Option<VerifiedRedirectUri>, StorageError> {
        let client = self.client_by_id(id).await?.filter(|client| !client.blocked);
        Ok(client.and_then(|client| verified_redirect_uri(presented, &client).ok()))
    }

    /// The names of what a client gets of the scopes that it asks for, or of the default ones if it asks for none.
    pub(crate) async fn scopes_of(
        &self,
        id: &ClientId,
        asked: Option<&ScopeSet>,
    ) -> Result<Option<ScopeSet>, StorageError> {
        let current = self.current().await?;
        let (policy, client) = (&current.policy, self.client_by_id(id).await?);
        Ok(client.filter(|client| !client.blocked).map(|client| {
            let asked = policy.scopes.ids_of(asked.unwrap_or(&policy.default_scopes));
            policy.scopes.names_of(&asked.intersection(&client.ceiling(&policy.scopes)))
        }))
    }

    /// Whether that is the client's secret, or whether it is public if there is none.
    pub(crate) async fn is_secret_of(&self, id: &ClientId, secret: Option<&str>) -> Result<bool, StorageError> {
        let client = self.client_by_id(id).await?;
        Ok(is_proven_by(secret, client.as_deref(), self.now()))
    }
}
