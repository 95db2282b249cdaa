//! The fetcher that is built in.

mod network;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::fetcher::{Fetch, FetchError, Fetched, Fetcher};
use super::outbound::{self, NoRoots, Target, Tls};
use crate::protocol::public_address::is_public;

pub use network::{Network, SystemNetwork};

/// From the name to the last byte. Some clients give up after ten seconds in all.
const IN_ALL: Duration = Duration::from_secs(5);

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
    tls: Tls,
}

impl GuardedFetcher {
    /// A fetcher that trusts the certificates that the system trusts.
    ///
    /// # Errors
    /// If the system has none.
    pub fn new() -> Result<Self, NoRoots> {
        Ok(Self { network: SystemNetwork, tls: Tls::of_system()? })
    }

    /// A fetcher that trusts these certificates alone, each in DER.
    ///
    /// # Errors
    /// If none of them is one.
    pub fn with_roots<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoRoots> {
        Ok(Self { network: SystemNetwork, tls: Tls::with_roots(certificates)? })
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
        if !target.is_tls {
            return Err(FetchError::unreachable("only https URLs are fetched"));
        }
        // An address in the URL would be reached without a name to resolve.
        if target.address.is_some() {
            return Err(FetchError::AddressNotPublic);
        }
        let mut request = Request::new(Bytes::new());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(ask.accept));
        let request = target.address(request)?;
        let stream = self.connect(&target).await?;
        outbound::exchange(stream, request, ask.limit).await.map(fetched)
    }

    async fn connect(&self, target: &Target) -> Result<TlsStream<TcpStream>, FetchError> {
        let addresses = self.network.resolve(&target.host, target.port).await.map_err(FetchError::unreachable)?;
        // All of them: a name that leads inside as well means no good.
        if addresses.iter().any(|address| !is_public(address.ip())) {
            return Err(FetchError::AddressNotPublic);
        }
        let stream = outbound::connect(addresses, target.port, |address| self.network.connect(address)).await?;
        self.tls.connect(&target.host, stream).await
    }
}

fn fetched(response: Response<Bytes>) -> Fetched {
    let text = |name: HeaderName| {
        let values = response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.map(str::to_owned).reduce(|all, more| format!("{all}, {more}"))
    };
    let (content_type, cache_control, age) = (text(CONTENT_TYPE), text(CACHE_CONTROL), text(AGE));
    Fetched { status: response.status().as_u16(), content_type, cache_control, age, body: response.into_body() }
}
