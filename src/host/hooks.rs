//! What the app is asked about on the way, and what it may add.

use serde_json::{Map, Value};

use super::consent::ClientView;
use super::user::{HostError, User};
use crate::protocol::client::ClientId;
use crate::protocol::grant::{Access, Subject};
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;

/// A request that the app may veto: who would be asked by whom, and for what.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// The person who is signed in.
    pub user: &'a User,
    /// The client. Its name is a mere claim unless its identity says otherwise.
    pub client: &'a ClientView,
    /// What it asks for.
    pub scopes: &'a ScopeSet,
    /// For which resources; at least one.
    pub resources: &'a [ResourceUri],
}

impl<'a> Asked<'a> {
    pub(crate) const fn new(
        user: &'a User,
        client: &'a ClientView,
        scopes: &'a ScopeSet,
        resources: &'a [ResourceUri],
    ) -> Self {
        Self { user, client, scopes, resources }
    }
}

/// Whether a client may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Yes,
    /// It may not, and is told `access_denied`. The text says why: it goes to the log and into the
    /// [`Vetoed`](super::EventKind::Vetoed) event, never to the client.
    No(String),
}

/// Access that was or is about to be given, without its tokens.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AccessView<'a> {
    /// The client that has it.
    pub client: &'a ClientId,
    /// The user whose access it is; `None` for the client's own.
    pub subject: Option<&'a Subject>,
    /// The grant that it belongs to.
    pub grant: OrderedId,
    /// What the access token allows.
    pub scopes: &'a ScopeSet,
    /// The resource that it is for.
    pub resource: &'a ResourceUri,
}

impl<'a> From<&'a Access> for AccessView<'a> {
    fn from(access: &'a Access) -> Self {
        Self {
            client: &access.grant.client,
            subject: access.grant.holder.subject(),
            grant: access.grant.id,
            scopes: &access.scopes,
            resource: &access.resource,
        }
    }
}

/// The answer that an app may add to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Where {
    /// The answer of the token endpoint, to the client.
    TokenResponse,
    /// The answer of the introspection endpoint, to a resource.
    Introspection,
}

/// Nothing to add. It has no size, so that an app without additions pays for none.
pub(super) struct NoFields;

impl Future for NoFields {
    type Output = Result<Map<String, Value>, HostError>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Ok(Map::new()))
    }
}
