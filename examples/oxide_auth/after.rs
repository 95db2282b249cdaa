//! The same app with grantor: it keeps the consent page, the scopes and the guarded route.

use bytes::Bytes;
use grantor::oxide::{Consent, Decisions, Issuer};
use grantor::pages::Pages;
use grantor::{Host, Registration, Server, Storage};
use oxide_auth::frontends::simple::endpoint::resource_flow;
use oxide_auth::frontends::simple::request::{Request, Response};
use oxide_auth::primitives::scope::Scope;

use super::before::Ada;

pub struct App {
    pub oauth: Server,
    decisions: Decisions<Ada>,
    tokens: Issuer,
    reading: Vec<Scope>,
}

impl App {
    pub fn new(storage: impl Storage, host: impl Host) -> Result<Self, Box<dyn std::error::Error>> {
        let (consent, decisions) = Consent::new(Ada, Pages::new());
        let oauth = Server::builder("https://notes.example")
            .storage(storage)
            .host(host)
            .app_name("Notes")
            .scope("notes:read", "Read your notes")
            .scope("notes:write", "Change your notes")
            .default_scopes("notes:read")
            .resource("/api")
            .resource("/photos")
            .consent_ui(consent)
            .registration(Registration::Open)
            .build()?;
        let tokens = Issuer::new(&oauth.resource("/api")?.require("")?);
        Ok(Self { oauth, decisions, tokens, reading: vec!["notes:read".parse()?] })
    }

    /// All of OAuth, by a framework's adapter or by hand; the consent page's form still goes to `/authorize`.
    pub async fn handle(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        if request.method() == http::Method::POST && request.uri().path() == "/authorize" {
            return self.decisions.take(&self.oauth, request).await;
        }
        self.oauth.handle(request).await
    }

    /// `GET /api/notes`
    pub fn notes(&mut self, request: Request) -> Result<String, Box<Response>> {
        let grant = resource_flow(&mut self.tokens, &self.reading).execute(request);
        let grant = grant.map_err(|refused| Box::new(refused.unwrap_or_default()))?;
        Ok(format!("the notes of {}", grant.owner_id))
    }
}
