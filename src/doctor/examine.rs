//! Asking a deployment what clients ask it.

use std::time::Duration;

use url::Url;

use super::ask::{Asker, authorization_request};
use super::clients::{ALL, KnownClient};
use super::judge::challenge;
use super::observed::{
    Authorize, Document, Endpoints, Exchange, Observations, Registered, Resource, Server, Token, Ways,
};
use super::place;
use super::report::Report;
use super::transport::{HttpTransport, Transport};
use crate::host::NoRoots;

/// The page that calls from another origin: the MCP Inspector's.
pub(super) const PAGE: &str = "http://localhost:6274";
/// Claude's limit: what takes longer helps nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing was examined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExamineError {
    /// It is no URL of an endpoint.
    #[error("the address of an MCP endpoint is like https://app.example/mcp: without user name, query and fragment")]
    NotAnEndpoint,
    /// There are no certificates to trust.
    #[error(transparent)]
    NoRoots(#[from] NoRoots),
}

/// Looks at the MCP endpoint at that URL, the one that people paste into their tools, and at the authorization server
/// that it names, as each known client would. It registers nothing and leaves nothing behind;
/// [`Examination::registering`] does more.
///
/// It sends requests to whatever addresses the endpoint names. Let nobody but yourself say which endpoint that is.
///
/// # Errors
/// If that is no URL of an endpoint, or if there are no certificates to trust. An endpoint that does not answer is not an
/// error but a finding.
pub async fn examine(url: &str) -> Result<Report, ExamineError> {
    Ok(Examination::new(url)?.run().await)
}

/// An examination that is about to begin; [`examine`] is a plain one.
#[derive(Debug)]
#[must_use = "an examination does nothing until it is run"]
pub struct Examination<T = HttpTransport> {
    text: String,
    url: Url,
    transport: T,
    registers: bool,
    patience: Duration,
}

impl Examination {
    /// An examination of the endpoint at that URL, over the network.
    ///
    /// # Errors
    /// If that is no URL of an endpoint, or if there are no certificates to trust.
    pub fn new(url: &str) -> Result<Self, ExamineError> {
        Self::over(url, HttpTransport::new()?)
    }
}

impl<T: Transport> Examination<T> {
    /// The same over a transport of your own.
    ///
    /// # Errors
    /// If that is no URL of an endpoint.
    pub fn over(url: &str, transport: T) -> Result<Self, ExamineError> {
        let text = url.to_owned();
        let url = Url::parse(url).map_err(|_| ExamineError::NotAnEndpoint)?;
        let is_endpoint = matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_endpoint {
            return Err(ExamineError::NotAnEndpoint);
        }
        Ok(Self { text, url, transport, registers: false, patience: PATIENCE })
    }

    /// Registers each known client with its own request as well, and looks at its authorization request. The
    /// registrations stay behind; with grantor they end after a week.
    pub const fn registering(mut self) -> Self {
        self.registers = true;
        self
    }

    /// How long an answer may take; 10 seconds otherwise, which is Claude's limit. It never takes longer than twenty
    /// times that in all.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asks everything, one request after another, and judges.
    pub async fn run(self) -> Report {
        let mut asker = Asker::new(&self.transport, &self.url, self.patience);
        let observations = self.observe(&mut asker).await;
        Report::of(&observations, self.registers)
    }

    async fn observe(&self, asker: &mut Asker<'_, T>) -> Observations {
        let mut seen = Observations {
            url: self.text.clone(),
            resource: self.resource(asker).await,
            resource_ways: None,
            server: None,
            server_ways: None,
            endpoints: Endpoints::default(),
            was_cut_short: false,
        };
        let (plain, initialize) = (&seen.resource.plain, &seen.resource.initialize);
        if plain.outcome.is_err() && initialize.outcome.is_err() {
            return seen;
        }
        let named = challenge::parameter(initialize, "resource_metadata");
        let named = named.or_else(|| challenge::parameter(plain, "resource_metadata"));
        for (place, url) in place::of_resource(&self.url, named) {
            let exchange = asker.get(&url).await;
            seen.resource.documents.push((place, exchange));
        }
        let resource = seen.resource.metadata().map(|(exchange, document)| (exchange.url.clone(), document));
        if let Some((url, _)) = &resource {
            seen.resource_ways = Some(ways(asker, url).await);
        }
        let resource = resource.map(|(_, document)| document);
        let server = self.server(asker, resource.as_ref()).await;
        let metadata = server.metadata().map(|(_, exchange, document)| (exchange.url.clone(), document));
        seen.server = Some(server);
        if let Some((url, document)) = metadata {
            seen.server_ways = Some(ways(asker, &url).await);
            let scope = scope(&seen.resource, resource.as_ref(), &document);
            seen.endpoints = self.endpoints(asker, &document, &scope).await;
        }
        seen.was_cut_short = asker.is_over();
        seen
    }

    async fn resource(&self, asker: &mut Asker<'_, T>) -> Resource {
        Resource {
            plain: asker.get(&self.text).await,
            initialize: asker.initialize(&self.text, None).await,
            wrong_token: asker.with_token(&self.text, "grantor-doctor-knows-no-token").await,
            from_page: asker.initialize(&self.text, Some(PAGE)).await,
            preflight: asker.preflight(&self.text, "POST").await,
            documents: Vec::new(),
        }
    }

    async fn server(&self, asker: &mut Asker<'_, T>, resource: Option<&Document>) -> Server {
        let named = resource.and_then(|resource| Some((*resource.list("authorization_servers")?.first()?).to_owned()));
        let (issuer, is_guessed) = match named {
            Some(issuer) => (issuer, false),
            None => (place::origin(&self.url), true),
        };
        let mut documents = Vec::new();
        if let Ok(url) = Url::parse(&issuer) {
            for (place, url) in place::of_server(&url, &self.url) {
                documents.push((place, asker.get(&url).await));
            }
        }
        Server { issuer, is_guessed, documents }
    }

    async fn endpoints(&self, asker: &mut Asker<'_, T>, server: &Document, scope: &str) -> Endpoints {
        let mut endpoints = Endpoints::default();
        let authorize = server.text("authorization_endpoint");
        if let Some(url) = authorize {
            let redirect_uri = "https://client.example/callback";
            let request = authorization_request(url, "grantor-doctor-unknown", redirect_uri, scope, &self.text);
            endpoints.authorize = Some(Authorize {
                unknown_client: asker.get(&request).await,
                preflight: asker.preflight(url, "GET").await,
            });
        }
        if let Some(url) = server.text("token_endpoint") {
            endpoints.token = Some(token(asker, url).await);
        }
        for name in ["registration_endpoint", "revocation_endpoint"] {
            if let Some(url) = server.text(name) {
                endpoints.preflights.push((name, asker.preflight(url, "POST").await));
            }
        }
        if let Some(url) = authorize.filter(|_| server.flag("client_id_metadata_document_supported")) {
            for client in ALL {
                let Some(document) = client.habits().document else { continue };
                let request = self.request_of(*client, url, document, scope);
                endpoints.with_documents.push((*client, asker.get(&request).await));
            }
        }
        if self.registers {
            self.register(asker, server, scope, &mut endpoints).await;
        }
        endpoints
    }

    async fn register(&self, asker: &mut Asker<'_, T>, server: &Document, scope: &str, endpoints: &mut Endpoints) {
        let Some(url) = server.text("registration_endpoint") else { return };
        for client in ALL {
            let registration = asker.post_json(url, &client.registration()).await;
            let id = registration.object().and_then(|answer| Some(answer.get("client_id")?.as_str()?.to_owned()));
            let mut registered = Registered { client: *client, registration, authorize: None, for_origin: None };
            if let (Some(id), Some(authorize)) = (id, server.text("authorization_endpoint")) {
                let request = self.request_of(*client, authorize, &id, scope);
                registered.authorize = Some(asker.get(&request).await);
                if client.habits().asks_for_origin && self.url.path() != "/" {
                    let root = format!("{}/", place::origin(&self.url));
                    let uri = client.habits().redirect_uris.first().copied().unwrap_or_default();
                    let request = authorization_request(authorize, &id, uri, scope, &root);
                    registered.for_origin = Some(asker.get(&request).await);
                }
                if let (None, Some(token)) = (&endpoints.dead_refresh_token, server.text("token_endpoint")) {
                    endpoints.dead_refresh_token = Some(asker.refresh(token, &id, None).await);
                }
            }
            endpoints.registered.push(registered);
        }
    }

    fn request_of(&self, client: KnownClient, endpoint: &str, id: &str, scope: &str) -> String {
        let redirect_uri = client.habits().redirect_uris.first().copied().unwrap_or_default();
        authorization_request(endpoint, id, redirect_uri, scope, &self.text)
    }
}

async fn ways<T: Transport>(asker: &mut Asker<'_, T>, url: &str) -> Ways {
    Ways {
        head: asker.call(http::Method::HEAD, url).await,
        options: asker.call(http::Method::OPTIONS, url).await,
        from_page: asker.get_from_page(url).await,
        preflight: asker.preflight(url, "GET").await,
    }
}

async fn token<T: Transport>(asker: &mut Asker<'_, T>, url: &str) -> Token {
    let unknown = "grantor-doctor-unknown";
    Token {
        unknown_client: asker.exchange_code(url, unknown).await,
        dead_refresh_token: asker.refresh(url, unknown, None).await,
        from_page: asker.refresh(url, unknown, Some(PAGE)).await,
        preflight: asker.preflight(url, "POST").await,
    }
}

/// What clients ask for: what the challenge says, or else all that is advertised.
fn scope(resource: &Resource, metadata: Option<&Document>, server: &Document) -> String {
    let challenged: &Exchange = &resource.initialize;
    challenge::parameter(challenged, "scope").unwrap_or_else(|| {
        let advertised = metadata.and_then(|metadata| metadata.list("scopes_supported"));
        advertised.or_else(|| server.list("scopes_supported")).unwrap_or_default().join(" ")
    })
}
