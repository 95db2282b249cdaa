//! The authorization endpoint: from a client's request to a question, or to the app's login.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;

use super::{PageRefusal, Server};
use crate::host::{ConsentUi as _, Host as _, Page, ReturnTo, SignIn, User, WayBack};
use crate::protocol::authorize::{self, AuthorizeError, AuthorizeResponse, RedirectError, ValidRequest};
use crate::protocol::error::PageReason;
use crate::protocol::params::Parameters;
use crate::protocol::prompt::{ConsentPrompt, PromptId, Viewer};
use crate::storage::Storage as _;

/// What the browser gets for an authorization request.
pub(crate) enum Authorization {
    /// The consent page, to be answered in the browser that has this cookie value.
    Ask { page: Page, browser: String },
    /// The app's login page, which comes back here.
    SignIn { location: String },
    /// The client, with an error.
    Redirect(AuthorizeResponse),
}

impl Server {
    /// Answers an authorization request. `browser` is the value of our cookie, if the browser has one.
    pub(crate) async fn authorize(&self, request: &Parts, browser: Option<&str>) -> Result<Authorization, PageRefusal> {
        let query = request.uri.query().unwrap_or_default();
        let parameters = Parameters::parse(query.as_bytes(), &authorize::PARAMETERS);
        let client = self.0.storage.client(&authorize::client_id(&parameters)?).await?;
        let valid = match ValidRequest::check(&parameters, client, &self.0.policy) {
            Ok(valid) => valid,
            Err(AuthorizeError::ShowPage(reason)) => return Err(reason.into()),
            Err(AuthorizeError::Redirect(error)) => return self.refuse(&error).map(Authorization::Redirect),
        };
        match self.0.host.signed_in(request).await? {
            Some(user) => self.ask(valid, &user, browser).await,
            None => self.sign_in(request, &valid).await,
        }
    }

    /// An error whose client may get it, or a page with a link if nobody has seen that client yet.
    fn refuse(&self, error: &RedirectError) -> Result<AuthorizeResponse, PageRefusal> {
        tracing::info!(client = %error.client().id, reason = %error.reason(), "authorization request refused");
        let response = error.response(&self.0.policy);
        if error.may_redirect_unseen() {
            return Ok(response);
        }
        Err(PageRefusal {
            reason: PageReason::RequestRefused(error.reason()),
            way_back: Some(WayBack {
                url: response.location().to_owned(),
                target: error.redirect_uri().display_host(),
            }),
        })
    }

    async fn sign_in(&self, request: &Parts, valid: &ValidRequest) -> Result<Authorization, PageRefusal> {
        let return_to = ReturnTo::checked(&format!("{}?{}", self.0.paths.authorize, valid.to_query()));
        let ask = SignIn { return_to, login_hint: None, fresh: false };
        let location = self.0.host.sign_in(request, ask).await?;
        Ok(Authorization::SignIn { location })
    }

    async fn ask(&self, valid: ValidRequest, user: &User, browser: Option<&str>) -> Result<Authorization, PageRefusal> {
        let browser = match browser {
            Some(known) => known.to_owned(),
            None => URL_SAFE_NO_PAD.encode(self.random::<32>()?),
        };
        let now = self.now();
        let viewer = Viewer { subject: &user.subject, session: &user.session, browser: &browser };
        let id = PromptId::new(now, self.random()?);
        let prompt = ConsentPrompt::new(valid, &viewer, id, now.after(self.0.policy.lifetimes.prompt));
        let sealed = prompt.seal(&self.0.keys, &self.random()?).ok_or(PageReason::ServerError)?;
        let view = self.consent_view(prompt.request(), user, sealed);
        let page = self.0.ui.consent(&view).await?;
        Ok(Authorization::Ask { page, browser })
    }

    /// The page for a refused request.
    pub(crate) async fn error_page(&self, refusal: PageRefusal) -> Option<Page> {
        let view = self.error_view(refusal);
        match self.0.ui.error(&view).await {
            Ok(page) => Some(page),
            Err(error) => {
                tracing::error!(%error, "the error page cannot be made");
                None
            }
        }
    }
}
