//! What was asked and what came back.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, LOCATION};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::clients::KnownClient;
use super::seen::{inert, quoted};
use crate::host::FetchError;

/// One request and what came of it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) outcome: Result<Response<Bytes>, FetchError>,
    pub(super) took: Duration,
    /// Whether it was sent: addresses that nobody should be sent to are not asked.
    pub(super) was_asked: bool,
}

impl Exchange {
    pub(super) fn status(&self) -> Option<StatusCode> {
        self.outcome.as_ref().ok().map(Response::status)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.status() == Some(StatusCode::OK)
    }

    pub(super) fn is_redirect(&self) -> bool {
        self.status().is_some_and(|status| status.is_redirection())
    }

    pub(super) fn is_absent(&self) -> bool {
        self.status().is_some_and(|status| matches!(status.as_u16(), 404 | 410))
    }

    pub(super) fn headers(&self) -> Option<&HeaderMap> {
        self.outcome.as_ref().ok().map(Response::headers)
    }

    /// All values of a header, whatever their bytes are, as one list.
    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        let values = self.headers()?.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .reduce(|all, more| all + ", " + &more)
    }

    /// Where it redirects to, if that is a URL.
    pub(super) fn location(&self) -> Option<Url> {
        let location = self.header(&LOCATION)?;
        Url::parse(&self.url).ok()?.join(&location).ok()
    }

    /// The content, if it is a JSON object.
    pub(super) fn object(&self) -> Option<Map<String, Value>> {
        match serde_json::from_slice(self.outcome.as_ref().ok()?.body()).ok()? {
            Value::Object(object) => Some(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    /// The document that is there: 200 and a JSON object.
    pub(super) fn document(&self) -> Option<Document> {
        self.object().filter(|_| self.is_ok()).map(Document)
    }

    /// The error that it names (RFC 6749 §5.2).
    pub(super) fn error(&self) -> Option<String> {
        self.object()?.get("error")?.as_str().map(str::to_owned)
    }

    /// `GET https://app.example/mcp: 405`
    pub(super) fn seen(&self) -> String {
        // Without the query, which is long, and ours.
        let asked = format!("{} {}", self.method, inert(self.url.split('?').next().unwrap_or_default()));
        match &self.outcome {
            Ok(response) => format!("{asked}: {}{}", response.status().as_u16(), self.to_where()),
            Err(error) => format!("{asked}: {}", inert(&error.to_string())),
        }
    }

    /// Without the query, in which there may be what is nobody's business.
    fn to_where(&self) -> String {
        match self.location().filter(|_| self.is_redirect()) {
            Some(mut location) => {
                location.set_query(None);
                location.set_fragment(None);
                format!(" to {}", inert(location.as_str()))
            }
            None => String::new(),
        }
    }

    /// The same and one thing more.
    pub(super) fn seen_with(&self, more: &str) -> String {
        format!("{}, {more}", self.seen())
    }
}

/// A JSON document with metadata.
#[derive(Debug, Clone)]
pub(super) struct Document(pub(super) Map<String, Value>);

impl Document {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// `None` if there is no such list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    pub(super) fn has(&self, name: &str, item: &str) -> bool {
        self.list(name).is_some_and(|list| list.contains(&item))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    /// A member as it can be shown.
    pub(super) fn seen(&self, name: &str) -> String {
        match self.0.get(name) {
            None => format!("no {}", inert(name)),
            Some(Value::String(text)) => format!("{}: {}", inert(name), quoted(text)),
            Some(other) => format!("{}: {}", inert(name), inert(&other.to_string())),
        }
    }

    /// The names of the members that are null.
    pub(super) fn nulls(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str()).collect()
    }
}

/// Where the metadata of a resource may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResourcePlace {
    /// Where the challenge says.
    Challenge,
    /// The well-known path with that of the endpoint behind it (RFC 9728 §3.1).
    Path,
    /// The well-known path alone.
    Root,
}

/// Where the metadata of an authorization server may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerPlace {
    /// RFC 8414 §3.1.
    OAuth,
    /// OpenID's well-known path with that of the issuer behind it.
    OpenId,
    /// OpenID's well-known path behind that of the issuer.
    OpenIdAppended,
    /// OAuth's well-known path behind that of the issuer, where no RFC has it.
    OAuthAppended,
    /// With the path of the endpoint behind it: clients that take the endpoint for the issuer look there.
    OfEndpoint,
}

impl ServerPlace {
    pub(super) const fn is_openid(self) -> bool {
        matches!(self, Self::OpenId | Self::OpenIdAppended)
    }
}

/// The resource, asked in all ways in which clients ask it.
#[derive(Debug)]
pub(super) struct Resource {
    /// Without anything.
    pub(super) plain: Exchange,
    /// The first message of every MCP client.
    pub(super) initialize: Exchange,
    pub(super) wrong_token: Exchange,
    pub(super) from_page: Exchange,
    pub(super) preflight: Exchange,
    pub(super) documents: Vec<(ResourcePlace, Exchange)>,
}

/// A document, asked for in other ways.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) head: Exchange,
    pub(super) options: Exchange,
    pub(super) from_page: Exchange,
    pub(super) preflight: Exchange,
}

/// The authorization server.
#[derive(Debug)]
pub(super) struct Server {
    /// As the resource names it, or the resource's origin if it names none.
    pub(super) issuer: String,
    pub(super) is_guessed: bool,
    pub(super) documents: Vec<(ServerPlace, Exchange)>,
}

/// Its endpoints, as far as its metadata names them.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    pub(super) authorize: Option<Authorize>,
    pub(super) token: Option<Token>,
    /// Preflights to other endpoints, by the member that names the endpoint.
    pub(super) preflights: Vec<(&'static str, Exchange)>,
    /// The authorization requests of clients that have a metadata document.
    pub(super) with_documents: Vec<(KnownClient, Exchange)>,
    pub(super) registered: Vec<Registered>,
    /// A refresh token that never was, from a client that has just registered.
    pub(super) dead_refresh_token: Option<Exchange>,
}

#[derive(Debug)]
pub(super) struct Authorize {
    pub(super) unknown_client: Exchange,
    pub(super) preflight: Exchange,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) unknown_client: Exchange,
    pub(super) dead_refresh_token: Exchange,
    pub(super) from_page: Exchange,
    pub(super) preflight: Exchange,
}

/// A client that was registered, and its authorization request.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) client: KnownClient,
    pub(super) registration: Exchange,
    pub(super) authorize: Option<Exchange>,
    /// The same for the origin as resource.
    pub(super) for_origin: Option<Exchange>,
}

/// All that was seen of a deployment.
#[derive(Debug)]
pub(super) struct Observations {
    /// The URL as people paste it.
    pub(super) url: String,
    pub(super) resource: Resource,
    pub(super) resource_ways: Option<Ways>,
    pub(super) server: Option<Server>,
    pub(super) server_ways: Option<Ways>,
    pub(super) endpoints: Endpoints,
    /// Whether there was no time left to ask everything.
    pub(super) was_cut_short: bool,
}

impl Resource {
    /// The metadata that clients take: the first that are there.
    pub(super) fn metadata(&self) -> Option<(&Exchange, Document)> {
        self.documents.iter().find_map(|(_, exchange)| Some((exchange, exchange.document()?)))
    }
}

impl Server {
    /// The metadata that clients take: the first that are there, at the places that are specified.
    pub(super) fn metadata(&self) -> Option<(ServerPlace, &Exchange, Document)> {
        let specified = |place| matches!(place, ServerPlace::OAuth | ServerPlace::OpenId | ServerPlace::OpenIdAppended);
        let documents = self.documents.iter().filter(|(place, _)| specified(*place));
        documents.into_iter().find_map(|(place, exchange)| Some((*place, exchange, exchange.document()?)))
    }
}
