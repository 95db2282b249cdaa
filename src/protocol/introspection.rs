//! What a token is worth, for the resource servers that are out of reach of a guard (RFC 7662).

use std::sync::Arc;

use serde::Serialize;

use super::client::{Client, ClientId};
use super::commit::{StoredAccess, StoredRefresh};
use super::error::TokenReason;
use super::extra::ExtraFields;
use super::grant::{Access, Grant, Holder, Subject};
use super::issuer::Issuer;
use super::params::Parameters;
use super::policy::Policy;
use super::resource::ResourceUri;
use super::scope::ScopeSet;
use super::secret::{Bearer, BearerKind};
use super::time::Timestamp;

/// The parameters that the introspection endpoint knows.
pub const PARAMETERS: [&str; 6] = super::revocation::PARAMETERS;

/// A token that a client asks about. Its text says what it is, so a wrong hint does no harm (RFC 7662 §2.1).
#[derive(Debug, Clone, Copy)]
pub enum Introspection {
    /// An access token.
    Access(Bearer),
    /// A refresh token.
    Refresh(Bearer),
    /// What was never a token of ours.
    Unknown,
}

impl Introspection {
    /// Reads the request of a confidential client that was authenticated.
    ///
    /// # Errors
    /// If the client may not ask, or names no token.
    pub fn read(parameters: &Parameters<'_>, client: &Client) -> Result<Self, TokenReason> {
        if client.introspects.is_none() {
            return Err(TokenReason::IntrospectionNotAllowed);
        }
        parameters.check_repetition()?;
        let text = parameters.one("token")?.ok_or(TokenReason::TokenMissing)?;
        let access = Bearer::parse(BearerKind::Access, text).map(Self::Access);
        let token = access.or_else(|| Bearer::parse(BearerKind::Refresh, text).map(Self::Refresh));
        Ok(token.unwrap_or(Self::Unknown))
    }
}

/// A token that is good, as far as the client that asks may know.
#[derive(Debug)]
pub struct ActiveToken {
    grant: Arc<Grant>,
    /// By name, those included that came with others.
    scopes: ScopeSet,
    /// For an access token: the resource that it is for, and when it was issued.
    access: Option<(ResourceUri, Timestamp)>,
    expires_at: Timestamp,
}

/// What is told of an access token: `None` if it is unknown, over, revoked, for a resource that is no more, or none
/// of this client's business.
#[must_use]
pub fn of_access(
    presented: &Bearer,
    stored: Option<StoredAccess>,
    asking: &Client,
    policy: &Policy,
    now: Timestamp,
) -> Option<ActiveToken> {
    let stored = stored.filter(|stored| stored.token.hash.matches(&presented.hash))?;
    let StoredAccess { token, grant, revoked } = stored;
    let is_for_asking = asking.introspects.as_ref().is_some_and(|resources| resources.contains(&token.resource));
    let may_know = is_own(&grant, asking) || is_for_asking;
    // A token for what is no more is worth nothing anywhere.
    let known = policy.resources.of(&token.resource)?;
    (may_know && !revoked && now < token.expires_at).then(|| ActiveToken {
        scopes: policy.scopes.allowed(&token.scopes, &grant.scopes).map_or(token.scopes, |allowed| allowed.all),
        grant,
        access: Some((known.uri.clone(), token.issued_at)),
        expires_at: token.expires_at,
    })
}

/// What is told of a refresh token, to its own client alone: no resource server has any business with one.
/// One that was used is good for nothing new, and so it is not active.
#[must_use]
pub fn of_refresh(
    presented: &Bearer,
    stored: Option<StoredRefresh>,
    asking: &Client,
    policy: &Policy,
    now: Timestamp,
) -> Option<ActiveToken> {
    let stored = stored.filter(|stored| stored.token.hash.matches(&presented.hash))?;
    let StoredRefresh { token, rotation, grant, revoked } = stored;
    let is_left = grant.resources.iter().any(|resource| policy.resources.of(resource).is_some());
    let is_good = is_left && !revoked && rotation.is_none() && now < token.expires_at;
    (is_own(&grant, asking) && is_good).then(|| ActiveToken {
        scopes: policy.scopes.left_by_name(&grant.scopes),
        grant,
        access: None,
        expires_at: token.expires_at,
    })
}

fn is_own(grant: &Grant, asking: &Client) -> bool {
    asking.introspects.is_some() && grant.client == asking.id
}

impl ActiveToken {
    /// Whose access it is, for the host to say whether they are still allowed.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.grant.holder
    }

    /// What an access token gives; `None` for a refresh token.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        let (resource, _) = self.access.as_ref()?;
        Some(Access { grant: Arc::clone(&self.grant), scopes: self.scopes.clone(), resource: resource.clone() })
    }

    /// The answer's body (RFC 7662 §2.2).
    ///
    /// `sub` is a user and nobody else: a client's own access has none, so that no client id passes for a user's
    /// (RFC 9700 §4.15), and `holder`, a member of ours, says `user` or `client`. `grant_id` tells the installations of
    /// one client apart. A refresh token has neither that nor `token_type` and `aud`: at a resource it is worth nothing.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self, issuer: &Issuer, extra: &ExtraFields) -> Result<String, serde_json::Error> {
        let Self { grant, scopes, access, expires_at } = self;
        let Grant { holder, client, .. } = &**grant;
        let mut json = serde_json::to_string(&Answer {
            active: true,
            scope: scopes.as_str(),
            client_id: client,
            token_type: access.as_ref().map(|_| "Bearer"),
            exp: expires_at.as_secs(),
            iat: access.as_ref().map(|(_, issued_at)| issued_at.as_secs()),
            sub: holder.subject(),
            holder: match holder {
                Holder::User(_) => "user",
                Holder::Client => "client",
            },
            grant_id: access.as_ref().map(|_| grant.id.to_string()),
            aud: access.as_ref().map(|(resource, _)| resource),
            iss: issuer.as_str(),
        })?;
        // They stand behind the others, and before the brace that closes the object.
        json.pop();
        json.push_str(&extra.members());
        json.push('}');
        Ok(json)
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    active: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a Subject>,
    holder: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a ResourceUri>,
    iss: &'a str,
}

/// The answer about everything else (RFC 7662 §2.2): it does not say why.
pub const INACTIVE: &str = r#"{"active":false}"#;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::catalogue::ScopeCatalogue;
    use super::super::grant::{AccessRecord, RefreshRecord, Rotation};
    use super::super::policy::Lifetimes;
    use super::super::resource::ResourceId;
    use super::super::resource_change::Resource;
    use super::super::resource_registry::{KnownResource, ResourceRegistry};
    use super::super::scope_change::Scope;
    use super::super::secret::{BearerSeed, OrderedId};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const API: &str = "https://h.example/api";

    fn id(text: &str) -> ResourceId {
        ResourceId::parse(text).unwrap()
    }

    fn client(name: &str, introspects: Option<&[&str]>) -> Client {
        let client: Client = serde_json::from_str(
            r#"{"id":"x","origin":"administrator","authentication":"none","metadata":{"redirect_uris":[],"name":null,
                "home_page":null,"logo":null,"auth_method":"none","grant_types":[]},"scope_ceiling":null,
                "consent_policy":"ask","blocked":false,"lifetimes":{"access_token":null,"refresh_token":null},
                "introspects":null,"registration":null,"tenure":null,"created_at":0,"revision":0}"#,
        )
        .unwrap();
        let introspects = introspects.map(|list| list.iter().map(|text| id(text)).collect());
        Client { id: ClientId::parse(name).unwrap(), introspects, ..client }
    }

    /// With a scope and a resource, if there are any.
    fn policy(scopes: &[&str], resources: &[&str]) -> Policy {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let scopes = scopes.iter().map(|scope| Scope::new(scope, "Look").declared().unwrap());
        let scopes = ScopeCatalogue::new(scopes.collect());
        let mut known = ResourceRegistry::default();
        for url in resources {
            let record = Resource::new(url).declared(&issuer, &scopes).unwrap();
            assert!(known.add(KnownResource::new(record, &scopes)));
        }
        let (default_scopes, lifetimes) = (ScopeSet::empty(), Lifetimes::default());
        Policy { issuer, scopes, default_scopes, resources: known, lifetimes }
    }

    fn grant() -> Arc<Grant> {
        Arc::new(Grant {
            id: OrderedId::new(NOW, 1),
            holder: Holder::Client,
            client: ClientId::parse("owner").unwrap(),
            scopes: ScopeSet::parse("read").unwrap(),
            resources: Arc::new([id(API)]),
            created_at: NOW,
        })
    }

    fn minted(kind: BearerKind) -> Bearer {
        Bearer::mint(kind, NOW, &BearerSeed::from_random(&[7; 36])).1
    }

    fn access() -> (Bearer, StoredAccess) {
        let (bearer, grant) = (minted(BearerKind::Access), grant());
        let token = AccessRecord {
            id: bearer.id,
            hash: bearer.hash,
            grant: grant.id,
            scopes: grant.scopes.clone(),
            resource: id(API),
            issued_at: NOW,
            expires_at: NOW.after(Duration::from_secs(9)),
        };
        (bearer, StoredAccess { token, grant, revoked: false })
    }

    fn refresh() -> (Bearer, StoredRefresh) {
        let (bearer, grant) = (minted(BearerKind::Refresh), grant());
        let expires_at = NOW.after(Duration::from_secs(9));
        let token = RefreshRecord { id: bearer.id, hash: bearer.hash, grant: grant.id, expires_at };
        (bearer, StoredRefresh { token, rotation: None, grant, revoked: false })
    }

    #[test]
    fn attack_45_who_may_know_of_which_token() {
        let ((access, stored), (refresh, stored_refresh)) = (access(), refresh());
        let policy = policy(&["read"], &[API]);
        for (asking, of_access_token, of_refresh_token) in [
            (client("owner", Some(&[])), true, true),
            (client("owner", Some(&["https://h.example/mcp"])), true, true),
            (client("server", Some(&[API])), true, false),
            (client("server", Some(&["https://h.example/mcp", "https://h.example/api/x"])), false, false),
            (client("server", Some(&[])), false, false),
            (client("owner", None), false, false),
        ] {
            let told = of_access(&access, Some(stored.clone()), &asking, &policy, NOW);
            assert_eq!(told.is_some(), of_access_token, "{:?} {:?}", asking.id, asking.introspects);
            let told = of_refresh(&refresh, Some(stored_refresh.clone()), &asking, &policy, NOW);
            assert_eq!(told.is_some(), of_refresh_token, "{:?} {:?}", asking.id, asking.introspects);
        }
    }

    #[test]
    fn attack_46_what_is_over_is_not_active() {
        let (owner, policy) = (client("owner", Some(&[])), policy(&["read"], &[API]));
        let after = |millis| NOW.after(Duration::from_millis(millis));
        let (bearer, stored) = access();
        let other = Bearer { hash: super::super::secret::SecretHash::of_text("x"), ..bearer };
        assert!(of_access(&bearer, None, &owner, &policy, NOW).is_none());
        assert!(of_access(&other, Some(stored.clone()), &owner, &policy, NOW).is_none());
        assert!(of_access(&bearer, Some(stored.clone()), &owner, &policy, after(8_999)).is_some());
        assert!(of_access(&bearer, Some(stored.clone()), &owner, &policy, after(9_000)).is_none());
        assert!(of_access(&bearer, Some(StoredAccess { revoked: true, ..stored }), &owner, &policy, NOW).is_none());

        let (bearer, stored) = refresh();
        let other = Bearer { hash: super::super::secret::SecretHash::of_text("x"), ..bearer };
        assert!(of_refresh(&bearer, None, &owner, &policy, NOW).is_none());
        assert!(of_refresh(&other, Some(stored.clone()), &owner, &policy, NOW).is_none());
        assert!(of_refresh(&bearer, Some(stored.clone()), &owner, &policy, after(8_999)).is_some());
        assert!(of_refresh(&bearer, Some(stored.clone()), &owner, &policy, after(9_000)).is_none());
        let rotation = Some(Rotation { successor: bearer.id, answer: None, grace_until: after(60_000) });
        assert!(
            of_refresh(&bearer, Some(StoredRefresh { rotation, ..stored.clone() }), &owner, &policy, NOW).is_none()
        );
        assert!(of_refresh(&bearer, Some(StoredRefresh { revoked: true, ..stored }), &owner, &policy, NOW).is_none());
    }

    #[test]
    fn an_access_token_gives_access_to_its_resource_and_a_refresh_token_to_none() {
        let (owner, policy) = (client("owner", Some(&[])), policy(&["read"], &[API]));
        let ((bearer, stored), (refresh, stored_refresh)) = (access(), refresh());
        let token = of_access(&bearer, Some(stored), &owner, &policy, NOW).unwrap();
        let access = token.access().unwrap();
        assert_eq!((access.grant.id, access.scopes.as_str(), access.resource.as_str()), (grant().id, "read", API));
        let token = of_refresh(&refresh, Some(stored_refresh), &owner, &policy, NOW).unwrap();
        assert!(token.access().is_none());
    }

    #[test]
    fn a_scope_that_is_no_more_is_told_of_no_token() {
        let (owner, none) = (client("owner", Some(&[])), policy(&[], &[API]));
        let ((access, stored), (refresh, stored_refresh)) = (access(), refresh());
        let told = of_access(&access, Some(stored), &owner, &none, NOW).unwrap();
        assert_eq!(told.scopes, ScopeSet::empty());
        let told = of_refresh(&refresh, Some(stored_refresh), &owner, &none, NOW).unwrap();
        assert_eq!(told.scopes, ScopeSet::empty());
    }

    #[test]
    fn a_token_for_a_resource_that_is_no_more_is_not_active() {
        let owner = client("owner", Some(&[]));
        let ((access, stored), (refresh, stored_refresh)) = (access(), refresh());
        for (resources, later) in [(&["https://h.example/mcp"][..], API), (&[API], "https://h.example/api#2")] {
            let policy = policy(&["read"], resources);
            let mut stored = stored.clone();
            stored.token.resource = id(later);
            assert!(of_access(&access, Some(stored), &owner, &policy, NOW).is_none(), "{later}");
            let mut stored = stored_refresh.clone();
            let grant = Arc::make_mut(&mut stored.grant);
            grant.resources = Arc::new([id(later)]);
            assert!(of_refresh(&refresh, Some(stored.clone()), &owner, &policy, NOW).is_none(), "{later}");
            let default = policy.resources.default_resource().unwrap().id().clone();
            Arc::make_mut(&mut stored.grant).resources = Arc::new([id(later), default]);
            assert!(of_refresh(&refresh, Some(stored), &owner, &policy, NOW).is_some(), "one of two is left");
        }
    }
}
