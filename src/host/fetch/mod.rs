//! The fetcher that is built in.
//!
//! One connection for one request, to an address that was looked at: there is no pool, no proxy and nothing that
//! follows redirects, so that none of them has to be switched off.

mod network;

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, USER_AGENT,
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::fetcher::{Fetch, FetchError, Fetched, Fetcher};
use crate::protocol::public_address::is_public;

pub use network::{Network, SystemNetwork};

/// From the name to the last byte. Some clients give up after ten seconds in all.
const IN_ALL: Duration = Duration::from_secs(5);
/// For one address, so that one that is dead leaves time for the next.
const TO_CONNECT: Duration = Duration::from_millis(1500);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;
/// The most bytes of headers.
const HEADERS: usize = 16 * 1024;
const USER_AGENT_VALUE: &str = concat!("grantor/", env!("CARGO_PKG_VERSION"));

/// Gets documents of strangers from the public internet, and nothing from the network that it stands in.
///
/// It speaks `https` alone and checks the certificate for the host of the URL. Every address of the name is looked at,
/// and one for special use (private, loopback, link-local, mapped and translated ones among them) refuses them all; it
/// connects to an address that it looked at, and asks for the name no second time. It follows no redirect, uses no
/// proxy, sends no cookie, reads no more than it may, and takes five seconds in all.
///
/// It needs tokio's runtime.
pub struct GuardedFetcher<N = SystemNetwork> {
    network: N,
    tls: TlsConnector,
}

/// There are no certificates to trust.
#[derive(Debug, thiserror::Error)]
#[error("no root certificates to trust: {0}")]
pub struct NoRoots(#[source] Box<dyn Error + Send + Sync>);

impl GuardedFetcher {
    /// A fetcher that trusts the certificates that the system trusts.
    ///
    /// # Errors
    /// If the system has none.
    pub fn new() -> Result<Self, NoRoots> {
        let mut found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err(NoRoots(found.errors.pop().map_or_else(|| "the system has none".into(), Into::into)));
        }
        Self::trusting(found.certs)
    }

    /// A fetcher that trusts these certificates alone, each in DER.
    ///
    /// # Errors
    /// If none of them is one.
    pub fn with_roots<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoRoots> {
        Self::trusting(certificates.into_iter().map(|der| CertificateDer::from(der.to_vec())))
    }

    fn trusting(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, NoRoots> {
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(NoRoots("none of the certificates can be read".into()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| NoRoots(error.into()))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { network: SystemNetwork, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The same over another network than the system's.
    #[must_use]
    pub fn network<N: Network>(self, network: N) -> GuardedFetcher<N> {
        GuardedFetcher { network, tls: self.tls }
    }
}

impl<N> fmt::Debug for GuardedFetcher<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedFetcher").finish_non_exhaustive()
    }
}

impl<N: Network> Fetcher for GuardedFetcher<N> {
    async fn fetch(&self, ask: Fetch<'_>) -> Result<Fetched, FetchError> {
        timeout(IN_ALL, self.fetch_in_time(ask)).await.map_err(|_| FetchError::TimedOut)?
    }
}

impl<N: Network> GuardedFetcher<N> {
    async fn fetch_in_time(&self, ask: Fetch<'_>) -> Result<Fetched, FetchError> {
        let target = Target::read(ask.url)?;
        let stream = self.connect(&target).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEADERS).max_headers(100);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(FetchError::unreachable)?;
        // Given up together with the request.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = target.request(ask.accept).map_err(FetchError::unreachable)?;
        let response = sender.send_request(request).await.map_err(FetchError::unreachable)?;
        read(response, ask.limit).await
    }

    async fn connect(&self, target: &Target) -> Result<TlsStream<TcpStream>, FetchError> {
        let addresses = self.network.resolve(&target.host, target.port).await.map_err(FetchError::unreachable)?;
        // All of them: a name that leads inside as well means no good.
        if addresses.iter().any(|address| !is_public(address.ip())) {
            return Err(FetchError::AddressNotPublic);
        }
        let mut failure = FetchError::unreachable("the name has no address");
        for address in addresses.into_iter().take(ADDRESSES) {
            match self.connect_to(address, target.port).await {
                Ok(stream) => {
                    let name = ServerName::try_from(target.host.clone()).map_err(FetchError::unreachable)?;
                    return self.tls.connect(name, stream).await.map_err(FetchError::unreachable);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn connect_to(&self, address: SocketAddr, port: u16) -> Result<TcpStream, FetchError> {
        let address = SocketAddr::new(address.ip(), port);
        let connecting = timeout(TO_CONNECT, self.network.connect(address)).await;
        connecting.map_err(|_| FetchError::unreachable("nobody answers"))?.map_err(FetchError::unreachable)
    }
}

/// What a URL names.
struct Target {
    host: String,
    port: u16,
    authority: String,
    path_and_query: String,
}

impl Target {
    fn read(text: &str) -> Result<Self, FetchError> {
        let url = Url::parse(text).map_err(FetchError::unreachable)?;
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::unreachable("only https URLs without a user name are fetched"));
        }
        // An address in the URL would be reached without a name to resolve.
        let host = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => return Err(FetchError::AddressNotPublic),
        };
        let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path_and_query = format!("{}{query}", url.path());
        Ok(Self { port: url.port().unwrap_or(443), host, authority, path_and_query })
    }

    fn request(&self, accept: &'static str) -> http::Result<Request<Empty<Bytes>>> {
        Request::get(&self.path_and_query)
            .header(HOST, &self.authority)
            .header(ACCEPT, accept)
            .header(USER_AGENT, USER_AGENT_VALUE)
            .header(CONNECTION, "close")
            .body(Empty::new())
    }
}

async fn read(mut response: Response<Incoming>, limit: usize) -> Result<Fetched, FetchError> {
    let text = |name: HeaderName| {
        let values = response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.map(str::to_owned).reduce(|all, more| format!("{all}, {more}"))
    };
    let (content_type, cache_control, age) = (text(CONTENT_TYPE), text(CACHE_CONTROL), text(AGE));
    // What it announces is believed only to its disadvantage.
    let announced = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()).unwrap_or_default();
    if announced > limit as u64 {
        return Err(FetchError::TooLarge);
    }
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(FetchError::unreachable)?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > limit - body.len() {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(data);
    }
    Ok(Fetched { status, content_type, cache_control, age, body: body.freeze() })
}
