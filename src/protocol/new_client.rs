//! Clients that the app's own people bring.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::catalogue::ScopeCatalogue;
use super::client::{
    AuthMethod, Client, ClientAuthentication, ClientId, ClientKeys, ClientLifetimes, ClientMetadata, ClientOrigin,
    ConsentPolicy, GrantType, InvalidClientId, KeyPlace,
};
use super::given_secret::{self, WeakSecret};
use super::jwk::{InvalidKeys, KeySet};
use super::policy::Policy;
use super::redirect::{InvalidRedirectUri, RedirectUri};
use super::registration::is_web_page;
use super::resource::ResourceId;
use super::scope::ScopeSet;
use super::secret::{BearerText, SecretHash};
use super::time::Timestamp;

/// What an administrator decides about a client.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewClient {
    id: Option<String>,
    name: String,
    redirect_uris: Vec<String>,
    home_page: Option<String>,
    logo: Option<String>,
    secret: NewSecret,
    token_endpoint_audience: bool,
    scopes: Option<String>,
    consent: ConsentPolicy,
    client_credentials: bool,
    introspects: Option<Vec<String>>,
}

#[derive(Clone)]
enum NewSecret {
    None,
    Generated,
    Given(String),
    /// Not a secret at all: public keys.
    Keys(String),
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Generated => "Generated",
            Self::Given(_) => "Given(..)",
            Self::Keys(_) => "Keys(..)",
        })
    }
}

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClient {
    /// The id is not one.
    #[error("client id {0:?}: {1}")]
    Id(String, #[source] InvalidClientId),
    /// A client of the builder has no id, so that nobody could name it.
    #[error("the client {0:?} needs an id: give it one with `id`")]
    NoId(String),
    /// A redirect URI is unsafe or not one.
    #[error("redirect URI {0:?}: {1}")]
    RedirectUri(String, #[source] InvalidRedirectUri),
    /// There is no redirect URI, and nothing else that the client could be for.
    #[error("the client {0:?} needs a redirect URI: add one with `redirect_uri`")]
    NoRedirectUri(String),
    /// The home page or the logo is not an `https` URL.
    #[error("{0:?} is not an https URL")]
    Link(String),
    /// A scope is not in the catalogue.
    #[error("the scope {0:?} is not in the catalogue")]
    UnknownScope(String),
    /// The secret is not one that nobody can guess.
    #[error("the secret of {0:?} will not do: {1}")]
    WeakSecret(String, #[source] WeakSecret),
    /// The secret of a client of the builder would be made and shown to nobody.
    #[error("the secret of {0:?} must be given with `secret`: one that is made here could not be shown")]
    NoSecret(String),
    /// What should be the public keys of the client are none.
    #[error("the keys of {0:?} will not do: {1}")]
    Keys(String, #[source] InvalidKeys),
    /// Only assertions have an audience, and the client sends none.
    #[error("the client {0:?} has no keys: only the assertions of one that has may be for the token endpoint")]
    NoKeys(String),
    /// A public client was to have keys: it may share its id with every identical one.
    #[error("the client {0:?} is public and stays so: create one with `NewClient::with_keys`")]
    StaysPublic(String),
    /// A public client, which proves nothing, was to act for itself or to introspect tokens.
    #[error("the client {0:?} is public: only a confidential one may use client credentials or introspect tokens")]
    NotConfidential(String),
    /// A client was to introspect tokens for something that is no resource here.
    #[error("{0:?} is not a resource of this server: register it with `resource`")]
    UnknownResource(String),
}

impl NewClient {
    /// A public client: an app in a browser or on a device, which can keep no secret.
    pub fn public(name: &str) -> Self {
        Self::new(name, NewSecret::None)
    }

    /// A confidential client: an app on a server. Its secret is made and shown once, unless it is given.
    pub fn confidential(name: &str) -> Self {
        Self::new(name, NewSecret::Generated)
    }

    /// A confidential client that shares no secret with us: it proves who it is by an assertion that it signs for each
    /// request with a key of its own (`private_key_jwt`, RFC 7523). `jwks` is a JWK Set (RFC 7517 §5) of at most 16
    /// public keys for ES256, RS256, PS256 or EdDSA (Ed25519).
    ///
    /// ```
    /// # use grantor::NewClient;
    /// # fn client(jwks: &str) -> NewClient {
    /// NewClient::with_keys("Nightly report", jwks).client_credentials()
    /// # }
    /// ```
    pub fn with_keys(name: &str, jwks: &str) -> Self {
        Self::new(name, NewSecret::Keys(jwks.to_owned()))
    }

    fn new(name: &str, secret: NewSecret) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            redirect_uris: Vec::new(),
            home_page: None,
            logo: None,
            secret,
            token_endpoint_audience: false,
            scopes: None,
            consent: ConsentPolicy::default(),
            client_credentials: false,
            introspects: None,
        }
    }

    /// Its id; one is made otherwise.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Where answers may be sent. At least one is needed, unless the client only acts for itself or introspects.
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uris.push(uri.to_owned());
        self
    }

    /// The secret of a confidential client: at least 32 random bytes in base64, base64url or hexadecimal.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = NewSecret::Given(secret.to_owned());
        self
    }

    /// Also takes assertions of the client whose audience is the token endpoint's URL (RFC 7523 §3). Those for the
    /// issuer are always taken, and nothing else.
    ///
    /// It is for clients that cannot name the issuer. If such a client talks to other servers as well, a hostile one
    /// among them can say that our token endpoint is its own, and use here what the client signed for it.
    pub const fn token_endpoint_audience(mut self) -> Self {
        self.token_endpoint_audience = true;
        self
    }

    /// Its home page, an `https` URL.
    pub fn home_page(mut self, url: &str) -> Self {
        self.home_page = Some(url.to_owned());
        self
    }

    /// Its logo, an `https` URL.
    pub fn logo(mut self, url: &str) -> Self {
        self.logo = Some(url.to_owned());
        self
    }

    /// The scopes that it may ever get, separated by spaces; all of the catalogue otherwise.
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.scopes = Some(scopes.to_owned());
        self
    }

    /// Lets the client act for itself, without a user (RFC 6749 §4.4): only a confidential one may.
    pub const fn client_credentials(mut self) -> Self {
        self.client_credentials = true;
        self
    }

    /// Lets the client introspect tokens (RFC 7662): its own, and those for these resources, each by its URL or its
    /// path on the issuer's origin. With `[]` only its own. Only a confidential client may; it is told the app's
    /// ids of the users.
    pub fn introspects<'a>(mut self, resources: impl IntoIterator<Item = &'a str>) -> Self {
        self.introspects = Some(resources.into_iter().map(str::to_owned).collect());
        self
    }

    /// When its users are asked for consent; every time otherwise.
    pub const fn consent(mut self, policy: ConsentPolicy) -> Self {
        self.consent = policy;
        self
    }

    /// Makes a client of the builder, which has to be the same each time that the app starts.
    ///
    /// # Errors
    /// See [`InvalidClient`].
    pub fn fixed(self, policy: &Policy, now: Timestamp) -> Result<Client, InvalidClient> {
        match (&self.id, &self.secret) {
            (None, _) => Err(InvalidClient::NoId(self.name)),
            (Some(_), NewSecret::Generated) => Err(InvalidClient::NoSecret(self.name)),
            (Some(_), NewSecret::None | NewSecret::Given(_) | NewSecret::Keys(_)) => self
                .create(policy, &NewClientSeed::from_random(&[0; NewClientSeed::LEN]), now)
                .map(|(client, _)| client),
        }
    }

    /// Makes the client, with the secret if one was made.
    ///
    /// # Errors
    /// See [`InvalidClient`].
    pub fn create(
        self,
        policy: &Policy,
        seed: &NewClientSeed,
        now: Timestamp,
    ) -> Result<(Client, Option<BearerText>), InvalidClient> {
        let (grant_types, redirect_uris) = (self.grant_types()?, self.redirect_uris()?);
        let for_token_endpoint = self.token_endpoint_audience;
        let (authentication, auth_method, secret) = authentication(self.secret, for_token_endpoint, &self.name, seed)?;
        let client = Client {
            id: client_id(self.id, seed, now)?,
            origin: ClientOrigin::Administrator,
            authentication,
            scope_ceiling: self.scopes.map(|scopes| ceiling(&scopes, &policy.scopes)).transpose()?,
            consent_policy: self.consent,
            metadata: ClientMetadata {
                redirect_uris,
                home_page: self.home_page.map(link).transpose()?,
                logo: self.logo.map(link).transpose()?,
                name: Some(self.name),
                auth_method,
                grant_types,
            },
            blocked: false,
            lifetimes: ClientLifetimes::default(),
            introspects: self.introspects.map(|resources| known(&resources, policy)).transpose()?,
            registration: None,
            tenure: None,
            created_at: now,
            revision: 0,
        };
        Ok((client, secret))
    }

    const fn acts_alone(&self) -> bool {
        self.client_credentials || self.introspects.is_some()
    }

    /// Where answers may be sent: nowhere only if the client has something to do without codes.
    fn redirect_uris(&self) -> Result<Vec<RedirectUri>, InvalidClient> {
        if self.redirect_uris.is_empty() && self.acts_alone() {
            return Ok(Vec::new());
        }
        redirect_uris(&self.redirect_uris, &self.name)
    }

    /// What the client is for: codes if there is somewhere to send them, access of its own if it may have that.
    fn grant_types(&self) -> Result<Vec<GrantType>, InvalidClient> {
        // RFC 6749 §4.4, RFC 7662 §2.1
        if self.acts_alone() && matches!(self.secret, NewSecret::None) {
            return Err(InvalidClient::NotConfidential(self.name.clone()));
        }
        let with_user: &[_] = match self.redirect_uris.as_slice() {
            [] => &[],
            [_, ..] => &[GrantType::AuthorizationCode, GrantType::RefreshToken],
        };
        let alone = self.client_credentials.then_some(GrantType::ClientCredentials);
        Ok(with_user.iter().copied().chain(alone).collect())
    }
}

/// Fresh randomness for a client.
pub struct NewClientSeed {
    id: [u8; 10],
    secret: [u8; 32],
    token: [u8; 32],
}

impl NewClientSeed {
    /// Randomness that a seed takes, in bytes.
    pub const LEN: usize = 74;

    /// Takes fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; Self::LEN]) -> Self {
        let (mut id, mut secret, mut token) = ([0; 10], [0; 32], [0; 32]);
        id.copy_from_slice(&bytes[..10]);
        secret.copy_from_slice(&bytes[10..42]);
        token.copy_from_slice(&bytes[42..]);
        Self { id, secret, token }
    }

    /// An id that lies behind those made earlier.
    pub(super) fn client_id(&self, now: Timestamp) -> String {
        let mut id = now.as_millis().to_be_bytes()[2..].to_vec();
        id.extend_from_slice(&self.id);
        URL_SAFE_NO_PAD.encode(id)
    }

    pub(super) fn client_secret(&self) -> BearerText {
        BearerText::client_secret(&self.secret)
    }

    pub(super) fn registration_token(&self) -> BearerText {
        BearerText::registration_token(&self.token)
    }
}

impl std::fmt::Debug for NewClientSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewClientSeed(..)")
    }
}

fn client_id(id: Option<String>, seed: &NewClientSeed, now: Timestamp) -> Result<ClientId, InvalidClient> {
    let id = id.unwrap_or_else(|| seed.client_id(now));
    ClientId::parse(&id).map_err(|error| InvalidClient::Id(id, error))
}

fn authentication(
    secret: NewSecret,
    token_endpoint_audience: bool,
    name: &str,
    seed: &NewClientSeed,
) -> Result<(ClientAuthentication, AuthMethod, Option<BearerText>), InvalidClient> {
    let hashed = |text: &str| ClientAuthentication::Secret(SecretHash::of_text(text));
    if token_endpoint_audience && !matches!(secret, NewSecret::Keys(_)) {
        return Err(InvalidClient::NoKeys(name.to_owned()));
    }
    match secret {
        NewSecret::None => Ok((ClientAuthentication::None, AuthMethod::None, None)),
        NewSecret::Given(text) => {
            check_secret(&text, name)?;
            Ok((hashed(&text), AuthMethod::ClientSecretBasic, None))
        }
        NewSecret::Generated => {
            let text = seed.client_secret();
            Ok((hashed(text.expose()), AuthMethod::ClientSecretBasic, Some(text)))
        }
        NewSecret::Keys(jwks) => {
            let place = KeyPlace::Set(key_set(&jwks, name)?);
            let keys = ClientKeys { place, token_endpoint_audience, optional: false };
            Ok((ClientAuthentication::Keys(keys), AuthMethod::PrivateKeyJwt, None))
        }
    }
}

/// Finds that a secret of the host's is one that nobody can guess; `name` is whose it is.
///
/// # Errors
/// If it may not be.
pub fn check_secret(secret: &str, name: &str) -> Result<(), InvalidClient> {
    given_secret::check(secret).map_err(|weak| InvalidClient::WeakSecret(name.to_owned(), weak))
}

pub(super) fn key_set(jwks: &str, name: &str) -> Result<KeySet, InvalidClient> {
    KeySet::parse(jwks).map_err(|invalid| InvalidClient::Keys(name.to_owned(), invalid))
}

pub(super) fn redirect_uris(texts: &[String], name: &str) -> Result<Vec<RedirectUri>, InvalidClient> {
    if texts.is_empty() {
        return Err(InvalidClient::NoRedirectUri(name.to_owned()));
    }
    let parse =
        |text: &String| RedirectUri::parse(text).map_err(|error| InvalidClient::RedirectUri(text.clone(), error));
    texts.iter().map(parse).collect()
}

pub(super) fn link(url: String) -> Result<String, InvalidClient> {
    if is_web_page(&url) { Ok(url) } else { Err(InvalidClient::Link(url)) }
}

pub(super) fn ceiling(scopes: &str, catalogue: &ScopeCatalogue) -> Result<ScopeSet, InvalidClient> {
    let unknown = |scope: &str| InvalidClient::UnknownScope(scope.to_owned());
    let set = ScopeSet::parse(scopes).map_err(|_| unknown(scopes))?;
    let stranger = set.iter().find(|scope| catalogue.named(scope).is_none()).map(unknown);
    stranger.map_or_else(|| Ok(catalogue.ids_of(&set)), Err)
}

pub(super) fn known(resources: &[String], policy: &Policy) -> Result<Vec<ResourceId>, InvalidClient> {
    let known = |url: &String| match policy.resource(url) {
        Some(known) => Ok(known.id().clone()),
        None => Err(InvalidClient::UnknownResource(url.clone())),
    };
    resources.iter().map(known).collect()
}

/// Whether a client of the builder is stored as the builder has it.
#[must_use]
pub fn is_as_stored(configured: &Client, stored: &Arc<Client>) -> bool {
    let mut comparable = (**stored).clone();
    (comparable.created_at, comparable.revision) = (configured.created_at, configured.revision);
    // Whoever was shut out stays out, and a secret that is on its way out may still be used.
    comparable.blocked = configured.blocked;
    if let ClientAuthentication::Rotating { current, .. } = comparable.authentication {
        comparable.authentication = ClientAuthentication::Secret(current);
    }
    serde_json::to_string(configured).ok() == serde_json::to_string(&comparable).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_as_stored_unless_the_builder_says_something_else_of_it() {
        let policy = Policy {
            issuer: super::super::issuer::Issuer::parse("https://h.example").unwrap(),
            scopes: ScopeCatalogue::new(Vec::new()),
            default_scopes: ScopeSet::empty(),
            resources: Default::default(),
            lifetimes: Default::default(),
        };
        let at = Timestamp::from_millis;
        let secret = "qZ1fZkPq7Jr0hV5m3xkYt8Wc2LbN6sGd9AeUoXiRvMo";
        let of = |name: &str| {
            let client = NewClient::confidential(name).id("c").secret(secret).redirect_uri("https://c.example/");
            client.fixed(&policy, at(1)).unwrap()
        };
        let (configured, stored) = (of("C"), of("C"));
        assert!(is_as_stored(&configured, &Arc::new(stored.clone())));
        assert!(!is_as_stored(&configured, &Arc::new(of("D"))));
        let (created_at, blocked, revision) = (at(9), true, 9);
        let since = Client { created_at, blocked, revision, ..stored.clone() };
        assert!(is_as_stored(&configured, &Arc::new(since)));
        let rotating = |current: &str| {
            let (current, previous) = (SecretHash::of_text(current), SecretHash::of_text("old"));
            let authentication = ClientAuthentication::Rotating { current, previous, until: at(9) };
            Arc::new(Client { authentication, ..stored.clone() })
        };
        assert!(is_as_stored(&configured, &rotating(secret)));
        assert!(!is_as_stored(&configured, &rotating("another")));
    }
}
