//! The exchange of a code for tokens (RFC 6749 §4.1.3), and what all token answers share.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, GrantType};
use super::client_auth::Identity;
use super::commit::{RedeemCode, Redeemed, StoredCode};
use super::error::TokenReason;
use super::extra::ExtraFields;
use super::grant::{Access, AccessRecord, Grant, RefreshRecord};
use super::params::Parameters;
use super::policy::{Lifetimes, Policy};
use super::resource::{ResourceId, ResourceUri};
use super::scope::{OFFLINE_ACCESS, ScopeSet};
use super::secret::{Bearer, BearerKind, BearerSeed, BearerText, OrderedId};
use super::time::Timestamp;

/// The parameters that the token endpoint knows.
pub const PARAMETERS: [&str; 11] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "resource",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// The grant type of a token request.
///
/// # Errors
/// If there is none, several, or an unknown one.
pub fn grant_type(parameters: &Parameters<'_>) -> Result<GrantType, TokenReason> {
    parameters.check_repetition()?;
    match parameters.one("grant_type")? {
        Some("authorization_code") => Ok(GrantType::AuthorizationCode),
        Some("refresh_token") => Ok(GrantType::RefreshToken),
        Some("client_credentials") => Ok(GrantType::ClientCredentials),
        Some(_) => Err(TokenReason::GrantTypeUnsupported),
        None => Err(TokenReason::GrantTypeMissing),
    }
}

/// A request to exchange a code, by a client that was authenticated.
pub struct CodeExchange<'a> {
    client: &'a Client,
    identity: Identity,
    code: Bearer,
    verifier: &'a str,
    redirect_uri: Option<&'a str>,
    resource: Option<&'a str>,
}

// With its verifier a stolen code could be redeemed.
impl fmt::Debug for CodeExchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeExchange({} by {:?})", self.code.id, self.client.id)
    }
}

impl<'a> CodeExchange<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If something is missing or malformed.
    pub fn read(parameters: &'a Parameters<'_>, client: &'a Client, identity: Identity) -> Result<Self, TokenReason> {
        if !client.may_use(GrantType::AuthorizationCode) {
            return Err(TokenReason::GrantNotAllowed);
        }
        let code = parameters.one("code")?.ok_or(TokenReason::CodeMissing)?;
        // RFC 7636 §4.5, OAuth 2.1 §4.1.3: every code has a challenge, so every exchange has a verifier
        let verifier = parameters.one("code_verifier")?.ok_or(TokenReason::VerifierMissing)?;
        Ok(Self {
            client,
            identity,
            code: Bearer::parse(BearerKind::Code, code).ok_or(TokenReason::CodeUnknown)?,
            verifier,
            redirect_uri: parameters.one("redirect_uri")?,
            resource: resource(parameters)?,
        })
    }

    /// The key of the code.
    #[must_use]
    pub const fn code(&self) -> OrderedId {
        self.code.id
    }

    /// Judges the request by what is stored. Nothing is burned by a request that fails here, and a
    /// replay counts as one only if it comes from the right client with the right verifier.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn check(
        self,
        stored: Option<StoredCode>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<CheckedExchange, TokenReason> {
        let stored =
            stored.filter(|stored| stored.code.hash.matches(&self.code.hash)).ok_or(TokenReason::CodeUnknown)?;
        // RFC 6749 §4.1.3: "ensure that the authorization code was issued to the authenticated ... client"
        if stored.grant.client != self.client.id {
            return Err(TokenReason::CodeOfAnotherClient);
        }
        // RFC 6749 §4.1.3: identical to that of the authorization request; OAuth 2.1 §4.1.3: may be absent
        if self.redirect_uri.is_some_and(|uri| *uri != *stored.code.redirect_uri) {
            return Err(TokenReason::RedirectUriMismatch);
        }
        // RFC 7636 §4.6
        if !stored.code.challenge.is_met_by(self.verifier) {
            return Err(TokenReason::VerifierMismatch);
        }
        if stored.revoked {
            return Err(TokenReason::GrantRevoked);
        }
        // A redeemed code goes on to the store, which revokes its grant (RFC 6749 §4.1.2).
        if now >= stored.code.expires_at && !stored.redeemed {
            return Err(TokenReason::CodeExpired);
        }
        let asked = audience(&stored.grant, self.resource, self.client, policy);
        let (resource, scopes) = asked.or_else(|reason| whatever(&stored.grant, stored.redeemed, reason))?;
        let names = policy.scopes.told(&scopes, &stored.grant.scopes);
        let lifetimes = policy.lifetimes_of(self.client, &resource);
        Ok(CheckedExchange {
            code: self.code.id,
            grant: stored.grant,
            resource,
            scopes,
            names,
            gets_refresh: self.client.may_use(GrantType::RefreshToken),
            identity: self.identity,
            lifetimes,
        })
    }
}

/// RFC 8707 §2.2: one of the granted resources; without a request for one, the first.
pub(super) fn audience(
    grant: &Grant,
    requested: Option<&str>,
    client: &Client,
    policy: &Policy,
) -> Result<(ResourceId, ScopeSet), TokenReason> {
    let known = match requested {
        Some(text) => policy.resources.meant_by(text),
        // If it is no more, it is not another one: the client would send a token for that to where this one was.
        None => grant.resources.first().and_then(|first| policy.resources.of(first)),
    };
    let granted = known.filter(|known| grant.resources.contains(known.id()));
    let resource = granted.ok_or_else(|| not_granted(grant, requested))?.id().clone();
    // What a client may get can have become less since its user agreed, and so can the scopes that there are.
    let limit = client.scope_limit(&policy.scopes);
    let left = policy.scopes.left_of(&grant.scopes).within(&limit);
    let scopes = left.within(&policy.scopes_of(&resource));
    if scopes.is_empty() {
        return Err(TokenReason::ScopeEmpty);
    }
    // It belongs to no resource, and clients look for it in the answer.
    let stays = left.contains(OFFLINE_ACCESS) && client.may_use(GrantType::RefreshToken);
    Ok((resource, if stays { scopes.union(&ScopeSet::offline_access()) } else { scopes }))
}

/// Why there is no token for what is asked for.
fn not_granted(grant: &Grant, requested: Option<&str>) -> TokenReason {
    let requested = requested.map(ResourceUri::parse);
    let was_meant = |granted: &ResourceId| match &requested {
        Some(Ok(uri)) => granted.url() == uri.as_str(),
        Some(Err(_)) => false,
        None => true,
    };
    if grant.resources.iter().any(was_meant) { TokenReason::ResourceRetired } else { TokenReason::ResourceNotGranted }
}

/// Lets a second use go on to the store, which notices it, whatever it asks for: a thief must not choose whether
/// the theft is noticed. It never gets what it asks for.
pub(super) fn whatever(
    grant: &Grant,
    is_second_use: bool,
    reason: TokenReason,
) -> Result<(ResourceId, ScopeSet), TokenReason> {
    let resource = grant.resources.first().filter(|_| is_second_use).ok_or(reason)?;
    Ok((resource.clone(), grant.scopes.clone()))
}

/// The text by which a request names its resource.
pub(super) fn resource<'a>(parameters: &'a Parameters<'_>) -> Result<Option<&'a str>, TokenReason> {
    let mut presented = parameters.all("resource");
    match (presented.next(), presented.next()) {
        // One token is for one resource, so that none can pass it on to another (RFC 8707 §3).
        (_, Some(_)) => Err(TokenReason::ResourceNotGranted),
        (requested, None) => Ok(requested),
    }
}

/// An exchange that passed every rule.
#[derive(Debug)]
pub struct CheckedExchange {
    code: OrderedId,
    grant: Arc<Grant>,
    resource: ResourceId,
    scopes: ScopeSet,
    names: ScopeSet,
    gets_refresh: bool,
    identity: Identity,
    lifetimes: Lifetimes,
}

/// Fresh randomness for an exchange.
#[derive(Debug)]
pub struct ExchangeSeed {
    access: BearerSeed,
    refresh: BearerSeed,
}

impl ExchangeSeed {
    /// Randomness that a seed takes, in bytes.
    pub const LEN: usize = 2 * BearerSeed::LEN;

    /// Takes fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; Self::LEN]) -> Self {
        let (mut access, mut refresh) = ([0; BearerSeed::LEN], [0; BearerSeed::LEN]);
        access.copy_from_slice(&bytes[..BearerSeed::LEN]);
        refresh.copy_from_slice(&bytes[BearerSeed::LEN..]);
        Self { access: BearerSeed::from_random(&access), refresh: BearerSeed::from_random(&refresh) }
    }
}

impl CheckedExchange {
    /// What the client will get.
    #[must_use]
    pub fn access(&self) -> Access {
        Access { grant: Arc::clone(&self.grant), scopes: self.names.clone(), resource: self.resource.uri() }
    }

    /// Makes the tokens.
    #[must_use]
    pub fn mint(self, seed: &ExchangeSeed, now: Timestamp) -> UncommittedTokens {
        let lives = &self.lifetimes;
        let (access_text, access) = mint_access(&self.grant, &self.resource, &self.scopes, &seed.access, now, lives);
        let (refresh_text, refresh) =
            self.gets_refresh.then(|| mint_refresh(&self.grant, self.identity, &seed.refresh, now, lives)).unzip();
        UncommittedTokens { exchange: self, access, access_text, refresh, refresh_text, now }
    }
}

pub(super) fn mint_access(
    grant: &Grant,
    resource: &ResourceId,
    scopes: &ScopeSet,
    seed: &BearerSeed,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> (BearerText, AccessRecord) {
    let (text, Bearer { id, hash }) = Bearer::mint(BearerKind::Access, now, seed);
    let expires_at = now.after(lifetimes.access_token);
    let (scopes, resource) = (scopes.clone(), resource.clone());
    (text, AccessRecord { id, hash, grant: grant.id, scopes, resource, issued_at: now, expires_at })
}

/// A refresh token says by itself whether a proof is needed with it, as was given for it.
pub(super) fn mint_refresh(
    grant: &Grant,
    identity: Identity,
    seed: &BearerSeed,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> (BearerText, RefreshRecord) {
    let seed = seed.with_mark(identity == Identity::Proven);
    let (text, Bearer { id, hash }) = Bearer::mint(BearerKind::Refresh, now, &seed);
    let expires_at = now.after(lifetimes.refresh_token);
    (text, RefreshRecord { id, hash, grant: grant.id, expires_at })
}

/// Tokens that the store has not seen yet. They leave only through [`UncommittedTokens::committed`].
#[derive(Debug)]
pub struct UncommittedTokens {
    exchange: CheckedExchange,
    access: AccessRecord,
    access_text: BearerText,
    refresh: Option<RefreshRecord>,
    refresh_text: Option<BearerText>,
    now: Timestamp,
}

/// Why an exchange did not take effect.
#[derive(Debug)]
pub enum NotRedeemed {
    /// An id is taken: mint again with fresh randomness.
    Collision(Box<CheckedExchange>),
    /// The code cannot be redeemed.
    Refused(TokenReason),
}

impl UncommittedTokens {
    /// What the store has to do, as one.
    #[must_use]
    pub fn op(&self) -> RedeemCode {
        RedeemCode {
            code: self.exchange.code,
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            grant_expires_at: self
                .refresh
                .as_ref()
                .map_or(self.access.expires_at, |refresh| refresh.expires_at.max(self.access.expires_at)),
            now: self.now,
        }
    }

    /// The answer, now that the store has spoken.
    ///
    /// # Errors
    /// If the code was not redeemed by this request.
    pub fn committed(self, outcome: Redeemed) -> Result<TokenResponse, NotRedeemed> {
        match outcome {
            Redeemed::First => {
                Ok(TokenResponse::new(self.access_text, &self.access, self.exchange.names, self.refresh_text, self.now))
            }
            Redeemed::Replayed => Err(NotRedeemed::Refused(TokenReason::CodeReplayed)),
            Redeemed::Gone => Err(NotRedeemed::Refused(TokenReason::CodeUnknown)),
            Redeemed::Collision => Err(NotRedeemed::Collision(Box::new(self.exchange))),
        }
    }
}

/// A successful answer of the token endpoint (RFC 6749 §5.1).
#[derive(Debug)]
pub struct TokenResponse {
    access: OrderedId,
    access_token: BearerText,
    expires_in: Duration,
    names: ScopeSet,
    refresh_token: Option<BearerText>,
    extra: ExtraFields,
}

impl TokenResponse {
    /// The scopes go by their names.
    pub(super) fn new(
        access_token: BearerText,
        access: &AccessRecord,
        names: ScopeSet,
        refresh_token: Option<BearerText>,
        now: Timestamp,
    ) -> Self {
        Self {
            access: access.id,
            access_token,
            expires_in: access.expires_at.since(now),
            names,
            refresh_token,
            extra: ExtraFields::default(),
        }
    }

    pub(super) fn repeated(
        (access, access_token): (OrderedId, BearerText),
        expires_in: Duration,
        names: ScopeSet,
        refresh_token: BearerText,
    ) -> Self {
        let extra = ExtraFields::default();
        Self { access, access_token, expires_in, names, refresh_token: Some(refresh_token), extra }
    }

    /// The same with fields of the host's own.
    #[must_use]
    pub fn with_extra(mut self, extra: ExtraFields) -> Self {
        self.extra = extra;
        self
    }

    /// The id of the access token.
    #[must_use]
    pub const fn access(&self) -> OrderedId {
        self.access
    }

    /// Whether a refresh token is in the answer.
    #[must_use]
    pub const fn is_refreshable(&self) -> bool {
        self.refresh_token.is_some()
    }

    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Tokens are base64url and scopes have neither quotes nor backslashes: nothing needs escaping. The text has
        // no spare room, which would cost its owner another allocation.
        let seconds = self.expires_in.as_secs();
        let digits = seconds.checked_ilog10().map_or(1, |tens| tens as usize + 1);
        let (refresh_name, refresh_token) = match &self.refresh_token {
            Some(text) => (r#"","refresh_token":""#, text.expose()),
            None => ("", ""),
        };
        let before = [r#"{"access_token":""#, self.access_token.expose(), r#"","token_type":"Bearer","expires_in":"#];
        let extra = self.extra.members();
        let behind = [r#","scope":""#, self.names.as_str(), refresh_name, refresh_token, "\"", &extra, "}"];
        let length = before.iter().chain(&behind).map(|text| text.len()).sum::<usize>() + digits;
        let mut json = String::with_capacity(length);
        json.extend(before);
        // A String takes whatever is written.
        let _ = write!(json, "{seconds}");
        json.extend(behind);
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_granted_and_is_no_more_is_told_from_what_was_never_granted() {
        let id = |url| ResourceId::parse(url).unwrap();
        let grant = |resources: Vec<_>| Grant {
            id: OrderedId::new(Timestamp::from_millis(1), 1),
            holder: super::super::grant::Holder::Client,
            client: super::super::client::ClientId::parse("c").unwrap(),
            scopes: ScopeSet::empty(),
            resources: resources.into(),
            created_at: Timestamp::from_millis(1),
        };
        let (api, mcp) = ("https://h.example/api", "https://h.example/mcp");
        for (granted, requested, reason) in [
            (vec![id(api)], Some(api), TokenReason::ResourceRetired),
            (vec![id(api)], Some(mcp), TokenReason::ResourceNotGranted),
            (vec![id(api)], None, TokenReason::ResourceRetired),
            (vec![], None, TokenReason::ResourceNotGranted),
        ] {
            assert_eq!(not_granted(&grant(granted), requested), reason, "{requested:?}");
        }
    }

    #[test]
    fn each_random_byte_of_an_exchange_is_used_once() {
        let bytes: [u8; ExchangeSeed::LEN] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let ExchangeSeed { access, refresh } = ExchangeSeed::from_random(&bytes);
        for (seed, expected) in [(access, &bytes[4..36]), (refresh, &bytes[40..])] {
            let (text, _) = Bearer::mint(BearerKind::Access, Timestamp::from_millis(1), &seed);
            let (_, secret) = Bearer::parse_with_secret(BearerKind::Access, text.expose()).unwrap();
            assert_eq!(secret.as_bytes().as_slice(), expected);
        }
    }

    #[test]
    fn an_answer_is_written_without_spare_room() {
        let text = |text: &str| BearerText::from_sealed(text.to_owned());
        let id = OrderedId::new(Timestamp::from_millis(1), 2);
        for (seconds, digits) in [(0, "0"), (9, "9"), (10, "10"), (3_600, "3600")] {
            let names = ScopeSet::parse("read write").unwrap();
            let answer =
                TokenResponse::repeated((id, text("gra_a")), Duration::from_secs(seconds), names, text("grr_r"));
            assert!(answer.is_refreshable());
            assert_eq!(answer.access(), id);
            let json = answer.to_json();
            let expected = format!(
                r#"{{"access_token":"gra_a","token_type":"Bearer","expires_in":{digits},"scope":"read write","refresh_token":"grr_r"}}"#
            );
            assert_eq!((json.capacity(), json), (expected.len(), expected));
            assert!(!TokenResponse { refresh_token: None, ..answer }.is_refreshable());
        }
    }
}
