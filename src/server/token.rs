//! The token endpoint.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::{MINT_TRIES, Refused, Server, log_no_free_id};
use crate::host::{IssuedBy, Where};
use crate::protocol::assertion::Audience;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::client_auth::{ClientAuthError, Identity, Presented, Proven};
use crate::protocol::error::{AssertionReason, TokenReason};
use crate::protocol::grant::Access;
use crate::protocol::jwk::KeySet;
use crate::protocol::params::Parameters;
use crate::protocol::refresh::{
    CheckedAccess, CheckedRefresh, NotIssued, NotRotated, RefreshRequest, RefreshSeed, Repeated,
};
use crate::protocol::secret::BearerSeed;
use crate::protocol::time::Timestamp;
use crate::protocol::token::{self, CheckedExchange, CodeExchange, ExchangeSeed, NotRedeemed, TokenResponse};
use crate::storage::{ClaimOnce, Claimed, Storage as _};

/// How a request is found to come from a client.
type Verdict =
    fn(&Presented, Option<&Client>, Option<&KeySet>, &Audience<'_>, Timestamp) -> Result<Proven, ClientAuthError>;

impl Server {
    /// Answers a token request: its headers and its form body.
    pub(crate) async fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<TokenResponse, Refused> {
        let parameters = Parameters::parse(body, &token::PARAMETERS);
        let (client, identity) = self.authenticate(headers, &parameters).await?;
        let answer = match token::grant_type(&parameters) {
            Ok(GrantType::AuthorizationCode) => self.exchange_code(&parameters, &client, identity).await,
            Ok(GrantType::RefreshToken) => self.refresh(&parameters, &client, identity).await,
            Ok(GrantType::ClientCredentials) => return self.grant_client(headers, &parameters, client).await,
            Err(reason) => Err(reason),
        };
        if answer.is_ok() {
            self.renew(&client, self.lifetimes().of(&client).registration_with_grant()).await;
        }
        answer.map_err(|reason| self.refused(Some(&client.id), reason))
    }

    /// Finds which client sent a request, and what that is worth.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
    ) -> Result<(Arc<Client>, Identity), Refused> {
        self.authenticate_by(headers, parameters, Presented::authenticate).await
    }

    /// The same for what only a confidential client may do.
    pub(super) async fn authenticate_confidential(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<Client>, Refused> {
        self.authenticate_by(headers, parameters, Presented::authenticate_confidential).await.map(|(client, _)| client)
    }

    /// The same once more for a request that was authenticated before: what it claimed then is its own.
    pub(super) async fn authenticate_again(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<Client>, Refused> {
        self.prove(headers, parameters, Presented::authenticate).await.map(|(client, _, _)| client)
    }

    async fn authenticate_by(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
        verdict: Verdict,
    ) -> Result<(Arc<Client>, Identity), Refused> {
        let (client, identity, proven) = self.prove(headers, parameters, verdict).await?;
        if let Proven::IfFirst(claim) = proven {
            self.claim(claim).await.map_err(|reason| self.refused(Some(&client.id), reason))?;
        }
        Ok((client, identity))
    }

    async fn prove(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
        verdict: Verdict,
    ) -> Result<(Arc<Client>, Identity, Proven), Refused> {
        let authorization = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let refused = |id, ClientAuthError { reason, used_basic }| Refused { used_basic, ..self.refused(id, reason) };
        let presented = Presented::read(authorization, parameters).map_err(|error| refused(None, error))?;
        let id = presented.id();
        let client = self.client_by_id(id).await.map_err(|error| self.refused(Some(id), TokenReason::from(error)))?;
        let audience = Audience { issuer: self.issuer(), token_path: &self.0.paths.token };
        let mut now = self.now();
        let fetched = match presented.keys_to_fetch(client.as_deref(), &audience, now) {
            Some(url) => {
                let unread = |reason| self.refused(Some(id), TokenReason::from(AssertionReason::KeysNotRead(reason)));
                let keys = Box::pin(self.keys_at(url, &presented)).await.map_err(unread)?;
                now = self.now();
                Some(keys)
            }
            None => None,
        };
        let proven = verdict(&presented, client.as_deref(), fetched.as_ref(), &audience, now);
        let proven = proven.map_err(|error| refused(Some(id), error))?;
        let client = client.ok_or_else(|| self.refused(Some(id), TokenReason::ClientUnknown))?;
        Ok((client, presented.identity(), proven))
    }

    /// Uses up an assertion. If the store's answer is lost it may be used up as well: the client signs another.
    async fn claim(&self, claim: ClaimOnce) -> Result<(), TokenReason> {
        match self.0.storage.claim_once(claim).await? {
            Claimed::First => Ok(()),
            Claimed::Again => Err(AssertionReason::Replayed.into()),
        }
    }

    async fn exchange_code(
        &self,
        parameters: &Parameters<'_>,
        client: &Client,
        identity: Identity,
    ) -> Result<TokenResponse, TokenReason> {
        let exchange = CodeExchange::read(parameters, client, identity)?;
        let current = self.current().await?;
        let policy = &current.policy;
        let stored = self.0.storage.code(exchange.code()).await?;
        let mut checked: CheckedExchange = exchange.check(stored, policy, self.now())?;
        let access = checked.access();
        let extra = self.extra_fields(&access, Where::TokenResponse).await?;
        for _ in 0..MINT_TRIES {
            let seed = ExchangeSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now());
            let outcome = self.0.storage.redeem_code(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => {
                    self.issued(&response, &access, IssuedBy::Code);
                    return Ok(response.with_extra(extra));
                }
                Err(NotRedeemed::Refused(reason)) => {
                    if reason == TokenReason::CodeReplayed {
                        self.replayed(&access.grant);
                    }
                    return Err(reason);
                }
                Err(NotRedeemed::Collision(checked)) => *checked,
            };
        }
        Err(no_free_id())
    }

    async fn refresh(
        &self,
        parameters: &Parameters<'_>,
        client: &Client,
        identity: Identity,
    ) -> Result<TokenResponse, TokenReason> {
        let request = RefreshRequest::read(parameters, client, identity)?;
        let current = self.current().await?;
        let policy = &current.policy;
        let stored = self.0.storage.refresh_token(request.token()).await?;
        let checked = request.check(stored, policy, self.now())?;
        let access = checked.access();
        if checked.is_reuse() {
            // Of a theft the store is to know before anybody is asked anything.
            return self.rotate(checked, &access).await;
        }
        self.ask_host(&access.grant.holder).await?;
        let extra = self.extra_fields(&access, Where::TokenResponse).await?;
        let answer = match checked.repeated(self.now()) {
            Some(repeated) => Box::pin(self.repeat(checked, repeated, &access)).await,
            None => self.rotate(checked, &access).await,
        };
        answer.map(|response| response.with_extra(extra))
    }

    async fn rotate(&self, mut checked: CheckedRefresh, access: &Access) -> Result<TokenResponse, TokenReason> {
        for _ in 0..MINT_TRIES {
            let seed = RefreshSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now()).ok_or(TokenReason::ServerError)?;
            let outcome = self.0.storage.rotate_refresh(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => {
                    self.issued(&response, access, IssuedBy::Refresh);
                    return Ok(response);
                }
                Err(NotRotated::Refused(reason)) => {
                    if reason == TokenReason::RefreshReused {
                        self.reused(&access.grant);
                    }
                    return Err(reason);
                }
                Err(NotRotated::Repeated(checked, repeated)) => {
                    return Box::pin(self.repeat(*checked, repeated, access)).await;
                }
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
        access: &Access,
    ) -> Result<TokenResponse, TokenReason> {
        let mut checked: CheckedAccess = match repeated.answer(asked, self.now()) {
            Ok(response) => {
                self.issued(&response, access, IssuedBy::Repeated);
                return Ok(response);
            }
            Err(checked) => *checked,
        };
        for _ in 0..MINT_TRIES {
            let seed = BearerSeed::from_random(&self.random()?);
            let minted = checked.mint(&seed, self.now());
            let outcome = self.0.storage.issue_access(minted.op()).await?;
            checked = match minted.committed(outcome) {
                Ok(response) => {
                    self.issued(&response, access, IssuedBy::Refresh);
                    return Ok(response);
                }
                Err(NotIssued::Refused(reason)) => return Err(reason),
                Err(NotIssued::Collision(checked)) => *checked,
            };
        }
        Err(no_free_id())
    }
}

fn no_free_id() -> TokenReason {
    log_no_free_id();
    TokenReason::ServerError
}
