//! What only the embedding app knows: who is signed in, where people sign in, what the pages look
//! like, what time it is.

mod admission;
mod audit;
mod clock;
mod consent;
mod entropy;
mod erased;
#[cfg(feature = "fetch")]
mod fetch;
mod fetcher;
mod flights;
mod hooks;
mod keys;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(any(feature = "doctor", feature = "fetch", feature = "remote"))]
mod outbound;
mod transport;
mod user;

pub use admission::{Admission, Applicant, DocumentApplicant};
pub(crate) use audit::Trail;
pub use audit::{Answered, Audit, CorrelationId, DocumentNews, Event, EventKind, IssuedBy, Place, Reason};
#[cfg(any(feature = "doctor", feature = "metrics"))]
pub(crate) use clock::Stopwatch;
pub use clock::{Clock, SystemClock};
pub use consent::{
    AppView, ClientView, ConsentForm, ConsentUi, ConsentView, DecidedView, ErrorView, Identity, Page, RedirectView,
    ResourceView, ScopeView, WayBack,
};
pub use entropy::{Entropy, EntropyError, SystemEntropy};
pub(crate) use erased::{AnyConsentUi, AnyFetcher, AnyHost, AnyTransport};
#[cfg(feature = "fetch")]
pub use fetch::{GuardedFetcher, Network, SystemNetwork};
pub use fetcher::{Fetch, FetchError, Fetched, Fetcher};
pub(crate) use flights::{Boarded, Boarding, Flights};
pub use hooks::{AccessView, Asked, Verdict, Where};
pub use keys::KeysFromEnvError;
#[cfg(feature = "metrics")]
pub(crate) use metrics::Metrics;
#[cfg(any(feature = "doctor", feature = "fetch", feature = "remote"))]
pub use outbound::NoRoots;
#[cfg(feature = "doctor")]
pub(crate) use outbound::{Bounds, HttpClient};
#[cfg(feature = "remote")]
pub use transport::HttpTransport;
pub use transport::Transport;
pub use user::{HostError, ReturnTo, SignIn, User};

use http::request::Parts;
use serde_json::{Map, Value};

use crate::protocol::admission::Terms;
use crate::protocol::grant::Subject;

/// The app that grantor is mounted in.
pub trait Host: Send + Sync + 'static {
    /// Who is signed in, by the app's own session: its cookie, or what its middleware put into the
    /// request's extensions. `None` for nobody.
    ///
    /// # Errors
    /// If the app cannot tell. The request is then answered with `server_error`, never as if nobody
    /// or somebody were signed in.
    fn signed_in(&self, request: &Parts) -> impl Future<Output = Result<Option<User>, HostError>> + Send;

    /// Where to send the browser so that a person signs in: the URL or path of the app's own login
    /// page, which must come back to `ask.return_to` afterwards.
    ///
    /// # Errors
    /// If the app cannot tell.
    fn sign_in(&self, request: &Parts, ask: SignIn) -> impl Future<Output = Result<String, HostError>> + Send;

    /// Whether a user may still use the app: asked whenever a client refreshes its access, so that
    /// someone who was disabled loses it within the life of an access token. With
    /// [`check_users_on_every_request`](crate::server::Builder::check_users_on_every_request) every guard asks as
    /// well. Yes, if not implemented.
    ///
    /// # Errors
    /// If the app cannot tell; the client is told to try again.
    fn is_allowed(&self, subject: &Subject) -> impl Future<Output = Result<bool, HostError>> + Send {
        let _ = subject;
        async { Ok(true) }
    }

    /// Whether a client that wants to register is taken in, and on what terms: asked with
    /// [`Registration::Decided`](crate::Registration::Decided). `source` is its request: its headers, and what the
    /// app's middleware put into its extensions, such as the address that it came from. Nobody, if not implemented.
    ///
    /// Hosted clients come from few addresses, which all of their users share: small limits by address lock them out.
    ///
    /// # Errors
    /// If the app cannot tell; the client is told to try again.
    fn admit(
        &self,
        applicant: &Applicant<'_>,
        source: &Parts,
    ) -> impl Future<Output = Result<Admission, HostError>> + Send {
        let _ = (applicant, source);
        async { Ok(Admission::Refuse) }
    }

    /// Whether a client that is known by a metadata document is taken in: asked before anything is fetched from its
    /// site, each time that something would be, where
    /// [`Builder::client_metadata_documents`](crate::Builder::client_metadata_documents) lets such clients come and
    /// its lists of hosts have nothing against it. The terms are those of a document that was never seen; what takes a
    /// secret is no part of them. What an administrator says of the client later stays. Anyone, if not implemented.
    ///
    /// What the document says is seen by [`Host::may_ask`].
    ///
    /// # Errors
    /// If the app cannot tell; nothing is fetched then.
    fn admit_document(
        &self,
        applicant: DocumentApplicant<'_>,
        source: &Parts,
    ) -> impl Future<Output = Result<Admission, HostError>> + Send {
        let _ = (applicant, source);
        async { Ok(Admission::Admit(Terms::default())) }
    }

    /// Whether a client may ask a person for this at all: asked before the consent page is shown, before
    /// anything is approved without it, and once more when the person has allowed it. Yes, if not implemented.
    ///
    /// # Errors
    /// If the app cannot tell; nothing is approved then.
    fn may_ask(&self, asked: Asked<'_>) -> impl Future<Output = Result<Verdict, HostError>> + Send {
        let _ = asked;
        async { Ok(Verdict::Yes) }
    }

    /// Members that the app adds to an answer: those of its own, such as `tenant`. What an RFC defines can be
    /// neither replaced nor repeated: such members are left out, in whatever case they are written, and the log
    /// says so. None, if not implemented.
    ///
    /// They are asked for before the tokens are made, so that a failure costs the client nothing but a retry.
    ///
    /// # Errors
    /// If the app cannot tell; the client is told to try again.
    fn extra_fields(
        &self,
        access: AccessView<'_>,
        place: Where,
    ) -> impl Future<Output = Result<Map<String, Value>, HostError>> + Send {
        let _ = (access, place);
        hooks::NoFields
    }
}
