//! An app with oxide-auth: its parts in memory, a consent page, and a guarded route.

use oxide_auth::endpoint::{OwnerConsent, OwnerSolicitor, Solicitation, WebRequest, WebResponse};
use oxide_auth::frontends::simple::endpoint::{
    Error, access_token_flow, authorization_flow, refresh_flow, resource_flow,
};
use oxide_auth::frontends::simple::request::{Request, Response};
use oxide_auth::primitives::prelude::{AuthMap, Client, ClientMap, RandomGenerator, Scope, TokenMap};

pub struct App {
    clients: ClientMap,
    codes: AuthMap<RandomGenerator>,
    tokens: TokenMap<RandomGenerator>,
    reading: Vec<Scope>,
}

impl App {
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Self {
            clients: clients.into_iter().collect(),
            codes: AuthMap::new(RandomGenerator::new(16)),
            tokens: TokenMap::new(RandomGenerator::new(16)),
            reading: vec!["notes:read".parse().expect("a scope")],
        }
    }

    /// `GET` and `POST /authorize`
    pub fn authorize(&mut self, request: Request) -> Result<Response, Error<Request>> {
        authorization_flow(&self.clients, &mut self.codes, &mut Ada).execute(request)
    }

    /// `POST /token`
    pub fn token(&mut self, request: Request) -> Result<Response, Error<Request>> {
        access_token_flow(&self.clients, &mut self.codes, &mut self.tokens).execute(request)
    }

    /// `POST /refresh`
    pub fn refresh(&mut self, request: Request) -> Result<Response, Error<Request>> {
        refresh_flow(&self.clients, &mut self.tokens).execute(request)
    }

    /// `GET /api/notes`
    pub fn notes(&mut self, request: Request) -> Result<String, Box<Response>> {
        let grant = resource_flow(&mut self.tokens, &self.reading).execute(request);
        let grant = grant.map_err(|refused| Box::new(refused.unwrap_or_default()))?;
        Ok(format!("the notes of {}", grant.owner_id))
    }
}

/// Everybody is Ada, and is asked.
pub struct Ada;

impl<R: WebRequest> OwnerSolicitor<R> for Ada
where
    R::Response: Default,
{
    fn check_consent(&mut self, request: &mut R, asked: Solicitation<'_>) -> OwnerConsent<R::Response> {
        let decision = match request.query() {
            Ok(query) => query.unique_value("decision").map(|decision| decision.into_owned()),
            Err(error) => return OwnerConsent::Error(error),
        };
        match decision.as_deref() {
            Some("allow") => OwnerConsent::Authorized("ada".to_owned()),
            Some(_) => OwnerConsent::Denied,
            None => {
                let mut page = R::Response::default();
                match page.ok().and_then(|()| page.body_text(&consent_page(&asked))) {
                    Ok(()) => OwnerConsent::InProgress(page),
                    Err(error) => OwnerConsent::Error(error),
                }
            }
        }
    }
}

/// The form comes back to `/authorize` with everything that was asked.
fn consent_page(asked: &Solicitation<'_>) -> String {
    let grant = asked.pre_grant();
    let again = [
        ("response_type", "code"),
        ("client_id", &grant.client_id),
        ("redirect_uri", grant.redirect_uri.as_str()),
        ("scope", &grant.scope.to_string()),
        ("state", asked.state().unwrap_or_default()),
    ];
    let again = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(again).finish();
    let client = grant.client_id.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        r#"<!doctype html><title>Notes</title><h1>{client} wants to read your notes</h1><form method="post">
        <button formaction="/authorize?{again}&amp;decision=allow">Allow</button>
        <button formaction="/authorize?{again}&amp;decision=deny">Deny</button></form>"#
    )
}
