//! Pending authorization requests: sealed into the consent form, bound to who was asked, decided once.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::authorize::ValidRequest;
use super::client::{Client, ClientId};
use super::commit::{Approval, Decide, Decided};
use super::error::{AuthorizeReason, PageReason};
use super::grant::{CodeRecord, Grant, Holder, Subject};
use super::interaction::Wishes;
use super::pkce::CodeChallenge;
use super::policy::Policy;
use super::resource::ResourceId;
use super::response::{AuthorizeResponse, ResponseMode, Target};
use super::scope::ScopeSet;
use super::seal::{Keys, Purpose, SealSalt};
use super::secret::{Bearer, BearerKind, BearerSeed, BearerText, OrderedId, SecretHash};
use super::time::Timestamp;

/// The name of one prompt: 48 bits of milliseconds and 80 of randomness, so that the marks of decided
/// prompts lie in the order of time and two prompts never share a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptId([u8; 16]);

impl PromptId {
    /// Names a prompt that is made `now`.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The highest name of a prompt that was made at `time` or before.
    #[must_use]
    pub fn last_at(time: Timestamp) -> Self {
        let last = 0xffff_ffff_ffff;
        Self::new(Timestamp::from_millis(time.as_millis().min(last)), [0xff; 10])
    }

    /// The 16 bytes of the name, as a store keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PromptId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// Who looks at a prompt: the person, their session with the app, and the browser.
#[derive(Clone, Copy)]
pub struct Viewer<'a> {
    /// The person who is signed in.
    pub subject: &'a Subject,
    /// The app's name for this login.
    pub session: &'a str,
    /// The value of our own cookie in this browser.
    pub browser: &'a str,
}

// Session and browser are what a thief would need.
impl fmt::Debug for Viewer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Viewer").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// A question to a user that waits for its answer. It can be answered once: approving and denying
/// consume it, and the store marks it.
#[derive(Debug)]
pub struct ConsentPrompt {
    id: PromptId,
    expires_at: Timestamp,
    subject: Subject,
    session: SecretHash,
    browser: SecretHash,
    request: ValidRequest,
    remembered: bool,
}

/// What is sealed into the form.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    id: PromptId,
    expires_at: Timestamp,
    subject: Subject,
    session: SecretHash,
    browser: SecretHash,
    client: ClientId,
    /// What of the client the person saw and decided about.
    shown: [u8; 32],
    redirect_uri: Cow<'a, str>,
    state: Option<Cow<'a, str>>,
    mode: ResponseMode,
    scopes: ScopeSet,
    resources: Vec<ResourceId>,
    challenge: CodeChallenge,
    wishes: Cow<'a, Wishes>,
}

/// A prompt that came back in a form: authentic, but not yet found to be this viewer's.
pub struct ReturnedPrompt(Sealed<'static>);

impl ReturnedPrompt {
    /// Opens what the form sent.
    ///
    /// # Errors
    /// If this ring of keys did not seal it.
    pub fn open(keys: &Keys, sealed: &str) -> Result<Self, PageReason> {
        let plain = keys.open(Purpose::Prompt, sealed).ok_or(PageReason::PromptForged)?;
        serde_json::from_slice(&plain).map(Self).map_err(|_| PageReason::PromptForged)
    }

    /// The client that asks.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// The query that makes the request again, for what there is by now; `None` in another browser than the one that
    /// was asked, if the client is not the same any more, or if there is no resource left to ask for.
    #[must_use]
    pub fn retry_query(&self, client: Option<Arc<Client>>, browser: &str, policy: &Policy) -> Option<String> {
        let is_here = self.0.browser.matches(&SecretHash::of_text(browser));
        let mut request = client.filter(|_| is_here).and_then(|client| self.request(client))?;
        request.resources.retain(|resource| policy.resources.at(resource.url()).is_some());
        (!request.resources.is_empty()).then(|| request.to_query(None, policy))
    }

    fn request(&self, client: Arc<Client>) -> Option<ValidRequest> {
        let sealed = &self.0;
        let redirect_uri = client.verify_redirect(&sealed.redirect_uri)?;
        let state = sealed.state.as_deref().map(str::to_owned);
        Some(ValidRequest {
            client,
            target: Target { redirect_uri, state, mode: sealed.mode },
            scopes: sealed.scopes.clone(),
            resources: sealed.resources.clone(),
            challenge: sealed.challenge,
            wishes: sealed.wishes.as_ref().clone(),
        })
    }

    /// Finds that the prompt may be answered: where it was shown, by the one who was asked, in time, and
    /// about the client that they saw.
    ///
    /// # Errors
    /// Says which of that does not hold.
    pub fn resume(
        self,
        client: Option<Arc<Client>>,
        viewer: &Viewer<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<ConsentPrompt, PageReason> {
        let sealed = &self.0;
        // RFC 9700 §4.7.1: bound to the user agent and to the user's session
        if !sealed.browser.matches(&SecretHash::of_text(viewer.browser)) {
            return Err(PageReason::OtherBrowser);
        }
        if sealed.subject != *viewer.subject || !sealed.session.matches(&SecretHash::of_text(viewer.session)) {
            return Err(PageReason::OtherUser);
        }
        if now >= sealed.expires_at {
            return Err(PageReason::PromptExpired);
        }
        let client = client.filter(|client| client.as_shown() == Some(sealed.shown));
        let request = client.and_then(|client| self.request(client)).ok_or(PageReason::ClientChanged)?;
        // What was asked about is what is given, or nothing is.
        if sealed.scopes.within(&policy.scopes.ids()) != sealed.scopes {
            return Err(PageReason::ScopeRetired);
        }
        if sealed.resources.iter().any(|resource| policy.resources.of(resource).is_none()) {
            return Err(PageReason::ResourceRetired);
        }
        let Sealed { id, expires_at, subject, session, browser, .. } = self.0;
        Ok(ConsentPrompt { id, expires_at, subject, session, browser, request, remembered: false })
    }
}

impl fmt::Debug for ReturnedPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReturnedPrompt({:?} of {:?})", self.0.id, self.0.client)
    }
}

impl ConsentPrompt {
    /// Asks `viewer`.
    #[must_use]
    pub fn new(request: ValidRequest, viewer: &Viewer<'_>, id: PromptId, expires_at: Timestamp) -> Self {
        Self {
            id,
            expires_at,
            subject: viewer.subject.clone(),
            session: SecretHash::of_text(viewer.session),
            browser: SecretHash::of_text(viewer.browser),
            request,
            remembered: false,
        }
    }

    /// Takes the prompt for answered by what the user agreed to before, as long as the store has it.
    #[must_use]
    pub const fn remembered(mut self) -> Self {
        self.remembered = true;
        self
    }

    /// The same about the client as it is by now; `None` if that is not the one that was shown.
    #[must_use]
    pub fn about(mut self, client: Option<Arc<Client>>) -> Option<Self> {
        let shown = self.request.client.as_shown()?;
        self.request.client = client.filter(|client| client.as_shown() == Some(shown))?;
        Some(self)
    }

    /// What is asked.
    #[must_use]
    pub const fn request(&self) -> &ValidRequest {
        &self.request
    }

    /// Who is asked.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The text for the form; `None` if it cannot be made.
    #[must_use]
    pub fn seal(&self, keys: &Keys, salt: &SealSalt) -> Option<String> {
        let sealed = Sealed {
            id: self.id,
            expires_at: self.expires_at,
            subject: self.subject.clone(),
            session: self.session,
            browser: self.browser,
            client: self.request.client.id.clone(),
            shown: self.request.client.as_shown()?,
            redirect_uri: self.request.target.redirect_uri.as_str().into(),
            state: self.request.target.state.as_deref().map(Cow::Borrowed),
            mode: self.request.target.mode,
            scopes: self.request.scopes.clone(),
            resources: self.request.resources.clone(),
            challenge: self.request.challenge,
            wishes: Cow::Borrowed(&self.request.wishes),
        };
        keys.seal(Purpose::Prompt, salt, serde_json::to_vec(&sealed).ok()?)
    }

    /// The user says yes.
    #[must_use]
    pub fn approve(self, seed: &ApprovalSeed, now: Timestamp, policy: &Policy) -> Uncommitted {
        let grant = Arc::new(Grant {
            id: OrderedId::new(now, seed.grant),
            holder: Holder::User(self.subject.clone()),
            client: self.request.client.id.clone(),
            scopes: self.request.scopes.clone(),
            resources: policy.resources.shared(&self.request.resources),
            created_at: now,
        });
        let (text, bearer) = Bearer::mint(BearerKind::Code, now, &seed.code);
        let code = CodeRecord {
            id: bearer.id,
            hash: bearer.hash,
            grant: grant.id,
            redirect_uri: self.request.target.redirect_uri.as_str().into(),
            challenge: self.request.challenge,
            expires_at: now.after(policy.lifetimes.code),
        };
        let consent = self.request.consent_of(&self.subject);
        let client_until = now.after(policy.lifetimes.of(&self.request.client).registration_with_grant());
        let approval = Approval { grant, code, consent, needs_consent: self.remembered, client_until };
        Uncommitted { prompt: self, approval: Some((approval, text)), denial: AuthorizeReason::AccessDenied, now }
    }

    /// The user says no.
    #[must_use]
    pub const fn deny(self, now: Timestamp) -> Uncommitted {
        Uncommitted { prompt: self, approval: None, denial: AuthorizeReason::AccessDenied, now }
    }

    /// The host says no, whatever the user says.
    #[must_use]
    pub const fn veto(self, now: Timestamp) -> Uncommitted {
        Uncommitted { prompt: self, approval: None, denial: AuthorizeReason::Vetoed, now }
    }
}

/// Fresh randomness for an approval.
#[derive(Debug)]
pub struct ApprovalSeed {
    grant: u32,
    code: BearerSeed,
}

impl ApprovalSeed {
    /// Randomness that a seed takes, in bytes.
    pub const LEN: usize = 4 + BearerSeed::LEN;

    /// Takes fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; Self::LEN]) -> Self {
        let (mut grant, mut code) = ([0; 4], [0; BearerSeed::LEN]);
        grant.copy_from_slice(&bytes[..4]);
        code.copy_from_slice(&bytes[4..]);
        Self { grant: u32::from_be_bytes(grant), code: BearerSeed::from_random(&code) }
    }
}

/// A decision that the store has not seen yet. Its code leaves only through [`Uncommitted::committed`].
#[derive(Debug)]
pub struct Uncommitted {
    prompt: ConsentPrompt,
    approval: Option<(Approval, BearerText)>,
    /// What the client is told without an approval.
    denial: AuthorizeReason,
    now: Timestamp,
}

/// Why a decision did not take effect.
#[derive(Debug)]
pub enum NotDecided {
    /// An id is taken: decide again with fresh randomness.
    Collision(Box<ConsentPrompt>),
    /// The prompt was decided before.
    AlreadyDecided {
        /// Whether the earlier decision was an approval.
        approved: bool,
        /// The request that it was about.
        request: Box<ValidRequest>,
    },
    /// The client was changed or removed meanwhile: decide again if it still is what was shown.
    ClientChanged(Box<ConsentPrompt>),
    /// What was remembered was taken back meanwhile: the user has to be asked.
    ConsentGone(Box<ValidRequest>),
}

/// How long a store remembers a decided prompt beyond the prompt's own end, for clocks that differ.
const MARK_MARGIN: Duration = Duration::from_mins(10);

impl Uncommitted {
    /// The client that asked.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.prompt.request.client.id
    }

    /// What it gets, if the user said yes.
    #[must_use]
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        self.approval.as_ref().map(|(approval, _)| &approval.grant)
    }

    /// What the store has to do, as one.
    #[must_use]
    pub fn op(&self) -> Decide {
        Decide {
            prompt: self.prompt.id,
            keep_until: self.prompt.expires_at.after(MARK_MARGIN),
            client: self.prompt.request.client.id.clone(),
            client_revision: self.prompt.request.client.revision,
            approval: self.approval.as_ref().map(|(approval, _)| approval.clone()),
            now: self.now,
        }
    }

    /// The answer to the client, now that the store has spoken.
    ///
    /// # Errors
    /// If the decision did not take effect.
    pub fn committed(self, outcome: Decided, policy: &Policy) -> Result<AuthorizeResponse, NotDecided> {
        match outcome {
            Decided::First => {
                let target = &self.prompt.request.target;
                Ok(match &self.approval {
                    Some((_, code)) => AuthorizeResponse::code(target, code.expose(), policy),
                    None => AuthorizeResponse::error(target, self.denial, policy),
                })
            }
            Decided::AlreadyDecided { approved } => {
                Err(NotDecided::AlreadyDecided { approved, request: Box::new(self.prompt.request) })
            }
            Decided::ClientChanged => Err(NotDecided::ClientChanged(Box::new(self.prompt))),
            Decided::ConsentGone => Err(NotDecided::ConsentGone(Box::new(self.prompt.request))),
            Decided::Collision => Err(NotDecided::Collision(Box::new(self.prompt))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_client::{NewClient, NewClientSeed};
    use super::*;

    #[test]
    fn a_prompt_stays_good_about_a_client_as_it_was_shown_and_about_no_other() {
        let policy = Policy {
            issuer: super::super::issuer::Issuer::parse("https://h.example").unwrap(),
            scopes: super::super::catalogue::ScopeCatalogue::new(Vec::new()),
            default_scopes: ScopeSet::empty(),
            resources: Default::default(),
            lifetimes: Default::default(),
        };
        let (now, uri) = (Timestamp::from_millis(1), "https://c.example/");
        let seed = NewClientSeed::from_random(&[1; NewClientSeed::LEN]);
        let client = NewClient::public("C").redirect_uri(uri).create(&policy, &seed, now).unwrap().0;
        let about = |next: Option<Client>| {
            let redirect_uri = client.verify_redirect(uri).unwrap();
            let request = ValidRequest {
                client: Arc::new(client.clone()),
                target: Target { redirect_uri, state: None, mode: ResponseMode::Query },
                scopes: ScopeSet::empty(),
                resources: Vec::new(),
                challenge: CodeChallenge::from_bytes([0; 32]),
                wishes: Wishes::default(),
            };
            let viewer = Viewer { subject: &Subject::new("alice"), session: "s", browser: "b" };
            ConsentPrompt::new(request, &viewer, PromptId::new(now, [1; 10]), now).about(next.map(Arc::new))
        };
        let keys = Keys::from_bytes([7; 32]);
        let sealed = about(Some(client.clone())).unwrap().seal(&keys, &[3; 32]).unwrap();
        let returned = ReturnedPrompt::open(&keys, &sealed).unwrap();
        assert_eq!(
            format!("{returned:?}"),
            format!("ReturnedPrompt(PromptId(00000000000101010101010101010101) of ClientId({}))", client.id)
        );
        let later = Client { revision: 7, ..client.clone() };
        assert_eq!(about(Some(later)).unwrap().request().client().revision, 7);
        let mut renamed = client.clone();
        renamed.metadata.name = Some("D".to_owned());
        for other in [Some(renamed), Some(Client { blocked: true, ..client.clone() }), None] {
            assert!(about(other).is_none());
        }
    }

    #[test]
    fn each_random_byte_of_an_approval_is_used_once() {
        let bytes: [u8; ApprovalSeed::LEN] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let seed = ApprovalSeed::from_random(&bytes);
        let (code, _) = Bearer::mint(BearerKind::Code, Timestamp::from_millis(1), &seed.code);
        let (_, secret) = Bearer::parse_with_secret(BearerKind::Code, code.expose()).unwrap();
        assert_eq!((seed.grant, secret.as_bytes().as_slice()), (0x0001_0203, &bytes[8..]));
    }

    #[test]
    fn the_highest_name_of_a_time_is_behind_all_that_were_made_until_then() {
        let at = Timestamp::from_millis;
        assert_eq!(PromptId::last_at(at(5)), PromptId::new(at(5), [0xff; 10]));
        assert!(PromptId::last_at(at(5)) < PromptId::new(at(6), [0; 10]));
        for millis in [(1 << 48) - 1, 1 << 48, u64::MAX] {
            assert_eq!(PromptId::last_at(at(millis)).as_bytes(), &[0xff; 16], "{millis}");
        }
    }
}
