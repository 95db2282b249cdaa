//! TLS, and whose certificates are trusted.

use std::error::Error;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::FetchError;

/// There are no certificates to trust.
#[derive(Debug, thiserror::Error)]
#[error("no root certificates to trust: {0}")]
pub struct NoRoots(#[source] Box<dyn Error + Send + Sync>);

/// Speaks TLS to those whose certificates are trusted.
#[derive(Clone)]
pub(in crate::host) struct Tls(TlsConnector);

impl Tls {
    /// Trusts what the system trusts.
    pub(in crate::host) fn of_system() -> Result<Self, NoRoots> {
        let mut found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err(NoRoots(found.errors.pop().map_or_else(|| "the system has none".into(), Into::into)));
        }
        Self::trusting(found.certs)
    }

    /// Trusts these certificates alone, each in DER.
    pub(in crate::host) fn with_roots<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoRoots> {
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
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Finds that the other side of a connection is `host`.
    pub(in crate::host) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, FetchError> {
        let name = ServerName::try_from(host.to_owned()).map_err(FetchError::unreachable)?;
        self.0.connect(name, stream).await.map_err(FetchError::unreachable)
    }
}
