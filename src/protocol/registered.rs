//! A client that registered itself, and what it is told (RFC 7591 §3.2.1, RFC 7592 §3).

use std::sync::Arc;

use serde::Serialize;

use super::admission::{Terms, fold};
use super::client::{
    AuthMethod, Client, ClientAuthentication, ClientId, ClientKeys, ClientMetadata, ClientOrigin, ConsentPolicy,
    GrantType, KeyPlace, KeysUrl, SelfRegistration, Tenure,
};
use super::error::RegistrationReason;
use super::jwk::KeySet;
use super::new_client::NewClientSeed;
use super::policy::Policy;
use super::redirect::RedirectUri;
use super::registration::Registration;
use super::secret::{BearerText, SecretHash};
use super::time::Timestamp;

/// A client that registered itself, with what is shown to it once.
#[derive(Debug)]
pub struct Registered {
    client: Arc<Client>,
    secret: Option<BearerText>,
    token: Option<BearerText>,
}

impl Registered {
    /// Makes the client, on the terms of the app.
    ///
    /// # Errors
    /// Never with a registration that was read and an id as it is made here; their types say so by a `Result`.
    pub fn new(
        asked: Registration,
        terms: &Terms,
        seed: &NewClientSeed,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Self, RegistrationReason> {
        let id = ClientId::parse(&seed.client_id(now)).map_err(|_| RegistrationReason::ServerError)?;
        let terms = &terms.by_id(policy);
        let metadata = granted(asked.metadata, asked.wants_client_credentials, terms);
        let secret = metadata.auth_method.has_secret().then(|| seed.client_secret());
        let authentication = match (&secret, metadata.auth_method) {
            (None, AuthMethod::PrivateKeyJwt) => by_keys(asked.keys, terms.token_endpoint_audience)?,
            (secret, _) => by_secret(secret.as_ref()),
        };
        let is_confidential = metadata.auth_method != AuthMethod::None;
        let token = terms.managed.then(|| seed.registration_token());
        let registration = SelfRegistration {
            fold: fold(&metadata, terms),
            token: token.as_ref().map(|token| SecretHash::of_text(token.expose())),
            document: None,
        };
        let client = Arc::new(Client {
            id,
            origin: ClientOrigin::Dynamic,
            authentication,
            metadata,
            scope_ceiling: terms.scopes.clone(),
            consent_policy: ConsentPolicy::Ask,
            blocked: false,
            lifetimes: terms.lifetimes,
            introspects: terms.introspected(policy).filter(|_| is_confidential),
            registration: Some(registration),
            tenure: Some(Tenure { until: now.after(policy.lifetimes.registration), granted: false }),
            created_at: now,
            revision: 0,
        });
        Ok(Self { client, secret, token })
    }

    /// A client that is there already, as it reads its registration or registered the very same. It is shown no
    /// secret: that was shown once.
    #[must_use]
    pub const fn found(client: Arc<Client>) -> Self {
        Self { client, secret: None, token: None }
    }

    /// A client that changed itself, with the secret that it got by that.
    pub(super) const fn changed(client: Arc<Client>, secret: Option<BearerText>) -> Self {
        Self { client, secret, token: None }
    }

    /// The same with the token by which the client came, which is in every answer (RFC 7592 §3).
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(BearerText::from_sealed(token.to_owned())), ..self }
    }

    /// The client, for the store.
    #[must_use]
    pub const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The answer's body: what is registered, as it is in force. `management` is the URL at which managed clients
    /// are reached, up to their id.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self, policy: &Policy, management: &str) -> Result<String, serde_json::Error> {
        let Client { id, authentication, metadata, registration, created_at, .. } = &*self.client;
        let (jwks, jwks_uri) = match authentication.keys().map(|keys| &keys.place) {
            Some(KeyPlace::Set(set)) => (Some(set), None),
            Some(KeyPlace::Url(url)) => (None, Some(url)),
            None => (None, None),
        };
        let is_managed = registration.as_ref().is_some_and(|registration| registration.token.is_some());
        serde_json::to_string(&Response {
            client_id: id,
            client_id_issued_at: created_at.as_secs(),
            client_secret: self.secret.as_ref().map(BearerText::expose),
            client_secret_expires_at: self.secret.as_ref().map(|_| 0),
            registration_access_token: self.token.as_ref().map(BearerText::expose),
            registration_client_uri: is_managed.then(|| format!("{management}/{}", segment(id))),
            redirect_uris: &metadata.redirect_uris,
            client_name: metadata.name.as_deref(),
            client_uri: metadata.home_page.as_deref(),
            logo_uri: metadata.logo.as_deref(),
            token_endpoint_auth_method: metadata.auth_method,
            jwks,
            jwks_uri,
            grant_types: &metadata.grant_types,
            response_types: ["code"],
            scope: policy.scopes.names_of(&self.client.ceiling(&policy.scopes)).as_str(),
        })
    }
}

pub(super) fn by_keys(
    keys: Option<KeyPlace>,
    token_endpoint_audience: bool,
) -> Result<ClientAuthentication, RegistrationReason> {
    let place = keys.ok_or(RegistrationReason::KeysMissing)?;
    Ok(ClientAuthentication::Keys(ClientKeys { place, token_endpoint_audience, optional: false }))
}

pub(super) fn by_secret(secret: Option<&BearerText>) -> ClientAuthentication {
    secret
        .map_or(ClientAuthentication::None, |secret| ClientAuthentication::Secret(SecretHash::of_text(secret.expose())))
}

/// What it says of itself, with what the app grants beyond that. A public client never acts for itself
/// (RFC 6749 §4.4: "MUST only be used by confidential clients").
fn granted(mut metadata: ClientMetadata, wants_client_credentials: bool, terms: &Terms) -> ClientMetadata {
    if wants_client_credentials && terms.client_credentials && metadata.auth_method != AuthMethod::None {
        metadata.grant_types.push(GrantType::ClientCredentials);
    }
    metadata
}

/// An id as one segment of a path.
fn segment(id: &ClientId) -> String {
    url::form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect::<String>().replace('+', "%20")
}

#[derive(Serialize)]
struct Response<'a> {
    client_id: &'a ClientId,
    client_id_issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    redirect_uris: &'a [RedirectUri],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<&'a str>,
    token_endpoint_auth_method: AuthMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<&'a KeySet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<&'a KeysUrl>,
    grant_types: &'a [GrantType],
    response_types: [&'static str; 1],
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}
