//! The use of a refresh token (RFC 6749 §6, OAuth 2.1 §4.3): rotated on every use, with a window in
//! which the same answer is given again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::client::{Client, GrantType};
use super::client_auth::Identity;
use super::commit::{IssueAccess, Issued, RotateRefresh, Rotated, StoredRefresh};
use super::error::TokenReason;
use super::grant::{Access, AccessRecord, Grant, Rotation};
use super::params::Parameters;
use super::policy::{Lifetimes, Policy};
use super::resource::ResourceId;
use super::scope::ScopeSet;
use super::seal::{Purpose, SealSalt, open_under, seal_under};
use super::secret::{Bearer, BearerKind, BearerSeed, BearerText, OrderedId, Secret};
use super::time::Timestamp;
use super::token::{TokenResponse, audience, mint_access, mint_refresh, resource, whatever};

/// A refresh request by a client that was authenticated.
#[derive(Debug)]
pub struct RefreshRequest<'a> {
    client: &'a Client,
    identity: Identity,
    presented: Bearer,
    secret: Secret,
    scopes: Option<ScopeSet>,
    resource: Option<&'a str>,
}

impl<'a> RefreshRequest<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If something is missing or malformed.
    pub fn read(parameters: &'a Parameters<'_>, client: &'a Client, identity: Identity) -> Result<Self, TokenReason> {
        if !client.may_use(GrantType::RefreshToken) {
            return Err(TokenReason::GrantNotAllowed);
        }
        let text = parameters.one("refresh_token")?.ok_or(TokenReason::RefreshMissing)?;
        let scopes =
            parameters.one("scope")?.map(ScopeSet::parse).transpose().map_err(|_| TokenReason::ScopeMalformed)?;
        let (presented, secret) =
            Bearer::parse_with_secret(BearerKind::Refresh, text).ok_or(TokenReason::RefreshUnknown)?;
        Ok(Self { client, identity, presented, secret, scopes, resource: resource(parameters)? })
    }

    /// The key of the token.
    #[must_use]
    pub const fn token(&self) -> OrderedId {
        self.presented.id
    }

    /// Judges the request by what is stored. A token that was used before counts as stolen only if
    /// secret and client are right: ids can be guessed, and nobody is logged out by a guess.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn check(
        self,
        stored: Option<StoredRefresh>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<CheckedRefresh, TokenReason> {
        let stored = stored
            .filter(|stored| stored.token.hash.matches(&self.presented.hash))
            .ok_or(TokenReason::RefreshUnknown)?;
        // RFC 6749 §6: "ensure that the refresh token was issued to the authenticated client"
        if stored.grant.client != self.client.id {
            return Err(TokenReason::RefreshOfAnotherClient);
        }
        if stored.revoked {
            return Err(TokenReason::GrantRevoked);
        }
        if now >= stored.token.expires_at {
            return Err(TokenReason::RefreshExpired);
        }
        // What was given to a client that proved who it is, is for nobody else: with both ways open to a client, it has
        // to stay with the better one (attack 28).
        if self.secret.has_mark() && self.identity == Identity::Claimed {
            return Err(TokenReason::ProofMissing);
        }
        let is_reuse = stored.rotation.as_ref().is_some_and(|rotation| rotation.is_over(now));
        let asked = audience(&stored.grant, self.resource, self.client, policy);
        let (resource, granted) = asked.or_else(|reason| whatever(&stored.grant, is_reuse, reason))?;
        // RFC 6749 §6: "MUST NOT include any scope not originally granted". What was not is dropped:
        // clients add `offline_access` and whatever the metadata names.
        // `offline_access` alone says for how long, but not for what.
        let requested = self.scopes.filter(|requested| !ScopeSet::offline_access().contains_all(requested));
        let (scopes, names) = match requested.map(|requested| policy.scopes.ids_of(&requested)) {
            Some(ids) => {
                let told = policy.scopes.names_of(&ids.intersection(&granted.ids()));
                (granted.within(&policy.scopes.reach(&ids)), told)
            }
            None => (granted.clone(), policy.scopes.told(&granted, &stored.grant.scopes)),
        };
        if scopes.is_empty() && !is_reuse {
            return Err(TokenReason::ScopeEmpty);
        }
        let Self { presented, secret, client, .. } = self;
        let lifetimes = policy.lifetimes_of(client, &resource);
        Ok(CheckedRefresh {
            presented: presented.id,
            secret,
            grant: stored.grant,
            resource,
            scopes,
            names,
            rotation: stored.rotation,
            lifetimes,
            is_reuse,
        })
    }
}

/// A refresh that passed every rule.
#[derive(Debug)]
pub struct CheckedRefresh {
    presented: OrderedId,
    secret: Secret,
    grant: Arc<Grant>,
    resource: ResourceId,
    scopes: ScopeSet,
    /// What the client is told of them.
    names: ScopeSet,
    rotation: Option<Rotation>,
    lifetimes: Lifetimes,
    is_reuse: bool,
}

/// The answer of a first use, as it is sealed.
#[derive(Serialize, Deserialize)]
struct Answer {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
    scopes: ScopeSet,
    resource: ResourceId,
}

/// Fresh randomness for a refresh.
#[derive(Debug)]
pub struct RefreshSeed {
    access: BearerSeed,
    refresh: BearerSeed,
    salt: SealSalt,
}

impl RefreshSeed {
    /// Randomness that a seed takes, in bytes.
    pub const LEN: usize = 2 * BearerSeed::LEN + 32;

    /// Takes fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; Self::LEN]) -> Self {
        let (mut access, mut refresh, mut salt) = ([0; BearerSeed::LEN], [0; BearerSeed::LEN], [0; 32]);
        access.copy_from_slice(&bytes[..BearerSeed::LEN]);
        refresh.copy_from_slice(&bytes[BearerSeed::LEN..2 * BearerSeed::LEN]);
        salt.copy_from_slice(&bytes[2 * BearerSeed::LEN..]);
        Self { access: BearerSeed::from_random(&access), refresh: BearerSeed::from_random(&refresh), salt }
    }
}

impl CheckedRefresh {
    /// What the client will get. Its holder is for the host to say whether they are still allowed.
    #[must_use]
    pub fn access(&self) -> Access {
        Access { grant: Arc::clone(&self.grant), scopes: self.names.clone(), resource: self.resource.uri() }
    }

    /// Whether the token was used before and its answer is over: a theft, of which the store is to know
    /// before anybody is asked anything.
    #[must_use]
    pub const fn is_reuse(&self) -> bool {
        self.is_reuse
    }

    /// The answer that was given before, if this is a repetition within its window.
    #[must_use]
    pub fn repeated(&self, now: Timestamp) -> Option<Repeated> {
        self.open(self.rotation.as_ref()?, now)
    }

    /// Makes the tokens; `None` if the answer cannot be sealed.
    #[must_use]
    pub fn mint(self, seed: &RefreshSeed, now: Timestamp) -> Option<UncommittedRefresh> {
        let lives = &self.lifetimes;
        let (access_text, access) = mint_access(&self.grant, &self.resource, &self.scopes, &seed.access, now, lives);
        let identity = if self.secret.has_mark() { Identity::Proven } else { Identity::Claimed };
        let (refresh_text, successor) = mint_refresh(&self.grant, identity, &seed.refresh, now, lives);
        let answer = serde_json::to_vec(&Answer {
            access_token: access_text.expose().to_owned(),
            refresh_token: refresh_text.expose().to_owned(),
            expires_at: access.expires_at,
            scopes: self.scopes.clone(),
            resource: self.resource.clone(),
        });
        let context = context(self.presented, successor.id);
        let sealed = seal_under(self.secret.as_bytes(), Purpose::Successor, &context, &seed.salt, answer.ok()?)?;
        let op = RotateRefresh {
            refresh: self.presented,
            grant_expires_at: successor.expires_at.max(access.expires_at),
            successor,
            access,
            answer: sealed.into(),
            grace_until: now.after(lives.refresh_grace),
            now,
        };
        Some(UncommittedRefresh { refresh: self, op, access_text, refresh_text })
    }

    fn open(&self, rotation: &Rotation, now: Timestamp) -> Option<Repeated> {
        let sealed = rotation.answer.as_ref().filter(|_| !rotation.is_over(now))?;
        let context = context(self.presented, rotation.successor);
        let plain = open_under(self.secret.as_bytes(), Purpose::Successor, &context, sealed)?;
        let answer: Answer = serde_json::from_slice(&plain).ok()?;
        let access = Bearer::parse(BearerKind::Access, &answer.access_token)?.id;
        Some(Repeated { answer, access })
    }
}

/// What the sealed answer belongs to: it opens nowhere else.
fn context(presented: OrderedId, successor: OrderedId) -> [u8; 16] {
    let mut context = [0; 16];
    context[..8].copy_from_slice(&presented.to_bits().to_be_bytes());
    context[8..].copy_from_slice(&successor.to_bits().to_be_bytes());
    context
}

/// A first use that the store has not seen yet.
#[derive(Debug)]
pub struct UncommittedRefresh {
    refresh: CheckedRefresh,
    op: RotateRefresh,
    access_text: BearerText,
    refresh_text: BearerText,
}

/// Why a refresh did not rotate the token.
#[derive(Debug)]
pub enum NotRotated {
    /// An id is taken: mint again with fresh randomness.
    Collision(Box<CheckedRefresh>),
    /// Another request was first, and its answer is to be given.
    Repeated(Box<CheckedRefresh>, Repeated),
    /// The token cannot be used.
    Refused(TokenReason),
}

impl UncommittedRefresh {
    /// What the store has to do, as one.
    #[must_use]
    pub fn op(&self) -> RotateRefresh {
        self.op.clone()
    }

    /// The answer, now that the store has spoken.
    ///
    /// # Errors
    /// If this was not the first use.
    pub fn committed(self, outcome: Rotated) -> Result<TokenResponse, NotRotated> {
        match outcome {
            Rotated::First => {
                let Self { refresh, op, access_text, refresh_text } = self;
                Ok(TokenResponse::new(access_text, &op.access, refresh.names, Some(refresh_text), op.now))
            }
            Rotated::Repeated(rotation) => match self.refresh.open(&rotation, self.op.now) {
                Some(repeated) => Err(NotRotated::Repeated(Box::new(self.refresh), repeated)),
                None => Err(NotRotated::Refused(TokenReason::RefreshUnknown)),
            },
            Rotated::Reused => Err(NotRotated::Refused(TokenReason::RefreshReused)),
            Rotated::Gone => Err(NotRotated::Refused(TokenReason::RefreshUnknown)),
            Rotated::Collision => Err(NotRotated::Collision(Box::new(self.refresh))),
        }
    }
}

/// The answer of an earlier use.
pub struct Repeated {
    answer: Answer,
    access: OrderedId,
}

impl std::fmt::Debug for Repeated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Repeated(..)")
    }
}

impl Repeated {
    /// The same answer if the same was asked for; `expires_in` is told anew.
    ///
    /// # Errors
    /// If something else was asked for: a token for that is to be issued beside the same refresh token.
    pub fn answer(self, asked: CheckedRefresh, now: Timestamp) -> Result<TokenResponse, Box<CheckedAccess>> {
        let Answer { access_token, refresh_token, expires_at, scopes, resource } = self.answer;
        let refresh_token = BearerText::from_sealed(refresh_token);
        if scopes == asked.scopes && resource == asked.resource {
            let access_token = BearerText::from_sealed(access_token);
            let access = (self.access, access_token);
            return Ok(TokenResponse::repeated(access, expires_at.since(now), asked.names, refresh_token));
        }
        let CheckedRefresh { grant, resource, scopes, names, lifetimes, .. } = asked;
        Err(Box::new(CheckedAccess { grant, resource, scopes, names, refresh_token, lifetimes }))
    }
}

/// Another access token beside a refresh token that was rotated before.
#[derive(Debug)]
pub struct CheckedAccess {
    grant: Arc<Grant>,
    resource: ResourceId,
    scopes: ScopeSet,
    names: ScopeSet,
    refresh_token: BearerText,
    lifetimes: Lifetimes,
}

impl CheckedAccess {
    /// Makes the token.
    #[must_use]
    pub fn mint(self, seed: &BearerSeed, now: Timestamp) -> UncommittedAccess {
        let (text, access) = mint_access(&self.grant, &self.resource, &self.scopes, seed, now, &self.lifetimes);
        UncommittedAccess { checked: self, access, text, now }
    }
}

/// An access token that the store has not seen yet.
#[derive(Debug)]
pub struct UncommittedAccess {
    checked: CheckedAccess,
    access: AccessRecord,
    text: BearerText,
    now: Timestamp,
}

/// Why an access token was not issued.
#[derive(Debug)]
pub enum NotIssued {
    /// An id is taken: mint again with fresh randomness.
    Collision(Box<CheckedAccess>),
    /// The grant is over.
    Refused(TokenReason),
}

impl UncommittedAccess {
    /// What the store has to do, as one.
    #[must_use]
    pub fn op(&self) -> IssueAccess {
        IssueAccess { access: self.access.clone(), now: self.now }
    }

    /// The answer, now that the store has spoken.
    ///
    /// # Errors
    /// If the token was not issued.
    pub fn committed(self, outcome: Issued) -> Result<TokenResponse, NotIssued> {
        match outcome {
            Issued::Now => {
                let CheckedAccess { names, refresh_token, .. } = self.checked;
                Ok(TokenResponse::new(self.text, &self.access, names, Some(refresh_token), self.now))
            }
            Issued::Gone => Err(NotIssued::Refused(TokenReason::GrantRevoked)),
            Issued::Collision => Err(NotIssued::Collision(Box::new(self.checked))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ScopeCatalogue;
    use super::super::grant::{Holder, RefreshRecord};
    use super::super::issuer::Issuer;
    use super::super::new_client::{NewClient, NewClientSeed};
    use super::super::resource_change::Resource;
    use super::super::resource_registry::{KnownResource, ResourceRegistry};
    use super::super::scope_change::Scope;
    use super::super::token::PARAMETERS;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn policy() -> Policy {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let scopes = ["read", "write"].map(|name| Scope::new(name, "x").declared().unwrap());
        let scopes = ScopeCatalogue::new(scopes.into());
        let mut resources = ResourceRegistry::default();
        for url in ["https://h.example/api", "https://h.example/mcp"] {
            let record = Resource::new(url).declared(&issuer, &scopes).unwrap();
            assert!(resources.add(KnownResource::new(record, &scopes)));
        }
        Policy { issuer, scopes, default_scopes: ScopeSet::empty(), resources, lifetimes: Lifetimes::default() }
    }

    fn stored(policy: &Policy, client: &Client, bearer: Bearer) -> StoredRefresh {
        let grant = Arc::new(Grant {
            id: OrderedId::new(NOW, 1),
            holder: Holder::Client,
            client: client.id.clone(),
            scopes: policy.scopes.ids(),
            resources: policy.resources.iter().map(|known| known.id().clone()).collect(),
            created_at: NOW,
        });
        let expires_at = NOW.after(std::time::Duration::from_secs(600));
        let token = RefreshRecord { id: bearer.id, hash: bearer.hash, grant: grant.id, expires_at };
        StoredRefresh { token, rotation: None, grant, revoked: false }
    }

    /// A first refresh at `NOW`, and a judge of what is asked later with the same token.
    fn first(judge: impl FnOnce(&TokenResponse, &dyn Fn(&str, u64) -> CheckedRefresh)) {
        let policy = policy();
        let seed = NewClientSeed::from_random(&[1; NewClientSeed::LEN]);
        let client = NewClient::public("c").redirect_uri("https://c.example/").create(&policy, &seed, NOW).unwrap().0;
        let (text, bearer) = Bearer::mint(BearerKind::Refresh, NOW, &BearerSeed::from_random(&[6; BearerSeed::LEN]));
        let stored = stored(&policy, &client, bearer);
        let check = |stored: &StoredRefresh, more: &str, now| {
            let body = format!("refresh_token={}{more}", text.expose());
            let parameters = Parameters::parse(body.as_bytes(), &PARAMETERS);
            let request = RefreshRequest::read(&parameters, &client, Identity::Claimed).unwrap();
            request.check(Some(stored.clone()), &policy, now).unwrap()
        };
        let random: Vec<u8> = (0..RefreshSeed::LEN).map(|byte| byte.to_be_bytes()[7]).collect();
        let seed = RefreshSeed::from_random(random.as_slice().try_into().unwrap());
        let minted = check(&stored, "", NOW).mint(&seed, NOW).unwrap();
        let op = minted.op();
        let rotation =
            Rotation { successor: op.successor.id, answer: Some(op.answer.clone()), grace_until: op.grace_until };
        let answer = minted.committed(Rotated::First).unwrap();
        let used = StoredRefresh { rotation: Some(rotation), ..stored };
        let later = |more: &str, millis| check(&used, more, NOW.after(std::time::Duration::from_millis(millis)));
        judge(&answer, &later);
    }

    #[test]
    fn an_answer_is_given_again_until_its_window_ends() {
        first(|answer, later| {
            let body = answer.to_json();
            let at = |millis| NOW.after(std::time::Duration::from_millis(millis));
            let repeated = later("", 59_999).repeated(at(59_999)).unwrap();
            assert_eq!(format!("{repeated:?}"), "Repeated(..)");
            let again = repeated.answer(later("", 59_999), at(59_999)).unwrap();
            assert_eq!(again.to_json().replace(r#""expires_in":3540"#, r#""expires_in":3600"#), body);
            assert!(later("", 59_999).repeated(at(60_000)).is_none(), "its window may end meanwhile");
            assert_eq!([59_999, 60_000].map(|millis| later("", millis).is_reuse()), [false, true]);
        });
    }

    #[test]
    fn an_answer_opens_only_with_its_own_token_and_beside_its_own_successor() {
        first(|_, later| {
            let mut moved = later("", 1);
            let other = OrderedId::new(NOW, 99);
            moved.rotation.as_mut().unwrap().successor = other;
            assert!(moved.repeated(NOW).is_none());
            assert!(CheckedRefresh { presented: other, ..later("", 1) }.repeated(NOW).is_none());
            assert!(later("", 1).repeated(NOW).is_some());
        });
    }

    #[test]
    fn whoever_asks_for_something_else_meanwhile_gets_another_token() {
        first(|_, later| {
            let answer = |more: &str| later(more, 1).repeated(NOW).unwrap().answer(later(more, 1), NOW);
            for same in ["", "&scope=read+write", "&resource=https://h.example/api"] {
                assert!(answer(same).is_ok(), "{same}");
            }
            for other in
                ["&scope=read", "&resource=https://h.example/mcp", "&scope=read&resource=https://h.example/mcp"]
            {
                assert!(answer(other).is_err(), "{other}");
            }
        });
    }
}
