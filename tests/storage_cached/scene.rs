//! A cached store with a client and tokens in it, and the ways in which they end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use grantor::OrderedId;
use grantor::Timestamp;
use grantor::protocol::client::{Client, ClientId};
use grantor::protocol::grant::Grant;
use grantor::storage::testkit::Call;
use grantor::storage::testkit::records::{self, GRACE, NOW};
use grantor::storage::{Approval, Cached, RotateRefresh, Sharing, Storage, StorageError, UpdateClient};

use crate::staged::Staged;

/// After the first rotation's answer is over.
pub(crate) fn later() -> Timestamp {
    NOW.after(GRACE + Duration::from_secs(1))
}

pub(crate) struct Scene {
    pub(crate) cached: Cached<Staged>,
    pub(crate) store: Staged,
    pub(crate) client: Client,
}

impl Scene {
    pub(crate) async fn new(sharing: Sharing) -> Self {
        Self::over(Staged::new(sharing)).await
    }

    /// Several of them may be over one store.
    pub(crate) async fn over(store: Staged) -> Self {
        let scene = Self { cached: Cached::new(store.clone()), store, client: records::client("client") };
        let _ = scene.cached.insert_client(records::insert(scene.client.clone())).await.unwrap();
        scene
    }

    /// A grant whose code was exchanged and whose refresh token was rotated once.
    pub(crate) async fn installed(&self) -> Installed {
        self.installed_by("user").await
    }

    /// The same of that user.
    pub(crate) async fn installed_by(&self, user: &str) -> Installed {
        let approval = records::approval(&records::subject(user), &self.client.id, NOW);
        let decide = records::approve(records::prompt(NOW), &self.client, &approval, NOW);
        let _ = self.cached.decide(decide).await.unwrap();
        let redeem = records::redeem_with_refresh(&approval, NOW);
        let (token, refresh) = (redeem.access.id, redeem.refresh.clone().unwrap().id);
        let _ = self.cached.redeem_code(redeem).await.unwrap();
        let rotation = records::rotate(refresh, &approval.grant, NOW);
        let _ = self.cached.rotate_refresh(rotation.clone()).await.unwrap();
        let client = self.client.clone();
        Installed { client, grant: Arc::clone(&approval.grant), approval, token, rotation }
    }

    /// The same, and its token is in the cache.
    pub(crate) async fn kept(&self) -> Installed {
        let installed = self.installed().await;
        assert!(self.is_live(installed.token).await);
        assert!(self.answers_itself(installed.token).await, "the token is not kept");
        installed
    }

    pub(crate) async fn is_live(&self, token: OrderedId) -> bool {
        self.cached.access_token(token).await.unwrap().is_some_and(|stored| !stored.revoked)
    }

    /// Whether a look-up of that token, which must be live, does not get to the store.
    pub(crate) async fn answers_itself(&self, token: OrderedId) -> bool {
        let before = self.store.look_ups();
        assert!(self.is_live(token).await, "the token is not live");
        self.store.look_ups() == before
    }

    pub(crate) async fn name(&self) -> Option<String> {
        self.cached.client(&self.client.id).await.unwrap().unwrap().metadata.name.clone()
    }

    /// Whether a look-up of the client does not get to the store.
    pub(crate) async fn answers_the_client_itself(&self) -> bool {
        let before = self.store.look_ups();
        let _ = self.name().await;
        self.store.look_ups() == before
    }

    /// The client by another name.
    pub(crate) fn renamed(&self, name: &str) -> UpdateClient {
        let mut client = self.client.clone();
        client.metadata.name = Some(name.to_owned());
        records::update(client)
    }

    pub(crate) fn client_id(&self) -> &ClientId {
        &self.client.id
    }
}

pub(crate) struct Installed {
    pub(crate) client: Client,
    pub(crate) approval: Approval,
    pub(crate) grant: Arc<Grant>,
    pub(crate) token: OrderedId,
    pub(crate) rotation: RotateRefresh,
}

/// A way for a token to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    RevokedGrant,
    RevokedToken,
    ReplayedCode,
    ReusedRefresh,
    BlockedClient,
    RemovedClient,
    AllOfClient,
    AllOfUser,
}

impl Ending {
    /// Those that are about one grant or token.
    pub(crate) const OF_ONE: [Self; 4] =
        [Self::RevokedGrant, Self::RevokedToken, Self::ReplayedCode, Self::ReusedRefresh];
    /// Those that are about all that somebody has.
    pub(crate) const OF_ALL: [Self; 4] = [Self::BlockedClient, Self::RemovedClient, Self::AllOfClient, Self::AllOfUser];

    pub(crate) fn each() -> impl Iterator<Item = Self> {
        Self::OF_ONE.into_iter().chain(Self::OF_ALL)
    }

    pub(crate) fn call(self) -> Call {
        match self {
            Self::RevokedGrant => Call::RevokeGrant,
            Self::RevokedToken => Call::RevokeAccess,
            Self::ReplayedCode => Call::RedeemCode,
            Self::ReusedRefresh => Call::RotateRefresh,
            Self::BlockedClient => Call::UpdateClient,
            Self::RemovedClient => Call::RemoveClient,
            Self::AllOfClient | Self::AllOfUser => Call::RevokeGrants,
        }
    }

    /// Makes a token end that way.
    pub(crate) async fn of(self, store: &impl Storage, installed: &Installed) -> Result<(), StorageError> {
        match self {
            Self::RevokedGrant => drop(store.revoke_grant(records::revoke(&installed.grant, later())).await?),
            Self::RevokedToken => drop(store.revoke_access(records::revoke_access(installed.token, later())).await?),
            Self::ReplayedCode => drop(store.redeem_code(records::redeem(&installed.approval, later())).await?),
            Self::ReusedRefresh => {
                let reuse = records::rotate(installed.rotation.refresh, &installed.grant, later());
                drop(store.rotate_refresh(reuse).await?);
            }
            Self::BlockedClient => {
                let blocked = Client { blocked: true, ..installed.client.clone() };
                let _ = store.update_client(records::update_and_end(blocked)).await?;
            }
            Self::RemovedClient => {
                let _ = store.remove_client(records::remove(&installed.client.id)).await?;
            }
            Self::AllOfClient => {
                let op = records::revoke_all_of_client(&installed.client.id, later());
                store.revoke_grants(op).await.map(drop)?;
            }
            Self::AllOfUser => {
                let user = records::user_of(&installed.grant);
                store.revoke_grants(records::revoke_all_of_user(user.as_str(), later())).await.map(drop)?;
            }
        }
        Ok(())
    }
}

/// Takes a call as far as it goes now; whether it waits.
pub(crate) fn waits<T>(call: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    matches!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}
