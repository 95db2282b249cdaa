//! Access that a client gets for itself (RFC 6749 §4.4): no user takes part, and none is named.

use std::sync::Arc;

use super::client::{Client, ClientId, GrantType};
use super::commit::{GrantClient, Granted};
use super::error::TokenReason;
use super::grant::{Access, AccessRecord, Grant, Holder};
use super::params::Parameters;
use super::policy::{Lifetimes, Policy};
use super::resource::ResourceId;
use super::scope::{OFFLINE_ACCESS, ScopeSet};
use super::secret::{BearerSeed, BearerText, OrderedId};
use super::time::Timestamp;
use super::token::{TokenResponse, mint_access, resource};

/// A request for access of the client's own, by a client that was authenticated.
#[derive(Debug)]
pub struct ClientRequest<'a> {
    client: &'a Client,
    scopes: ScopeSet,
    resource: Option<&'a str>,
}

impl<'a> ClientRequest<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If the client may not make it, or something is malformed.
    pub fn read(parameters: &'a Parameters<'_>, client: &'a Client) -> Result<Self, TokenReason> {
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
        let known = match self.resource {
            Some(requested) => policy.resources.meant_by(requested),
            None => policy.resources.default_resource(),
        };
        let known = known.ok_or(TokenReason::ResourceUnknown)?;
        let allowed = self.client.ceiling(&policy.scopes).intersection(&known.scopes).without(OFFLINE_ACCESS);
        // RFC 6749 §4.4.3: there is no refresh token, so `offline_access` asks for nothing.
        let requested = self.scopes.without(OFFLINE_ACCESS);
        let of_names = |names| policy.scopes.with_implied(&policy.scopes.ids_of(names)).within(&allowed);
        let scopes = match (requested.is_empty(), policy.default_scopes.is_empty()) {
            (false, _) => of_names(&requested),
            (true, false) => of_names(&policy.default_scopes),
            (true, true) => allowed,
        };
        if scopes.is_empty() {
            return Err(TokenReason::ScopeNotAllowed);
        }
        Ok(CheckedAccess {
            client: self.client.id.clone(),
            client_revision: self.client.revision,
            resource: known.id().clone(),
            resources: Arc::clone(known.alone()),
            names: policy.scopes.told(&scopes, &scopes),
            scopes,
            lifetimes: policy.lifetimes_of(self.client, known.id()),
        })
    }
}

/// A request that passed every rule.
#[derive(Debug)]
pub struct CheckedAccess {
    client: ClientId,
    client_revision: u32,
    resource: ResourceId,
    /// That one alone.
    resources: Arc<[ResourceId]>,
    scopes: ScopeSet,
    /// What the client is told of them.
    names: ScopeSet,
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
            resources: Arc::clone(&self.resources),
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
        let CheckedAccess { names, resource, .. } = &self.checked;
        Access { grant: Arc::clone(&self.grant), scopes: names.clone(), resource: resource.uri() }
    }

    /// The answer, now that the store has spoken: without a refresh token (RFC 6749 §4.4.3).
    ///
    /// # Errors
    /// If nothing was granted.
    pub fn committed(self, outcome: Granted) -> Result<TokenResponse, NotGranted> {
        match outcome {
            Granted::Now => Ok(TokenResponse::new(self.text, &self.access, self.checked.names, None, self.now)),
            Granted::ClientChanged => Err(NotGranted::ClientChanged),
            Granted::Collision => Err(NotGranted::Collision(Box::new(self.checked))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ScopeCatalogue;
    use super::super::new_client::{NewClient, NewClientSeed};
    use super::super::resource_change::Resource;
    use super::super::resource_registry::{KnownResource, ResourceRegistry};
    use super::super::scope_change::Scope;
    use super::super::token::PARAMETERS;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn policy(default_scopes: &str) -> Policy {
        let set = |text| ScopeSet::parse(text).unwrap();
        let scopes = [
            Scope::new("read", "Look"),
            Scope::new("write", "Change").implies("read"),
            Scope::new("admin", "Rule").reserved(),
            Scope::new(OFFLINE_ACCESS, "Stay"),
        ];
        let catalogue = ScopeCatalogue::new(scopes.map(|scope| scope.declared().unwrap()).into());
        let mut resources = ResourceRegistry::default();
        let issuer = super::super::issuer::Issuer::parse("https://h.example").unwrap();
        for (url, scopes) in [("https://h.example/api", "read write"), ("https://h.example/admin", "admin")] {
            let record = Resource::new(url).scopes(scopes).declared(&issuer, &catalogue).unwrap();
            assert!(resources.add(KnownResource::new(record, &catalogue)));
        }
        Policy {
            issuer,
            scopes: catalogue,
            default_scopes: set(default_scopes),
            resources,
            lifetimes: Lifetimes::default(),
        }
    }

    fn machine(policy: &Policy) -> Client {
        let seed = NewClientSeed::from_random(&[1; NewClientSeed::LEN]);
        NewClient::confidential("M").client_credentials().create(policy, &seed, NOW).unwrap().0
    }

    fn check(client: &Client, policy: &Policy, body: &str) -> Result<CheckedAccess, TokenReason> {
        let parameters = Parameters::parse(body.as_bytes(), &PARAMETERS);
        ClientRequest::read(&parameters, client)?.check(policy)
    }

    #[test]
    fn only_a_confidential_client_that_has_the_grant_type_may_ask() {
        let policy = policy("read");
        let client = machine(&policy);
        assert!(check(&client, &policy, "").is_ok());
        let mut other = client.clone();
        other.metadata.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
        assert_eq!(check(&other, &policy, "").unwrap_err(), TokenReason::GrantNotAllowed);
        let public = Client { authentication: super::super::client::ClientAuthentication::None, ..client };
        assert_eq!(check(&public, &policy, "").unwrap_err(), TokenReason::ClientNotConfidential);
    }

    #[test]
    fn each_rule_has_its_reason() {
        let policy = policy("read");
        let client = machine(&policy);
        for (body, reason) in [
            ("scope=a&scope=b", TokenReason::RepeatedParameter("scope")),
            ("scope=%22", TokenReason::ScopeMalformed),
            ("scope=admin", TokenReason::ScopeNotAllowed),
            ("scope=unknown", TokenReason::ScopeNotAllowed),
            ("resource=https://h.example/admin", TokenReason::ScopeNotAllowed),
            ("resource=x", TokenReason::ResourceUnknown),
            ("resource=https://h.example/else", TokenReason::ResourceUnknown),
            ("resource=https://h.example/api&resource=https://h.example/admin", TokenReason::ResourceUnknown),
        ] {
            assert_eq!(check(&client, &policy, body).unwrap_err(), reason, "{body}");
        }
    }

    #[test]
    fn scopes_are_the_defaults_or_without_any_all_that_the_client_may_have() {
        let scopes = |default_scopes, body| {
            let policy = policy(default_scopes);
            check(&machine(&policy), &policy, body).unwrap().scopes.to_string()
        };
        assert_eq!(scopes("read offline_access", ""), "read");
        assert_eq!(scopes("read", "scope=offline_access"), "read");
        assert_eq!(scopes("", ""), "read write");
        assert_eq!(scopes("", "resource=https://h.example/admin"), "admin");
        assert_eq!(scopes("read", "scope=write+admin+offline_access"), r"read\implied write");
    }

    #[test]
    fn the_grant_is_the_clients_own_and_ends_with_its_token() {
        let policy = policy("read");
        let client = Client {
            lifetimes: super::super::client::ClientLifetimes {
                access_token: Some(std::time::Duration::from_secs(7)),
                refresh_token: None,
            },
            revision: 9,
            ..machine(&policy)
        };
        let seed = || ClientGrantSeed::from_random(&[3; ClientGrantSeed::LEN]);
        let minted = check(&client, &policy, "").unwrap().mint(&seed(), NOW);
        let op = minted.op();
        assert_eq!((&op.grant.holder, &op.grant.client, op.client_revision), (&Holder::Client, &client.id, 9));
        assert_eq!((op.access.grant, &op.access.scopes), (op.grant.id, &op.grant.scopes));
        assert_eq!(op.access.expires_at, NOW.after(std::time::Duration::from_secs(7)));
        assert_eq!(*op.grant.resources, *std::slice::from_ref(&op.access.resource));

        let again = match minted.committed(Granted::Collision).unwrap_err() {
            NotGranted::Collision(checked) => checked.mint(&seed(), NOW),
            NotGranted::ClientChanged => panic!("an id was taken"),
        };
        let json = again.committed(Granted::Now).unwrap().to_json();
        assert!(json.contains(r#""expires_in":7"#) && !json.contains("refresh_token"), "{json}");
        let minted = check(&client, &policy, "").unwrap().mint(&seed(), NOW);
        assert!(matches!(minted.committed(Granted::ClientChanged), Err(NotGranted::ClientChanged)));
    }
}
