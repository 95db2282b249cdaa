//! What a request leaves behind: events, and refusals that were recorded.

use super::Server;
use crate::host::{CorrelationId, EventKind, IssuedBy, Place, Reason};
use crate::protocol::client::ClientId;
use crate::protocol::error::WireError;
use crate::protocol::grant::{Access, Grant};
use crate::protocol::token::TokenResponse;

/// The request that is being answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    correlation: CorrelationId,
    place: Place,
}

/// A refusal that was recorded. Error answers are made from this and nothing else, so that none is forgotten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) wire: WireError,
    pub(crate) correlation: CorrelationId,
    /// Whether the client came with Basic credentials and must be told so.
    pub(crate) used_basic: bool,
}

impl Server {
    /// The same server, answering a request at that place.
    pub(crate) fn begin(&self, place: Place) -> Self {
        Self(std::sync::Arc::clone(&self.0), Some(self.new_call(place)))
    }

    /// The request that is being answered; a call of the app itself is one of its own.
    fn call(&self) -> Call {
        self.1.unwrap_or_else(|| self.new_call(Place::App))
    }

    fn new_call(&self, place: Place) -> Call {
        Call { correlation: self.0.trail.correlate(), place }
    }

    /// The reference of the request that is being answered.
    pub(crate) fn reference(&self) -> CorrelationId {
        self.call().correlation
    }

    /// Where the request that is being answered came in.
    #[cfg(feature = "metrics")]
    pub(crate) fn place(&self) -> Place {
        self.call().place
    }

    /// The span of the request that is being answered.
    pub(crate) fn span(&self) -> tracing::Span {
        let Call { correlation, place } = self.call();
        tracing::info_span!("oauth", %correlation, endpoint = place.name())
    }

    /// Records that something happened.
    pub(super) fn audit(&self, kind: EventKind) {
        let Call { correlation, place } = self.call();
        self.0.trail.record(correlation, place, kind);
    }

    /// The same for what happens with nearly every request: nothing is made of it if nobody listens.
    pub(super) fn audit_often(&self, kind: impl FnOnce() -> EventKind) {
        if self.0.trail.hears_all() {
            self.audit(kind());
        }
    }

    /// Records a refusal, of the client that the request names.
    pub(crate) fn refused(&self, client: Option<&ClientId>, reason: impl Into<Reason>) -> Refused {
        let (reason, Call { correlation, place }) = (reason.into(), self.call());
        let wire = reason.wire();
        let kind = EventKind::Refused { client: client.cloned(), resource: None, token: None, reason };
        self.0.trail.record(correlation, place, kind);
        Refused { wire, correlation, used_basic: false }
    }

    /// Records that a client got tokens.
    pub(super) fn issued(&self, response: &TokenResponse, access: &Access, by: IssuedBy) {
        let Access { grant, scopes, resource } = access;
        self.audit_often(|| EventKind::TokensIssued {
            subject: grant.holder.subject().cloned(),
            client: grant.client.clone(),
            grant: grant.id,
            token: response.access(),
            refreshable: response.is_refreshable(),
            scopes: scopes.clone(),
            resource: resource.clone(),
            by,
        });
    }

    /// Records that a code was replayed, which revoked its grant.
    pub(super) fn replayed(&self, Grant { id, holder, client, .. }: &Grant) {
        let (subject, client) = (holder.subject().cloned(), client.clone());
        self.audit(EventKind::CodeReplayed { subject, client, grant: *id });
    }

    /// Records that a refresh token was reused, which revoked its grant.
    pub(super) fn reused(&self, Grant { id, holder, client, .. }: &Grant) {
        let (subject, client) = (holder.subject().cloned(), client.clone());
        self.audit(EventKind::RefreshReused { subject, client, grant: *id });
    }
}
