//! What happened: events for a log that outlasts the log, and the number that ties together what one request
//! left in events, pages and spans.

mod event;
mod name;
mod news;
mod reason;
mod trail;

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

pub use event::{Answered, EventKind, IssuedBy};
pub use news::DocumentNews;
pub use reason::Reason;
pub(crate) use trail::Trail;

use crate::protocol::time::Timestamp;

/// Takes every [`Event`]: something changed, or somebody was refused. No event has a secret in it.
///
/// It is called on the way of a request, after what it tells has happened and before the answer leaves. So it
/// must not wait: put the event into a channel, or write a line to a buffered log. It must not panic either; the
/// change would stand, and the client would get no answer.
///
/// A closure will do:
///
/// ```
/// # use grantor::host::{Audit, Event};
/// fn lines(mut log: impl std::io::Write + Send + 'static) -> impl Audit {
///     let log = std::sync::Mutex::new(log);
///     move |event: &Event| {
///         if let (Ok(mut log), Ok(line)) = (log.lock(), serde_json::to_string(event)) {
///             let _ = writeln!(log, "{line}");
///         }
///     }
/// }
/// ```
///
/// [`crate::manual::audit`] lists all events and says which of them to watch.
pub trait Audit: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Audit for F {
    fn record(&self, event: &Event) {
        self(event);
    }
}

/// Something that happened. As JSON it is one flat object: `at`, `correlation`, `place`, `event` with the name of
/// the [`EventKind`], and that kind's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// When, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// In which request.
    pub correlation: CorrelationId,
    /// Where.
    pub place: Place,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// A number of one request: on its error page and in its answer's `Grantor-Reference` header, in its events, and
/// in its `tracing` span. It is random, or counted if there is no randomness; it is no secret and opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(u64);

impl CorrelationId {
    /// The id of that number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Puts it into the headers of an answer.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.insert(HeaderName::from_static("grantor-reference"), value);
        }
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CorrelationId({self})")
    }
}

impl Serialize for CorrelationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Place {
    /// The authorization endpoint.
    Authorize,
    /// The endpoint of the consent form.
    Consent,
    /// The token endpoint.
    Token,
    /// The revocation endpoint.
    Revoke,
    /// The introspection endpoint.
    Introspect,
    /// The registration endpoint.
    Register,
    /// The endpoint at which a client manages its registration.
    ManageRegistration,
    /// A metadata document.
    Metadata,
    /// A path where nothing is.
    Elsewhere,
    /// A route behind a guard.
    Guard,
    /// A call of the app itself, such as [`crate::Server::revoke_grant`].
    App,
}

impl Place {
    /// Its name in JSON and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Register => "register",
            Self::ManageRegistration => "manage_registration",
            Self::Metadata => "metadata",
            Self::Elsewhere => "elsewhere",
            Self::Guard => "guard",
            Self::App => "app",
        }
    }
}
