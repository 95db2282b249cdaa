//! Requests of our own to others: one connection for one request, whose answer is read within bounds.
//!
//! There is no pool, no proxy and nothing that follows redirects, so that none of them has to be switched off. Which
//! addresses may be reached is for those who use this to say.

#[cfg(any(feature = "doctor", feature = "remote"))]
mod client;
mod target;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::fetcher::FetchError;

#[cfg(any(feature = "doctor", feature = "remote"))]
pub(crate) use client::{Bounds, HttpClient};
pub(super) use target::Target;
pub use tls::NoRoots;
pub(super) use tls::Tls;

/// For one address, so that one that is dead leaves time for the next.
const TO_CONNECT: Duration = Duration::from_millis(1500);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;
/// The most bytes of headers.
const HEADERS: usize = 16 * 1024;

/// Connects to the first of these addresses where somebody answers.
pub(super) async fn connect<F>(
    addresses: Vec<SocketAddr>,
    port: u16,
    one: impl Fn(SocketAddr) -> F,
) -> Result<TcpStream, FetchError>
where
    F: Future<Output = std::io::Result<TcpStream>>,
{
    let mut failure = FetchError::unreachable("the name has no address");
    for address in addresses.into_iter().take(ADDRESSES) {
        match timeout(TO_CONNECT, one(SocketAddr::new(address.ip(), port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = FetchError::unreachable(error),
            Err(_) => failure = FetchError::unreachable("nobody answers"),
        }
    }
    Err(failure)
}

/// Sends one request over a connection, which ends with the answer or when this is given up. Of the answer's content
/// no more than `limit` bytes are read.
pub(super) async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEADERS).max_headers(100);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(FetchError::unreachable)?;
    // Given up together with the request.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(FetchError::unreachable)?;
    read(response, limit).await
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Response<Bytes>, FetchError> {
    let (head, mut content) = response.into_parts();
    // What it announces is believed only to its disadvantage.
    let announced = head.headers.get(CONTENT_LENGTH).map(HeaderValue::to_str).and_then(Result::ok);
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(FetchError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(frame) = content.frame().await {
        let frame = frame.map_err(FetchError::unreachable)?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > limit - body.len() {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(data);
    }
    Ok(Response::from_parts(head, body.freeze()))
}
