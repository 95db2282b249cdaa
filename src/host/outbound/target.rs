//! What a URL names.

use std::net::IpAddr;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http_body_util::Full;
use url::{Host, Url};

use super::FetchError;

const USER_AGENT_VALUE: &str = concat!("grantor/", env!("CARGO_PKG_VERSION"));

/// What an http or https URL without a user name names.
pub(in crate::host) struct Target {
    pub(in crate::host) is_tls: bool,
    /// A name, or an address without brackets.
    pub(in crate::host) host: String,
    /// Set if the host is an address.
    pub(in crate::host) address: Option<IpAddr>,
    pub(in crate::host) port: u16,
    authority: String,
    path_and_query: String,
}

impl Target {
    pub(in crate::host) fn read(text: &str) -> Result<Self, FetchError> {
        let url = Url::parse(text).map_err(FetchError::unreachable)?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::unreachable("only http and https URLs without a user name are asked"));
        }
        let (host, address) = match url.host() {
            Some(Host::Domain(name)) => (name.trim_end_matches('.').to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::from(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::from(address))),
            None => return Err(FetchError::unreachable("the URL has no host")),
        };
        let name = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let authority = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path_and_query = format!("{}{query}", url.path());
        let port = url.port_or_known_default().unwrap_or(443);
        Ok(Self { is_tls: url.scheme() == "https", host, address, port, authority, path_and_query })
    }

    /// The same request in the form in which it is sent to an origin.
    pub(in crate::host) fn address(&self, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, FetchError> {
        let (mut head, body) = request.into_parts();
        head.uri = self.path_and_query.parse().map_err(FetchError::unreachable)?;
        let host = HeaderValue::from_str(&self.authority).map_err(FetchError::unreachable)?;
        head.headers.insert(HOST, host);
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        head.headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT_VALUE));
        Ok(Request::from_parts(head, Full::new(body)))
    }
}
