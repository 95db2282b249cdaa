//! A client of the app's own people that acts for itself, and may ask what tokens are worth.

use grantor::NewClient;
use grantor::host::{Entropy as _, EntropyError, SystemEntropy};
use grantor::protocol::secret::BearerText;

use crate::Address;

/// Its credentials: `DEMO_CLIENT_ID` and `DEMO_CLIENT_SECRET` of the environment. Without the latter the secret
/// is another one at each start, and the store is brought up to date with it.
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// The API in a process of its own, which asks as this client.
    reports: String,
}

impl Machine {
    pub(crate) fn from_env(address: Address) -> Result<Self, EntropyError> {
        let id = from_env("DEMO_CLIENT_ID").unwrap_or_else(|| "planwerk-report".to_owned());
        let secret = match from_env("DEMO_CLIENT_SECRET") {
            Some(secret) => secret,
            None => {
                let mut random = [0; 32];
                SystemEntropy.fill(&mut random)?;
                BearerText::client_secret(&random).expose().to_owned()
            }
        };
        Ok(Self { id, secret, reports: address.reports() })
    }

    pub(crate) fn client(&self) -> NewClient {
        NewClient::confidential("Planwerk's nightly report")
            .id(&self.id)
            .secret(&self.secret)
            .client_credentials()
            .introspects(["/api", "/mcp", &*self.reports])
    }
}

fn from_env(name: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "an app reads its own environment")]
    std::env::var(name).ok()
}
