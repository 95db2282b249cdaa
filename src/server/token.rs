//! The token endpoint.

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::{MINT_TRIES, Server};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::client_auth::{ClientAuthError, Presented};
use crate::protocol::error::TokenReason;
use crate::protocol::params::Parameters;
use crate::protocol::secret::BearerSeed;
use crate::protocol::token::{self, CheckedExchange, CodeExchange, NotRedeemed, TokenResponse};
use crate::protocol::{client_auth, error};
use crate::storage::Storage as _;

/// What a token request and the authentication of its client consist of.
const PARAMETERS: [&str; token::PARAMETERS.len() + client_auth::PARAMETERS.len()] = {
    let mut all = [""; token::PARAMETERS.len() + client_auth::PARAMETERS.len()];
    let (request, client) = all.split_at_mut(token::PARAMETERS.len());
    request.copy_from_slice(&token::PARAMETERS);
    client.copy_from_slice(&client_auth::PARAMETERS);
    all
};

impl Server {
    /// Answers a token request: its headers and its form body.
    pub(crate) async fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<TokenResponse, ClientAuthError> {
        let parameters = Parameters::parse(body, &PARAMETERS);
        let authorization = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let presented = Presented::read(authorization, &parameters).inspect_err(|error| refused(None, error.reason))?;
        let answer = self.authenticated(&presented, &parameters).await;
        answer.inspect_err(|error| refused(Some(&presented), error.reason))
    }

    async fn authenticated(
        &self,
        presented: &Presented,
        parameters: &Parameters<'_>,
    ) -> Result<TokenResponse, ClientAuthError> {
        let plain = |reason| ClientAuthError { reason, used_basic: false };
        let client = self.0.storage.client(presented.id()).await.map_err(|error| plain(error.into()))?;
        presented.authenticate(client.as_deref())?;
        let client = client.ok_or(plain(TokenReason::ClientUnknown))?;
        let answer = match token::grant_type(parameters) {
            Ok(GrantType::AuthorizationCode) => self.exchange_code(parameters, &client).await,
            Err(reason) => Err(reason),
        };
        answer.map_err(plain)
    }

    async fn exchange_code(&self, parameters: &Parameters<'_>, client: &Client) -> Result<TokenResponse, TokenReason> {
        let exchange = CodeExchange::read(parameters, client)?;
        let stored = self.0.storage.code(exchange.code()).await?;
        let checked = exchange.check(stored, &self.0.policy, self.now())?;
        self.redeem(checked).await
    }

    async fn redeem(&self, mut checked: CheckedExchange) -> Result<TokenResponse, TokenReason> {
        for _ in 0..MINT_TRIES {
            let seed = BearerSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now(), &self.0.policy);
            let outcome = self.0.storage.redeem_code(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => return Ok(response),
                Err(NotRedeemed::Refused(reason)) => return Err(reason),
                Err(NotRedeemed::Collision(checked)) => checked,
            };
        }
        tracing::error!("no free id was found: is the source of randomness broken?");
        Err(TokenReason::ServerError)
    }
}

/// Tells the log why. The client's id is no secret.
fn refused(presented: Option<&Presented>, reason: error::TokenReason) {
    match presented {
        Some(presented) => tracing::info!(client = %presented.id(), %reason, "token request refused"),
        None => tracing::info!(%reason, "token request refused"),
    }
}
