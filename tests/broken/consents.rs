//! What is wrong with what is remembered of people's consent, and with lists of clients.

use std::sync::Arc;

use grantor::protocol::client::{Client, ClientId};
use grantor::protocol::grant::Subject;
use grantor::protocol::interaction::Consent;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Decide, RevokeGrant, Revoked, Storage, StorageError};

use super::{Broken, Flaw, cut};

/// What a store with a flaw notes of consent by itself.
#[derive(Default)]
pub(super) struct Notes {
    /// What came with approvals, whatever came of them.
    asked: Vec<Consent>,
    /// Users of whom all is forgotten.
    forgotten: Vec<Subject>,
    denials: usize,
    /// What was agreed to last about each.
    latest: Vec<Consent>,
}

impl Broken {
    /// What goes wrong with the consent of a decision before it is made.
    pub(super) async fn prepare_consent(&self, op: &mut Decide) -> Result<(), StorageError> {
        let Some(approval) = &mut op.approval else {
            self.notes.lock().unwrap().denials += 1;
            return Ok(());
        };
        let asked = &mut approval.consent;
        self.notes.lock().unwrap().asked.push(asked.clone());
        let given = self.inner.consents(&asked.subject, &asked.client).await?;
        let knows = |wanted: &dyn Fn(&Consent) -> bool| given.iter().any(wanted);
        let pretends = match self.flaw {
            Flaw::NeedsNoConsent => true,
            Flaw::TakesAnyScopes => knows(&|given| given.is_about_the_same_as(asked)),
            Flaw::TakesAnyRedirect => knows(&|given| given.resources == asked.resources),
            Flaw::TakesAnyResources => knows(&|given| given.redirect_uri == asked.redirect_uri),
            Flaw::ChecksBeforeActing => knows(&|given| given.covers(asked)),
            _ => false,
        };
        if pretends && self.has(Flaw::ChecksBeforeActing) {
            tokio::task::yield_now().await;
        }
        match self.flaw {
            Flaw::ReplacesConsent if !approval.needs_consent => {
                let latest = &mut self.notes.lock().unwrap().latest;
                latest.retain(|given| !given.is_about_the_same_as(asked));
                latest.push(asked.clone());
            }
            _ => approval.needs_consent &= !pretends,
        }
        Ok(())
    }

    pub(super) fn has_denials(&self) -> bool {
        self.notes.lock().unwrap().denials > 0
    }

    pub(super) async fn read_consents(
        &self,
        subject: &Subject,
        client: &ClientId,
    ) -> Result<Vec<Consent>, StorageError> {
        let is_theirs = |given: &Consent| given.subject == *subject && given.client == *client;
        let given = self.inner.consents(subject, client).await?;
        let notes = self.notes.lock().unwrap();
        Ok(match self.flaw {
            Flaw::ForgetsConsent => Vec::new(),
            Flaw::ReplacesConsent => notes.latest.iter().filter(|given| is_theirs(given)).cloned().collect(),
            Flaw::RemembersRefusals | Flaw::KeepsConsent => {
                notes.asked.iter().filter(|given| is_theirs(given)).fold(given, with)
            }
            Flaw::RemembersDenials if notes.denials > 0 => {
                with(given, &records::approval(subject, client, NOW).consent)
            }
            Flaw::ForgetsAllConsent if notes.forgotten.contains(subject) => Vec::new(),
            _ => given,
        })
    }

    pub(super) async fn revoke_and_forget(&self, op: RevokeGrant) -> Result<Revoked, StorageError> {
        let owner = self.owners.lock().unwrap().get(&op.grant).cloned();
        let outcome = self.inner.revoke_grant(op).await?;
        self.notes.lock().unwrap().forgotten.extend(owner.filter(|_| outcome == Revoked::Now));
        Ok(outcome)
    }

    pub(super) async fn list_clients(
        &self,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<Vec<Arc<Client>>, StorageError> {
        let limit = if self.has(Flaw::IgnoresLimits) { u32::MAX } else { limit };
        let mut all = self.inner.clients(None, u32::MAX).await?;
        match self.flaw {
            Flaw::PagesInclusively => all.retain(|client| after.is_none_or(|after| client.id >= *after)),
            Flaw::ListsOldestFirst => {
                all.retain(|client| after.is_none_or(|after| client.id < *after));
                all.reverse();
            }
            Flaw::CutsFullPages => {
                let mut page = self.inner.clients(after, limit).await?;
                cut(&mut page, limit);
                return Ok(page);
            }
            _ => return self.inner.clients(after, limit).await,
        }
        all.truncate(limit as usize);
        Ok(all)
    }
}

/// Adds what was agreed to.
fn with(mut given: Vec<Consent>, more: &Consent) -> Vec<Consent> {
    match given.iter_mut().find(|given| given.is_about_the_same_as(more)) {
        Some(given) => given.scopes = given.scopes.union(&more.scopes),
        None => given.push(more.clone()),
    }
    given
}
