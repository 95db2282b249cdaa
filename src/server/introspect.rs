//! The introspection endpoint.

use http::header::HeaderMap;

use super::Server;
use crate::protocol::client::Client;
use crate::protocol::client_auth::ClientAuthError;
use crate::protocol::error::TokenReason;
use crate::protocol::introspection::{self, ActiveToken, INACTIVE, Introspection};
use crate::protocol::params::Parameters;
use crate::storage::Storage as _;

impl Server {
    /// Answers an introspection request with the body of the answer.
    pub(crate) async fn introspect(&self, headers: &HeaderMap, body: &[u8]) -> Result<String, ClientAuthError> {
        let parameters = Parameters::parse(body, &introspection::PARAMETERS);
        let client = self.authenticate_confidential(headers, &parameters).await?;
        let answer = self.introspect_token(&parameters, &client).await;
        answer.map_err(|reason| {
            tracing::info!(client = %client.id, %reason, "introspection refused");
            ClientAuthError { reason, used_basic: false }
        })
    }

    async fn introspect_token(&self, parameters: &Parameters<'_>, client: &Client) -> Result<String, TokenReason> {
        let (storage, now) = (&self.0.storage, self.now());
        let token = match Introspection::read(parameters, client)? {
            Introspection::Access(presented) => {
                let stored = storage.access_token(presented.id).await?;
                introspection::of_access(&presented, stored, client, now)
            }
            Introspection::Refresh(presented) => {
                let stored = storage.refresh_token(presented.id).await?;
                introspection::of_refresh(&presented, stored, client, now)
            }
            Introspection::Unknown => None,
        };
        match token {
            Some(token) => self.tell(&token).await,
            None => Ok(INACTIVE.to_owned()),
        }
    }

    /// What is told of a token that is good, unless the app says that its user may not use the app any more.
    async fn tell(&self, token: &ActiveToken) -> Result<String, TokenReason> {
        match self.ask_host(token.holder()).await {
            Ok(()) => token.to_json(&self.0.policy.issuer).map_err(|_| TokenReason::ServerError),
            Err(TokenReason::UserNotAllowed) => Ok(INACTIVE.to_owned()),
            Err(reason) => Err(reason),
        }
    }
}
