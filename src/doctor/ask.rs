//! The requests.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderName,
    ORIGIN,
};
use http::{Method, Request};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::examine::PAGE;
use super::observed::Exchange;
use super::place;
use super::transport::Transport;
use crate::host::{FetchError, Stopwatch};

/// The most bytes of content that are read; metadata and forms are far smaller.
const LIMIT: usize = 256 * 1024;
/// How many answers as slow as can be are waited for.
const ANSWERS: u32 = 20;
/// The challenge is that of RFC 7636 appendix B.
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CODE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const FORM: &str = "application/x-www-form-urlencoded";
/// What clients of MCP send beyond what any page may.
const HEADERS: &str =
    "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name,last-event-id,dpop";

/// Asks, and keeps the time.
pub(super) struct Asker<'a, T> {
    transport: &'a T,
    /// Whether addresses of this very machine may be asked.
    is_here: bool,
    patience: Duration,
    since: Stopwatch,
}

type Headers<'h> = &'h [(HeaderName, &'h str)];

impl<'a, T: Transport> Asker<'a, T> {
    pub(super) fn new(transport: &'a T, endpoint: &Url, patience: Duration) -> Self {
        Self { transport, is_here: place::is_loopback(endpoint.as_str()), patience, since: Stopwatch::start() }
    }

    /// Whether there is no time left.
    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= self.patience * ANSWERS
    }

    pub(super) async fn get(&mut self, url: &str) -> Exchange {
        self.call(Method::GET, url).await
    }

    pub(super) async fn call(&mut self, method: Method, url: &str) -> Exchange {
        self.ask(method, url, &[], Bytes::new()).await
    }

    pub(super) async fn get_from_page(&mut self, url: &str) -> Exchange {
        self.ask(Method::GET, url, &[(ORIGIN, PAGE)], Bytes::new()).await
    }

    pub(super) async fn with_token(&mut self, url: &str, token: &str) -> Exchange {
        let token = format!("Bearer {token}");
        self.post_mcp(url, &[(AUTHORIZATION, &token)]).await
    }

    /// The first message of every client, without a token.
    pub(super) async fn initialize(&mut self, url: &str, origin: Option<&str>) -> Exchange {
        match origin {
            Some(origin) => self.post_mcp(url, &[(ORIGIN, origin)]).await,
            None => self.post_mcp(url, &[]).await,
        }
    }

    async fn post_mcp(&mut self, url: &str, more: Headers<'_>) -> Exchange {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "grantor-doctor", "version": env!("CARGO_PKG_VERSION") },
            },
        });
        let own = [(CONTENT_TYPE, "application/json"), (ACCEPT, "application/json, text/event-stream")];
        let headers = [&own, more].concat();
        self.ask(Method::POST, url, &headers, message.to_string()).await
    }

    /// What a browser asks before a page's request (Fetch standard §3.2.2).
    pub(super) async fn preflight(&mut self, url: &str, method: &str) -> Exchange {
        let asked =
            [(ORIGIN, PAGE), (ACCESS_CONTROL_REQUEST_METHOD, method), (ACCESS_CONTROL_REQUEST_HEADERS, HEADERS)];
        self.ask(Method::OPTIONS, url, &asked, Bytes::new()).await
    }

    pub(super) async fn post_json(&mut self, url: &str, content: &Value) -> Exchange {
        let headers = [(CONTENT_TYPE, "application/json"), (ACCEPT, "application/json")];
        self.ask(Method::POST, url, &headers, content.to_string()).await
    }

    pub(super) async fn exchange_code(&mut self, url: &str, client: &str) -> Exchange {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", "grantor-doctor-knows-no-code"),
            ("redirect_uri", "https://client.example/callback"),
            ("client_id", client),
            ("code_verifier", CODE_VERIFIER),
        ];
        self.post_form(url, &form, None).await
    }

    pub(super) async fn refresh(&mut self, url: &str, client: &str, origin: Option<&str>) -> Exchange {
        let token = ("refresh_token", "grantor-doctor-knows-no-token");
        self.post_form(url, &[("grant_type", "refresh_token"), token, ("client_id", client)], origin).await
    }

    async fn post_form(&mut self, url: &str, form: &[(&str, &str)], origin: Option<&str>) -> Exchange {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = vec![(CONTENT_TYPE, FORM), (ACCEPT, "application/json")];
        headers.extend(origin.map(|origin| (ORIGIN, origin)));
        self.ask(Method::POST, url, &headers, form).await
    }

    async fn ask(&mut self, method: Method, url: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Exchange {
        let since = Stopwatch::start();
        let request = self.request(&method, url, headers, body.into());
        let was_asked = request.is_ok();
        let outcome = match request {
            Ok(request) => self.transport.send(request, self.patience, LIMIT).await,
            Err(error) => Err(error),
        };
        // A transport of somebody's own may read more.
        let outcome = outcome.and_then(|answer| match answer.body().len() {
            ..=LIMIT => Ok(answer),
            _ => Err(FetchError::TooLarge),
        });
        Exchange { method, url: url.to_owned(), outcome, took: since.elapsed(), was_asked }
    }

    fn request(
        &self,
        method: &Method,
        url: &str,
        headers: Headers<'_>,
        body: Bytes,
    ) -> Result<Request<Bytes>, FetchError> {
        if self.is_over() {
            return Err(FetchError::unreachable("it was not asked any more"));
        }
        let may_be_asked = url.starts_with("https://") || (self.is_here && place::is_loopback(url));
        if !may_be_asked {
            return Err(FetchError::unreachable("it was not asked, since it is no https address"));
        }
        let request = Request::builder().method(method).uri(url);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
        request.body(body).map_err(FetchError::unreachable)
    }
}

/// The URL that a client opens in a browser (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2).
pub(super) fn authorization_request(
    endpoint: &str,
    client: &str,
    redirect_uri: &str,
    scope: &str,
    resource: &str,
) -> String {
    let Ok(mut url) = Url::parse(endpoint) else { return endpoint.to_owned() };
    let mut query = url.query_pairs_mut();
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("state", "grantor-doctor"),
        ("code_challenge", CODE_CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", resource),
    ]);
    if !scope.is_empty() {
        query.append_pair("scope", scope);
    }
    drop(query);
    url.into()
}
