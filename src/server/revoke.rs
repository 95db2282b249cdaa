//! The revocation endpoint.

use http::header::HeaderMap;

use super::Server;
use crate::protocol::client::Client;
use crate::protocol::client_auth::ClientAuthError;
use crate::protocol::error::TokenReason;
use crate::protocol::params::Parameters;
use crate::protocol::revocation::{self, Revocation};
use crate::storage::Storage as _;

impl Server {
    /// Answers a revocation request. It succeeds only when the token is worth nothing any more.
    pub(crate) async fn revoke(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), ClientAuthError> {
        let parameters = Parameters::parse(body, &revocation::PARAMETERS);
        let client = self.authenticate(headers, &parameters).await?;
        self.revoke_token(&parameters, &client).await.map_err(|reason| {
            tracing::info!(client = %client.id, %reason, "revocation refused");
            ClientAuthError { reason, used_basic: false }
        })
    }

    async fn revoke_token(&self, parameters: &Parameters<'_>, client: &Client) -> Result<(), TokenReason> {
        let (storage, now) = (&self.0.storage, self.now());
        let outcome = match Revocation::read(parameters)? {
            Some(Revocation::Access(presented)) => {
                let stored = storage.access_token(presented.id).await?;
                match revocation::of_access(&presented, stored, client, now)? {
                    Some(op) => Some(storage.revoke_access(op).await?),
                    None => None,
                }
            }
            Some(Revocation::Refresh(presented)) => {
                let stored = storage.refresh_token(presented.id).await?;
                match revocation::of_refresh(&presented, stored, client, now)? {
                    Some(op) => Some(storage.revoke_grant(op).await?),
                    None => None,
                }
            }
            None => None,
        };
        tracing::info!(client = %client.id, ?outcome, "token revoked by its client");
        Ok(())
    }
}
