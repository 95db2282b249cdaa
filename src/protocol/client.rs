//! Clients: the apps that ask for access.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::catalogue::ScopeCatalogue;
pub use super::client_keys::{ClientKeys, KeyPlace, KeysUrl};
use super::document_caching::DocumentRecord;
use super::redirect::{RedirectUri, VerifiedRedirectUri};
use super::resource::ResourceId;
use super::scope::{OFFLINE_ACCESS, ScopeSet};
use super::secret::SecretHash;
use super::time::Timestamp;

/// A text that cannot be a client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client id is 1 to 2048 printable ASCII characters")]
pub struct InvalidClientId;

/// The public name of a client in the protocol.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Reads a client id.
    ///
    /// # Errors
    /// If it is empty, longer than 2048 bytes or has other characters than RFC 6749 appendix A.1 allows.
    pub fn parse(text: &str) -> Result<Self, InvalidClientId> {
        // RFC 6749 appendix A.1: client-id = *VSCHAR
        let allowed = (1..=2048).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, 0x20..=0x7E));
        if allowed { Ok(Self(text.into())) } else { Err(InvalidClientId) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Who brought a client here. It decides how far its words are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrigin {
    /// The app's own people.
    Administrator,
    /// Itself, by dynamic registration (RFC 7591). Its name and logo are mere claims.
    Dynamic,
    /// Itself, by a metadata document whose URL is its id. Who answers at that URL is assured, the rest is claimed.
    Document,
}

/// How a client proves at the token endpoint that it is the one it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// A public client: it proves nothing (RFC 6749 §2.1).
    None,
    /// A confidential client with a shared secret, sent as Basic credentials or in the body.
    Secret(SecretHash),
    /// The same while a new secret takes the place of an old one.
    Rotating {
        /// The new secret.
        current: SecretHash,
        /// The old one.
        previous: SecretHash,
        /// When the old one ends.
        until: Timestamp,
    },
    /// A confidential client that signs an assertion for each request (RFC 7523 §2.2).
    Keys(ClientKeys),
}

impl ClientAuthentication {
    /// What is known of the keys of a client that authenticates by them.
    #[must_use]
    pub const fn keys(&self) -> Option<&ClientKeys> {
        match self {
            Self::Keys(keys) => Some(keys),
            Self::None | Self::Secret(_) | Self::Rotating { .. } => None,
        }
    }
}

/// The registered name of the way to authenticate (RFC 7591 §2).
///
/// What is enforced is the class, none, shared secret or keys; clients mix up the two names of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// `none`
    None,
    /// `client_secret_basic`
    ClientSecretBasic,
    /// `client_secret_post`
    ClientSecretPost,
    /// `private_key_jwt` (OpenID Connect Core §9)
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Whether a secret is shared with the client.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// A grant type that a client may use (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// `authorization_code`
    AuthorizationCode,
    /// `refresh_token`
    RefreshToken,
    /// `client_credentials`: access of the client's own. Never by registration unless the app decides so.
    ClientCredentials,
}

/// When a client's users are asked for consent. For a client that registered itself, and for a redirect
/// to the user's own machine or to an app, they are always asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentPolicy {
    /// Every time.
    #[default]
    Ask,
    /// Not for what they have agreed to before.
    Remember,
    /// Never: the client is the app's own. Whoever is signed in and follows a link to this client's
    /// authorization request gives it access without a question.
    Skip,
}

/// What a client says of itself (RFC 7591 §2), after it was checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Where answers may be sent; at least one for a client that uses codes.
    pub redirect_uris: Vec<RedirectUri>,
    /// A name for people.
    pub name: Option<String>,
    /// Its home page, an `https` URL.
    pub home_page: Option<String>,
    /// Its logo, an `https` URL.
    pub logo: Option<String>,
    /// How it announced that it would authenticate.
    pub auth_method: AuthMethod,
    /// The grant types that it may use.
    pub grant_types: Vec<GrantType>,
}

/// How long what a client gets lives, where that differs from what is configured for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClientLifetimes {
    /// Of its access tokens.
    pub access_token: Option<Duration>,
    /// Of its refresh tokens while they are not used.
    pub refresh_token: Option<Duration>,
}

/// What is known of a client that registered itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SelfRegistration {
    /// What it has in common with every identical registration, which leads to this one client. `None` if there
    /// is nobody to share it with: it proves who it is or manages itself.
    pub fold: Option<[u8; 32]>,
    /// The hash of the token by which it manages itself (RFC 7592), if it may.
    pub token: Option<SecretHash>,
    /// What is known of its metadata document, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRecord>,
}

/// How long a client that registered itself stays. A store keeps this beside the client and changes it without
/// a new revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenure {
    /// When it ends unless it is used.
    pub until: Timestamp,
    /// Whether it ever got a grant.
    pub granted: bool,
}

/// An app that may ask for access.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// Its name in the protocol.
    pub id: ClientId,
    /// Who brought it here.
    pub origin: ClientOrigin,
    /// How it authenticates.
    pub authentication: ClientAuthentication,
    /// What it says of itself.
    pub metadata: ClientMetadata,
    /// The ids of the scopes that it may ever get; for `None` all that its origin may have.
    pub scope_ceiling: Option<ScopeSet>,
    /// When its users are asked for consent.
    pub consent_policy: ConsentPolicy,
    /// Whether it was shut out by the app's own people.
    #[serde(default)]
    pub blocked: bool,
    /// Where its tokens live for other than the usual times.
    #[serde(default)]
    pub lifetimes: ClientLifetimes,
    /// The resources whose tokens it may introspect beside its own (RFC 7662); `None` if it may introspect none.
    pub introspects: Option<Vec<ResourceId>>,
    /// What is known of it if it registered itself.
    pub registration: Option<SelfRegistration>,
    /// How long it stays; `None` for as long as nobody removes it.
    pub tenure: Option<Tenure>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Raised by every change, so that a decision about an older state is noticed.
    pub revision: u32,
}

impl Client {
    /// The verdict on a presented redirect URI: `None` if the client has not registered it.
    #[must_use]
    pub fn verify_redirect(&self, presented: &str) -> Option<VerifiedRedirectUri> {
        VerifiedRedirectUri::verify(&self.metadata.redirect_uris, presented)
    }

    /// The ids of the scopes that this client may get, and of what they have in them.
    #[must_use]
    pub fn ceiling(&self, catalogue: &ScopeCatalogue) -> ScopeSet {
        let ceiling = self.scope_limit(catalogue);
        // OpenID Connect Core §11: it is for clients that get refresh tokens
        if self.may_use(GrantType::RefreshToken) { ceiling } else { ceiling.without(OFFLINE_ACCESS) }
    }

    /// What is known of its metadata document, if that is how it is known.
    #[must_use]
    pub fn document(&self) -> Option<&DocumentRecord> {
        let is_document = self.origin == ClientOrigin::Document;
        self.registration.as_ref().filter(|_| is_document)?.document.as_ref()
    }

    /// Whether it registered itself, was not used since, and is over.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.tenure.is_some_and(|tenure| tenure.until <= now)
    }

    /// The same, whatever its grant types.
    pub(super) fn scope_limit(&self, catalogue: &ScopeCatalogue) -> ScopeSet {
        let by_origin = match self.origin {
            ClientOrigin::Administrator => catalogue.ids(),
            ClientOrigin::Dynamic | ClientOrigin::Document => catalogue.unreserved(),
        };
        match &self.scope_ceiling {
            Some(ceiling) => by_origin.intersection(&catalogue.reach(ceiling)),
            None => by_origin,
        }
    }

    /// A digest of what people see of the client and decide about. A new secret or other lifetimes do not change
    /// it, so that nobody's consent page is spoiled by them. `None` if there is none, and then nothing can be
    /// decided.
    #[must_use]
    pub fn as_shown(&self) -> Option<[u8; 32]> {
        let Self { id, origin, metadata, scope_ceiling, consent_policy, blocked, .. } = self;
        let shown = (id, origin, metadata, scope_ceiling, consent_policy, blocked);
        // What cannot be written down equals nothing that was sealed: its length is no digest's.
        let text = serde_json::to_vec(&shown).ok()?;
        let mut digest = [0; 32];
        digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, &text).as_ref());
        Some(digest)
    }

    /// What to call the client where a name is wanted: its name, or else its id.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or(self.id.as_str())
    }

    /// Whether the client proves who it is (RFC 6749 §2.1), each time.
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        match &self.authentication {
            ClientAuthentication::None => false,
            ClientAuthentication::Keys(keys) => !keys.optional,
            ClientAuthentication::Secret(_) | ClientAuthentication::Rotating { .. } => true,
        }
    }

    /// Whether the client has something to ask for: somebody let it in, be it the app's own people or a user. A
    /// stranger that merely brought its metadata has nothing to prove.
    #[must_use]
    pub fn was_let_in(&self) -> bool {
        let acts_alone = self.may_use(GrantType::ClientCredentials) || self.introspects.is_some();
        acts_alone || self.tenure.is_none_or(|tenure| tenure.granted)
    }

    /// Whether all that it was given must end as it becomes `next`: as that it can act for itself no more, or does not
    /// prove any more who it is, and what was given to one that did is for nobody else (attack 28).
    #[must_use]
    pub fn ends_access_as(&self, next: &Self) -> bool {
        let stops_acting = self.may_use(GrantType::ClientCredentials) && !next.may_use(GrantType::ClientCredentials);
        stops_acting || (self.is_confidential() && !next.is_confidential())
    }

    /// Whether the client may use a grant type.
    #[must_use]
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: &str = r#"{"id":"x","origin":"dynamic","authentication":"none","metadata":{"redirect_uris":[],
        "name":null,"home_page":null,"logo":null,"auth_method":"none","grant_types":[]},"scope_ceiling":null,
        "consent_policy":"ask","blocked":false,"lifetimes":{"access_token":null,"refresh_token":null},
        "introspects":null,"registration":null,"tenure":{"until":9,"granted":false},"created_at":0,"revision":0}"#;

    #[test]
    fn whoever_may_act_alone_or_introspect_or_was_given_something_was_let_in() {
        let stranger: Client = serde_json::from_str(STRANGER).unwrap();
        assert!(!stranger.was_let_in());
        let mut machine = stranger.clone();
        machine.metadata.grant_types = vec![GrantType::ClientCredentials];
        let introspects = Client { introspects: Some(Vec::new()), ..stranger.clone() };
        let granted = Client { tenure: Some(Tenure { granted: true, ..stranger.tenure.unwrap() }), ..stranger.clone() };
        let settled = Client { tenure: None, ..stranger };
        for client in [machine, introspects, granted, settled] {
            assert!(client.was_let_in(), "{client:?}");
        }
    }

    #[test]
    fn a_tenure_is_over_at_its_end() {
        let client: Client = serde_json::from_str(STRANGER).unwrap();
        let at = Timestamp::from_millis;
        assert_eq!([8, 9, 10].map(|now| client.has_ended(at(now))), [false, true, true]);
        assert!(!Client { tenure: None, ..client }.has_ended(at(u64::MAX)));
    }
}
