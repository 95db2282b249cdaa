//! What the pages are told.

use super::decide::{ALLOW, DECISION_FIELD, DENY, PROMPT_FIELD};
use super::{PageRefusal, Refused, Server};
use crate::host::{
    ClientView, ConsentForm, ConsentView, ErrorView, Identity, RedirectView, ResourceView, ScopeView, User,
};
use crate::protocol::authorize::ValidRequest;
use crate::protocol::client::ClientOrigin;
use crate::protocol::error::PageReason;
use crate::protocol::interaction::Consent;
use crate::protocol::policy::Policy;
use crate::protocol::scope::{OFFLINE_ACCESS, ScopeSet};

impl Server {
    pub(super) fn consent_view(
        &self,
        request: &ValidRequest,
        user: &User,
        given: &[Consent],
        sealed: String,
        policy: &Policy,
    ) -> ConsentView {
        let asked = request.scopes().without(OFFLINE_ACCESS);
        let known = given.iter().fold(ScopeSet::empty(), |known, consent| known.union(&consent.scopes));
        let offline = policy.scopes.named(OFFLINE_ACCESS);
        let resources = request.resources().iter().filter_map(|id| policy.resources.of(id));
        ConsentView {
            client: self.client_view(request),
            app: self.0.app.clone(),
            user: user.label.clone(),
            scopes: policy
                .scopes
                .describe(&asked)
                .map(|entry| ScopeView {
                    name: entry.name.clone(),
                    description: entry.description.clone(),
                    is_new: !known.is_empty() && !known.mentions(&entry.id),
                })
                .collect(),
            offline: offline.filter(|_| request.is_offline()).map(|entry| entry.description.clone()),
            resources: resources
                .map(|resource| ResourceView {
                    name: resource.record.name.clone().unwrap_or_else(|| self.0.app.name.clone()),
                    uri: resource.uri.to_string(),
                })
                .collect(),
            redirect: RedirectView {
                host: request.redirect_uri().display_host(),
                uri: request.redirect_uri().as_str().to_owned(),
                kind: request.redirect_uri().kind(),
            },
            form: ConsentForm {
                action: self.0.paths.consent.clone(),
                fields: vec![(PROMPT_FIELD, sealed)],
                decision_field: DECISION_FIELD,
                allow: ALLOW,
                deny: DENY,
            },
        }
    }

    pub(super) fn client_view(&self, request: &ValidRequest) -> ClientView {
        let client = request.client();
        ClientView {
            id: client.id.to_string(),
            name: client.display_name().to_owned(),
            home_page: client.metadata.home_page.clone(),
            logo: client.metadata.logo.clone(),
            document_host: request.document_host(),
            identity: match client.origin {
                ClientOrigin::Administrator => Identity::Verified,
                ClientOrigin::Document if request.is_of_document_origin() => Identity::Site,
                ClientOrigin::Dynamic | ClientOrigin::Document => Identity::Claimed,
            },
        }
    }

    pub(super) fn error_view(&self, refusal: PageRefusal, recorded: &Refused) -> ErrorView {
        let wire = recorded.wire;
        ErrorView {
            app: self.0.app.clone(),
            status: wire.status,
            error: wire.code,
            description: refusal.reason.description(),
            detail: matches!(refusal.reason, PageReason::RequestRefused(_)).then_some(wire.description),
            advice: refusal.reason.advice(refusal.way_back.is_some()),
            way_back: refusal.way_back,
            reference: recorded.correlation,
        }
    }
}
