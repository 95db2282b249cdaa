//! What is true, written down a second time and as simply as can be: a fact changes at the moment at which the
//! store did something, in the order in which it did, and each answer must fit the facts.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard};

use grantor::storage::testkit::Call;
use grantor::{OrderedId, Timestamp};

use crate::executor::Time;
use crate::weather::Tally;

pub(crate) const PROMPT: u64 = 600_000;
pub(crate) const CODE: u64 = 60_000;
pub(crate) const ACCESS: u64 = 3_600_000;
pub(crate) const REFRESH: u64 = 4 * 3_600_000;
pub(crate) const GRACE: u64 = 60_000;

/// What a request is about: what it shows, if that is right in every respect. With `None` it must come to nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Intent {
    /// A person is sent to the consent page by that client.
    Ask(usize),
    /// A prompt, and whether it is allowed.
    Decide(Option<usize>, bool),
    /// A code.
    Exchange(Option<usize>),
    /// A refresh token.
    Refresh(Option<usize>),
    /// An access token.
    Knock(Option<usize>),
    /// An access token.
    RevokeAccess(Option<usize>),
    /// A refresh token.
    RevokeRefresh(Option<usize>),
    /// A grant, which its user takes back.
    Withdraw(usize),
    /// A client, which is shut out.
    Block(usize),
    /// A client, which is let in again.
    Unblock(usize),
}

/// What the answer to a request has to be, since the store has done its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Something new.
    New,
    /// What was given before.
    Again,
    Refusal,
}

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) intent: Intent,
    /// When the server got it: the moment and the time.
    pub(crate) arrived: (u64, u64),
    pub(crate) failed: Vec<Call>,
    pub(crate) done: Vec<Call>,
    pub(crate) due: Option<Due>,
    /// The moment since which it is due.
    pub(crate) due_since: u64,
    /// The moment at which the client was last looked up.
    client_seen: u64,
    /// The time that the server gave what it told the store to do.
    pub(crate) dated: u64,
    code_is_kept: bool,
}

/// A client that thieves are after.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) id: String,
    /// The moment since which it is blocked.
    pub(crate) blocked: Option<u64>,
    /// The moment of its last change, and of the last that ended all that it had.
    pub(crate) changed: u64,
    pub(crate) cut_off: u64,
}

#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) client: usize,
    pub(crate) asked: (u64, u64),
    pub(crate) decided: bool,
}

#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) client: usize,
    pub(crate) id: OrderedId,
    pub(crate) user: &'static str,
    /// The moment since which nothing of it may be good for anything.
    pub(crate) ended: Option<u64>,
    /// Whether a thief was given tokens of it.
    pub(crate) robbed: bool,
}

#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) grant: usize,
    pub(crate) ends_at: u64,
    pub(crate) redeemed: bool,
    pub(crate) gave_tokens: bool,
}

#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) text: String,
    pub(crate) grant: usize,
    pub(crate) ends_at: u64,
    pub(crate) ended: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) text: String,
    pub(crate) grant: usize,
    pub(crate) ends_at: u64,
    pub(crate) predecessor: Option<usize>,
    pub(crate) rotation: Option<Rotation>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) at: u64,
    /// The access and the refresh token, as soon as somebody was given them.
    pub(crate) pair: Option<(usize, usize)>,
    /// The moment at which the successor was used.
    pub(crate) successor_used: Option<u64>,
}

pub(crate) struct Model {
    pub(crate) time: Time,
    pub(crate) sent: Vec<Sent>,
    /// The moment at which somebody could not read the scopes: all who waited for that hear of it.
    pub(crate) scopes_failed: u64,
    pub(crate) clients: Vec<Known>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) codes: Vec<Code>,
    pub(crate) accesses: Vec<Access>,
    pub(crate) refreshes: Vec<Refresh>,
    pub(crate) tally: Tally,
    pub(crate) digest: DefaultHasher,
    pub(crate) trace: VecDeque<String>,
}

#[derive(Clone)]
pub(crate) struct Oracle(Arc<Mutex<Model>>);

impl Oracle {
    pub(crate) fn new(time: Time) -> Self {
        Self(Arc::new(Mutex::new(Model {
            time,
            sent: Vec::new(),
            scopes_failed: 0,
            clients: Vec::new(),
            prompts: Vec::new(),
            grants: Vec::new(),
            codes: Vec::new(),
            accesses: Vec::new(),
            refreshes: Vec::new(),
            tally: Tally::new(),
            digest: DefaultHasher::new(),
            trace: VecDeque::new(),
        })))
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A request is on its way; its number counts from one, because nought is nobody's.
    pub(crate) fn sent(&self, intent: Intent) -> usize {
        let mut model = self.model();
        let never = (u64::MAX, u64::MAX);
        model.sent.push(Sent {
            intent,
            arrived: never,
            failed: Vec::new(),
            done: Vec::new(),
            due: None,
            due_since: 0,
            client_seen: 0,
            dated: 0,
            code_is_kept: false,
        });
        model.sent.len()
    }

    pub(crate) fn arrived(&self, request: usize) {
        let mut model = self.model();
        let now = (model.time.moment(), model.time.now());
        model.sent[request - 1].arrived = now;
        let intent = model.sent[request - 1].intent;
        model.note(&format!("{request} {intent:?} arrives"));
    }

    /// A call of the store fails, as far as the server knows.
    pub(crate) fn failed(&self, request: usize, call: Call) {
        let mut model = self.model();
        model.note(&format!("{request} {call:?} fails"));
        if call == Call::Policy {
            model.scopes_failed = model.time.moment();
        }
        if let Some(sent) = request.checked_sub(1).and_then(|at| model.sent.get_mut(at)) {
            sent.failed.push(call);
        }
    }

    pub(crate) fn about_to_redeem(&self, request: usize, code_is_kept: bool) {
        self.model().sent[request - 1].code_is_kept = code_is_kept;
    }

    /// The store has another state of a client.
    pub(crate) fn client_changed(&self, id: &str, is_blocked: bool, ends_access: bool) {
        let mut model = self.model();
        model.note(&format!("a client is changed: {is_blocked} {ends_access}"));
        let at = model.clients.iter().position(|known| known.id == id).expect("only those are changed");
        assert_eq!(is_blocked, ends_access, "whoever is shut out loses everything");
        let moment = model.time.moment();
        let known = &mut model.clients[at];
        known.changed = moment;
        known.blocked = is_blocked.then_some(known.blocked.unwrap_or(moment));
        if ends_access {
            known.cut_off = moment;
            let theirs = 0..model.grants.len();
            for grant in theirs.filter(|grant| model.grants[*grant].client == at).collect::<Vec<_>>() {
                model.end(grant, "ended: its client was blocked");
            }
        }
    }

    /// The store has done something, whether or not anybody gets to know it.
    pub(crate) fn done(&self, request: usize, call: Call, dated: Option<Timestamp>) {
        let mut model = self.model();
        model.note(&format!("{request} {call:?} is done"));
        if let Some(sent) = request.checked_sub(1) {
            model.done(sent, call, dated.map_or(0, Timestamp::as_millis));
        }
    }
}

impl Model {
    pub(crate) fn note(&mut self, event: &str) {
        let line = format!("{} {event}", self.time.now());
        line.hash(&mut self.digest);
        self.trace.push_back(line);
        if self.trace.len() > 80 {
            self.trace.pop_front();
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.digest.finish()
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Ends a grant at this moment, if it has not ended before.
    pub(crate) fn end(&mut self, grant: usize, why: &'static str) {
        if self.grants[grant].ended.is_none() {
            self.grants[grant].ended = Some(self.time.moment());
            self.count(why);
            if self.grants[grant].robbed && why.contains("came again") {
                self.count("ended: a thief had tokens of it");
            }
        }
    }

    pub(crate) fn is_over(&self, grant: usize) -> bool {
        self.grants[grant].ended.is_some()
    }

    fn done(&mut self, at: usize, call: Call, dated: u64) {
        let now = self.time.now();
        let sent = &mut self.sent[at];
        sent.done.push(call);
        if dated > 0 {
            assert!((sent.arrived.1..=now).contains(&dated), "what is done is dated within its request: {sent:?}");
            sent.dated = dated;
        }
        let due = match (sent.intent, call) {
            (_, Call::Client) => {
                sent.client_seen = self.time.moment();
                return;
            }
            (Intent::Decide(Some(prompt), _), Call::Decide) => {
                // It was decided about a client that is no longer as it was.
                if self.clients[self.prompts[prompt].client].changed > sent.client_seen {
                    self.count(crate::run::RARE);
                    return;
                }
                let was_decided = std::mem::replace(&mut self.prompts[prompt].decided, true);
                if was_decided { Due::Refusal } else { Due::New }
            }
            (Intent::Exchange(Some(code)), Call::RedeemCode) => {
                let is_kept = sent.code_is_kept;
                self.redeem(code, dated, is_kept)
            }
            (Intent::Refresh(Some(token)), Call::RotateRefresh) => self.rotate(token, dated),
            (Intent::Knock(Some(_)) | Intent::Ask(_) | Intent::Block(_) | Intent::Unblock(_), _) => return,
            (Intent::RevokeAccess(Some(access)), Call::RevokeAccess) => {
                let moment = self.time.moment();
                self.accesses[access].ended.get_or_insert(moment);
                return;
            }
            (Intent::RevokeRefresh(Some(token)), Call::RevokeGrant) => {
                return self.end(self.refreshes[token].grant, "ended: its client revoked it");
            }
            (Intent::Withdraw(grant), Call::RevokeGrant) => {
                return self.end(grant, "ended: its user took it back");
            }
            (_, Call::Code | Call::AccessToken | Call::RefreshToken | Call::RenewClient | Call::Policy) => return,
            (intent, call) => panic!("{intent:?} must not come to {call:?}"),
        };
        assert_eq!(self.sent[at].due, None, "a request changes something once");
        self.sent[at].due = Some(due);
        self.sent[at].due_since = self.time.moment();
    }

    /// RFC 6749 §4.1.2: a code is good once, and who comes with it again ends what it was good for.
    fn redeem(&mut self, code: usize, dated: u64, is_kept: bool) -> Due {
        let Code { grant, ends_at, redeemed, gave_tokens } = self.codes[code];
        if self.is_over(grant) || !is_kept {
            return Due::Refusal;
        }
        if redeemed {
            let why = if gave_tokens {
                "ended: its code came again"
            } else {
                "ended: its code came again, as its answer was lost"
            };
            self.end(grant, why);
            return Due::Refusal;
        }
        if dated >= ends_at {
            return Due::Refusal;
        }
        self.codes[code].redeemed = true;
        Due::New
    }

    /// OAuth 2.1 §4.3.1: a refresh token is good once, but for a while its answer is given again.
    fn rotate(&mut self, token: usize, dated: u64) -> Due {
        let Refresh { grant, ends_at, predecessor, rotation, .. } = self.refreshes[token];
        if self.is_over(grant) || dated >= ends_at {
            return Due::Refusal;
        }
        match rotation {
            None => {
                self.refreshes[token].rotation = Some(Rotation { at: dated, pair: None, successor_used: None });
                let moment = self.time.moment();
                if let Some(rotation) = predecessor.and_then(|before| self.refreshes[before].rotation.as_mut()) {
                    rotation.successor_used = Some(moment);
                }
                Due::New
            }
            Some(rotation) if dated < rotation.at + GRACE && rotation.successor_used.is_none() => Due::Again,
            Some(_) => {
                self.end(grant, "ended: a refresh token came again");
                Due::Refusal
            }
        }
    }
}
