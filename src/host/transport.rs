//! Requests of a resource server to its authorization server.

use bytes::Bytes;
use http::{Request, Response};

use super::fetcher::FetchError;

/// Carries the questions of a [`ResourceServer`](crate::ResourceServer) to its authorization server.
/// `HttpTransport` (feature `remote`) is the one that is built in; replace it where all traffic goes through a proxy of
/// yours or another client, and in tests.
///
/// The requests have the secret of the resource server and tokens of users in them, and the answers decide who comes
/// in. So it must
///
/// - prove by the certificate that it talks to the host of the URL, and speak plain `http` to this very machine alone;
/// - follow no redirect, and write no request into a log;
/// - read no more than 64 KiB of an answer, and end within a few seconds in all: requests wait for it. Nobody else
///   gives it up.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request, whose URI is absolute.
    ///
    /// # Errors
    /// If there is no answer. One with whatever status is an answer.
    fn send(&self, request: Request<Bytes>) -> impl Future<Output = Result<Response<Bytes>, FetchError>> + Send;
}

#[cfg(feature = "remote")]
pub use built_in::HttpTransport;

#[cfg(feature = "remote")]
mod built_in {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response};

    use super::Transport;
    use crate::host::fetcher::FetchError;
    use crate::host::outbound::{Bounds, HttpClient, NoRoots};
    use crate::protocol::introspected::MAX_ANSWER;

    const BOUNDS: Bounds = Bounds { in_all: Duration::from_secs(5), content: MAX_ANSWER };

    /// The transport that is built in: one connection for each question, and five seconds for it in all.
    ///
    /// It reaches any address, also those of your own network: you say who is asked, and no stranger does. It checks the
    /// certificate for the host of the URL, speaks plain `http` to this very machine alone, follows no redirect, uses no
    /// proxy, and reads no more than 64 KiB of an answer.
    ///
    /// It needs tokio's runtime.
    #[derive(Debug, Clone)]
    pub struct HttpTransport(HttpClient);

    impl HttpTransport {
        /// A transport that trusts the certificates that the system trusts.
        ///
        /// # Errors
        /// If the system has none.
        pub fn new() -> Result<Self, NoRoots> {
            HttpClient::new().map(Self)
        }

        /// A transport that trusts these certificates alone, each in DER: for a certificate authority of your own.
        ///
        /// # Errors
        /// If none of them is one.
        pub fn with_roots<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoRoots> {
            HttpClient::with_roots(certificates).map(Self)
        }
    }

    impl Transport for HttpTransport {
        async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
            self.0.send(request, BOUNDS).await
        }
    }
}
