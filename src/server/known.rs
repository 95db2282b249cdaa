//! What another library wants to know of a client, for apps that use both.

use http::request::Parts;

use super::Server;
use crate::protocol::authorize::verified_redirect_uri;
use crate::protocol::client::ClientId;
use crate::protocol::client_auth::is_proven_by;
use crate::protocol::grant::Subject;
use crate::protocol::prompt::ReturnedPrompt;
use crate::protocol::redirect::VerifiedRedirectUri;
use crate::protocol::scope::ScopeSet;
use crate::storage::StorageError;

/// A question that is open.
pub(crate) struct Asked {
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    /// By name.
    pub(crate) scopes: ScopeSet,
    pub(crate) subject: Subject,
}

impl Server {
    /// The question that a person was asked in this browser, if it can be answered by them now. The time until it is
    /// answered changes nothing: who answers is checked again then.
    pub(crate) async fn question(&self, request: &Parts, sealed: &str, browser: &str) -> Option<Asked> {
        let returned = ReturnedPrompt::open(&self.0.keys, sealed).ok()?;
        let current = self.current().await.ok()?;
        let client = self.client_by_id(returned.client()).await.ok()?;
        let (prompt, user) = self.resume(request, returned, client, browser, &current.policy).await.ok()?;
        let asked = prompt.request();
        Some(Asked {
            client: asked.client().id.to_string(),
            redirect_uri: asked.redirect_uri().as_str().to_owned(),
            scopes: current.policy.scopes.names_of(asked.scopes()),
            subject: user.subject,
        })
    }

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
