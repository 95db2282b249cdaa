//! The pages that people see, as data, and the trait that turns the data into a page.

use std::fmt;

use serde::Serialize;

use super::audit::CorrelationId;
use super::user::HostError;
use crate::protocol::redirect::RedirectKind;

/// Turns what has to be said into pages.
///
/// An implementation must show everything that is in the view; texts in it come from strangers and
/// must be escaped. It cannot weaken what the server enforces: decisions count once, for what was
/// asked, by the person and in the browser that were asked.
pub trait ConsentUi: Send + Sync + 'static {
    /// The page that asks for consent. Its form posts [`ConsentForm::fields`] to
    /// [`ConsentForm::action`], with [`ConsentForm::decision_field`] set to
    /// [`ConsentForm::allow`] or [`ConsentForm::deny`].
    ///
    /// # Errors
    /// If the page cannot be made.
    fn consent(&self, view: &ConsentView) -> impl Future<Output = Result<Page, HostError>> + Send;

    /// The page for a decision that was sent again: what was decided, and that it stands.
    ///
    /// # Errors
    /// If the page cannot be made.
    fn decided(&self, view: &DecidedView) -> impl Future<Output = Result<Page, HostError>> + Send;

    /// The page for a request that cannot go on and must not be sent back to the client by itself.
    ///
    /// # Errors
    /// If the page cannot be made.
    fn error(&self, view: &ErrorView) -> impl Future<Output = Result<Page, HostError>> + Send;
}

/// Everything that a person must know before they decide. As JSON it feeds a front end of one's own.
#[derive(Debug, Clone, Serialize)]
pub struct ConsentView {
    /// Who asks.
    pub client: ClientView,
    /// The app whose data is asked for.
    pub app: AppView,
    /// Who is signed in, in the app's words.
    pub user: String,
    /// What is asked for, in the order of the catalogue.
    pub scopes: Vec<ScopeView>,
    /// What it means that the access goes on while the person is away, in the app's words; `None` if it
    /// ends by itself.
    pub offline: Option<String>,
    /// What the access is for; at least one.
    pub resources: Vec<ResourceView>,
    /// Where the browser goes afterwards.
    pub redirect: RedirectView,
    /// What the form sends.
    pub form: ConsentForm,
}

/// The app that asks.
#[derive(Debug, Clone, Serialize)]
pub struct ClientView {
    /// Its id.
    pub id: String,
    /// Its name; the id if it has none.
    pub name: String,
    /// Its home page, an `https` URL.
    pub home_page: Option<String>,
    /// Its logo, an `https` URL.
    pub logo: Option<String>,
    /// Where its metadata document is, if it is known by one: the host, and the port if that is an unusual one.
    pub document_host: Option<String>,
    /// How far name, logo and home page can be trusted.
    pub identity: Identity,
}

/// How far a client's word about itself can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// It says so itself; anyone can.
    Claimed,
    /// It says so itself, in a metadata document, and the answer goes to the very site of that document. Whose site it
    /// is is assured ([`ClientView::document_host`]), and nothing else.
    Site,
    /// The app's own people entered it.
    Verified,
}

/// The app whose data is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct AppView {
    /// Its name.
    pub name: String,
    /// Its logo, a URL or a path on this origin.
    pub logo: Option<String>,
}

/// One scope that is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeView {
    /// Its name on the wire.
    pub name: String,
    /// What it allows, in the app's words.
    pub description: String,
    /// Whether it comes on top of what the person has given this client before.
    pub is_new: bool,
}

/// One resource that the access is for.
#[derive(Debug, Clone, Serialize)]
pub struct ResourceView {
    /// What people call it.
    pub name: String,
    /// Its URL.
    pub uri: String,
}

/// Where the browser goes after the decision.
#[derive(Debug, Clone, Serialize)]
pub struct RedirectView {
    /// The host, or for an app's own scheme that scheme.
    pub host: String,
    /// The whole URI.
    pub uri: String,
    /// Whether that is a web site, this very computer, or an installed app.
    pub kind: RedirectKind,
}

/// What the consent form sends, and where.
#[derive(Clone, Serialize)]
pub struct ConsentForm {
    /// The path to post to.
    pub action: String,
    /// The hidden fields: names and values.
    pub fields: Vec<(&'static str, String)>,
    /// The name of the buttons.
    pub decision_field: &'static str,
    /// The value of the button that allows.
    pub allow: &'static str,
    /// The value of the button that denies.
    pub deny: &'static str,
}

// The values of the fields are for the browser that was asked alone.
impl fmt::Debug for ConsentForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.fields.iter().map(|(name, _)| name).collect();
        f.debug_struct("ConsentForm").field("action", &self.action).field("fields", &fields).finish_non_exhaustive()
    }
}

/// A decision that was made before.
#[derive(Debug, Clone, Serialize)]
pub struct DecidedView {
    /// The app whose page this is.
    pub app: AppView,
    /// Who asked.
    pub client: ClientView,
    /// Whether access was given.
    pub approved: bool,
}

/// A request that cannot go on.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorView {
    /// The app whose page this is.
    pub app: AppView,
    /// The status that the page is sent with.
    pub status: u16,
    /// The RFC's name of the error, such as `invalid_request`.
    pub error: &'static str,
    /// What is wrong, in plain words.
    pub description: &'static str,
    /// What the makers of the app that asked want to know, in theirs.
    pub detail: Option<&'static str>,
    /// What the reader can do about it.
    pub advice: &'static str,
    /// A way on, if there is a safe one.
    pub way_back: Option<WayBack>,
    /// What to name to the app's people who ask what happened: the events of the request have it too.
    pub reference: CorrelationId,
}

/// A link on an error page, for the reader to follow or not.
#[derive(Debug, Clone, Serialize)]
pub struct WayBack {
    /// Where it leads to: the client with the error, or, as a path on this origin, the start of the
    /// request.
    pub url: String,
    /// The host or the name that it leads to, to be shown.
    pub target: String,
}

/// A page, ready to be sent. The server adds what keeps it out of frames, caches and referrers.
#[derive(Clone)]
pub struct Page {
    /// The document.
    pub body: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Sources for its `Content-Security-Policy`, such as `style-src 'sha256-…'; img-src https://…`.
    /// Everything that is not named is forbidden; `frame-ancestors`, `base-uri` and `default-src` are
    /// set by the server.
    pub content_security_policy: String,
}

// A consent page has the form's fields in its body.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes of {})", self.body.len(), self.content_type)
    }
}

impl Page {
    /// An HTML page.
    pub fn html(body: impl Into<String>, content_security_policy: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            content_type: "text/html; charset=utf-8",
            content_security_policy: content_security_policy.into(),
        }
    }

    /// A view as JSON, for a front end of one's own.
    ///
    /// # Errors
    /// If the view cannot be written as JSON.
    pub fn json(view: &impl Serialize) -> Result<Self, HostError> {
        Ok(Self {
            body: serde_json::to_string(view)?,
            content_type: "application/json",
            content_security_policy: String::new(),
        })
    }
}
