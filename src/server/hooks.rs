//! What the host is asked on the way of a request.

use super::Server;
use crate::host::{AccessView, Asked, EventKind, Host as _, HostError, User, Verdict, Where};
use crate::protocol::authorize::ValidRequest;
use crate::protocol::error::TokenReason;
use crate::protocol::extra::ExtraFields;
use crate::protocol::grant::{Access, Holder};
use crate::protocol::policy::Policy;
use crate::protocol::resource::ResourceId;

impl Server {
    /// Whether the host lets this request be put to this user; if not, that is recorded.
    pub(super) async fn may_ask(
        &self,
        request: &ValidRequest,
        user: &User,
        policy: &Policy,
    ) -> Result<bool, HostError> {
        let client = self.client_view(request);
        let scopes = policy.scopes.names_of(request.scopes());
        let resources: Vec<_> = request.resources().iter().map(ResourceId::uri).collect();
        let asked = Asked::new(user, &client, &scopes, &resources);
        match self.0.host.may_ask(asked).await? {
            Verdict::Yes => Ok(true),
            Verdict::No(why) => {
                let (subject, client) = (user.subject.clone(), request.client().id.clone());
                self.audit(EventKind::Vetoed { subject, client, why });
                Ok(false)
            }
        }
    }

    /// Whether the host lets the holder of a grant go on.
    pub(super) async fn ask_host(&self, holder: &Holder) -> Result<(), TokenReason> {
        let Holder::User(subject) = holder else { return Ok(()) };
        match self.0.host.is_allowed(subject).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenReason::UserNotAllowed),
            Err(error) => Err(no_answer(&error)),
        }
    }

    /// What the host adds to an answer about this access.
    pub(super) async fn extra_fields(&self, access: &Access, place: Where) -> Result<ExtraFields, TokenReason> {
        let fields = self.0.host.extra_fields(AccessView::from(access), place).await;
        let (extra, taken) = ExtraFields::checked(fields.map_err(|error| no_answer(&error))?);
        if !taken.is_empty() {
            tracing::warn!(fields = ?taken, "the host's fields have names that it cannot have, and are left out");
        }
        Ok(extra)
    }
}

fn no_answer(error: &HostError) -> TokenReason {
    tracing::error!(%error, "the host could not answer");
    TokenReason::Unavailable
}
