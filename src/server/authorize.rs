//! The authorization endpoint: from a client's request to a question, to the app's login, or to an
//! answer that needs neither.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;

use super::decide::{Committed, Word};
use super::document_clients::Known;
use super::{PageRefusal, Refused, Server};
use crate::host::{Answered, ConsentUi as _, Host as _, Page, ReturnTo, SignIn, User, WayBack};
use crate::protocol::authorize::{self, AuthorizeError, RedirectError, ValidRequest};
use crate::protocol::client::ClientId;
use crate::protocol::error::{AuthorizeReason, PageReason};
use crate::protocol::interaction::{Consent, Login, Question};
use crate::protocol::params::Parameters;
use crate::protocol::policy::Policy;
use crate::protocol::prompt::{ConsentPrompt, PromptId, Viewer};
use crate::protocol::response::AuthorizeResponse;
use crate::storage::Storage as _;

/// What the browser gets for an authorization request.
pub(crate) enum Authorization {
    /// The consent page, to be answered in the browser that has this cookie value.
    Ask { page: Page, browser: String },
    /// The app's login page, which comes back here.
    SignIn { location: String },
    /// The client, with its answer.
    Answer(AuthorizeResponse),
}

impl Server {
    /// Answers an authorization request. `browser` is the value of our cookie, if the browser has one.
    pub(crate) async fn authorize(&self, request: &Parts, browser: Option<&str>) -> Result<Authorization, PageRefusal> {
        let current = self.current().await?;
        let policy = &current.policy;
        let query = request.uri.query().unwrap_or_default();
        let parameters = Parameters::parse(query.as_bytes(), &authorize::PARAMETERS);
        let id = authorize::client_id(&parameters)?;
        self.authorize_client(request, &parameters, &id, browser, policy).await.map_err(|refusal| refusal.of(&id))
    }

    async fn authorize_client(
        &self,
        request: &Parts,
        parameters: &Parameters<'_>,
        id: &ClientId,
        browser: Option<&str>,
        policy: &Policy,
    ) -> Result<Authorization, PageRefusal> {
        let client = match self.asking_client(request, id, policy).await? {
            Known::Client(client) => client,
            Known::SignInFirst => return self.sign_in_first(request, parameters).await,
        };
        let valid = match ValidRequest::check(parameters, client, policy) {
            Ok(valid) => valid,
            Err(AuthorizeError::ShowPage(reason)) => return Err(reason.into()),
            Err(AuthorizeError::Redirect(error)) => return self.refuse(&error, policy),
        };
        let user = self.0.host.signed_in(request).await?;
        let signed_in = user.as_ref().map(|user| user.authenticated_at);
        match (valid.wishes().login(signed_in, self.now()), user) {
            (Ok(Login::Enough), Some(user)) => self.decide_or_ask(valid, &user, browser, policy).await,
            (Ok(Login::Enough), None) => self.sign_in(request, &valid, false, policy).await,
            (Ok(Login::Needed { fresh }), _) => self.sign_in(request, &valid, fresh, policy).await,
            (Err(reason), _) => self.refuse(&valid.refuse(reason), policy),
        }
    }

    /// An error whose client may get it, or a page with a link if nobody has seen that client yet.
    fn refuse(&self, error: &RedirectError, policy: &Policy) -> Result<Authorization, PageRefusal> {
        let response = error.response(policy);
        if error.may_redirect_unseen() {
            let _ = self.refused(Some(&error.client().id), error.reason());
            return Ok(Authorization::Answer(response));
        }
        Err(PageRefusal {
            reason: PageReason::RequestRefused(error.reason()),
            client: Some(error.client().id.clone()),
            way_back: Some(WayBack { url: response.location(), target: response.redirect_uri().display_host() }),
        })
    }

    async fn sign_in(
        &self,
        request: &Parts,
        valid: &ValidRequest,
        fresh: bool,
        policy: &Policy,
    ) -> Result<Authorization, PageRefusal> {
        let query = valid.to_query(fresh.then(|| self.now()), policy);
        let return_to = ReturnTo::checked(&format!("{}?{query}", self.0.paths.authorize));
        let ask = SignIn { return_to, login_hint: valid.wishes().login_hint.clone(), fresh };
        let location = self.0.host.sign_in(request, ask).await?;
        Ok(Authorization::SignIn { location })
    }

    /// Sends somebody to the login before anything is known of the client that sent them here.
    async fn sign_in_first(&self, request: &Parts, parameters: &Parameters<'_>) -> Result<Authorization, PageRefusal> {
        let query = request.uri.query().unwrap_or_default();
        let (fresh, login_hint, query) =
            authorize::login_before_all(parameters, query, self.now()).map_err(PageReason::RequestRefused)?;
        let return_to = ReturnTo::checked(&format!("{}?{query}", self.0.paths.authorize));
        let location = self.0.host.sign_in(request, SignIn { return_to, login_hint, fresh }).await?;
        Ok(Authorization::SignIn { location })
    }

    async fn decide_or_ask(
        &self,
        valid: ValidRequest,
        user: &User,
        browser: Option<&str>,
        policy: &Policy,
    ) -> Result<Authorization, PageRefusal> {
        if !self.may_ask(&valid, user, policy).await? {
            return self.refuse(&valid.refuse(AuthorizeReason::Vetoed), policy);
        }
        let given = self.0.storage.consents(&user.subject, &valid.client().id).await?;
        match valid.question(&user.subject, &given, policy) {
            Question::Ask if valid.wishes().no_page => {
                self.refuse(&valid.refuse(AuthorizeReason::ConsentRequired), policy)
            }
            Question::Ask => self.ask(valid, user, &given, browser, policy).await,
            Question::Skip => {
                let prompt = self.prompt(valid, user, "", policy)?;
                self.answer_unasked(prompt, Answered::Skipped, user, browser, policy).await
            }
            Question::Remembered => {
                let prompt = self.prompt(valid, user, "", policy)?.remembered();
                self.answer_unasked(prompt, Answered::Remembered, user, browser, policy).await
            }
        }
    }

    async fn answer_unasked(
        &self,
        prompt: ConsentPrompt,
        answered: Answered,
        user: &User,
        browser: Option<&str>,
        policy: &Policy,
    ) -> Result<Authorization, PageRefusal> {
        match self.commit(prompt, Word::Allow(answered), policy).await? {
            Committed::Answer(response) => Ok(Authorization::Answer(response)),
            Committed::ConsentGone(request) if request.wishes().no_page => {
                self.refuse(&request.refuse(AuthorizeReason::ConsentRequired), policy)
            }
            Committed::ConsentGone(request) => self.ask(*request, user, &[], browser, policy).await,
            Committed::AlreadyDecided { .. } => Err(PageReason::ServerError.into()),
        }
    }

    fn prompt(
        &self,
        valid: ValidRequest,
        user: &User,
        browser: &str,
        policy: &Policy,
    ) -> Result<ConsentPrompt, PageRefusal> {
        let now = self.now();
        let viewer = Viewer { subject: &user.subject, session: &user.session, browser };
        let id = PromptId::new(now, self.random()?);
        Ok(ConsentPrompt::new(valid, &viewer, id, now.after(policy.lifetimes.prompt)))
    }

    async fn ask(
        &self,
        valid: ValidRequest,
        user: &User,
        given: &[Consent],
        browser: Option<&str>,
        policy: &Policy,
    ) -> Result<Authorization, PageRefusal> {
        let browser = match browser {
            Some(known) => known.to_owned(),
            None => URL_SAFE_NO_PAD.encode(self.random::<32>()?),
        };
        let prompt = self.prompt(valid, user, &browser, policy)?;
        let sealed = prompt.seal(&self.0.keys, &self.random()?).ok_or(PageReason::ServerError)?;
        let view = self.consent_view(prompt.request(), user, given, sealed, policy);
        let page = self.0.ui.consent(&view).await?;
        self.renew(prompt.request().client(), policy.lifetimes.registration).await;
        Ok(Authorization::Ask { page, browser })
    }

    /// The page for a refused request, which was recorded.
    pub(crate) async fn error_page(&self, refusal: PageRefusal, recorded: &Refused) -> Option<Page> {
        let view = self.error_view(refusal, recorded);
        match self.0.ui.error(&view).await {
            Ok(page) => Some(page),
            Err(error) => {
                tracing::error!(%error, "the error page cannot be made");
                None
            }
        }
    }
}
