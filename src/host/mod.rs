//! What only the embedding app knows: who is signed in, where people sign in, what the pages look
//! like, what time it is.

mod admission;
mod clock;
mod consent;
mod entropy;
mod erased;
mod keys;
mod user;

pub use admission::{Admission, Applicant};
pub use clock::{Clock, SystemClock};
pub use consent::{
    AppView, ClientView, ConsentForm, ConsentUi, ConsentView, DecidedView, ErrorView, Identity, Page, RedirectView,
    ResourceView, ScopeView, WayBack,
};
pub use entropy::{Entropy, EntropyError, SystemEntropy};
pub(crate) use erased::{AnyConsentUi, AnyHost};
pub use keys::KeysFromEnvError;
pub use user::{HostError, ReturnTo, SignIn, User};

use http::request::Parts;

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
    /// someone who was disabled loses it within the life of an access token. Yes, if not implemented.
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
}
