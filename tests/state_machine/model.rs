//! What must hold, written down a second time, as simply as can be: no store, no codes of its own, just facts.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use grantor::OrderedId;

use crate::clients_own::Own;
use crate::support::{Client, ConsentPage};

pub(crate) const PROMPT: u64 = 600_000;
pub(crate) const CODE: u64 = 60_000;
pub(crate) const ACCESS: u64 = 3_600_000;
pub(crate) const REFRESH: u64 = 30 * 24 * 3_600_000;
pub(crate) const GRACE: u64 = 60_000;

pub(crate) type Scopes = BTreeSet<String>;

pub(crate) fn scopes(text: &str) -> Scopes {
    text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// What people see of a client, as far as it changes here.
pub(crate) type Looks = (bool, Option<Scopes>, u32);

/// A client as the world knows it. An older secret that is good until a time.
#[derive(Debug, Clone)]
pub(crate) struct KnownClient {
    pub(crate) client: Client,
    pub(crate) old_secret: Option<(String, u64)>,
    pub(crate) refreshes: bool,
    pub(crate) blocked: bool,
    pub(crate) removed: bool,
    pub(crate) ceiling: Option<Scopes>,
    pub(crate) own: Own,
}

impl KnownClient {
    pub(crate) fn new(client: Client, refreshes: bool, own: Own) -> Self {
        Self { client, old_secret: None, refreshes, blocked: false, removed: false, ceiling: None, own }
    }

    pub(crate) fn looks(&self) -> Looks {
        (self.blocked, self.ceiling.clone(), self.own.changes)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    pub(crate) page: ConsentPage,
    pub(crate) browser: usize,
    pub(crate) client: usize,
    pub(crate) looks: Looks,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) made_at: u64,
    pub(crate) decided: Option<bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// None: the client's own access.
    pub(crate) user: Option<usize>,
    pub(crate) client: usize,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) revoked: bool,
    pub(crate) ends_at: u64,
    pub(crate) id: OrderedId,
}

#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) grant: usize,
    pub(crate) ends_at: u64,
    pub(crate) redeemed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) text: String,
    pub(crate) grant: usize,
    pub(crate) scopes: Scopes,
    pub(crate) resource: String,
    pub(crate) ends_at: u64,
    pub(crate) revoked: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Refresh {
    pub(crate) text: String,
    pub(crate) grant: usize,
    pub(crate) ends_at: u64,
    pub(crate) rotation: Option<Rotation>,
}

/// What came of the first use of a refresh token.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    pub(crate) access: String,
    pub(crate) scopes: Scopes,
    pub(crate) resource: String,
    pub(crate) successor: usize,
    pub(crate) until: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) clients: Vec<KnownClient>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) codes: Vec<Code>,
    pub(crate) accesses: Vec<Access>,
    pub(crate) refreshes: Vec<Refresh>,
}

impl Model {
    /// What a token of this grant may allow at most.
    pub(crate) fn allowed(&self, grant: &Grant) -> Scopes {
        match &self.clients[grant.client].ceiling {
            Some(ceiling) => grant.scopes.intersection(ceiling).cloned().collect(),
            None => grant.scopes.clone(),
        }
    }

    /// Whether the guard must let a token through that is for this resource.
    pub(crate) fn is_live(&self, access: &Access, now: u64) -> bool {
        !access.revoked && !self.grants[access.grant].revoked && now < access.ends_at
    }

    /// Whether a second use of a rotated token gets the first answer again.
    pub(crate) fn is_in_grace(&self, rotation: &Rotation, now: u64) -> bool {
        now < rotation.until && self.refreshes[rotation.successor].rotation.is_none()
    }

    pub(crate) fn end_client(&mut self, client: usize) {
        self.grants.iter_mut().filter(|grant| grant.client == client).for_each(|grant| grant.revoked = true);
    }

    /// The grants that a user's list must have.
    pub(crate) fn listed(&self, user: usize, now: u64) -> BTreeSet<u64> {
        let theirs =
            self.grants.iter().filter(|grant| grant.user == Some(user) && !grant.revoked && now < grant.ends_at);
        theirs.map(|grant| grant.id.to_bits()).collect()
    }

    /// What tells one state from another, without what merely differs by names.
    pub(crate) fn fingerprint(&self, now: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        for client in self.clients.iter().rev().take(6) {
            (client.blocked, client.removed, client.old_secret.is_some(), client.ceiling.is_some()).hash(&mut hasher);
        }
        for prompt in self.prompts.iter().rev().take(4) {
            (prompt.decided, now < prompt.made_at + PROMPT).hash(&mut hasher);
        }
        for (at, grant) in self.grants.iter().enumerate().rev().take(6) {
            (grant.revoked, now < grant.ends_at, &grant.scopes, grant.user, grant.client).hash(&mut hasher);
            for code in self.codes.iter().filter(|code| code.grant == at) {
                (code.redeemed, now < code.ends_at).hash(&mut hasher);
            }
            let live = self.accesses.iter().filter(|access| access.grant == at && self.is_live(access, now));
            live.count().hash(&mut hasher);
            for refresh in self.refreshes.iter().filter(|refresh| refresh.grant == at) {
                let graced = refresh.rotation.as_ref().map(|rotation| self.is_in_grace(rotation, now));
                (now < refresh.ends_at, graced).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

pub(crate) const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
