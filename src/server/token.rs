//! The token endpoint.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::{MINT_TRIES, Server, log_no_free_id};
use crate::host::Host as _;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::client_auth::{ClientAuthError, Presented};
use crate::protocol::error::TokenReason;
use crate::protocol::grant::Holder;
use crate::protocol::params::Parameters;
use crate::protocol::policy::Policy;
use crate::protocol::refresh::{
    CheckedAccess, CheckedRefresh, NotIssued, NotRotated, RefreshRequest, RefreshSeed, Repeated,
};
use crate::protocol::secret::BearerSeed;
use crate::protocol::token::{self, CheckedExchange, CodeExchange, ExchangeSeed, NotRedeemed, TokenResponse};
use crate::storage::Storage as _;

impl Server {
    /// Answers a token request: its headers and its form body.
    pub(crate) async fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<TokenResponse, ClientAuthError> {
        let parameters = Parameters::parse(body, &token::PARAMETERS);
        let client = self.authenticate(headers, &parameters).await?;
        let answer = match token::grant_type(&parameters) {
            Ok(GrantType::AuthorizationCode) => self.exchange_code(&parameters, &client).await,
            Ok(GrantType::RefreshToken) => self.refresh(&parameters, &client).await,
            Ok(GrantType::ClientCredentials) => Err(TokenReason::GrantTypeUnsupported),
            Err(reason) => Err(reason),
        };
        answer.map_err(|reason| {
            tracing::info!(client = %client.id, %reason, "token request refused");
            ClientAuthError { reason, used_basic: false }
        })
    }

    /// Finds which client sent a request.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<Client>, ClientAuthError> {
        let authorization = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let presented = Presented::read(authorization, parameters)
            .inspect_err(|error| tracing::info!(reason = %error.reason, "no client was authenticated"))?;
        let plain = |reason| ClientAuthError { reason, used_basic: false };
        let client = self.client_by_id(presented.id()).await.map_err(|error| plain(error.into()))?;
        presented.authenticate(client.as_deref(), self.now()).inspect_err(
            |error| tracing::info!(client = %presented.id(), reason = %error.reason, "no client was authenticated"),
        )?;
        client.ok_or(plain(TokenReason::ClientUnknown))
    }

    async fn exchange_code(&self, parameters: &Parameters<'_>, client: &Client) -> Result<TokenResponse, TokenReason> {
        let exchange = CodeExchange::read(parameters, client)?;
        let current = self.current().await?;
        let policy = &current.policy;
        let stored = self.0.storage.code(exchange.code()).await?;
        let mut checked: CheckedExchange = exchange.check(stored, policy, self.now())?;
        for _ in 0..MINT_TRIES {
            let seed = ExchangeSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now(), policy);
            let outcome = self.0.storage.redeem_code(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => return Ok(response),
                Err(NotRedeemed::Refused(reason)) => return Err(reason),
                Err(NotRedeemed::Collision(checked)) => checked,
            };
        }
        Err(no_free_id())
    }

    async fn refresh(&self, parameters: &Parameters<'_>, client: &Client) -> Result<TokenResponse, TokenReason> {
        let request = RefreshRequest::read(parameters, client)?;
        let current = self.current().await?;
        let policy = &current.policy;
        let stored = self.0.storage.refresh_token(request.token()).await?;
        let checked = request.check(stored, policy, self.now())?;
        self.ask_host(&checked.grant().holder).await?;
        match checked.repeated(self.now()) {
            Some(repeated) => self.repeat(checked, repeated, policy).await,
            None => self.rotate(checked, policy).await,
        }
    }

    async fn rotate(&self, mut checked: CheckedRefresh, policy: &Policy) -> Result<TokenResponse, TokenReason> {
        for _ in 0..MINT_TRIES {
            let seed = RefreshSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now(), policy).ok_or(TokenReason::ServerError)?;
            let outcome = self.0.storage.rotate_refresh(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => return Ok(response),
                Err(NotRotated::Refused(reason)) => return Err(reason),
                Err(NotRotated::Repeated(checked, repeated)) => return self.repeat(*checked, repeated, policy).await,
                Err(NotRotated::Collision(checked)) => *checked,
            };
        }
        Err(no_free_id())
    }

    /// Gives the earlier answer again, or, if something else is asked for this time, a token for that.
    async fn repeat(
        &self,
        asked: CheckedRefresh,
        repeated: Repeated,
        policy: &Policy,
    ) -> Result<TokenResponse, TokenReason> {
        let mut checked: CheckedAccess = match repeated.answer(asked, self.now()) {
            Ok(response) => return Ok(response),
            Err(checked) => *checked,
        };
        for _ in 0..MINT_TRIES {
            let seed = BearerSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now(), policy);
            let outcome = self.0.storage.issue_access(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => return Ok(response),
                Err(NotIssued::Refused(reason)) => return Err(reason),
                Err(NotIssued::Collision(checked)) => *checked,
            };
        }
        Err(no_free_id())
    }

    async fn ask_host(&self, holder: &Holder) -> Result<(), TokenReason> {
        let Holder::User(subject) = holder else { return Ok(()) };
        match self.0.host.is_allowed(subject).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenReason::UserNotAllowed),
            Err(error) => {
                tracing::error!(%error, "the host could not answer");
                Err(TokenReason::Unavailable)
            }
        }
    }
}

fn no_free_id() -> TokenReason {
    log_no_free_id();
    TokenReason::ServerError
}
