//! The registration endpoint.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use http::request::Parts;

use super::{MINT_TRIES, Refused, Registration, Server, log_no_free_id};
use crate::host::{Admission, Applicant, EntropyError, EventKind, Host as _};
use crate::protocol::admission::Terms;
use crate::protocol::error::RegistrationReason;
use crate::protocol::new_client::NewClientSeed;
use crate::protocol::policy::Policy;
use crate::protocol::registered::Registered;
use crate::protocol::secret::BearerText;
use crate::protocol::{initial_access, management, registration};
use crate::storage::{ClaimOnce, Claimed, InsertClient, Inserted, Storage as _};

impl Server {
    /// Makes a token with which a client may be registered (RFC 7591 §3), where
    /// [`Builder::initial_access_tokens`](crate::Builder::initial_access_tokens) demands one. It is good for that
    /// long, `once` or any number of times, and it is in the answer and nowhere else.
    ///
    /// # Errors
    /// If the source of randomness fails.
    pub fn issue_initial_access_token(&self, good_for: Duration, once: bool) -> Result<BearerText, EntropyError> {
        let (id, salt) = (self.random()?, self.random()?);
        initial_access::issue(&self.0.keys, id, self.now().after(good_for), once, &salt).ok_or(EntropyError)
    }

    /// Answers a registration request with the body of the answer.
    pub(crate) async fn register(&self, request: &Parts, body: &[u8]) -> Result<String, Refused> {
        self.register_and_tell(request, body).await.map_err(|reason| self.refused(None, reason))
    }

    async fn register_and_tell(&self, request: &Parts, body: &[u8]) -> Result<String, RegistrationReason> {
        let current = self.current().await?;
        let (registered, folded) = self.register_client(request, body, &current.policy).await?;
        self.audit(EventKind::ClientRegistered { client: registered.client().id.clone(), folded });
        self.registration_answer(&registered, &current.policy)
    }

    pub(super) fn registration_answer(
        &self,
        registered: &Registered,
        policy: &Policy,
    ) -> Result<String, RegistrationReason> {
        let management = format!("{}{}", policy.issuer.origin(), self.0.paths.register);
        registered.to_json(policy, &management).map_err(|_| RegistrationReason::ServerError)
    }

    async fn register_client(
        &self,
        request: &Parts,
        body: &[u8],
        policy: &Policy,
    ) -> Result<(Registered, bool), RegistrationReason> {
        let claim = self.initial_access(request)?;
        let asked = registration::read(body, self.0.metadata_documents.is_some())?;
        let terms = self.terms(&asked, request).await?;
        // Last, so that a mistake does not use up the token; before the client is added, so that nobody fills the
        // store with one that is used up.
        if let Some(claim) = claim
            && self.0.storage.claim_once(claim).await? == Claimed::Again
        {
            return Err(RegistrationReason::TokenInvalid);
        }
        for _ in 0..MINT_TRIES {
            let (seed, now) = (NewClientSeed::from_random(&self.random()?), self.now());
            let registered = Registered::new(asked.clone(), &terms, &seed, now, policy)?;
            let client = Arc::clone(registered.client());
            let op = InsertClient { client, budget: Some(self.0.registration.budget), now };
            match self.0.storage.insert_client(op).await? {
                Inserted::New => return Ok((registered, false)),
                Inserted::Blocked => return Err(RegistrationReason::Blocked),
                Inserted::Folded(id) => {
                    if let Some(client) = self.0.storage.client(&id).await? {
                        return Ok((Registered::found(client), true));
                    }
                }
                Inserted::Taken => {}
            }
        }
        log_no_free_id();
        Err(RegistrationReason::ServerError)
    }

    /// What has to be claimed for the initial access token of a request, if one is needed.
    fn initial_access(&self, request: &Parts) -> Result<Option<ClaimOnce>, RegistrationReason> {
        if !self.0.registration.needs_token {
            return Ok(None);
        }
        let mut headers = request.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        match (headers.next(), headers.next()) {
            (Some(header), None) => {
                let token = management::bearer(header).ok_or(RegistrationReason::TokenInvalid)?;
                initial_access::check(&self.0.keys, token, self.now())
            }
            (None, _) | (Some(_), Some(_)) => Err(RegistrationReason::TokenMissing),
        }
    }

    pub(super) async fn terms(
        &self,
        asked: &registration::Registration,
        source: &Parts,
    ) -> Result<Terms, RegistrationReason> {
        let mut terms = match self.0.registration.who {
            Registration::Off => return Err(RegistrationReason::NotAdmitted),
            Registration::Open => Terms::default(),
            Registration::Decided => {
                let registration::Registration { metadata, wants_client_credentials, .. } = asked;
                let applicant = Applicant { metadata, wants_client_credentials: *wants_client_credentials };
                match self.0.host.admit(&applicant, source).await {
                    Ok(Admission::Admit(terms)) => terms,
                    Ok(Admission::Refuse) => return Err(RegistrationReason::NotAdmitted),
                    Err(error) => {
                        tracing::error!(%error, "the host could not answer");
                        return Err(RegistrationReason::Unavailable);
                    }
                }
            }
        };
        terms.managed |= self.0.registration.managed;
        Ok(terms)
    }
}
