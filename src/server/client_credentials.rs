//! Access that a client gets for itself.

use std::sync::Arc;

use http::header::HeaderMap;

use super::{MINT_TRIES, Refused, Server, log_no_free_id};
use crate::host::{IssuedBy, Where};
use crate::protocol::client::Client;
use crate::protocol::client_credentials::{CheckedAccess, ClientGrantSeed, ClientRequest, NotGranted};
use crate::protocol::error::TokenReason;
use crate::protocol::params::Parameters;
use crate::protocol::token::TokenResponse;
use crate::storage::Storage as _;

/// How often a request is decided anew because its client was changed at that very moment.
const CHANGE_TRIES: usize = 8;

impl Server {
    /// Answers a client that was authenticated and asks for itself. If it is changed meanwhile, it is
    /// authenticated and judged again as it is then, so that the rotation of a secret fails no request and a
    /// block is never overtaken by one.
    pub(super) async fn grant_client(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
        mut client: Arc<Client>,
    ) -> Result<TokenResponse, Refused> {
        for _ in 0..CHANGE_TRIES {
            match self.grant_unchanged(parameters, &client).await {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => client = self.authenticate_again(headers, parameters).await?,
                Err(reason) => return Err(self.refused(Some(&client.id), reason)),
            }
        }
        Err(self.refused(Some(&client.id), TokenReason::Unavailable))
    }

    /// `None` if the client is no longer the one that was authenticated.
    async fn grant_unchanged(
        &self,
        parameters: &Parameters<'_>,
        client: &Client,
    ) -> Result<Option<TokenResponse>, TokenReason> {
        let current = self.current().await?;
        let mut checked: CheckedAccess = ClientRequest::read(parameters, client)?.check(&current.policy)?;
        for _ in 0..MINT_TRIES {
            let seed = ClientGrantSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now());
            let access = minted.access();
            let extra = self.extra_fields(&access, Where::TokenResponse).await?;
            let outcome = self.0.storage.grant_client(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => {
                    self.issued(&response, &access, IssuedBy::ClientCredentials);
                    return Ok(Some(response.with_extra(extra)));
                }
                Err(NotGranted::ClientChanged) => return Ok(None),
                Err(NotGranted::Collision(checked)) => *checked,
            };
        }
        log_no_free_id();
        Err(TokenReason::ServerError)
    }
}
