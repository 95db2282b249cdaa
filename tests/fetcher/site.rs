//! A hostile site on loopback, with a certificate authority of the test's own, and a network that leads to it.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use grantor::GuardedFetcher;
use grantor::host::{Fetch, FetchError, Fetched, Fetcher as _, Network};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

pub(crate) const HOST: &str = "client.example";
pub(crate) const PUBLIC: &str = "1.2.3.4";
pub(crate) const LIMIT: usize = 64 * 1024;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn acceptor(&self, change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn fetcher(&self, network: &Net) -> GuardedFetcher<Net> {
        GuardedFetcher::with_roots([&**self.0.der()]).unwrap().network(network.clone())
    }
}

/// Names lead where the test says, and every connection to the site.
#[derive(Clone)]
pub(crate) struct Net(Arc<Inner>);

struct Inner {
    site: SocketAddr,
    /// What the name leads to, each time that it is asked for; the last answer stays.
    addresses: Mutex<VecDeque<Vec<IpAddr>>>,
    questions: AtomicUsize,
    connected: Mutex<Vec<SocketAddr>>,
}

impl Network for Net {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.questions.fetch_add(1, Ordering::SeqCst);
        let mut addresses = self.0.addresses.lock().unwrap();
        let answer = if addresses.len() > 1 { addresses.pop_front().unwrap() } else { addresses[0].clone() };
        // A resolver's port is not the one that is connected to.
        Ok(answer.into_iter().map(|address| SocketAddr::new(address, 6379)).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.connected.lock().unwrap().push(address);
        if address.ip().to_string() == "9.9.9.9" {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        TcpStream::connect(self.0.site).await
    }
}

impl Net {
    pub(crate) fn to(site: SocketAddr) -> Self {
        let inner =
            Inner { site, addresses: Mutex::default(), questions: AtomicUsize::new(0), connected: Mutex::default() };
        let net = Self(Arc::new(inner));
        net.leads_to(&[&[PUBLIC]]);
        net
    }

    pub(crate) fn leads_to(&self, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        *self.0.addresses.lock().unwrap() = answers.iter().map(parse).collect();
    }

    pub(crate) fn questions(&self) -> usize {
        self.0.questions.load(Ordering::SeqCst)
    }

    pub(crate) fn connected(&self) -> Vec<String> {
        self.0.connected.lock().unwrap().iter().map(SocketAddr::to_string).collect()
    }
}

/// A site that answers in its own way.
pub(crate) struct Site {
    pub(crate) authority: Authority,
    pub(crate) net: Net,
    /// The heads of the requests that came.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

type Stream = TlsStream<TcpStream>;

impl Site {
    /// Answers every request with these bytes, and closes.
    pub(crate) async fn sending(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::with(
            |_| {},
            move |mut stream: Stream| {
                let bytes = bytes.clone();
                async move {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                }
            },
        )
        .await
    }

    /// Does what it likes once the head of a request has come.
    pub(crate) async fn with<B, F>(certificate: impl FnOnce(&mut CertificateParams), behaviour: B) -> Self
    where
        B: Fn(Stream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send,
    {
        let authority = Authority::new();
        let acceptor = authority.acceptor(certificate);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let net = Net::to(listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, behaviour) = (Arc::clone(&requests), Arc::new(behaviour));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, behaviour) = (acceptor.clone(), Arc::clone(&seen), Arc::clone(&behaviour));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let head = head(&mut stream).await;
                    seen.lock().unwrap().push(head);
                    behaviour(stream).await;
                });
            }
        });
        Self { authority, net, requests }
    }

    pub(crate) async fn fetch(&self) -> Result<Fetched, FetchError> {
        self.fetch_url("https://client.example/client.json").await
    }

    pub(crate) async fn fetch_url(&self, url: &str) -> Result<Fetched, FetchError> {
        self.authority.fetcher(&self.net).fetch(Fetch::json(url, LIMIT)).await
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn head(stream: &mut Stream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
