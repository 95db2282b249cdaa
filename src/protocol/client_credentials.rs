//! Access that a client gets for itself (RFC 6749 §4.4): no user takes part, and none is named.

use std::sync::Arc;

use super::client::{Client, ClientId, GrantType};
use super::commit::{GrantClient, Granted};
use super::error::TokenReason;
use super::grant::{Access, AccessRecord, Grant, Holder};
use super::params::Parameters;
use super::policy::{Lifetimes, Policy};
use super::resource::ResourceUri;
use super::scope::{OFFLINE_ACCESS, ScopeSet};
use super::secret::{BearerSeed, BearerText, OrderedId};
use super::time::Timestamp;
use super::token::{TokenResponse, mint_access, resource};

/// A request for access of the client's own, by a client that was authenticated.
#[derive(Debug)]
pub struct ClientRequest<'a> {
    client: &'a Client,
    scopes: ScopeSet,
    resource: Option<ResourceUri>,
}

impl<'a> ClientRequest<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If the client may not make it, or something is malformed.
    pub fn read(parameters: &Parameters<'_>, client: &'a Client) -> Result<Self, TokenReason> {
        if !client.may_use(GrantType::ClientCredentials) {
            return Err(TokenReason::GrantNotAllowed);
        }
        // RFC 6749 §4.4: "MUST only be used by confidential clients"
        if !client.is_confidential() {
            return Err(TokenReason::ClientNotConfidential);
        }
        let scopes = ScopeSet::parse(parameters.one("scope")?.unwrap_or_default());
        let scopes = scopes.map_err(|_| TokenReason::ScopeMalformed)?;
        let resource = resource(parameters).map_err(|_| TokenReason::ResourceUnknown)?;
        Ok(Self { client, scopes, resource })
    }

    /// Judges the request: one resource, and the scopes that the client may have there.
    ///
    /// Who names no scope gets the default scopes. Where the app has none, it is all that this client may have
    /// at the resource: an administrator has chosen that, and there is no user to ask for more later.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn check(self, policy: &Policy) -> Result<CheckedAccess, TokenReason> {
        // RFC 8707 §2: "invalid_target" for a resource that is unknown
        let known = match &self.resource {
            Some(requested) => policy.resources.get(requested),
            None => policy.resources.default_resource(),
        };
        let known = known.ok_or(TokenReason::ResourceUnknown)?;
        let allowed = self.client.ceiling(&policy.scopes).intersection(&known.scopes).without(OFFLINE_ACCESS);
        // RFC 6749 §4.4.3: there is no refresh token, so `offline_access` asks for nothing.
        let requested = self.scopes.without(OFFLINE_ACCESS);
        let scopes = match (requested.is_empty(), policy.default_scopes.is_empty()) {
            (false, _) => requested.intersection(&allowed),
            (true, false) => policy.default_scopes.intersection(&allowed),
            (true, true) => allowed,
        };
        if scopes.is_empty() {
            return Err(TokenReason::ScopeNotAllowed);
        }
        Ok(CheckedAccess {
            client: self.client.id.clone(),
            client_revision: self.client.revision,
            resource: known.uri.clone(),
            scopes,
            lifetimes: policy.lifetimes.of(self.client),
        })
    }
}

/// A request that passed every rule.
#[derive(Debug)]
pub struct CheckedAccess {
    client: ClientId,
    client_revision: u32,
    resource: ResourceUri,
    scopes: ScopeSet,
    lifetimes: Lifetimes,
}

/// Fresh randomness for a grant and its token.
#[derive(Debug)]
pub struct ClientGrantSeed {
    grant: u32,
    access: BearerSeed,
}

impl ClientGrantSeed {
    /// Randomness that a seed takes, in bytes.
    pub const LEN: usize = 4 + BearerSeed::LEN;

    /// Takes fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; Self::LEN]) -> Self {
        let (mut grant, mut access) = ([0; 4], [0; BearerSeed::LEN]);
        grant.copy_from_slice(&bytes[..4]);
        access.copy_from_slice(&bytes[4..]);
        Self { grant: u32::from_be_bytes(grant), access: BearerSeed::from_random(&access) }
    }
}

impl CheckedAccess {
    /// Makes the grant and its token.
    #[must_use]
    pub fn mint(self, seed: &ClientGrantSeed, now: Timestamp) -> UncommittedGrant {
        let grant = Grant {
            id: OrderedId::new(now, seed.grant),
            // RFC 9700 §4.15: never the subject of that name
            holder: Holder::Client,
            client: self.client.clone(),
            scopes: self.scopes.clone(),
            resources: vec![self.resource.clone()],
            created_at: now,
        };
        let (text, access) = mint_access(&grant, &self.resource, &self.scopes, &seed.access, now, &self.lifetimes);
        UncommittedGrant { checked: self, grant: Arc::new(grant), access, text, now }
    }
}

/// A grant that the store has not seen yet. Its token leaves only through [`UncommittedGrant::committed`].
#[derive(Debug)]
pub struct UncommittedGrant {
    checked: CheckedAccess,
    grant: Arc<Grant>,
    access: AccessRecord,
    text: BearerText,
    now: Timestamp,
}

/// Why a client's own grant did not take effect.
#[derive(Debug)]
pub enum NotGranted {
    /// An id is taken: mint again with fresh randomness.
    Collision(Box<CheckedAccess>),
    /// The client is gone or was changed meanwhile: authenticate it and decide again.
    ClientChanged,
}

impl UncommittedGrant {
    /// What the store has to do, as one.
    #[must_use]
    pub fn op(&self) -> GrantClient {
        GrantClient {
            client: self.checked.client.clone(),
            client_revision: self.checked.client_revision,
            grant: Arc::clone(&self.grant),
            access: self.access.clone(),
            now: self.now,
        }
    }

    /// What the client gets.
    #[must_use]
    pub fn access(&self) -> Access {
        let CheckedAccess { scopes, resource, .. } = &self.checked;
        Access { grant: Arc::clone(&self.grant), scopes: scopes.clone(), resource: resource.clone() }
    }

    /// The answer, now that the store has spoken: without a refresh token (RFC 6749 §4.4.3).
    ///
    /// # Errors
    /// If nothing was granted.
    pub fn committed(self, outcome: Granted) -> Result<TokenResponse, NotGranted> {
        match outcome {
            Granted::Now => Ok(TokenResponse::new(self.text, &self.access, None, self.now)),
            Granted::ClientChanged => Err(NotGranted::ClientChanged),
            Granted::Collision => Err(NotGranted::Collision(Box::new(self.checked))),
        }
    }
}
