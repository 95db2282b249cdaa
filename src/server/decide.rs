//! The answer to the question: one decision, once.

use std::sync::Arc;

use http::request::Parts;

use super::{MINT_TRIES, PageRefusal, Server, log_no_free_id};
use crate::host::{Answered, ConsentUi as _, DecidedView, EventKind, Host as _, Page, User, WayBack};
use crate::protocol::authorize::ValidRequest;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::error::{AuthorizeReason, PageReason};
use crate::protocol::grant::{Grant, Subject};
use crate::protocol::params::Parameters;
use crate::protocol::policy::Policy;
use crate::protocol::prompt::{ApprovalSeed, ConsentPrompt, NotDecided, ReturnedPrompt, Viewer};
use crate::protocol::resource::ResourceId;
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

/// What is said about a prompt.
#[derive(Clone, Copy)]
pub(super) enum Word {
    Allow(Answered),
    Deny,
    Veto,
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
        let id = returned.client().clone();
        let client = self.client_by_id(&id).await.map_err(|error| PageRefusal::from(error).of(&id))?;
        let way_back = self.start_again(&returned, client.clone(), browser, policy);
        let (prompt, user) = self
            .resume(request, returned, client, browser, policy)
            .await
            .map_err(|refusal| PageRefusal { way_back, ..refusal }.of(&id))?;
        self.decide_prompt(prompt, &user, approve, policy).await.map_err(|refusal| refusal.of(&id))
    }

    async fn decide_prompt(
        &self,
        prompt: ConsentPrompt,
        user: &User,
        approve: bool,
        policy: &Policy,
    ) -> Result<Decision, PageRefusal> {
        let word = match approve {
            false => Word::Deny,
            true if self.may_ask(prompt.request(), user, policy).await? => Word::Allow(Answered::Asked),
            true => Word::Veto,
        };
        match self.commit(prompt, word, policy).await? {
            Committed::Answer(response) => Ok(Decision::Answer(response)),
            Committed::AlreadyDecided { approved, request } => self.already_decided(approved, &request).await,
            Committed::ConsentGone(_) => Err(PageReason::ServerError.into()),
        }
    }

    pub(super) async fn resume(
        &self,
        request: &Parts,
        returned: ReturnedPrompt,
        client: Option<Arc<Client>>,
        browser: &str,
        policy: &Policy,
    ) -> Result<(ConsentPrompt, User), PageRefusal> {
        let user = self.0.host.signed_in(request).await?.ok_or(PageReason::NobodySignedIn)?;
        let viewer = Viewer { subject: &user.subject, session: &user.session, browser };
        let prompt = returned.resume(client, &viewer, policy, self.now())?;
        Ok((prompt, user))
    }

    pub(super) async fn commit(
        &self,
        mut prompt: ConsentPrompt,
        word: Word,
        policy: &Policy,
    ) -> Result<Committed, PageRefusal> {
        let mut in_the_end = PageReason::ServerError;
        for _ in 0..MINT_TRIES {
            let now = self.now();
            let subject = prompt.subject().clone();
            let decision = match word {
                Word::Allow(_) => prompt.approve(&ApprovalSeed::from_random(&self.random()?), now, policy),
                Word::Deny => prompt.deny(now),
                Word::Veto => prompt.veto(now),
            };
            let (client, grant) = (decision.client().clone(), decision.grant().cloned());
            let outcome = self.0.storage.decide(decision.op()).await?;
            prompt = match decision.committed(outcome, policy) {
                Ok(response) => {
                    self.decided(word, subject, client, grant, policy);
                    return Ok(Committed::Answer(response));
                }
                Err(NotDecided::Collision(prompt)) => *prompt,
                Err(NotDecided::AlreadyDecided { approved, request }) => {
                    return Ok(Committed::AlreadyDecided { approved, request });
                }
                Err(NotDecided::ConsentGone(request)) => return Ok(Committed::ConsentGone(request)),
                Err(NotDecided::ClientChanged(prompt)) => {
                    in_the_end = PageReason::ClientChanged;
                    let client = self.client_by_id(&prompt.request().client().id).await?;
                    prompt.about(client).ok_or(PageReason::ClientChanged)?
                }
            };
        }
        if in_the_end == PageReason::ServerError {
            log_no_free_id();
        }
        Err(in_the_end.into())
    }

    /// Records a decision that counts.
    fn decided(&self, word: Word, subject: Subject, client: ClientId, grant: Option<Arc<Grant>>, policy: &Policy) {
        match (word, grant) {
            (Word::Allow(answered), Some(grant)) => {
                self.audit(EventKind::ConsentGiven {
                    subject,
                    client,
                    grant: grant.id,
                    scopes: policy.scopes.names_of(&grant.scopes),
                    resources: grant.resources.iter().map(ResourceId::uri).collect(),
                    answered,
                });
            }
            // What the app said was recorded, and what the client is told is a refusal.
            (Word::Veto, Some(_) | None) => {
                let _ = self.refused(Some(&client), AuthorizeReason::Vetoed);
            }
            // Nothing was approved.
            (Word::Deny, Some(_) | None) | (Word::Allow(_), None) => {
                self.audit(EventKind::ConsentDenied { subject, client })
            }
        }
    }

    async fn already_decided(&self, approved: bool, request: &ValidRequest) -> Result<Decision, PageRefusal> {
        self.audit(EventKind::DecisionRepeated { client: request.client().id.clone(), approved });
        let client = self.client_view(request);
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
