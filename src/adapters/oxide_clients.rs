//! Clients that come from oxide-auth.

use oxide_auth::primitives::registrar::{ClientType, EncodedClient, PasswordPolicy, RegisteredClient, RegisteredUrl};

use crate::protocol::given_secret;
use crate::protocol::new_client::NewClient;
use crate::protocol::secret::BearerText;
use crate::server::{ClientSummary, CreateClientError, Server};

/// A client that was brought over.
#[derive(Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The client, under the id that it had.
    pub client: ClientSummary,
    /// Its new secret, if it needs one: this is the only time that it can be seen.
    pub secret: Option<BearerText>,
}

/// Why a client was not brought over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is not what it is taken for: that is not its passphrase, or it has one and none was given.
    #[error("that is not the passphrase of the client")]
    NotProven,
    /// It cannot be made here, or is here already, as every client is brought over once.
    #[error(transparent)]
    Create(#[from] CreateClientError),
}

/// Brings a public client over, under its id and with its redirect URIs. What oxide-auth gave it whatever it asked for,
/// its default scope, is the most that it may ask for here.
///
/// # Errors
/// If it is confidential, see [`import_confidential`]; if it is here already; if an administrator could not create it
/// either, as with a redirect URI without TLS.
pub async fn import_public(server: &Server, client: &EncodedClient) -> Result<Imported, ImportError> {
    match client.encoded_client {
        ClientType::Public => create(server, client, NewClient::public(&client.client_id)).await,
        ClientType::Confidential { .. } => Err(ImportError::NotProven),
    }
}

/// Brings a confidential client over when it shows its passphrase, which its own `policy` checks this one time: before,
/// the client is not here, and after it the passphrase is good for nothing. What is kept from then on is the hash
/// of a secret that nobody can guess: the new one in the answer, or the passphrase itself if it is one
/// (see [`NewClient::secret`](crate::NewClient::secret)).
///
/// A policy such as oxide-auth's `Argon2` takes its time, and blocks its thread as long: limit who may try.
///
/// # Errors
/// If that is not its passphrase; otherwise as of [`import_public`].
pub async fn import_confidential(
    server: &Server,
    client: &EncodedClient,
    policy: &dyn PasswordPolicy,
    passphrase: &[u8],
) -> Result<Imported, ImportError> {
    if matches!(client.encoded_client, ClientType::Public) {
        return Err(ImportError::NotProven);
    }
    let proven = RegisteredClient::new(client, policy).check_authentication(Some(passphrase));
    proven.map_err(|_| ImportError::NotProven)?;
    let new = NewClient::confidential(&client.client_id);
    let strong = str::from_utf8(passphrase).ok().filter(|secret| given_secret::check(secret).is_ok());
    create(server, client, strong.map_or(new.clone(), |secret| new.secret(secret))).await
}

async fn create(server: &Server, client: &EncodedClient, new: NewClient) -> Result<Imported, ImportError> {
    let new = new.id(&client.client_id).scopes(&client.default_scope.to_string());
    let uris = std::iter::once(&client.redirect_uri).chain(&client.additional_redirect_uris);
    let new = uris.map(RegisteredUrl::as_str).fold(new, NewClient::redirect_uri);
    let created = server.create_client(new).await?;
    Ok(Imported { client: created.client, secret: created.secret })
}
