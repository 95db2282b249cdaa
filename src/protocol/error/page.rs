//! Refusals that a person sees.

use serde::Serialize;

use super::{AuthorizeReason, DocumentReason, WireError, wire};

/// Why an authorization request gets a page and never a redirect: there is nobody to redirect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PageReason {
    /// There is no `client_id`, or several.
    #[error("client_id is missing or repeated")]
    ClientMissing,
    /// No client has that id.
    #[error("the client is unknown")]
    ClientUnknown,
    /// The client was shut out by the app's own people.
    #[error("the client is blocked")]
    ClientBlocked,
    /// The client is to be known by a metadata document, and is not.
    #[error("{0}")]
    Document(#[from] DocumentReason),
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
    /// A scope that was asked for was retired since the prompt was made.
    #[error("a scope of the prompt was retired meanwhile")]
    ScopeRetired,
    /// A resource that was asked for was retired since the prompt was made.
    #[error("a resource of the prompt was retired meanwhile")]
    ResourceRetired,
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
            Self::ClientBlocked => wire("unauthorized_client", 403, "The app that sent you here is blocked."),
            Self::Document(reason) => reason.wire(),
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
            Self::ScopeRetired => {
                wire("invalid_scope", 403, "What the app asked for was changed while this page was open.")
            }
            // RFC 8707 §2
            Self::ResourceRetired => {
                wire("invalid_target", 403, "What the app asked for was taken away while this page was open.")
            }
            Self::CrossSite => wire("invalid_request", 403, "This form was sent from another site."),
            Self::DecisionMissing => wire("invalid_request", 400, "The form did not say whether to allow or to deny."),
            Self::TooLarge => wire("invalid_request", 413, "The request is larger than it can be."),
            Self::ServerError => wire("server_error", 500, "Something went wrong on our side."),
            Self::Unavailable => wire("temporarily_unavailable", 503, "We cannot reach our records at the moment."),
        }
    }

    /// What is wrong, for a reader who is no developer.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::RequestRefused(reason) => refused(reason),
            other => other.wire().description,
        }
    }

    /// What the reader of the page can do, where the page has a link that starts again, or has none.
    #[must_use]
    pub const fn advice(self, can_start_again: bool) -> &'static str {
        match self {
            Self::ClientMissing | Self::RedirectUriMissing | Self::TooLarge => {
                "Nothing was shared. Go back to the app and try again; if it happens again, tell its makers."
            }
            Self::ClientUnknown => {
                "Nothing was shared. Remove the connection in the app and add it again, so that the app introduces itself anew. If that does not help, tell its makers."
            }
            Self::Document(reason) => document_advice(reason),
            Self::ClientBlocked => "Nothing was shared. Whoever runs this site has shut the app out; ask them why.",
            Self::RedirectUriNotRegistered => {
                "Nothing was shared. If you did not start this yourself, close the page; otherwise tell the makers of the app."
            }
            Self::RequestRefused(AuthorizeReason::LoginRequired | AuthorizeReason::ConsentRequired) => {
                "Nothing was shared. Go back to the app and connect from there, so that you can be asked."
            }
            Self::RequestRefused(_) => {
                "Nothing was shared. If you did not start this yourself, close the page. Otherwise go back to the app; its makers need to know the line below."
            }
            Self::PromptForged | Self::CrossSite | Self::DecisionMissing => {
                "Nothing was shared. If you did not start this yourself, close the page; otherwise start again from the app."
            }
            Self::PromptExpired | Self::ClientChanged | Self::ScopeRetired | Self::ResourceRetired
                if can_start_again =>
            {
                "Nothing was shared. If you still want to connect the app, start again."
            }
            Self::PromptExpired | Self::ClientChanged | Self::ScopeRetired | Self::ResourceRetired => {
                "Nothing was shared. If you still want to connect the app, start again from there."
            }
            Self::OtherBrowser => {
                "Nothing was shared. Start again from the app in this browser, and allow cookies for this site."
            }
            Self::OtherUser if can_start_again => "Nothing was shared. Check who is signed in here, and start again.",
            Self::OtherUser => "Nothing was shared. Check who is signed in here, and start again from the app.",
            Self::NobodySignedIn if can_start_again => {
                "Nothing was shared. Start again, and sign in as the person who wants to connect the app."
            }
            Self::NobodySignedIn => {
                "Nothing was shared. Sign in as the person who wants to connect the app, and start again from the app."
            }
            Self::ServerError | Self::Unavailable => {
                "Nothing was shared. Wait a moment, then reload this page or start again from the app."
            }
        }
    }
}

const fn document_advice(reason: DocumentReason) -> &'static str {
    match reason {
        DocumentReason::HostNotAllowed | DocumentReason::NotAdmitted => {
            "Nothing was shared. Whoever runs this site decides which apps may connect; ask them."
        }
        DocumentReason::TooManyFetches
        | DocumentReason::Unreachable
        | DocumentReason::TimedOut
        | DocumentReason::SiteFails => {
            "Nothing was shared. Wait a moment, then reload this page. If that does not help, tell the makers of the app."
        }
        DocumentReason::Url(_)
        | DocumentReason::AddressNotPublic
        | DocumentReason::Status
        | DocumentReason::DocumentTooLarge
        | DocumentReason::ContentType
        | DocumentReason::OtherDocument
        | DocumentReason::SecretInDocument
        | DocumentReason::AuthMethod
        | DocumentReason::Metadata(_) => {
            "Nothing was shared. If you did not start this yourself, close the page; otherwise tell the makers of the app."
        }
    }
}

const fn refused(reason: AuthorizeReason) -> &'static str {
    use AuthorizeReason as Reason;
    match reason {
        Reason::ScopeMalformed | Reason::ScopeEmpty | Reason::ScopeMissing => {
            "The app did not ask for anything that it can have here."
        }
        Reason::ResourceUnknown => "The app asked for access to something that is not here.",
        Reason::GrantNotAllowed => "The app may not ask for access in this way.",
        Reason::LoginRequired => "You would have to sign in for this, and the app’s request leaves no room for that.",
        Reason::ConsentRequired => {
            "You would have to be asked about this, and the app’s request leaves no room for that."
        }
        Reason::AccessDenied => "You did not allow this.",
        Reason::Vetoed => "The app may not have this access to your account.",
        Reason::RepeatedParameter(_)
        | Reason::ResponseTypeMissing
        | Reason::ResponseTypeUnsupported
        | Reason::ResponseModeUnsupported
        | Reason::RequestObject
        | Reason::RequestUri
        | Reason::ChallengeMissing
        | Reason::ChallengeMethodUnsupported
        | Reason::ChallengeMalformed
        | Reason::PromptContradicts
        | Reason::NumberMalformed => "There is a mistake in the app’s request.",
    }
}

#[cfg(test)]
mod tests {
    use super::AuthorizeReason::{AccessDenied, GrantNotAllowed, LoginRequired, ResourceUnknown, ScopeEmpty, Vetoed};
    use super::DocumentReason::{ContentType, NotAdmitted, TimedOut};
    use super::PageReason::*;
    use super::*;

    const WITH_A_WAY_BACK: [PageReason; 6] =
        [PromptExpired, ClientChanged, ScopeRetired, ResourceRetired, OtherUser, NobodySignedIn];
    const WITHOUT: [PageReason; 20] = [
        ClientMissing,
        ClientUnknown,
        ClientBlocked,
        Document(NotAdmitted),
        Document(TimedOut),
        Document(ContentType),
        RedirectUriMissing,
        RedirectUriNotRegistered,
        RequestRefused(LoginRequired),
        RequestRefused(ScopeEmpty),
        RequestRefused(ResourceUnknown),
        RequestRefused(GrantNotAllowed),
        RequestRefused(AccessDenied),
        RequestRefused(Vetoed),
        PromptForged,
        OtherBrowser,
        CrossSite,
        DecisionMissing,
        TooLarge,
        Unavailable,
    ];

    #[test]
    fn every_page_says_what_is_wrong_and_what_can_be_done() {
        for reason in [WITH_A_WAY_BACK.as_slice(), &WITHOUT].concat() {
            let description = reason.description();
            assert!(description.len() > 20 && description.ends_with('.'), "{reason:?}: {description:?}");
            for advice in [true, false].map(|can_start_again| reason.advice(can_start_again)) {
                assert!(advice.starts_with("Nothing was shared. ") && advice.ends_with('.'), "{reason:?}: {advice:?}");
            }
        }
    }

    #[test]
    fn what_can_be_done_follows_what_the_page_has() {
        for reason in WITH_A_WAY_BACK {
            let (here, elsewhere) = (reason.advice(true), reason.advice(false));
            assert!(here != elsewhere && !here.contains("from "), "{reason:?}: {here:?}");
            assert!(elsewhere.contains("start again from "), "{reason:?}: {elsewhere:?}");
        }
        for reason in WITHOUT {
            assert_eq!(reason.advice(true), reason.advice(false), "{reason:?}");
        }
    }
}
