//! Whether an answer fits the facts.

use std::hash::Hash as _;

use grantor::OrderedId;
use grantor::storage::testkit::Call;

use crate::model::{ACCESS, Access, CODE, Code, Due, GRACE, Grant, Intent, Model, Oracle, PROMPT, Prompt, REFRESH};
use crate::model::{Refresh, Rotation};
use crate::support::Answer;
use crate::support::refreshing::Tokens;

/// What somebody was given, as the model knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gave {
    Nothing,
    Prompt(usize),
    Code(usize),
    Tokens { access: usize, refresh: usize },
}

/// For whom a code was made, if there is one in the answer.
pub(crate) struct Made {
    pub(crate) grant: OrderedId,
    pub(crate) user: &'static str,
}

impl Oracle {
    /// The server has answered, whether or not anybody gets to know it.
    pub(crate) fn answered(&self, request: usize, answer: &Answer, made: Option<Made>) -> Gave {
        let mut model = self.model();
        model.note(&format!("{request} is answered with {}", answer.status()));
        answer.body().hash(&mut model.digest);
        answer.location().hash(&mut model.digest);
        model.judge(request - 1, answer, made)
    }
}

impl Model {
    fn judge(&mut self, at: usize, answer: &Answer, made: Option<Made>) -> Gave {
        let status = answer.status().as_u16();
        let what = format!("request {} {:?} got {status} {}", at + 1, self.sent[at], answer.body());
        // That the use of a client is not noted spoils nothing.
        let is_spoilt = |call: &Call| *call != Call::RenewClient || matches!(self.sent[at].intent, Intent::Block(_));
        if self.sent[at].failed.iter().any(is_spoilt) {
            assert_eq!(status, 503, "a store that cannot answer lets nobody through: {what}");
            let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
            assert!(seconds.is_some(), "it says when to come again: {what}");
            let gives =
                ["gra_", "grr_", "access_token", "made to fail"].iter().any(|text| answer.body().contains(text));
            assert!(!gives && answer.location().is_none() && !answer.shows_a_code(), "it tells nothing: {what}");
            self.count("answer: come again later");
            return Gave::Nothing;
        }
        assert!(status < 500, "a store that answers is no server error: {what}");
        if self.is_shut_out(at, answer, &what) {
            return Gave::Nothing;
        }
        match self.sent[at].intent {
            Intent::Ask(client) => self.judge_prompt(at, client, status, &what),
            Intent::Decide(prompt, allows) => self.judge_decision(at, prompt, allows, answer, made, &what),
            Intent::Exchange(code) => self.judge_exchange(at, code, answer, &what),
            Intent::Refresh(token) => self.judge_refresh(at, token, answer, &what),
            Intent::Knock(access) => self.judge_knock(at, access, answer, &what),
            Intent::RevokeAccess(_) | Intent::RevokeRefresh(_) | Intent::Withdraw(_) => {
                self.judge_revocation(at, status, &what)
            }
            Intent::Block(client) | Intent::Unblock(client) => {
                let is_done = self.clients[client].changed > self.sent[at].arrived.0;
                assert!(status == 200 && is_done, "a client is blocked when that is acknowledged: {what}");
                self.count("answer: a client is blocked, or is so no more");
                Gave::Nothing
            }
        }
    }

    /// Whether a request is refused because its client is blocked, as it must be while that is so.
    fn is_shut_out(&mut self, at: usize, answer: &Answer, what: &str) -> bool {
        let client = match self.sent[at].intent {
            Intent::Ask(client) => client,
            Intent::Decide(Some(prompt), _) => self.prompts[prompt].client,
            Intent::Exchange(Some(code)) => self.grants[self.codes[code].grant].client,
            Intent::RevokeAccess(Some(access)) => self.grants[self.accesses[access].grant].client,
            Intent::Refresh(Some(token)) | Intent::RevokeRefresh(Some(token)) => {
                self.grants[self.refreshes[token].grant].client
            }
            _ => return false,
        };
        let (arrived, known) = (self.sent[at].arrived.0, &self.clients[client]);
        let is_page = matches!(self.sent[at].intent, Intent::Ask(_) | Intent::Decide(..));
        let refused = if is_page { answer.status() == 403 } else { answer.status() == 401 };
        let is_blocked = known.blocked.is_some_and(|since| since < arrived);
        // A prompt that has ended is refused as such.
        let is_late = is_page && answer.status() == 400;
        assert!(refused || is_late || !is_blocked, "who is blocked gets nothing: {what}");
        assert!(!refused || known.blocked.is_some() || known.changed > arrived, "who is not gets something: {what}");
        if refused {
            assert!(is_page || answer.error() == "invalid_client", "{what}");
            assert_eq!(self.sent[at].due, None, "who is refused changes nothing: {what}");
            self.count("answer: a client is blocked");
        }
        refused
    }

    fn judge_prompt(&mut self, at: usize, client: usize, status: u16, what: &str) -> Gave {
        assert_eq!(status, 200, "a person is asked: {what}");
        let asked = (self.sent[at].arrived.1, self.time.now());
        self.prompts.push(Prompt { client, asked, decided: false });
        Gave::Prompt(self.prompts.len() - 1)
    }

    fn judge_decision(
        &mut self,
        at: usize,
        prompt: Option<usize>,
        allows: bool,
        answer: &Answer,
        made: Option<Made>,
        what: &str,
    ) -> Gave {
        let status = answer.status().as_u16();
        let gives = answer.redirect_parameter("code").is_some() || answer.shows_a_code();
        let Some(prompt) = prompt else {
            assert!([400, 403].contains(&status) && !gives, "nobody else decides: {what}");
            return Gave::Nothing;
        };
        let (sent, asked) = (&self.sent[at], self.prompts[prompt].asked);
        match sent.due {
            None => {
                assert!(status == 400 && self.time.now() >= asked.0 + PROMPT, "a prompt that is open counts: {what}");
            }
            Some(Due::New) if allows => {
                assert!(status == 303 && gives && sent.arrived.1 < asked.1 + PROMPT, "a person allows: {what}");
                let (Made { grant: id, user }, ends_at) = (made.expect("it was made"), sent.dated + CODE);
                let (client, decided) = (self.prompts[prompt].client, sent.due_since);
                self.count("given: a grant");
                self.grants.push(Grant { client, id, user, ended: None, robbed: false });
                if self.clients[client].cut_off > decided {
                    self.end(self.grants.len() - 1, "ended: its client was blocked");
                }
                self.codes.push(Code { grant: self.grants.len() - 1, ends_at, redeemed: false, gave_tokens: false });
                return Gave::Code(self.codes.len() - 1);
            }
            Some(Due::New) => {
                let error = answer.redirect_parameter("error");
                assert_eq!((status, error.as_deref()), (303, Some("access_denied")), "a person denies: {what}");
            }
            Some(_) => {
                self.count("answer: that was decided");
                assert_eq!(status, 409, "one decides once: {what}");
            }
        }
        assert!(!gives, "a code for nothing: {what}");
        Gave::Nothing
    }

    fn judge_exchange(&mut self, at: usize, code: Option<usize>, answer: &Answer, what: &str) -> Gave {
        let Some(code) = code else { return refused(answer, &["invalid_grant", "invalid_client"], what) };
        let Code { grant, ends_at, .. } = self.codes[code];
        match self.sent[at].due {
            Some(Due::New) => {
                assert!(!std::mem::replace(&mut self.codes[code].gave_tokens, true), "one code, one answer: {what}");
                self.add_pair(at, grant, None, answer, what)
            }
            Some(_) => refused(answer, &["invalid_grant"], what),
            None => {
                let is_over = self.is_over(grant) || self.time.now() >= ends_at;
                assert!(is_over, "a code that is good is looked at by the store: {what}");
                refused(answer, &["invalid_grant"], what)
            }
        }
    }

    fn judge_refresh(&mut self, at: usize, token: Option<usize>, answer: &Answer, what: &str) -> Gave {
        let Some(token) = token else { return refused(answer, &["invalid_grant", "invalid_client"], what) };
        let (grant, ends_at) = (self.refreshes[token].grant, self.refreshes[token].ends_at);
        match (self.sent[at].due, answer.status().as_u16()) {
            (Some(Due::New | Due::Again), _) => self.add_pair(at, grant, Some(token), answer, what),
            (None, 200) => {
                let rotation =
                    self.refreshes[token].rotation.unwrap_or_else(|| panic!("a first use is stored: {what}"));
                let arrived = self.sent[at].arrived;
                assert!(arrived.1 < rotation.at + GRACE, "an answer is given again for a while: {what}");
                let is_open = |end: Option<u64>| end.is_none_or(|end| end > arrived.0);
                assert!(is_open(rotation.successor_used), "an answer is given until it is used: {what}");
                assert!(is_open(self.grants[grant].ended), "what is over gives nothing: {what}");
                self.add_pair(at, grant, Some(token), answer, what)
            }
            (due, _) => {
                let is_over = due.is_some() || self.is_over(grant) || self.time.now() >= ends_at;
                assert!(is_over, "a refresh token that is good is looked at by the store: {what}");
                refused(answer, &["invalid_grant"], what)
            }
        }
    }

    /// A pair that is new, or the very same that the use of a refresh token gave before.
    fn add_pair(&mut self, at: usize, grant: usize, used: Option<usize>, answer: &Answer, what: &str) -> Gave {
        assert_eq!(answer.status(), 200, "tokens are due: {what}");
        let tokens = Tokens::of(answer);
        let rotation = used.and_then(|used| self.refreshes[used].rotation);
        let issued = rotation.map_or(self.sent[at].dated, |rotation| rotation.at);
        // A repetition can be answered before the first use is.
        if let Some(Rotation { pair: Some((access, refresh)), .. }) = rotation {
            let before = (self.accesses[access].text.as_str(), self.refreshes[refresh].text.as_str());
            assert_eq!(tokens.pair(), before, "the same pair is given again: {what}");
            self.count("given: a pair once more");
            return Gave::Tokens { access, refresh };
        }
        let left = (issued + ACCESS).saturating_sub(self.time.now());
        assert!(tokens.expires_in * 1000 + 999 >= left, "a client is not told too little: {what}");
        assert!(tokens.expires_in * 1000 <= ACCESS, "nor too much: {what}");
        let is_known = self.refreshes.iter().rev().take(200).any(|other| other.text == tokens.refresh);
        assert!(!is_known && !tokens.refresh.is_empty(), "a new token is new: {what}");
        self.accesses.push(Access { text: tokens.access, grant, ends_at: issued + ACCESS, ended: None });
        let (ends_at, predecessor) = (issued + REFRESH, used);
        self.refreshes.push(Refresh { text: tokens.refresh, grant, ends_at, predecessor, rotation: None });
        let pair = (self.accesses.len() - 1, self.refreshes.len() - 1);
        if let Some(rotation) = used.and_then(|used| self.refreshes[used].rotation.as_mut()) {
            rotation.pair = Some(pair);
        }
        let is_late = used.is_some() && self.sent[at].due != Some(Due::New);
        self.count(if is_late { "given: a pair whose first answer was lost" } else { "given: a pair" });
        Gave::Tokens { access: pair.0, refresh: pair.1 }
    }

    fn judge_knock(&mut self, at: usize, access: Option<usize>, answer: &Answer, what: &str) -> Gave {
        let status = answer.status().as_u16();
        let Some(access) = access else {
            assert_eq!(status, 401, "the guard lets nobody through for nothing: {what}");
            return Gave::Nothing;
        };
        let (arrived, access) = (self.sent[at].arrived, &self.accesses[access]);
        let grant = &self.grants[access.grant];
        let ends = [grant.ended, access.ended];
        if status == 200 {
            let principal = format!("{} {}", grant.user, grant.id.to_bits());
            assert_eq!(answer.header("x-principal"), Some(principal.as_str()), "it passes as who it is: {what}");
            assert!(arrived.1 < access.ends_at, "what has ended does not pass: {what}");
            assert!(ends.iter().flatten().all(|end| *end > arrived.0), "what was revoked does not pass: {what}");
            self.count("guard: a request passes");
        } else {
            assert_eq!(status, 401, "{what}");
            let is_over = ends.iter().any(Option::is_some) || self.time.now() >= access.ends_at;
            assert!(is_over, "a token that was given and is good passes: {what}");
            self.count("guard: a token is over");
        }
        Gave::Nothing
    }

    fn judge_revocation(&mut self, at: usize, status: u16, what: &str) -> Gave {
        match self.sent[at].intent {
            Intent::RevokeAccess(None) | Intent::RevokeRefresh(None) => {
                assert!([200, 400, 401].contains(&status), "{what}");
            }
            Intent::RevokeAccess(Some(access)) => {
                assert_eq!(status, 200, "a client may revoke its token: {what}");
                let Access { grant, ends_at, ended, .. } = self.accesses[access];
                // Of what has ended nothing is known after a while, so that there is nothing to do.
                let is_over = ended.is_some() || self.is_over(grant) || self.time.now() >= ends_at;
                assert!(is_over, "a revocation is done when it is acknowledged: {what}");
                self.count("answer: a token is revoked");
            }
            Intent::RevokeRefresh(Some(token)) => {
                assert_eq!(status, 200, "a client may revoke its token: {what}");
                let Refresh { grant, ends_at, .. } = self.refreshes[token];
                let is_over = self.is_over(grant) || self.time.now() >= ends_at;
                assert!(is_over, "a revocation is done when it is acknowledged: {what}");
                self.count("answer: a grant is revoked");
            }
            Intent::Withdraw(grant) => {
                assert!(status == 200 && self.is_over(grant), "what is taken back is gone: {what}");
                self.count("answer: a grant is taken back");
            }
            other => panic!("{other:?} is no revocation"),
        }
        Gave::Nothing
    }
}

fn refused(answer: &Answer, errors: &[&str], what: &str) -> Gave {
    assert!([400, 401].contains(&answer.status().as_u16()), "it comes to nothing: {what}");
    assert!(errors.contains(&answer.error().as_str()), "it comes to nothing: {what}");
    Gave::Nothing
}
