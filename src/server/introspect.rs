//! The introspection endpoint.

use http::header::HeaderMap;

use super::{Refused, Server};
use crate::host::{EventKind, Where};
use crate::protocol::client::Client;
use crate::protocol::error::TokenReason;
use crate::protocol::extra::ExtraFields;
use crate::protocol::introspection::{self, ActiveToken, INACTIVE, Introspection};
use crate::protocol::params::Parameters;
use crate::storage::Storage as _;

impl Server {
    /// Answers an introspection request with the body of the answer.
    pub(crate) async fn introspect(&self, headers: &HeaderMap, body: &[u8]) -> Result<String, Refused> {
        let parameters = Parameters::parse(body, &introspection::PARAMETERS);
        let client = self.authenticate_confidential(headers, &parameters).await?;
        let answer = self.introspect_token(&parameters, &client).await;
        answer.map_err(|reason| self.refused(Some(&client.id), reason))
    }

    async fn introspect_token(&self, parameters: &Parameters<'_>, client: &Client) -> Result<String, TokenReason> {
        let (storage, now) = (&self.0.storage, self.now());
        let current = self.current().await?;
        let policy = &current.policy;
        let (id, token) = match Introspection::read(parameters, client)? {
            Introspection::Access(presented) => {
                let stored = storage.access_token(presented.id).await?;
                (Some(presented.id), introspection::of_access(&presented, stored, client, policy, now))
            }
            Introspection::Refresh(presented) => {
                let stored = storage.refresh_token(presented.id).await?;
                (Some(presented.id), introspection::of_refresh(&presented, stored, client, policy, now))
            }
            Introspection::Unknown => (None, None),
        };
        let answer = match token {
            Some(token) => self.tell(&token).await?,
            None => None,
        };
        let active = answer.is_some();
        self.audit_often(|| EventKind::Introspected { client: client.id.clone(), token: id, active });
        Ok(answer.unwrap_or_else(|| INACTIVE.to_owned()))
    }

    /// What is told of a token that is good, unless the app says that its user may not use the app any more.
    async fn tell(&self, token: &ActiveToken) -> Result<Option<String>, TokenReason> {
        match self.ask_host(token.holder()).await {
            Ok(()) => {}
            Err(TokenReason::UserNotAllowed) => return Ok(None),
            Err(reason) => return Err(reason),
        }
        let extra = match token.access() {
            Some(access) => self.extra_fields(&access, Where::Introspection).await?,
            None => ExtraFields::default(),
        };
        token.to_json(self.issuer(), &extra).map(Some).map_err(|_| TokenReason::ServerError)
    }
}
