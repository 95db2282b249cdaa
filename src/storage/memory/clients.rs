//! Clients, how those end that registered themselves, and what ends with a client.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::rows::{AccessRow, GrantCell, GrantRow};
use super::tables::Tables;
use crate::protocol::client::{Client, ClientId, Tenure};
use crate::protocol::grant::Grant;
use crate::protocol::time::Timestamp;
use crate::storage::{
    Decide, Decided, GrantClient, Granted, InsertClient, Inserted, Owner, RemoveClient, Removed, RenewClient, Renewed,
    RevokeGrants, Revoked, Row, Table, UpdateClient, Updated,
};

/// What is known of clients that registered themselves, beside the clients.
#[derive(Default)]
pub(super) struct Registrations {
    folds: HashMap<[u8; 32], ClientId>,
    /// By when they end.
    without_grant: BTreeSet<(Timestamp, ClientId)>,
    with_grant: BTreeSet<(Timestamp, ClientId)>,
}

impl Registrations {
    fn add(&mut self, client: &Client) {
        if let Some(fold) = fold_of(client) {
            self.folds.insert(fold, client.id.clone());
        }
        if let Some(tenure) = client.tenure {
            self.of_kind(tenure).insert((tenure.until, client.id.clone()));
        }
    }

    fn remove(&mut self, client: &Client) {
        if let Some(fold) = fold_of(client).filter(|fold| self.folds.get(fold) == Some(&client.id)) {
            self.folds.remove(&fold);
        }
        if let Some(tenure) = client.tenure {
            self.of_kind(tenure).remove(&(tenure.until, client.id.clone()));
        }
    }

    const fn of_kind(&mut self, tenure: Tenure) -> &mut BTreeSet<(Timestamp, ClientId)> {
        if tenure.granted { &mut self.with_grant } else { &mut self.without_grant }
    }

    /// Clients that have ended by `now`.
    fn ended(&self, now: Timestamp, limit: usize) -> Vec<ClientId> {
        let ended = |kind: &BTreeSet<(Timestamp, ClientId)>| {
            kind.iter().take_while(|(until, _)| *until <= now).take(limit).map(|(_, id)| id.clone()).collect()
        };
        let mut found: Vec<_> = ended(&self.without_grant);
        found.append(&mut ended(&self.with_grant));
        found.truncate(limit);
        found
    }
}

fn fold_of(client: &Client) -> Option<[u8; 32]> {
    client.registration.as_ref()?.fold
}

impl Tables {
    fn registrations(&self) -> MutexGuard<'_, Registrations> {
        self.registrations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a client, or adds or removes it.
    fn put(&self, registrations: &mut Registrations, id: &ClientId, new: Option<Arc<Client>>) {
        let mut clients = self.clients.write(self.hasher.hash_one(id));
        let old = match &new {
            Some(new) => clients.insert(id.clone(), Arc::clone(new)),
            None => clients.remove(id),
        };
        drop(clients);
        if let Some(old) = old {
            registrations.remove(&old);
        }
        if let Some(new) = new {
            registrations.add(&new);
        }
    }

    pub(super) fn insert_client(&self, op: &InsertClient) -> Inserted {
        let mut registrations = self.registrations();
        let client = &op.client;
        let same = fold_of(client).and_then(|fold| registrations.folds.get(&fold).cloned());
        if let Some(same) = same.and_then(|id| self.client(&id)) {
            return self.fold(&mut registrations, &same, client);
        }
        if self.client(&client.id).is_some() {
            return Inserted::Taken;
        }
        self.put(&mut registrations, &client.id, Some(Arc::clone(client)));
        if let Some(budget) = op.budget {
            self.keep_to_budget(&mut registrations, budget as usize, &client.id);
        }
        Inserted::New
    }

    fn fold(&self, registrations: &mut Registrations, same: &Arc<Client>, new: &Client) -> Inserted {
        if same.blocked {
            return Inserted::Blocked;
        }
        let until = new.tenure.map(|tenure| tenure.until);
        self.renew(registrations, same, until);
        Inserted::Folded(same.id.clone())
    }

    /// Those that would end first give way, but not to themselves.
    fn keep_to_budget(&self, registrations: &mut Registrations, budget: usize, new: &ClientId) {
        let too_many = registrations.without_grant.len().saturating_sub(budget);
        let oldest = registrations.without_grant.iter().map(|(_, id)| id).filter(|id| *id != new);
        for id in oldest.take(too_many).cloned().collect::<Vec<_>>() {
            self.put(registrations, &id, None);
        }
    }

    pub(super) fn update_client(&self, op: &UpdateClient) -> Updated {
        let mut registrations = self.registrations();
        let Some(stored) = self.client(&op.client.id) else { return Updated::Unknown };
        if stored.revision != op.client.revision {
            return Updated::Changed;
        }
        let revision = stored.revision.wrapping_add(1);
        let new = Client { revision, tenure: stored.tenure, ..(*op.client).clone() };
        self.put(&mut registrations, &stored.id, Some(Arc::new(new)));
        if op.ends_access {
            self.end_access(&stored.id);
        }
        Updated::Now
    }

    pub(super) fn remove_client(&self, op: &RemoveClient) -> Removed {
        let mut registrations = self.registrations();
        if self.client(&op.client).is_none() {
            return Removed::Unknown;
        }
        self.put(&mut registrations, &op.client, None);
        self.end_access(&op.client);
        Removed::Now
    }

    pub(super) fn renew_client(&self, op: &RenewClient) -> Renewed {
        let mut registrations = self.registrations();
        let Some(stored) = self.client(&op.client).filter(|stored| stored.tenure.is_some()) else {
            return Renewed::Unknown;
        };
        self.renew(&mut registrations, &stored, Some(op.until));
        Renewed::Now
    }

    fn renew(&self, registrations: &mut Registrations, stored: &Client, until: Option<Timestamp>) {
        let (Some(tenure), Some(until)) = (stored.tenure, until) else { return };
        if until > tenure.until {
            let new = Client { tenure: Some(Tenure { until, ..tenure }), ..stored.clone() };
            self.put(registrations, &stored.id, Some(Arc::new(new)));
        }
    }

    /// An approval for a client that registered itself and has no grant yet.
    pub(super) fn decide_first_grant(&self, op: Decide) -> Decided {
        let mut registrations = self.registrations();
        let (id, until) = (op.client.clone(), op.approval.as_ref().map(|approval| approval.client_until));
        // The registrations are locked, so that nobody changes the client.
        let stored = self.client(&id);
        let outcome = self.decide_about(stored.as_deref(), op);
        if let (Decided::First, Some(stored), Some(until)) = (outcome, stored, until)
            && let Some(tenure) = stored.tenure
        {
            let tenure = Tenure { until: tenure.until.max(until), granted: true };
            let new = Client { tenure: Some(tenure), ..(*stored).clone() };
            self.put(&mut registrations, &id, Some(Arc::new(new)));
        }
        outcome
    }

    pub(super) fn grant_client(&self, op: &GrantClient) -> Granted {
        let outcome = self.grant_client_now(op);
        self.sweep_some_grants(op.grant.id, op.now);
        self.sweep_some(&self.tokens, op.access.id.to_bits(), op.now);
        outcome
    }

    fn grant_client_now(&self, op: &GrantClient) -> Granted {
        // Held until the grant exists, so that the client cannot change in between.
        let clients = self.clients.read(self.hasher.hash_one(&op.client));
        if clients.get(&op.client).is_none_or(|client| client.revision != op.client_revision) {
            return Granted::ClientChanged;
        }
        let id = op.grant.id;
        let mut grants = self.grants.write(id.to_bits());
        if grants.get(id).is_some() {
            return Granted::Collision;
        }
        let cell = Arc::new(GrantCell::new(Arc::<Grant>::clone(&op.grant), op.access.expires_at));
        let token = AccessRow::new(op.access.clone(), Arc::clone(&cell));
        if !self.tokens.write(op.access.id.to_bits()).insert(token) {
            return Granted::Collision;
        }
        grants.insert(GrantRow { id, cell });
        Granted::Now
    }

    /// Ends everything that a client was given. It was changed or removed before, so that nothing new comes.
    fn end_access(&self, client: &ClientId) -> u32 {
        let mut ended = 0;
        let mut after = None;
        loop {
            let page = self.scan(Table::Grants, after, 1024);
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            for row in page.iter().filter(|row| row.grant.client == *client && matches!(row.row, Row::Grant)) {
                ended += u32::from(self.cell(row.grant.id).is_some_and(|cell| cell.revoke() == Revoked::Now));
            }
        }
        self.forget_consents(|_, theirs| theirs == client);
        ended
    }

    pub(super) fn revoke_grants(&self, op: &RevokeGrants) -> u32 {
        let subject = match &op.owner {
            Owner::Client(client) => return self.end_access(client),
            Owner::User(subject) => subject,
        };
        let hash = self.hasher.hash_one(subject);
        let theirs = self.grants_of(subject, hash);
        let ended = theirs.iter().filter(|cell| cell.revoke() == Revoked::Now).count();
        // Afterwards: what a grant that is made at this moment relies on may go, and its user is asked again.
        self.forget_consents(|user, _| user == subject);
        ended as u32
    }

    /// Removes clients that ended, with the consent to them.
    pub(super) fn purge_clients(&self, now: Timestamp, limit: u32) -> u32 {
        let mut registrations = self.registrations();
        let ended = registrations.ended(now, limit as usize);
        for id in &ended {
            self.put(&mut registrations, id, None);
        }
        if !ended.is_empty() {
            self.forget_consents(|_, client| ended.contains(client));
        }
        ended.len() as u32
    }
}
