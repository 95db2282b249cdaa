//! From HTTP to the server's endpoints and back.

use std::fmt::Display;

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
use crate::protocol::client_auth::ClientAuthError;
use crate::protocol::error::{PageReason, RegistrationReason, TokenReason, WireError};
use crate::protocol::response::{AuthorizeResponse, ResponseMode};
use crate::server::{Authorization, Decision, PageRefusal, Server};

impl Server {
    pub(super) async fn dispatch(&self, endpoint: &Endpoint, request: &Parts, body: &[u8]) -> Response<Bytes> {
        match endpoint {
            Endpoint::Authorize if request.method == Method::POST => self.authorize_by_post(request, body).await,
            Endpoint::Authorize => self.authorize_by_get(request).await,
            Endpoint::Consent => self.consent(request, body).await,
            Endpoint::Token => self.token_by_post(request, body).await,
            Endpoint::Revoke => self.revoke_by_post(request, body).await,
            Endpoint::Register => self.register_by_post(request, body).await,
            Endpoint::ServerMetadata => answer::document(self.documents().await.server.clone()),
            Endpoint::ResourceMetadata(at) => match self.documents().await.resources.get(*at) {
                Some((_, document)) => answer::document(document.clone()),
                None => absent(),
            },
            Endpoint::Absent => absent(),
        }
    }

    /// A request that is too large, in the form of its endpoint.
    pub(super) async fn too_large(&self, endpoint: &Endpoint) -> Response<Bytes> {
        match endpoint {
            Endpoint::Authorize | Endpoint::Consent => self.refusal_page(PageReason::TooLarge.into()).await,
            Endpoint::Token | Endpoint::Revoke => refused_unread(&TokenReason::TooLarge, TokenReason::TooLarge.wire()),
            Endpoint::Register => refused_unread(&RegistrationReason::TooLarge, RegistrationReason::TooLarge.wire()),
            Endpoint::ServerMetadata | Endpoint::ResourceMetadata(_) | Endpoint::Absent => {
                answer::text(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.")
            }
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
            Ok(Decision::AlreadyDecided(page)) => {
                tracing::info!("the prompt was decided before");
                answer::page(StatusCode::CONFLICT, page)
            }
            Err(refusal) => self.refusal_page(refusal).await,
        }
    }

    async fn to_client(&self, response: &AuthorizeResponse) -> Response<Bytes> {
        match response.mode() {
            ResponseMode::Query => self.redirect(&response.location()).await,
            ResponseMode::FormPost => answer::page(StatusCode::OK, form_post::page(response)),
        }
    }

    async fn redirect(&self, location: &str) -> Response<Bytes> {
        match answer::see_other(location) {
            Some(response) => response,
            None => self.refusal_page(PageReason::ServerError.into()).await,
        }
    }

    async fn refusal_page(&self, refusal: PageRefusal) -> Response<Bytes> {
        let wire = refusal.reason.wire();
        tracing::info!(reason = %refusal.reason, "a page was shown instead of an answer");
        let status = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = self.error_page(refusal).await;
        answer::page(status, page.unwrap_or_else(|| plain_page(wire.description)))
    }

    async fn token_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_form(&request.headers) {
            return refused_unread(&TokenReason::NotForm, TokenReason::NotForm.wire());
        }
        match self.token(&request.headers, body).await {
            Ok(response) => answer::json(StatusCode::OK, response.to_json()),
            Err(ClientAuthError { reason, used_basic }) => answer::error(reason.wire(), used_basic),
        }
    }

    async fn revoke_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_form(&request.headers) {
            return refused_unread(&TokenReason::NotForm, TokenReason::NotForm.wire());
        }
        match self.revoke(&request.headers, body).await {
            // RFC 7009 §2.2: the same for a token that was revoked and one that never was
            Ok(()) => answer::text(StatusCode::OK, ""),
            Err(ClientAuthError { reason, used_basic }) => answer::error(reason.wire(), used_basic),
        }
    }

    async fn register_by_post(&self, request: &Parts, body: &[u8]) -> Response<Bytes> {
        if !is_json(&request.headers) {
            return refused_unread(&RegistrationReason::NotMetadata, RegistrationReason::NotMetadata.wire());
        }
        match self.register(body).await {
            Ok(answer) => answer::json(StatusCode::CREATED, answer),
            Err(reason) => answer::error(reason.wire(), false),
        }
    }

    fn has_tls(&self) -> bool {
        self.issuer().is_https()
    }
}

/// A request that is refused before its body is read.
fn refused_unread(reason: &impl Display, wire: WireError) -> Response<Bytes> {
    tracing::info!(%reason, "request refused unread");
    answer::error(wire, false)
}

fn absent() -> Response<Bytes> {
    answer::text(StatusCode::NOT_FOUND, "There is nothing here.")
}

fn plain_page(text: &str) -> Page {
    Page { body: text.to_owned(), content_type: "text/plain; charset=utf-8", content_security_policy: String::new() }
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
