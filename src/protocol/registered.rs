//! A client that registered itself (RFC 7591): how it is made, what it has in common with others, and what it is told.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::client::{
    AuthMethod, Client, ClientAuthentication, ClientId, ClientMetadata, ClientOrigin, ConsentPolicy, GrantType,
    SelfRegistration, Tenure,
};
use super::error::RegistrationReason;
use super::new_client::NewClientSeed;
use super::policy::Policy;
use super::redirect::RedirectUri;
use super::registration::RegistrationTerms;
use super::secret::{BearerText, SecretHash};
use super::time::Timestamp;

/// A client that registered itself, with its secret, which is shown once.
#[derive(Debug)]
pub struct Registered {
    client: Arc<Client>,
    secret: Option<BearerText>,
}

impl Registered {
    /// Makes the client.
    ///
    /// # Errors
    /// Never with ids as they are made here; the type of an id says so by a `Result`.
    pub fn new(
        metadata: ClientMetadata,
        terms: &RegistrationTerms,
        policy: &Policy,
        seed: &NewClientSeed,
        now: Timestamp,
    ) -> Result<Self, RegistrationReason> {
        let id = ClientId::parse(&seed.client_id(now)).map_err(|_| RegistrationReason::ServerError)?;
        let secret = (metadata.auth_method != AuthMethod::None).then(|| seed.client_secret());
        let authentication = secret.as_ref().map_or(ClientAuthentication::None, |secret| {
            ClientAuthentication::Secret(SecretHash::of_text(secret.expose()))
        });
        let introspects = terms.introspected().filter(|_| secret.is_some()).map(<[_]>::to_vec);
        let mut client = Client {
            id,
            origin: ClientOrigin::Dynamic,
            authentication,
            metadata,
            scope_ceiling: terms.scope_ceiling().cloned(),
            consent_policy: ConsentPolicy::Ask,
            blocked: false,
            lifetimes: terms.own_lifetimes(),
            introspects,
            registration: None,
            tenure: Some(Tenure { until: now.after(policy.lifetimes.registration), granted: false }),
            created_at: now,
            revision: 0,
        };
        client.registration = Some(SelfRegistration { fold: fold(&client), token: None });
        Ok(Self { client: Arc::new(client), secret })
    }

    /// The client, for the store.
    #[must_use]
    pub const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The answer's body (RFC 7591 §3.2.1): what is registered, as it is in force.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self, policy: &Policy) -> Result<String, serde_json::Error> {
        to_json(&self.client, policy, self.secret.as_ref())
    }
}

/// What a public client has in common with every registration that is identical: everything that people are shown
/// of it and everything that is enforced, with the terms that it came by (attack 35). The order of its redirect URIs
/// does not matter. `None` for a client that has something to itself: a secret.
fn fold(client: &Client) -> Option<[u8; 32]> {
    let Client { id: _, origin, authentication, metadata, scope_ceiling, consent_policy, .. } = client;
    let Client { blocked: _, lifetimes, introspects, registration: _, tenure: _, created_at: _, revision: _, .. } =
        client;
    if !matches!(authentication, ClientAuthentication::None) {
        return None;
    }
    let ClientMetadata { redirect_uris, name, home_page, logo, auth_method, grant_types } = metadata;
    let mut redirect_uris: Vec<_> = redirect_uris.iter().map(RedirectUri::as_str).collect();
    redirect_uris.sort_unstable();
    redirect_uris.dedup();
    let said = (redirect_uris, name, home_page, logo, auth_method, grant_types);
    let decided = (origin, scope_ceiling, consent_policy, lifetimes, introspects);
    let text = serde_json::to_vec(&("grantor registration v1", said, decided)).ok()?;
    let mut fold = [0; 32];
    fold.copy_from_slice(digest(&SHA256, &text).as_ref());
    Some(fold)
}

/// What a client that registered itself is told about itself.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn to_json(client: &Client, policy: &Policy, secret: Option<&BearerText>) -> Result<String, serde_json::Error> {
    let metadata = &client.metadata;
    serde_json::to_string(&Response {
        client_id: &client.id,
        client_id_issued_at: client.created_at.as_secs(),
        client_secret: secret.map(BearerText::expose),
        client_secret_expires_at: secret.map(|_| 0),
        redirect_uris: &metadata.redirect_uris,
        client_name: metadata.name.as_deref(),
        client_uri: metadata.home_page.as_deref(),
        logo_uri: metadata.logo.as_deref(),
        token_endpoint_auth_method: metadata.auth_method,
        grant_types: &metadata.grant_types,
        response_types: if client.may_use(GrantType::AuthorizationCode) { &["code"] } else { &[] },
        scope: client.ceiling(&policy.scopes).as_str(),
    })
}

#[derive(Serialize)]
struct Response<'a> {
    client_id: &'a ClientId,
    client_id_issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    redirect_uris: &'a [RedirectUri],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<&'a str>,
    token_endpoint_auth_method: AuthMethod,
    grant_types: &'a [GrantType],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    response_types: &'a [&'static str],
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}
