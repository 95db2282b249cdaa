//! The question to the authorization server: what is this token worth?

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::host::{AnyTransport, Boarding, Flights, Transport as _};
use crate::protocol::error::BearerReason;
use crate::protocol::introspected::{self, NoEndpoint, Told};
use crate::protocol::issuer::Issuer;
use crate::protocol::metadata;

/// Asks the authorization server.
pub(super) struct Questions {
    transport: AnyTransport,
    issuer: Issuer,
    /// `Authorization` of this resource server.
    credentials: HeaderValue,
    /// Said by the app, or read from the metadata of the issuer when it was first needed.
    endpoint: OnceLock<String>,
    discovery: Flights<(), BearerReason>,
}

impl Questions {
    pub(super) fn new(
        transport: AnyTransport,
        issuer: Issuer,
        credentials: HeaderValue,
        endpoint: Option<String>,
    ) -> Self {
        let endpoint = endpoint.map_or_else(OnceLock::new, OnceLock::from);
        Self { transport, issuer, credentials, endpoint, discovery: Flights::default() }
    }

    pub(super) const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What the authorization server says of a token.
    pub(super) async fn ask(&self, endpoint: &str, token: &str) -> Result<Told, BearerReason> {
        // RFC 7662 §2.1
        let form = [("token", token), ("token_type_hint", "access_token")];
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(endpoint)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, self.credentials.clone())
            .body(Bytes::from(body));
        let answer = self.send(request).await?;
        let status = answer.status().as_u16();
        match status {
            // Not the caller's 401: it is this resource server that is refused.
            400..=407 | 409..=428 => {
                tracing::error!(status, "the authorization server does not let this resource server introspect");
                return Err(BearerReason::IntrospectionRefused);
            }
            408 | 429..=599 => {
                tracing::error!(status, "the authorization server cannot answer");
                return Err(BearerReason::Unavailable);
            }
            _ => {}
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        introspected::read(status, content_type, answer.body()).map_err(|error| {
            tracing::error!(status, %error, "the answer of the authorization server cannot be understood");
            BearerReason::IntrospectionUnreadable
        })
    }

    /// Where to ask. The metadata are read once; while they cannot be read, each request tries.
    pub(super) async fn endpoint(&self) -> Result<&str, BearerReason> {
        loop {
            if let Some(endpoint) = self.endpoint.get() {
                return Ok(endpoint);
            }
            match self.discovery.board(&()).await {
                Boarding::Fetch(boarded) => match self.discover().await {
                    Ok(endpoint) => return Ok(self.endpoint.get_or_init(|| endpoint)),
                    Err(reason) => {
                        boarded.failed(reason.clone());
                        return Err(reason);
                    }
                },
                Boarding::Landed(Some(reason)) => return Err(reason),
                Boarding::Landed(None) => {}
            }
        }
    }

    async fn discover(&self) -> Result<String, BearerReason> {
        let url = format!("{}{}", self.issuer.origin(), metadata::server_metadata_path(&self.issuer));
        let answer = self.send(Request::get(url).header(ACCEPT, "application/json").body(Bytes::new())).await?;
        let status = answer.status().as_u16();
        introspected::endpoint(status, answer.body(), &self.issuer).map_err(|error: NoEndpoint| {
            tracing::error!(status, %error, "the metadata of the authorization server tell no introspection endpoint");
            if status >= 500 { BearerReason::Unavailable } else { BearerReason::IntrospectionUnreadable }
        })
    }

    async fn send(&self, request: Result<Request<Bytes>, http::Error>) -> Result<Response<Bytes>, BearerReason> {
        let request = request.map_err(|error| {
            tracing::error!(%error, "the authorization server cannot be asked");
            BearerReason::ServerError
        })?;
        self.transport.send(request).await.map_err(|error| {
            tracing::error!(%error, "the authorization server cannot be reached");
            BearerReason::Unavailable
        })
    }
}

/// RFC 6749 §2.3.1: id and secret are form-encoded before they are put together.
pub(super) fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let mut value = HeaderValue::try_from(format!("Basic {credentials}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_put_together() {
        let value = basic("a:b c", "p%ä+").unwrap();
        let credentials = STANDARD.decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(credentials).unwrap(), "a%3Ab+c:p%25%C3%A4%2B");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
