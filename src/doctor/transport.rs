//! How requests are sent.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::host::{Bounds, FetchError, HttpClient, NoRoots};

/// Sends the requests of an examination: replace [`HttpTransport`] to examine an app in its own tests, or by way of a
/// proxy.
pub trait Transport: Send + Sync {
    /// Sends one request, whose URI is absolute, and answers with what came back, whatever its status. It follows no
    /// redirect, keeps no cookie and sends nothing of its own that says who asks. It takes no longer than `within`
    /// from the start to the last byte, and reads no more than `limit` bytes of content.
    ///
    /// # Errors
    /// If nothing came back, not all of it, or not in time.
    fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
        limit: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, FetchError>> + Send;
}

/// Sends requests over the network: `https`, with the certificates that the system trusts, and plain `http` to this
/// very machine alone. It needs tokio's runtime.
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

    /// A transport that trusts these certificates alone, each in DER.
    ///
    /// # Errors
    /// If none of them is one.
    pub fn with_roots<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoRoots> {
        HttpClient::with_roots(certificates).map(Self)
    }
}

impl Transport for HttpTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
        limit: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        self.0.send(request, Bounds { in_all: within, content: limit }).await
    }
}
