//! `examples/mcp.rs` for clients that have a metadata document, and for those alone. The document is at a site of
//! this process, at the name `client.example`, with a certificate authority of its own: the fetcher is the one that is
//! built in, with other roots and another network, as the tests of the fetcher have it.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use grantor::host::Network;
use grantor::{Builder, GuardedFetcher, MetadataDocuments, Registration};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

#[allow(dead_code, reason = "an example has a `main`, which nobody calls here")]
#[path = "../../examples/mcp.rs"]
pub(crate) mod example;

/// What the probes have in common. Each of them has a redirect URI of its own.
const DOCUMENT: &str = r#"{
    "client_id": "https://client.example/probe.json",
    "client_name": "Probe with a document",
    "redirect_uris": [
        "http://localhost:8123/callback", "http://localhost:8124/callback", "http://127.0.0.1:8787/callback/1"
    ],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none"
}"#;

type Failure = Box<dyn Error + Send + Sync>;

/// Every name leads to a public address, and every connection to the site of this process.
#[derive(Clone)]
struct ToSite(SocketAddr);

impl Network for ToSite {
    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![(Ipv4Addr::new(1, 2, 3, 4), port).into()])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }
}

/// Starts the site; what fetches from it.
async fn site() -> Result<GuardedFetcher<ToSite>, Failure> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["client.example".to_owned()])?.signed_by(&key, &authority)?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await?);
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), stream));
        }
    });
    Ok(GuardedFetcher::with_roots([&**authority.der()])?.network(ToSite(address)))
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let is_there = head.starts_with(b"GET /probe.json HTTP/1.1\r\n");
    let (status, body) = if is_there { ("200 OK", DOCUMENT) } else { ("404 Not Found", "") };
    let headers = format!("content-type: application/json\r\ncontent-length: {}", body.len());
    stream.write_all(format!("HTTP/1.1 {status}\r\n{headers}\r\n\r\n{body}").as_bytes()).await?;
    stream.shutdown().await
}

/// The example's app, in which a metadata document is the only way to become a client.
pub(crate) async fn routes(origin: String, password: &str) -> Result<Router, Failure> {
    let documents = MetadataDocuments::new(site().await?);
    let builder = |oauth: Builder| oauth.registration(Registration::Off).client_metadata_documents(documents);
    example::routes(example::App::new(origin, password), builder).map_err(|error| error.to_string().into())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    #[allow(clippy::disallowed_methods, reason = "a program reads its own environment")]
    let (port, password) = (std::env::var("PORT")?, std::env::var("PASSWORD")?);
    let address = format!("127.0.0.1:{port}");
    let router = routes(format!("http://{address}"), &password).await?;
    Ok(axum::serve(TcpListener::bind(&address).await?, router).await?)
}
