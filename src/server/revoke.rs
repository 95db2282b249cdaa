//! The revocation endpoint.

use http::header::HeaderMap;

use super::{Refused, Server};
use crate::host::EventKind;
use crate::protocol::client::Client;
use crate::protocol::error::TokenReason;
use crate::protocol::params::Parameters;
use crate::protocol::revocation::{self, Revocation};
use crate::storage::{Revoked, Storage as _};

impl Server {
    /// Answers a revocation request. It succeeds only when the token is worth nothing any more.
    pub(crate) async fn revoke(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refused> {
        let parameters = Parameters::parse(body, &revocation::PARAMETERS);
        let (client, _) = self.authenticate(headers, &parameters).await?;
        self.revoke_token(&parameters, &client).await.map_err(|reason| self.refused(Some(&client.id), reason))
    }

    async fn revoke_token(&self, parameters: &Parameters<'_>, client: &Client) -> Result<(), TokenReason> {
        let (storage, now) = (&self.0.storage, self.now());
        match Revocation::read(parameters)? {
            Some(Revocation::Access(presented)) => {
                let stored = storage.access_token(presented.id).await?;
                let grant = stored.as_ref().map(|stored| stored.grant.id);
                let op = revocation::of_access(&presented, stored, client, now)?;
                if let (Some(op), Some(grant)) = (op, grant)
                    && storage.revoke_access(op).await? == Revoked::Now
                {
                    self.audit(EventKind::TokenRevoked { client: client.id.clone(), grant, token: op.token });
                }
            }
            Some(Revocation::Refresh(presented)) => {
                let stored = storage.refresh_token(presented.id).await?;
                if let Some(op) = revocation::of_refresh(&presented, stored, client, now)? {
                    let grant = op.grant;
                    if storage.revoke_grant(op).await? == Revoked::Now {
                        self.audit(EventKind::GrantRevoked { client: client.id.clone(), grant });
                    }
                }
            }
            None => {}
        }
        Ok(())
    }
}
