//! What is wrong with the end of all that somebody has, and with what a client gets for itself.

use std::sync::Arc;

use grantor::protocol::client::ClientId;
use grantor::protocol::grant::{Holder, Subject};
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{
    GrantClient, Granted, Owner, RemoveClient, Removed, RevokeGrants, Storage, StorageError, Table, UpdateClient,
};

use super::{Broken, Flaw};

impl Broken {
    /// What goes wrong with the end of access before a change.
    pub(super) async fn end_access(&self, op: &mut UpdateClient) -> Result<(), StorageError> {
        let client = &op.client.id;
        match self.flaw {
            Flaw::IgnoresRevocations => op.ends_access = false,
            Flaw::EndsOnEveryChange => op.ends_access = true,
            Flaw::EndsBeforeLooking | Flaw::ChecksBeforeActing if op.ends_access => {
                self.inner.revoke_grants(records::revoke_all_of_client(client, op.now)).await?;
                tokio::task::yield_now().await;
                op.ends_access = false;
            }
            Flaw::RevokesAllOfUsers if op.ends_access => self.revoke_all_of_users(client).await?,
            _ => {}
        }
        Ok(())
    }

    /// All users of a client lose what they have.
    async fn revoke_all_of_users(&self, client: &ClientId) -> Result<(), StorageError> {
        for row in self.inner.scan(Table::Grants, None, 1000).await? {
            if row.grant.client == *client
                && let Holder::User(user) = &row.grant.holder
            {
                self.inner.revoke_grants(records::revoke_all_of_user(user.as_str(), NOW)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn remove(&self, op: RemoveClient) -> Result<Removed, StorageError> {
        match self.flaw {
            Flaw::IgnoresRevocations => return Ok(Removed::Now),
            Flaw::EndsBeforeLooking | Flaw::ChecksBeforeActing => {
                self.inner.revoke_grants(records::revoke_all_of_client(&op.client, op.now)).await?;
                tokio::task::yield_now().await;
            }
            Flaw::RevokesAllOfUsers => self.revoke_all_of_users(&op.client).await?,
            Flaw::RemovesInTwoSteps => {
                let removed = self.inner.client(&op.client).await?;
                let outcome = self.inner.remove_client(op.clone()).await?;
                if let Some(client) = removed {
                    let _ = self.inner.insert_client(records::insert(client)).await?;
                }
                tokio::task::yield_now().await;
                let _ = self.inner.remove_client(op).await?;
                return Ok(outcome);
            }
            _ => {}
        }
        self.inner.remove_client(op).await
    }

    pub(super) async fn revoke_all(&self, op: RevokeGrants) -> Result<u32, StorageError> {
        match (self.flaw, &op.owner) {
            (Flaw::IgnoresRevocations, _) => return Ok(1),
            (Flaw::RevokesAllOfUsers, Owner::Client(client)) => self.revoke_all_of_users(client).await?,
            (Flaw::RevokesAllOfUsers, Owner::User(user)) => {
                for row in self.inner.scan(Table::Grants, None, 1000).await? {
                    if row.grant.holder.subject() == Some(user) {
                        self.inner.revoke_grants(records::revoke_all_of_client(&row.grant.client, NOW)).await?;
                    }
                }
            }
            (Flaw::FoldsSubjects, Owner::User(user)) => {
                for row in self.inner.scan(Table::Grants, None, 1000).await? {
                    if row.grant.holder.subject().is_some_and(|theirs| self.folded(theirs) == self.folded(user)) {
                        let _ = self.inner.revoke_grant(records::revoke(&row.grant, NOW)).await?;
                    }
                }
            }
            (Flaw::TakesClientsForUsers, Owner::User(user)) => {
                if let Ok(client) = ClientId::parse(user.as_str()) {
                    self.inner.revoke_grants(records::revoke_all_of_client(&client, op.now)).await?;
                }
            }
            (Flaw::StopsMidway, _) => return Ok(self.inner.revoke_grants(op).await?.saturating_sub(1)),
            _ => {}
        }
        self.inner.revoke_grants(op).await
    }

    pub(super) async fn grant_own(&self, mut op: GrantClient) -> Result<Granted, StorageError> {
        match self.flaw {
            Flaw::IgnoresRevisions => {
                let client = self.inner.client(&op.client).await?;
                op.client_revision = client.map_or(0, |client| client.revision);
            }
            Flaw::TakesClientsForUsers => {
                let user = Holder::User(Subject::new(op.client.as_str()));
                Arc::make_mut(&mut op.grant).holder = user;
            }
            _ => {}
        }
        let outcome = self.inner.grant_client(op.clone()).await?;
        if (self.flaw, outcome) == (Flaw::LeavesTokensBehind, Granted::Collision) {
            op.access.id = records::ordered_id(NOW);
            let _ = self.inner.grant_client(op).await?;
        }
        Ok(outcome)
    }
}
