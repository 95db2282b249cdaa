//! Refusals that a person sees.

use super::{AuthorizeReason, WireError, wire};

/// Why an authorization request gets a page and never a redirect: there is nobody to redirect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageReason {
    /// There is no `client_id`, or several.
    #[error("client_id is missing or repeated")]
    ClientMissing,
    /// No client has that id.
    #[error("the client is unknown")]
    ClientUnknown,
    /// There is no `redirect_uri` though the client has several, or several were sent.
    #[error("redirect_uri is missing or repeated")]
    RedirectUriMissing,
    /// The client has not registered that URI.
    #[error("redirect_uri is not registered")]
    RedirectUriNotRegistered,
    /// The request is refused for a reason that goes to the client, but nobody has seen that client yet
    /// (RFC 9700 §4.11.2).
    #[error("{0}")]
    RequestRefused(AuthorizeReason),
    /// The form does not hold a prompt that this server sealed.
    #[error("the prompt cannot be opened")]
    PromptForged,
    /// The prompt has ended.
    #[error("the prompt has expired")]
    PromptExpired,
    /// The form comes from another browser than the one that the prompt was shown in.
    #[error("the prompt belongs to another browser")]
    OtherBrowser,
    /// Somebody else is signed in than the person that the prompt was shown to.
    #[error("the prompt belongs to another user or session")]
    OtherUser,
    /// Nobody is signed in any more.
    #[error("nobody is signed in")]
    NobodySignedIn,
    /// The client was changed or removed since the prompt was shown.
    #[error("the client changed meanwhile")]
    ClientChanged,
    /// The form was sent from another site.
    #[error("the form was sent from another origin")]
    CrossSite,
    /// The form has no decision, or several.
    #[error("the decision is missing or unknown")]
    DecisionMissing,
    /// The request is larger than any honest one.
    #[error("the request is too large")]
    TooLarge,
    /// The host or the source of randomness failed.
    #[error("the server failed")]
    ServerError,
    /// The store cannot be reached.
    #[error("the store is unavailable")]
    Unavailable,
}

impl PageReason {
    /// The RFC's code, the status of the page, and what is wrong in plain words.
    #[must_use]
    pub const fn wire(self) -> WireError {
        match self {
            Self::ClientMissing => wire("invalid_request", 400, "The app did not say which app it is."),
            Self::ClientUnknown => wire("invalid_client", 400, "The app that sent you here is not known."),
            Self::RedirectUriMissing => wire("invalid_request", 400, "The app did not say where to send you back to."),
            // RFC 6749 §3.1.2.4: "MUST NOT automatically redirect the user-agent to the invalid redirection URI"
            Self::RedirectUriNotRegistered => {
                wire("invalid_request", 400, "The app asked to send you to an address that it has not registered.")
            }
            Self::RequestRefused(reason) => reason.wire(),
            Self::PromptForged => wire("invalid_request", 400, "This form was not made here, or it was changed."),
            Self::PromptExpired => wire("invalid_request", 400, "This page was open for too long."),
            Self::OtherBrowser => wire("invalid_request", 403, "This form was made for another browser."),
            Self::OtherUser => {
                wire("invalid_request", 403, "This form was made for another sign-in than the present one.")
            }
            Self::NobodySignedIn => wire("login_required", 403, "You are not signed in any more."),
            Self::ClientChanged => {
                wire("unauthorized_client", 403, "The app was changed or removed while this page was open.")
            }
            Self::CrossSite => wire("invalid_request", 403, "This form was sent from another site."),
            Self::DecisionMissing => wire("invalid_request", 400, "The form did not say whether to allow or to deny."),
            Self::TooLarge => wire("invalid_request", 413, "The request is larger than it can be."),
            Self::ServerError => wire("server_error", 500, "Something went wrong on our side."),
            Self::Unavailable => wire("temporarily_unavailable", 503, "We cannot reach our records at the moment."),
        }
    }

    /// What the reader of the page can do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ClientMissing | Self::RedirectUriMissing | Self::TooLarge => {
                "Nothing was shared. Go back to the app and try again; if it happens again, tell its makers."
            }
            Self::ClientUnknown => {
                "Nothing was shared. Remove the connection in the app and add it again, so that it registers anew."
            }
            Self::RedirectUriNotRegistered => {
                "Nothing was shared. If you did not start this yourself, close the page; otherwise tell the makers of the app."
            }
            Self::RequestRefused(_) => {
                "Nothing was shared. The app made a mistake that you cannot mend; if you started this yourself, you can go back to it."
            }
            Self::PromptForged | Self::CrossSite | Self::DecisionMissing => {
                "Nothing was shared. If you did not start this yourself, close the page; otherwise start again from the app."
            }
            Self::PromptExpired | Self::ClientChanged => "Nothing was shared. Start again from the app.",
            Self::OtherBrowser => {
                "Nothing was shared. Start again from the app in this browser, and allow cookies for this site."
            }
            Self::OtherUser | Self::NobodySignedIn => {
                "Nothing was shared. Sign in as the person who wants to connect the app, and start again from there."
            }
            Self::ServerError | Self::Unavailable => "Nothing was shared. Wait a moment and try again.",
        }
    }
}
