//! What the operator has decided.

use std::time::Duration;

use super::catalogue::ScopeCatalogue;
use super::client::Client;
use super::issuer::Issuer;
use super::resource::{Resource, ResourceRegistry, ResourceUri};
use super::scope::{OFFLINE_ACCESS, ScopeSet};
use super::scope_records::ScopeRecords;

/// How long things live.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Lifetimes {
    /// From showing the consent page to the decision; 10 minutes.
    pub prompt: Duration,
    /// From the decision to the exchange of the code; 60 seconds (RFC 6749 §4.1.2 advises at most 10
    /// minutes).
    pub code: Duration,
    /// Of an access token; 1 hour.
    pub access_token: Duration,
    /// Of a refresh token that is not used; 30 days.
    pub refresh_token: Duration,
    /// For how long the answer to a refresh is given again to whoever repeats it; 60 seconds. Answers
    /// get lost, and several processes of one installation refresh at once.
    pub refresh_grace: Duration,
    /// Of a client that registered itself and is not used; 7 days, and once it got a grant so much longer than
    /// its refresh tokens.
    pub registration: Duration,
}

impl Lifetimes {
    /// The same for what a client gets, which may have lifetimes of its own.
    #[must_use]
    pub fn of(&self, client: &Client) -> Self {
        Self {
            access_token: client.lifetimes.access_token.unwrap_or(self.access_token),
            refresh_token: client.lifetimes.refresh_token.unwrap_or(self.refresh_token),
            ..*self
        }
    }

    /// Of a client that registered itself, got a grant and is not used since: no token of it is left by then.
    #[must_use]
    pub fn registration_with_grant(&self) -> Duration {
        self.registration.saturating_add(self.refresh_token.max(self.access_token))
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            prompt: Duration::from_mins(10),
            code: Duration::from_mins(1),
            access_token: Duration::from_hours(1),
            refresh_token: Duration::from_hours(30 * 24),
            refresh_grace: Duration::from_mins(1),
            registration: Duration::from_hours(7 * 24),
        }
    }
}

/// Everything that the rules depend on and that does not change from request to request, as it is at one moment.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The name of this server.
    pub issuer: Issuer,
    /// All scopes that there are.
    pub scopes: ScopeCatalogue,
    /// What a request without `scope` asks for, by name.
    pub default_scopes: ScopeSet,
    /// All resources; at least one.
    pub resources: ResourceRegistry,
    /// How long things live.
    pub lifetimes: Lifetimes,
}

impl Policy {
    /// The registered resource of that URL, or of that path on the issuer's origin.
    #[must_use]
    pub fn resource(&self, url: &str) -> Option<&Resource> {
        ResourceUri::parse(&self.issuer.absolute(url)).ok().and_then(|uri| self.resources.get(&uri))
    }

    /// How long what a client gets for a resource lives: access tokens no longer than the resource has it.
    #[must_use]
    pub fn lifetimes_of(&self, client: &Client, resource: &ResourceUri) -> Lifetimes {
        let lifetimes = self.lifetimes.of(client);
        let most = self.resources.get(resource).and_then(|known| known.access_token);
        Lifetimes {
            access_token: most.map_or(lifetimes.access_token, |most| most.min(lifetimes.access_token)),
            ..lifetimes
        }
    }

    /// This policy of the code, with the scopes that are stored.
    #[must_use]
    pub fn with_stored(&self, stored: &ScopeRecords) -> Self {
        let scopes = self.scopes.overlaid(stored);
        Self { resources: self.resources.with_scopes(&scopes), scopes, ..self.clone() }
    }

    /// The ids of the scopes that mean something at a resource; none at one that is not registered.
    #[must_use]
    pub fn scopes_of(&self, resource: &ResourceUri) -> ScopeSet {
        self.resources.get(resource).map_or_else(ScopeSet::empty, |known| known.scopes.clone())
    }

    /// Whether a scope of that name means something at a resource, or did so before it was retired.
    #[must_use]
    pub fn has_heard_of(&self, scope: &str, resource: &ResourceUri) -> bool {
        let is_listed = |known: &Resource| known.listed.as_ref().is_none_or(|listed| listed.contains(scope));
        scope != OFFLINE_ACCESS
            && self.scopes.has_heard_of(scope)
            && self.resources.get(resource).is_some_and(is_listed)
    }

    /// The names of the scopes that a client without a token is told to ask for at a resource: it may be one that
    /// registered itself.
    #[must_use]
    pub fn suggested(&self, resource: &ResourceUri) -> ScopeSet {
        let usual = self.scopes.ids_of(&self.default_scopes).intersection(&self.scopes_of(resource));
        self.scopes.names_of(&usual.intersection(&self.scopes.unreserved()))
    }
}
