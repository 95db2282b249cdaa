//! Requests to URLs that the operator of the app chose.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{FetchError, NoRoots, Target, Tls, connect, exchange};

/// How much an answer may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// From the name to the last byte.
    pub(crate) in_all: Duration,
    /// The most bytes of content.
    pub(crate) content: usize,
}

/// Sends requests to URLs that the operator of the app chose: with any method, headers and content, to any address.
/// For what strangers choose there is [`Fetcher`](crate::Fetcher).
///
/// It checks certificates for the host of the URL, and speaks plain `http` to this very machine alone. It follows no
/// redirect, uses no proxy and keeps no cookie. An answer is one whatever its status.
///
/// It needs tokio's runtime.
#[derive(Clone)]
pub(crate) struct HttpClient {
    tls: Tls,
}

impl HttpClient {
    /// A client that trusts the certificates that the system trusts.
    pub(crate) fn new() -> Result<Self, NoRoots> {
        Ok(Self { tls: Tls::of_system()? })
    }

    /// A client that trusts these certificates alone, each in DER.
    pub(crate) fn with_roots<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoRoots> {
        Ok(Self { tls: Tls::with_roots(certificates)? })
    }

    /// Sends a request, whose URI is absolute. `Host`, `Connection` and `Content-Length` come of themselves.
    pub(crate) async fn send(&self, request: Request<Bytes>, bounds: Bounds) -> Result<Response<Bytes>, FetchError> {
        let sending = self.send_in_time(request, bounds.content);
        timeout(bounds.in_all, sending).await.map_err(|_| FetchError::TimedOut)?
    }

    async fn send_in_time(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, FetchError> {
        let target = Target::read(&request.uri().to_string())?;
        let request = target.address(request)?;
        let addresses: Vec<SocketAddr> = match target.address {
            Some(address) => vec![SocketAddr::new(address, target.port)],
            None => lookup_host((&*target.host, target.port)).await.map_err(FetchError::unreachable)?.collect(),
        };
        // Whatever is in the way could read and change it.
        if !target.is_tls && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(FetchError::unreachable("plain http is spoken to this machine alone: use https"));
        }
        let stream = connect(addresses, target.port, TcpStream::connect).await?;
        if target.is_tls {
            exchange(self.tls.connect(&target.host, stream).await?, request, limit).await
        } else {
            exchange(stream, request, limit).await
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header::{LOCATION, SET_COOKIE};
    use rcgen::{CertificateParams, KeyPair};
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    const BOUNDS: Bounds = Bounds { in_all: Duration::from_millis(700), content: 5 };

    /// A server on loopback with a certificate of its own making, which nobody has to trust.
    struct Server {
        acceptor: TlsAcceptor,
        certificate: Vec<u8>,
        listener: TcpListener,
    }

    impl Server {
        async fn start() -> Self {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap().der().clone();
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: certificate.to_vec(), listener }
        }

        fn client(&self) -> HttpClient {
            HttpClient::with_roots([&*self.certificate]).unwrap()
        }

        /// Sends a request, which the server answers with these bytes; gives what the server read as well.
        async fn exchange(
            &self,
            scheme: &str,
            host: &str,
            answer: &str,
        ) -> (Result<Response<Bytes>, FetchError>, String) {
            let port = self.listener.local_addr().unwrap().port();
            let request = Request::put(format!("{scheme}://{host}:{port}/a?b=c"))
                .header("authorization", "Basic YTpi")
                .body(Bytes::from_static(b"hello"))
                .unwrap();
            let client = self.client();
            let sending = client.send(request, BOUNDS);
            let serving = timeout(BOUNDS.in_all, async {
                let (stream, _) = self.listener.accept().await.unwrap();
                if scheme == "http" {
                    return serve(stream, answer).await;
                }
                match self.acceptor.accept(stream).await {
                    Ok(stream) => serve(stream, answer).await,
                    Err(_) => String::new(),
                }
            });
            let (answer, read) = tokio::join!(sending, serving);
            (answer, read.unwrap_or_default())
        }
    }

    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(b"hello") && stream.read_buf(&mut read).await.unwrap() > 0 {}
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        String::from_utf8(read).unwrap().to_ascii_lowercase()
    }

    #[tokio::test]
    async fn a_request_goes_out_whole_and_the_answer_comes_with_all_of_its_headers() {
        let server = Server::start().await;
        let answer =
            "HTTP/1.1 302 Found\r\nlocation: /x\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 5\r\n\r\nthere";
        for (scheme, host) in [("https", "localhost"), ("https", "127.0.0.1"), ("http", "127.0.0.1")] {
            let (answer, read) = server.exchange(scheme, host, answer).await;
            let answer = answer.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.body()[..]), (302, &b"there"[..]), "no redirect is followed");
            assert_eq!(answer.headers()[LOCATION], "/x");
            let cookies: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
            assert_eq!(cookies, ["a", "b"]);
            let port = server.listener.local_addr().unwrap().port();
            assert!(read.starts_with("put /a?b=c http/1.1\r\n"), "{read}");
            for line in [&*format!("host: {host}:{port}"), "authorization: basic ytpi", "content-length: 5"] {
                assert!(read.contains(&format!("\r\n{line}\r\n")), "{line} in {read}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_is_believed_whose_certificate_is_not_trusted() {
        let (server, other) = (Server::start().await, Server::start().await);
        let stranger = Server { certificate: other.certificate, ..server };
        let (answer, read) = stranger.exchange("https", "localhost", "").await;
        assert!(matches!(answer, Err(FetchError::Unreachable(_))), "{answer:?}");
        assert_eq!(read, "");
        assert!(HttpClient::with_roots([&b"no certificate"[..]]).is_err());
    }

    #[tokio::test]
    async fn plain_http_is_spoken_to_this_machine_alone() {
        let client = Server::start().await.client();
        for url in ["http://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0/", "ftp://localhost/"] {
            let answer = client.send(Request::get(url).body(Bytes::new()).unwrap(), BOUNDS).await;
            let Err(FetchError::Unreachable(why)) = answer else { panic!("{answer:?}") };
            assert!(why.to_string().contains("http"), "{why}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_or_too_slow_is_none() {
        let server = Server::start().await;
        for long in ["content-length: 6\r\n\r\nlonger", "connection: close\r\n\r\nlonger"] {
            let (answer, _) = server.exchange("http", "localhost", &format!("HTTP/1.1 200 OK\r\n{long}")).await;
            assert!(matches!(answer, Err(FetchError::TooLarge)), "{answer:?}");
        }
        // It accepts, and never answers.
        let url = format!("http://{}/", server.listener.local_addr().unwrap());
        let answer = server.client().send(Request::get(url).body(Bytes::new()).unwrap(), BOUNDS).await;
        assert!(matches!(answer, Err(FetchError::TimedOut)), "{answer:?}");
    }
}
