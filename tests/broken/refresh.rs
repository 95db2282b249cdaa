//! What is wrong with refresh tokens, and with what their clients take back.

use grantor::protocol::commit::StoredRefresh;
use grantor::protocol::grant::Rotation;
use grantor::protocol::secret::OrderedId;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{
    IssueAccess, Issued, Owner, RevokeAccess, RevokeGrant, Revoked, RotateRefresh, Rotated, Storage, StorageError,
    StoredAccess,
};

use super::{BEGINNING, Broken, Flaw};

impl Broken {
    pub(super) async fn read_refresh(&self, id: OrderedId) -> Result<Option<StoredRefresh>, StorageError> {
        let mut stored = self.inner.refresh_token(id).await?;
        if let Some(stored) = &mut stored {
            stored.revoked &= !self.has(Flaw::ForgetsRevocations);
            if self.has(Flaw::KeepsAnswers) {
                stored.rotation = self.rotations.lock().unwrap().get(&id).cloned();
            }
        }
        Ok(stored)
    }

    pub(super) async fn rotate(&self, mut op: RotateRefresh) -> Result<Rotated, StorageError> {
        if self.has(Flaw::RotatesInTwoSteps) {
            return self.rotate_in_two_steps(op).await;
        }
        if let Some(answer) = self.prepare_rotation(&mut op).await? {
            return Ok(answer);
        }
        let rotation =
            Rotation { successor: op.successor.id, answer: Some(op.answer.clone()), grace_until: op.grace_until };
        let outcome = self.inner.rotate_refresh(op.clone()).await?;
        if outcome == Rotated::First {
            self.rotations.lock().unwrap().insert(op.refresh, rotation);
        }
        self.spoil_rotation(op, outcome).await
    }

    /// What goes wrong before the rotation: `Some` if that is the answer.
    async fn prepare_rotation(&self, op: &mut RotateRefresh) -> Result<Option<Rotated>, StorageError> {
        let Some(stored) = self.inner.refresh_token(op.refresh).await? else { return Ok(None) };
        let is_live = !stored.revoked && stored.rotation.is_none();
        let kept = self.rotations.lock().unwrap().get(&op.refresh).cloned();
        let has_ended =
            stored.rotation.is_some_and(|rotation| rotation.answer.is_none() || op.now >= rotation.grace_until);
        match self.flaw {
            Flaw::ClosesWindows => op.grace_until = op.now,
            Flaw::KeepsWindowsOpen => return Ok(kept.map(Rotated::Repeated)),
            Flaw::ForgivesReuse if has_ended => return Ok(Some(Rotated::Reused)),
            Flaw::ForgetsUsedTokens if has_ended => return Ok(Some(Rotated::Gone)),
            Flaw::IgnoresTheEndOfRefreshTokens => op.now = BEGINNING,
            Flaw::ForgetsTheEndOfGrants => op.grant_expires_at = op.now,
            Flaw::CollidesFirst => {
                let is_access_taken = self.inner.access_token(op.access.id).await?.is_some();
                if is_access_taken || self.inner.refresh_token(op.successor.id).await?.is_some() {
                    return Ok(Some(Rotated::Collision));
                }
            }
            Flaw::ChecksBeforeActing if is_live => {
                tokio::task::yield_now().await;
                if self.inner.rotate_refresh(op.clone()).await? == Rotated::Gone {
                    let (token, grant) = (op.access.clone(), stored.grant);
                    let revived = StoredAccess { token, grant, revoked: false };
                    self.revived.lock().unwrap().insert(op.access.id, revived);
                }
                return Ok(Some(Rotated::First));
            }
            _ => {}
        }
        Ok(None)
    }

    /// What goes wrong after it.
    async fn spoil_rotation(&self, op: RotateRefresh, outcome: Rotated) -> Result<Rotated, StorageError> {
        match (self.flaw, &outcome) {
            (Flaw::RotatesTwice, Rotated::Repeated(_) | Rotated::Reused) => return Ok(Rotated::First),
            (Flaw::AnswersAnew, Rotated::Repeated(rotation)) => {
                return Ok(Rotated::Repeated(Rotation { answer: Some(op.answer), ..rotation.clone() }));
            }
            (Flaw::LeavesTokensBehind, Rotated::Repeated(_) | Rotated::Collision) => {
                let _ = self.inner.issue_access(IssueAccess { access: op.access, now: op.now }).await?;
            }
            (Flaw::RevokesAllOnReuse, Rotated::Reused) => {
                let Some(stored) = self.inner.refresh_token(op.refresh).await? else { return Ok(outcome) };
                for other in self.inner.grants(&records::user_of(&stored.grant), None, 1000, NOW).await? {
                    let _ = self.inner.revoke_grant(records::revoke(&other.grant, op.now)).await?;
                }
            }
            (Flaw::BurnsOnCollision, Rotated::Collision) => {
                let mut burning = op;
                burning.access.id = records::ordered_id(NOW);
                burning.successor.id = records::ordered_id(NOW);
                let _ = self.inner.rotate_refresh(burning).await?;
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// The successor first and the access token later.
    async fn rotate_in_two_steps(&self, mut op: RotateRefresh) -> Result<Rotated, StorageError> {
        let wanted = op.access.id;
        op.access.id = records::ordered_id(NOW);
        let kept = op.access.id;
        let outcome = self.inner.rotate_refresh(op).await?;
        tokio::task::yield_now().await;
        self.aliases.lock().unwrap().insert(wanted, kept);
        Ok(outcome)
    }

    pub(super) async fn issue(&self, mut op: IssueAccess) -> Result<Issued, StorageError> {
        if self.has(Flaw::IgnoresTheEndOfGrants) {
            op.now = BEGINNING;
        }
        let outcome = self.inner.issue_access(op).await?;
        Ok(if self.has(Flaw::IssuesWithoutLooking) { Issued::Now } else { outcome })
    }

    pub(super) async fn revoke_token(&self, op: RevokeAccess) -> Result<Revoked, StorageError> {
        let stored = self.inner.access_token(op.token).await?;
        match (self.flaw, stored) {
            (Flaw::IgnoresRevocations, _) => return Ok(Revoked::Now),
            (Flaw::RevokesGrantsByTokens, Some(stored)) => {
                let _ = self.inner.revoke_grant(records::revoke(&stored.grant, op.now)).await?;
            }
            _ => {}
        }
        self.inner.revoke_access(op).await
    }

    /// The owner that a revocation is taken to come from.
    pub(super) fn owner_of(&self, op: &RevokeGrant) -> Owner {
        let users = self.owners.lock().unwrap();
        let user = users.get(&op.grant).cloned().map(Owner::User);
        match (self.flaw, &op.owner, user) {
            (Flaw::IgnoresSubjects, Owner::User(_), Some(user)) => user,
            (Flaw::IgnoresClients, Owner::Client(_), Some(user)) => user,
            (Flaw::TakesClientsForUsers, Owner::Client(client), Some(Owner::User(user)))
                if *client.as_str() == *user.as_str() =>
            {
                Owner::User(user)
            }
            (_, Owner::User(subject), _) => Owner::User(self.folded(subject)),
            (_, Owner::Client(client), _) => Owner::Client(client.clone()),
        }
    }
}
