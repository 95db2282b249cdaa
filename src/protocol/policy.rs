//! What the operator has decided.

use std::time::Duration;

use super::catalogue::ScopeCatalogue;
use super::client::Client;
use super::issuer::Issuer;
use super::policy_records::PolicyRecords;
use super::resource::{ResourceId, ResourceUri};
use super::resource_registry::{KnownResource, ResourceRegistry};
use super::scope::{OFFLINE_ACCESS, ScopeSet};

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
    /// All resources; at least one of the code's.
    pub resources: ResourceRegistry,
    /// How long things live.
    pub lifetimes: Lifetimes,
}

impl Policy {
    /// The registered resource of that URL, or of that path on the issuer's origin.
    #[must_use]
    pub fn resource(&self, url: &str) -> Option<&KnownResource> {
        ResourceUri::parse(&self.issuer.absolute(url)).ok().and_then(|uri| self.resources.named(&uri))
    }

    /// The URL of the issuer's origin, which can be another name of a resource; `None` if it is none.
    #[must_use]
    pub fn root(&self) -> Option<ResourceUri> {
        ResourceUri::parse(self.issuer.origin()).ok()
    }

    /// The resource that publishes its metadata at that path behind the well-known string (RFC 9728 §3.1). Resources
    /// of other origins publish their own.
    ///
    /// Many clients look at the root whatever the path: without a resource there, it is the default one.
    #[must_use]
    pub fn published_at(&self, path: &str) -> Option<&KnownResource> {
        let origin = self.issuer.origin();
        let default = || {
            let is_here = |known: &&KnownResource| known.uri.origin() == origin;
            self.resources.default_resource().filter(|_| path.is_empty()).filter(is_here)
        };
        self.resources.at_path(&format!("{origin}{path}")).or_else(default)
    }

    /// How long what a client gets for a resource lives: access tokens no longer than the resource has it.
    #[must_use]
    pub fn lifetimes_of(&self, client: &Client, resource: &ResourceId) -> Lifetimes {
        let lifetimes = self.lifetimes.of(client);
        let most = self.resources.of(resource).and_then(|known| known.record.access_token);
        Lifetimes {
            access_token: most.map_or(lifetimes.access_token, |most| most.min(lifetimes.access_token)),
            ..lifetimes
        }
    }

    /// This policy of the code, with the scopes and resources that are stored.
    #[must_use]
    pub fn with_stored(&self, stored: &PolicyRecords) -> Self {
        let scopes = self.scopes.overlaid(&stored.scopes);
        let resources = self.resources.overlaid(&stored.resources, &scopes, self.root().as_ref());
        Self { resources, scopes, ..self.clone() }
    }

    /// The ids of the scopes that mean something at a resource; none at one that is no more.
    #[must_use]
    pub fn scopes_of(&self, resource: &ResourceId) -> ScopeSet {
        self.resources.of(resource).map_or_else(ScopeSet::empty, |known| known.scopes.clone())
    }

    /// Whether a scope of that name means something at a resource, or did so before either was retired.
    #[must_use]
    pub fn has_heard_of(&self, scope: &str, resource: &ResourceUri) -> bool {
        let known = self.resources.heard_of(resource.as_str());
        self.has_heard_of_scope(scope) && known.is_some_and(|known| known.lists(scope))
    }

    /// Whether there is, or was, a scope of that name that can mean something at resources.
    #[must_use]
    pub fn has_heard_of_scope(&self, scope: &str) -> bool {
        scope != OFFLINE_ACCESS && self.scopes.has_heard_of(scope)
    }

    /// The names of the scopes that a client without a token is told to ask for at a resource: it may be one that
    /// registered itself.
    #[must_use]
    pub fn suggested(&self, resource: &ResourceUri) -> ScopeSet {
        let Some(known) = self.resources.at(resource.as_str()) else { return ScopeSet::empty() };
        let usual = self.scopes.ids_of(&self.default_scopes).intersection(&known.scopes);
        self.scopes.names_of(&usual.intersection(&self.scopes.unreserved()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientLifetimes;
    use super::super::resource_change::Resource;
    use super::*;

    fn client(lifetimes: ClientLifetimes) -> Client {
        let client: Client = serde_json::from_str(
            r#"{"id":"x","origin":"administrator","authentication":"none","metadata":{"redirect_uris":[],"name":null,
                "home_page":null,"logo":null,"auth_method":"none","grant_types":[]},"scope_ceiling":null,
                "consent_policy":"ask","blocked":false,"lifetimes":{"access_token":null,"refresh_token":null},
                "introspects":null,"registration":null,"tenure":null,"created_at":0,"revision":0}"#,
        )
        .unwrap();
        Client { lifetimes, ..client }
    }

    #[test]
    fn a_client_has_the_usual_lifetimes_unless_it_has_its_own() {
        let (usual, secs) = (Lifetimes::default(), |secs| Some(Duration::from_secs(secs)));
        let own = usual.of(&client(ClientLifetimes { access_token: secs(7), refresh_token: secs(8) }));
        assert_eq!((own.access_token, own.refresh_token), (Duration::from_secs(7), Duration::from_secs(8)));
        assert_eq!((own.code, own.registration), (usual.code, usual.registration));
        let none = usual.of(&client(ClientLifetimes::default()));
        assert_eq!((none.access_token, none.refresh_token), (usual.access_token, usual.refresh_token));
    }

    #[test]
    fn a_registration_with_a_grant_outlives_whichever_token_lives_longer() {
        let hours = |access: u64, refresh: u64| {
            let lifetimes = Lifetimes {
                access_token: Duration::from_hours(access),
                refresh_token: Duration::from_hours(refresh),
                registration: Duration::from_hours(10),
                ..Lifetimes::default()
            };
            lifetimes.registration_with_grant()
        };
        assert_eq!((hours(1, 2), hours(2, 1)), (Duration::from_hours(12), Duration::from_hours(12)));
    }

    #[test]
    fn an_access_token_lives_no_longer_than_its_resource_has_it() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let scopes = ScopeCatalogue::new(Vec::new());
        let mut resources = ResourceRegistry::default();
        let resource = Resource::new("https://h.example/api").access_token_lifetime(Duration::from_secs(9));
        assert!(resources.add(KnownResource::new(resource.declared(&issuer, &scopes).unwrap(), &scopes)));
        let id = resources.default_resource().unwrap().id().clone();
        let lifetimes = Lifetimes::default();
        let policy = Policy { issuer, scopes, default_scopes: ScopeSet::empty(), resources, lifetimes };
        for (own, expected) in [(None, 9), (Some(8), 8), (Some(10), 9)] {
            let client = client(ClientLifetimes { access_token: own.map(Duration::from_secs), refresh_token: None });
            let lives = policy.lifetimes_of(&client, &id);
            assert_eq!(lives.access_token, Duration::from_secs(expected), "{own:?}");
            assert_eq!(lives.refresh_token, policy.lifetimes.refresh_token);
        }
    }
}
