//! Fetching from the web for clients: their metadata documents and their keys.

use bytes::Bytes;

use super::user::HostError;

/// What is to be fetched.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Fetch<'a> {
    /// An `https` URL with a host name, which a stranger chose.
    pub url: &'a str,
    /// The value of the request's `Accept`.
    pub accept: &'static str,
    /// The most bytes of content that may be read.
    pub limit: usize,
}

impl<'a> Fetch<'a> {
    /// Asks for JSON of at most `limit` bytes.
    #[must_use]
    pub const fn json(url: &'a str, limit: usize) -> Self {
        Self { url, accept: "application/json", limit }
    }
}

/// What a site answered, whatever its status.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Cache-Control`; of several, all, separated by commas.
    pub cache_control: Option<String>,
    /// `Age`
    pub age: Option<String>,
    /// The content.
    pub body: Bytes,
}

impl Fetched {
    /// An answer with that status and content, without headers.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: None, cache_control: None, age: None, body: body.into() }
    }

    /// The same with another status.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with a `Content-Type`.
    #[must_use]
    pub fn content_type(mut self, value: &str) -> Self {
        self.content_type = Some(value.to_owned());
        self
    }

    /// The same with a `Cache-Control`.
    #[must_use]
    pub fn cache_control(mut self, value: &str) -> Self {
        self.cache_control = Some(value.to_owned());
        self
    }

    /// The same with an `Age`.
    #[must_use]
    pub fn age(mut self, value: &str) -> Self {
        self.age = Some(value.to_owned());
        self
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The name leads, also, to an address that is none of the public internet.
    #[error("the address is not public")]
    AddressNotPublic,
    /// The name has no address, nobody answers, the certificate is not that of the host, or it is no HTTP.
    #[error("the site cannot be reached: {0}")]
    Unreachable(HostError),
    /// It took too long.
    #[error("the site took too long")]
    TimedOut,
    /// There is more content than may be read.
    #[error("the content is too large")]
    TooLarge,
}

impl FetchError {
    /// The site cannot be reached; the text goes to the log.
    pub fn unreachable(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unreachable(HostError::new(reason))
    }
}

/// Gets what strangers point to. [`GuardedFetcher`](crate::GuardedFetcher) (feature `fetch`) is the one that is built
/// in; replace it where all traffic has to go through a proxy of yours, and in tests.
///
/// The URL is a stranger's choice, so that a careless implementation lets them reach into your network. It must
///
/// - refuse every address that is not public, after it resolved the name, and connect to the very address that it
///   looked at;
/// - follow no redirect, send no cookie and no credentials;
/// - prove by the certificate that it talks to the host of the URL;
/// - stop reading at [`Fetch::limit`], whatever `Content-Length` says, and end within a few seconds in all: people
///   wait for it, and some clients give up after ten.
pub trait Fetcher: Send + Sync + 'static {
    /// Sends one GET request.
    ///
    /// # Errors
    /// See [`FetchError`]. An answer with whatever status is none.
    fn fetch(&self, ask: Fetch<'_>) -> impl Future<Output = Result<Fetched, FetchError>> + Send;
}
