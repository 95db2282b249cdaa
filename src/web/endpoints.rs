//! From HTTP to the server's endpoints and back.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use url::form_urlencoded;

use super::MAX_URI;
use super::answer;
use super::cookie;
use super::form_post;
use super::origin;
use super::routes::Endpoint;
use crate::host::Page;
use crate::protocol::error::{HttpReason, PageReason, RegistrationReason, TokenReason};
use crate::protocol::response::{AuthorizeResponse, ResponseMode};
use crate::server::{Authorization, Decision, PageRefusal, Refused, Server};

impl Server {
    /// Where a path that may be that of a resource leads to by what is in force.
    pub(super) async fn found(&self, path: &str) -> Endpoint {
        self.resource_document(path).await.map_or(Endpoint::Absent, Endpoint::ResourceMetadata)
    }

    pub(super) async fn dispatch(&self, endpoint: &Endpoint, request: &Parts, body: &[u8]) -> Response<Bytes> {
        // What is large and seldom asked for is in a box, so that the others carry no room for it.
        match endpoint {
            Endpoint::Authorize if request.method == Method::POST => self.authorize_by_post(request, body).await,
            Endpoint::Authorize => Box::pin(self.authorize_by_get(request)).await,
            Endpoint::Consent => Box::pin(self.consent(request, body)).await,
            Endpoint::Token => self.token_by_post(request, body).await,
            Endpoint::Revoke => self.revoke_by_post(request, body).await,
            Endpoint::Introspect => self.introspect_by_post(request, body).await,
            Endpoint::Register => Box::pin(self.register_by_post(request, body)).await,
            Endpoint::Registration(id) => Box::pin(self.manage_registration(id, request, body)).await,
            Endpoint::ServerMetadata
            | Endpoint::ResourceMetadata(_)
            | Endpoint::MaybeResourceMetadata(_)
            | Endpoint::Absent => self.document(endpoint).await,
        }
    }

    /// What everybody may read at a path.
    pub(super) async fn document(&self, endpoint: &Endpoint) -> Response<Bytes> {
        match endpoint {
            Endpoint::ServerMetadata => answer::document(self.server_document().await),
            Endpoint::ResourceMetadata(document) => answer::document(document.clone()),
            _ => answer::absent(),
        }
    }

    /// A request that is too large, in the form of its endpoint.
    pub(super) async fn too_large(&self, endpoint: &Endpoint) -> Response<Bytes> {
        match endpoint {
            Endpoint::Authorize | Endpoint::Consent => Box::pin(self.refusal_page(PageReason::TooLarge.into())).await,
            Endpoint::Token | Endpoint::Revoke | Endpoint::Introspect => {
                answer::error(&self.refused(None, TokenReason::TooLarge))
            }
            Endpoint::Register | Endpoint::Registration(_) => {
                answer::registration_error(&self.refused(None, RegistrationReason::TooLarge))
            }
            Endpoint::ServerMetadata
            | Endpoint::ResourceMetadata(_)
            | Endpoint::MaybeResourceMetadata(_)
            | Endpoint::Absent => answer::refusal(&self.refused(None, HttpReason::TooLarge)),
        }
    }

    async fn authorize_by_get(&self, request: &Parts) -> Response<Bytes> {
        match self.authorize(request, cookie::read(&request.headers, self.has_tls())).await {
            Ok(Authorization::Ask { page, browser }) => {
                let mut response = answer::page(StatusCode::OK, page);
                cookie::set(response.headers_mut(), &browser, self.has_tls());
                response
            }
            Ok(Authorization::SignIn { location }) => self.redirect(&location).await,
            Ok(Authorization::Answer(response)) => self.to_client(&response).await,
            Err(refusal) => self.refusal_page(refusal).await,
        }
    }

    /// RFC 6749 §3.1 allows a POST. A browser sends it without the app's cookies if it comes from
    /// another site, so it goes on as a GET.
    async fn authorize_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_form(&request.headers) {
            return self.refusal_page(PageReason::ClientMissing.into()).await;
        }
        // Written anew: a body may hold bytes that end a query, or that no header can carry.
        let target = format!("{}?", self.paths().authorize);
        let start = target.len();
        let parameters = form_urlencoded::parse(body);
        let location = form_urlencoded::Serializer::for_suffix(target, start).extend_pairs(parameters).finish();
        match answer::see_other(&location).filter(|_| location.len() <= MAX_URI) {
            Some(response) => response,
            None => self.refusal_page(PageReason::TooLarge.into()).await,
        }
    }

    async fn consent(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !origin::is_same_origin(&request.headers, self.issuer().origin()) {
            return self.refusal_page(PageReason::CrossSite.into()).await;
        }
        if !is_form(&request.headers) {
            return self.refusal_page(PageReason::DecisionMissing.into()).await;
        }
        match self.decide(request, body, cookie::read(&request.headers, self.has_tls())).await {
            Ok(Decision::Answer(response)) => self.to_client(&response).await,
            Ok(Decision::AlreadyDecided(page)) => answer::page(StatusCode::CONFLICT, page),
            Err(refusal) => self.refusal_page(refusal).await,
        }
    }

    async fn to_client(&self, response: &AuthorizeResponse) -> Response<Bytes> {
        let mut answer = match response.mode() {
            ResponseMode::Query => self.redirect(&response.location()).await,
            ResponseMode::FormPost => answer::page(StatusCode::OK, form_post::page(response)),
        };
        if response.is_error() {
            self.reference().add_to(answer.headers_mut());
        }
        answer
    }

    async fn redirect(&self, location: &str) -> Response<Bytes> {
        match answer::see_other(location) {
            Some(response) => response,
            None => self.refusal_page(PageReason::ServerError.into()).await,
        }
    }

    async fn refusal_page(&self, refusal: PageRefusal) -> Response<Bytes> {
        let refused = self.refused(refusal.client.as_ref(), refusal.reason);
        let page = self.error_page(refusal, &refused).await;
        answer::refusal_page(&refused, page.unwrap_or_else(|| plain_page(&refused)))
    }

    async fn token_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_form(&request.headers) {
            return answer::error(&self.refused(None, TokenReason::NotForm));
        }
        match self.token(&request.headers, body).await {
            Ok(response) => answer::json(StatusCode::OK, response.to_json()),
            Err(refused) => answer::error(&refused),
        }
    }

    async fn revoke_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_form(&request.headers) {
            return answer::error(&self.refused(None, TokenReason::NotForm));
        }
        match self.revoke(&request.headers, body).await {
            // RFC 7009 §2.2: the same for a token that was revoked and one that never was
            Ok(()) => answer::text(StatusCode::OK, ""),
            Err(refused) => answer::error(&refused),
        }
    }

    async fn introspect_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_form(&request.headers) {
            return answer::error(&self.refused(None, TokenReason::NotForm));
        }
        match self.introspect(&request.headers, body).await {
            Ok(answer) => answer::json(StatusCode::OK, answer),
            Err(refused) => answer::error(&refused),
        }
    }

    async fn register_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_json(&request.headers) {
            return answer::error(&self.refused(None, RegistrationReason::NotMetadata));
        }
        match self.register(request, body).await {
            Ok(answer) => answer::json(StatusCode::CREATED, answer),
            Err(refused) => answer::registration_error(&refused),
        }
    }

    /// RFC 7592 §2.
    async fn manage_registration(&self, id: &str, request: &Parts, body: &[u8]) -> Response<Bytes> {
        let headers = &request.headers;
        let answer = match request.method {
            Method::PUT if !is_json(headers) => Err(self.refused(None, RegistrationReason::NotMetadata)),
            Method::PUT => self.change_registration(id, request, body).await,
            Method::DELETE => match self.remove_registration(id, headers).await {
                Ok(()) => return answer::text(StatusCode::NO_CONTENT, ""),
                Err(refused) => Err(refused),
            },
            _ => self.read_registration(id, headers).await,
        };
        match answer {
            Ok(answer) => answer::json(StatusCode::OK, answer),
            Err(refused) => answer::registration_error(&refused),
        }
    }

    pub(super) fn has_tls(&self) -> bool {
        self.issuer().is_https()
    }
}

fn plain_page(refused: &Refused) -> Page {
    let body = format!("{} Reference: {}", refused.wire.description, refused.correlation);
    Page { body, content_type: "text/plain; charset=utf-8", content_security_policy: String::new() }
}

/// The media type of a request, without its parameters; empty if it has none.
fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    media_type.is_empty() || media_type.eq_ignore_ascii_case(b"application/json")
}
