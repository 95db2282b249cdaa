//! The answer to the question: one decision, once.

use std::sync::Arc;

use http::request::Parts;

use super::{MINT_TRIES, PageRefusal, Server, log_no_free_id};
use crate::host::{ConsentUi as _, DecidedView, Host as _, Page, WayBack};
use crate::protocol::authorize::ValidRequest;
use crate::protocol::client::Client;
use crate::protocol::error::PageReason;
use crate::protocol::params::Parameters;
use crate::protocol::policy::Policy;
use crate::protocol::prompt::{ApprovalSeed, ConsentPrompt, NotDecided, ReturnedPrompt, Viewer};
use crate::protocol::response::AuthorizeResponse;
use crate::storage::Storage as _;

/// The names of what the consent form sends.
pub(crate) const PROMPT_FIELD: &str = "prompt";
pub(crate) const DECISION_FIELD: &str = "decision";
pub(crate) const ALLOW: &str = "allow";
pub(crate) const DENY: &str = "deny";

/// What the browser gets for a decision.
pub(crate) enum Decision {
    /// The client, with a code or an error.
    Answer(AuthorizeResponse),
    /// A page that says that the decision was made before.
    AlreadyDecided(Page),
}

/// What came of a decision.
pub(super) enum Committed {
    /// It counts.
    Answer(AuthorizeResponse),
    /// An earlier one counts.
    AlreadyDecided { approved: bool, request: Box<ValidRequest> },
    /// Nobody was asked, and now somebody has to be.
    ConsentGone(Box<ValidRequest>),
}

impl Server {
    /// Takes the consent form. `browser` is the value of our cookie, if the browser sent one.
    pub(crate) async fn decide(
        &self,
        request: &Parts,
        body: &[u8],
        browser: Option<&str>,
    ) -> Result<Decision, PageRefusal> {
        let form = Parameters::parse(body, &[PROMPT_FIELD, DECISION_FIELD]);
        let approve = match form.one(DECISION_FIELD) {
            Ok(Some(ALLOW)) => true,
            Ok(Some(DENY)) => false,
            Ok(_) | Err(_) => return Err(PageReason::DecisionMissing.into()),
        };
        let sealed = form.one(PROMPT_FIELD).ok().flatten().ok_or(PageReason::PromptForged)?;
        let returned = ReturnedPrompt::open(&self.0.keys, sealed)?;
        let browser = browser.ok_or(PageReason::OtherBrowser)?;
        let current = self.current().await?;
        let policy = &current.policy;
        let client = self.client_by_id(returned.client()).await?;
        let way_back = self.start_again(&returned, client.clone(), browser, policy);
        let prompt = self
            .resume(request, returned, client, browser, policy)
            .await
            .map_err(|refusal| PageRefusal { way_back, ..refusal })?;
        match self.commit(prompt, approve, policy).await? {
            Committed::Answer(response) => Ok(Decision::Answer(response)),
            Committed::AlreadyDecided { approved, request } => self.already_decided(approved, &request).await,
            Committed::ConsentGone(_) => Err(PageReason::ServerError.into()),
        }
    }

    async fn resume(
        &self,
        request: &Parts,
        returned: ReturnedPrompt,
        client: Option<Arc<Client>>,
        browser: &str,
        policy: &Policy,
    ) -> Result<ConsentPrompt, PageRefusal> {
        let user = self.0.host.signed_in(request).await?.ok_or(PageReason::NobodySignedIn)?;
        let viewer = Viewer { subject: &user.subject, session: &user.session, browser };
        Ok(returned.resume(client, &viewer, policy, self.now())?)
    }

    pub(super) async fn commit(
        &self,
        mut prompt: ConsentPrompt,
        approve: bool,
        policy: &Policy,
    ) -> Result<Committed, PageRefusal> {
        for _ in 0..MINT_TRIES {
            let now = self.now();
            let decision = if approve {
                let seed = ApprovalSeed::from_random(&self.random()?);
                prompt.approve(&seed, now, policy)
            } else {
                prompt.deny(now)
            };
            let outcome = self.0.storage.decide(decision.op()).await?;
            prompt = match decision.committed(outcome, policy) {
                Ok(response) => return Ok(Committed::Answer(response)),
                Err(NotDecided::Collision(prompt)) => *prompt,
                Err(NotDecided::AlreadyDecided { approved, request }) => {
                    return Ok(Committed::AlreadyDecided { approved, request });
                }
                Err(NotDecided::ConsentGone(request)) => return Ok(Committed::ConsentGone(request)),
                Err(NotDecided::ClientChanged) => return Err(PageReason::ClientChanged.into()),
            };
        }
        log_no_free_id();
        Err(PageReason::ServerError.into())
    }

    async fn already_decided(&self, approved: bool, request: &ValidRequest) -> Result<Decision, PageRefusal> {
        let client = self.client_view(request.client());
        let view = DecidedView { app: self.0.app.clone(), client, approved };
        Ok(Decision::AlreadyDecided(self.0.ui.decided(&view).await?))
    }

    /// The start of the same request, for the person and browser that it was made in.
    fn start_again(
        &self,
        returned: &ReturnedPrompt,
        client: Option<Arc<Client>>,
        browser: &str,
        policy: &Policy,
    ) -> Option<WayBack> {
        let query = returned.retry_query(client, browser, policy)?;
        Some(WayBack { url: format!("{}?{query}", self.0.paths.authorize), target: self.0.app.name.clone() })
    }
}
