//! Records for tests: plausible, and no two with the same ids or secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::protocol::client::{
    AuthMethod, Client, ClientAuthentication, ClientId, ClientKeys, ClientMetadata, ClientOrigin, ConsentPolicy,
    GrantType, KeyPlace, SelfRegistration, Tenure,
};
use crate::protocol::grant::{AccessRecord, CodeRecord, Grant, Holder, RefreshRecord, Subject};
use crate::protocol::interaction::Consent;
use crate::protocol::jwk::KeySet;
use crate::protocol::pkce::CodeChallenge;
use crate::protocol::policy_records::{PolicyRecords, ResourceRecord};
use crate::protocol::prompt::PromptId;
use crate::protocol::redirect::RedirectUri;
use crate::protocol::resource::ResourceId;
use crate::protocol::scope::ScopeSet;
use crate::protocol::scope_records::ScopeRecord;
use crate::protocol::secret::{OrderedId, SecretHash};
use crate::protocol::time::Timestamp;
use crate::storage::{
    Approval, ClaimOnce, Decide, GrantClient, InsertClient, IssueAccess, Owner, RedeemCode, RemoveClient, RenewClient,
    RevokeAccess, RevokeGrant, RevokeGrants, RotateRefresh, SavePolicy, UpdateClient,
};

/// A present for tests.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// How long [`approval`]'s codes last.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long [`redeem`]'s tokens last, and their grants with them.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// How long [`refresh`]'s tokens last, and their grants with them.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(86_400);
/// How long [`rotate`]'s answers are to be given again.
pub const GRACE: Duration = Duration::from_secs(60);
/// How long [`approve`]'s and [`deny`]'s decisions are to be remembered.
pub const MARK_LIFETIME: Duration = Duration::from_secs(1200);

const CALLBACK: &str = "https://client.example/callback";

fn next() -> u32 {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// An id that no other call gives.
#[must_use]
pub fn ordered_id(now: Timestamp) -> OrderedId {
    OrderedId::new(now, next())
}

/// A prompt that no other call gives.
#[must_use]
pub fn prompt(now: Timestamp) -> PromptId {
    let mut random = [0x5a; 10];
    random[6..].copy_from_slice(&next().to_be_bytes());
    PromptId::new(now, random)
}

/// The hash of a secret that no other call gives.
#[must_use]
pub fn hash() -> SecretHash {
    SecretHash::of_text(&format!("secret {}", next()))
}

/// Public keys of a client, one of each kind.
///
/// # Panics
/// Never: they are such keys.
#[must_use]
pub fn keys() -> ClientKeys {
    let jwks = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"ü'"}},{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}},
            {{"kty":"RSA","alg":"PS256","n":"{n}","e":"AQAB"}}]}}"#,
        x = "w".repeat(43),
        n = "x".repeat(341) + "w",
    );
    ClientKeys {
        place: KeyPlace::Set(KeySet::parse(&jwks).expect("public keys")),
        token_endpoint_audience: true,
        optional: false,
    }
}

/// A user.
#[must_use]
pub fn subject(id: &str) -> Subject {
    Subject::new(id)
}

/// A public client that registered itself.
///
/// # Panics
/// If `id` is no client id.
#[must_use]
pub fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).expect("a client id"),
        origin: ClientOrigin::Dynamic,
        authentication: ClientAuthentication::None,
        metadata: ClientMetadata {
            redirect_uris: vec![RedirectUri::parse(CALLBACK).expect("a redirect URI")],
            name: Some("A client".to_owned()),
            home_page: None,
            logo: None,
            auth_method: AuthMethod::None,
            grant_types: vec![GrantType::AuthorizationCode],
        },
        scope_ceiling: None,
        consent_policy: ConsentPolicy::Ask,
        blocked: false,
        lifetimes: Default::default(),
        introspects: None,
        registration: None,
        tenure: None,
        created_at: NOW,
        revision: 3,
    }
}

/// The same with an end, and with what it has in common with identical ones.
///
/// # Panics
/// If `id` is no client id.
#[must_use]
pub fn registered(id: &str, fold: Option<[u8; 32]>, until: Timestamp) -> Client {
    Client {
        registration: Some(SelfRegistration { fold, ..SelfRegistration::default() }),
        tenure: Some(Tenure { until, granted: false }),
        ..client(id)
    }
}

/// What identical registrations have in common: another one with each call.
#[must_use]
pub fn fold() -> [u8; 32] {
    *hash().as_bytes()
}

/// A registration, with how many clients without a grant there may be.
#[must_use]
pub fn register(client: impl Into<Arc<Client>>, budget: u32) -> InsertClient {
    InsertClient { client: client.into(), budget: Some(budget), now: NOW }
}

/// An administrator's addition of a client.
#[must_use]
pub fn insert(client: impl Into<Arc<Client>>) -> InsertClient {
    InsertClient { client: client.into(), budget: None, now: NOW }
}

/// A change to another state of a client, which has the revision of the state that it was made from.
#[must_use]
pub fn update(client: Client) -> UpdateClient {
    UpdateClient { client: Arc::new(client), ends_access: false, now: NOW }
}

/// The same, with which all that it was given ends.
#[must_use]
pub fn update_and_end(client: Client) -> UpdateClient {
    UpdateClient { ends_access: true, ..update(client) }
}

/// The removal of a client.
#[must_use]
pub fn remove(client: &ClientId) -> RemoveClient {
    RemoveClient { client: client.clone(), now: NOW }
}

/// A use of a client that registered itself.
#[must_use]
pub fn renew(client: &ClientId, until: Timestamp, now: Timestamp) -> RenewClient {
    RenewClient { client: client.clone(), until, now }
}

/// A client's own grant, which ends with its token.
///
/// # Panics
/// Never: its texts are constants.
#[must_use]
pub fn grant_client(client: &Client, now: Timestamp) -> GrantClient {
    let grant = Grant {
        id: ordered_id(now),
        holder: Holder::Client,
        client: client.id.clone(),
        scopes: ScopeSet::parse("projects:read").expect("scopes"),
        resources: Arc::new([ResourceId::parse("https://app.example/api").expect("a resource")]),
        created_at: now,
    };
    let access = access(&grant, now);
    GrantClient { client: client.id.clone(), client_revision: client.revision, grant: Arc::new(grant), access, now }
}

/// A new grant with its code.
///
/// # Panics
/// Never: its texts are constants.
#[must_use]
pub fn approval(subject: &Subject, client: &ClientId, now: Timestamp) -> Approval {
    let grant = Grant {
        id: ordered_id(now),
        holder: Holder::User(subject.clone()),
        client: client.clone(),
        scopes: ScopeSet::parse("projects:read projects:write").expect("scopes"),
        resources: Arc::new([ResourceId::parse("https://app.example/api").expect("a resource")]),
        created_at: now,
    };
    let code = CodeRecord {
        id: ordered_id(now),
        hash: hash(),
        grant: grant.id,
        redirect_uri: Arc::from(CALLBACK),
        challenge: CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").expect("a challenge"),
        expires_at: now.after(CODE_LIFETIME),
    };
    let consent = Consent {
        subject: subject.clone(),
        client: client.clone(),
        redirect_uri: RedirectUri::parse(CALLBACK).expect("a redirect URI"),
        resources: grant.resources.to_vec(),
        scopes: grant.scopes.clone(),
    };
    Approval { grant: Arc::new(grant), code, consent, needs_consent: false, client_until: now.after(REFRESH_LIFETIME) }
}

/// The approval of a prompt.
#[must_use]
pub fn approve(prompt: PromptId, client: &Client, approval: &Approval, now: Timestamp) -> Decide {
    Decide { approval: Some(approval.clone()), ..deny(prompt, client, now) }
}

/// The denial of a prompt.
#[must_use]
pub fn deny(prompt: PromptId, client: &Client, now: Timestamp) -> Decide {
    Decide {
        prompt,
        keep_until: now.after(MARK_LIFETIME),
        client: client.id.clone(),
        client_revision: client.revision,
        approval: None,
        now,
    }
}

/// The exchange of an approval's code for a new token.
#[must_use]
pub fn redeem(approval: &Approval, now: Timestamp) -> RedeemCode {
    RedeemCode {
        code: approval.code.id,
        access: access(&approval.grant, now),
        refresh: None,
        grant_expires_at: now.after(TOKEN_LIFETIME),
        now,
    }
}

/// The same with a refresh token.
#[must_use]
pub fn redeem_with_refresh(approval: &Approval, now: Timestamp) -> RedeemCode {
    RedeemCode {
        refresh: Some(refresh(&approval.grant, now)),
        grant_expires_at: now.after(REFRESH_LIFETIME),
        ..redeem(approval, now)
    }
}

/// A new access token that allows what its grant allows.
#[must_use]
pub fn access(grant: &Grant, now: Timestamp) -> AccessRecord {
    AccessRecord {
        id: ordered_id(now),
        hash: hash(),
        grant: grant.id,
        scopes: grant.scopes.clone(),
        resource: grant.resources[0].clone(),
        issued_at: now,
        expires_at: now.after(TOKEN_LIFETIME),
    }
}

/// A new refresh token.
#[must_use]
pub fn refresh(grant: &Grant, now: Timestamp) -> RefreshRecord {
    RefreshRecord { id: ordered_id(now), hash: hash(), grant: grant.id, expires_at: now.after(REFRESH_LIFETIME) }
}

/// The use of a refresh token of that grant, with an answer that no other call gives.
#[must_use]
pub fn rotate(presented: OrderedId, grant: &Grant, now: Timestamp) -> RotateRefresh {
    let mut answer = vec![0, 0xff, b'\'', b'\\'];
    answer.extend(hash().as_bytes());
    RotateRefresh {
        refresh: presented,
        successor: refresh(grant, now),
        access: access(grant, now),
        answer: answer.into(),
        grace_until: now.after(GRACE),
        grant_expires_at: now.after(REFRESH_LIFETIME),
        now,
    }
}

/// The issue of another access token.
#[must_use]
pub fn issue(grant: &Grant, now: Timestamp) -> IssueAccess {
    IssueAccess { access: access(grant, now), now }
}

/// The user whose grant it is.
///
/// # Panics
/// If it is a client's own.
#[must_use]
pub fn user_of(grant: &Grant) -> Subject {
    grant.holder.subject().expect("the grant of a user").clone()
}

/// The withdrawal of a grant by its user.
#[must_use]
pub fn revoke(grant: &Grant, now: Timestamp) -> RevokeGrant {
    RevokeGrant { grant: grant.id, owner: Owner::User(user_of(grant)), now }
}

/// The withdrawal of a grant by its client.
#[must_use]
pub fn revoke_by_client(grant: &Grant, now: Timestamp) -> RevokeGrant {
    RevokeGrant { grant: grant.id, owner: Owner::Client(grant.client.clone()), now }
}

/// The withdrawal of one access token.
#[must_use]
pub const fn revoke_access(token: OrderedId, now: Timestamp) -> RevokeAccess {
    RevokeAccess { token, now }
}

/// The withdrawal of all grants of a user.
#[must_use]
pub fn revoke_all_of_user(subject: &str, now: Timestamp) -> RevokeGrants {
    RevokeGrants { owner: Owner::User(self::subject(subject)), now }
}

/// The withdrawal of all grants of a client.
#[must_use]
pub fn revoke_all_of_client(client: &ClientId, now: Timestamp) -> RevokeGrants {
    RevokeGrants { owner: Owner::Client(client.clone()), now }
}

/// A claim of something, to be remembered as long as a decision.
#[must_use]
pub fn claim(key: [u8; 32], now: Timestamp) -> ClaimOnce {
    ClaimOnce { key, keep_until: now.after(MARK_LIFETIME), now }
}

/// A change of the scopes and resources, made from those of that revision: one of each for every name.
#[must_use]
pub fn save_policy(revision: u32, names: &[&str]) -> SavePolicy {
    let record = |name: &&str| ScopeRecord {
        of_code: false,
        id: format!("id of {name}"),
        name: (*name).to_owned(),
        description: format!("What {name} allows"),
        reserved: false,
        advertised: true,
        needs_consent: true,
        implies: Vec::new(),
        retired: None,
    };
    let resource = |number: usize| ResourceRecord {
        id: ResourceId::parse(&format!("https://app.example/{number}")).expect("a resource"),
        name: None,
        scopes: None,
        documentation: None,
        access_token: None,
        is_origin: false,
        advertised: true,
        retired: false,
        of_code: false,
    };
    let scopes = names.iter().map(record).collect();
    let resources = (0..names.len()).rev().map(resource).collect();
    SavePolicy { records: Arc::new(PolicyRecords { revision, scopes, resources }) }
}
