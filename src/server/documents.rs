//! Where the endpoints are, and the documents that say so.

use std::sync::Arc;

use arc_swap::Guard;
use bytes::Bytes;

use super::{InvalidConfiguration, Registration, Server};
use crate::protocol::issuer::Issuer;
use crate::protocol::metadata::{self, EndpointUrls};
use crate::protocol::policy::Policy;
use crate::storage::Current;

/// Where the endpoints are on this origin.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) authorize: String,
    pub(crate) consent: String,
    pub(crate) token: String,
    pub(crate) revoke: String,
    pub(crate) introspect: String,
    pub(crate) register: String,
    pub(crate) server_metadata: String,
}

/// The metadata of the server, ready to be sent. Those of a resource are written when somebody asks for them: there
/// may be many.
pub(super) struct Documents {
    /// Which state of what is stored they are about; 0 is that of the code.
    pub(super) revision: u32,
    pub(super) server: Bytes,
}

impl Paths {
    pub(super) fn new(issuer: &Issuer, base: Option<String>) -> Result<Self, InvalidConfiguration> {
        let base = base.unwrap_or_else(|| format!("{}/oauth", issuer.path()));
        let is_path = |path: &str| {
            path.split('/').skip(1).all(|segment| {
                !matches!(segment, "" | "." | "..")
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
            })
        };
        let base = match base.as_str() {
            "/" => "",
            path if path.starts_with('/') && is_path(path) => path,
            _ => return Err(InvalidConfiguration::BasePath(base)),
        };
        Ok(Self {
            authorize: format!("{base}/authorize"),
            consent: format!("{base}/consent"),
            token: format!("{base}/token"),
            revoke: format!("{base}/revoke"),
            introspect: format!("{base}/introspect"),
            register: format!("{base}/register"),
            server_metadata: metadata::server_metadata_path(issuer),
        })
    }
}

impl Documents {
    pub(super) fn new(
        policy: &Policy,
        paths: &Paths,
        registration: Registration,
        metadata_documents: bool,
    ) -> Result<Self, InvalidConfiguration> {
        let url = |path: &str| format!("{}{path}", policy.issuer.origin());
        let endpoints = EndpointUrls {
            authorization: url(&paths.authorize),
            token: url(&paths.token),
            revocation: url(&paths.revoke),
            introspection: url(&paths.introspect),
            registration: (registration != Registration::Off).then(|| url(&paths.register)),
            metadata_documents,
        };
        Ok(Self { revision: 0, server: Bytes::from(metadata::server_metadata(policy, &endpoints)?) })
    }
}

impl Server {
    /// The metadata of this server.
    pub(crate) async fn server_document(&self) -> Bytes {
        let current = self.current_or_last_known().await;
        let known = self.0.documents.load();
        if known.revision == current.revision() {
            return known.server.clone();
        }
        let (registration, metadata_documents) = (self.0.registration.who, self.0.metadata_documents.is_some());
        match Documents::new(&current.policy, &self.0.paths, registration, metadata_documents) {
            Ok(documents) => {
                let server = documents.server.clone();
                self.0.documents.store(Arc::new(Documents { revision: current.revision(), ..documents }));
                server
            }
            Err(error) => {
                tracing::error!(%error, "the metadata cannot be written");
                known.server.clone()
            }
        }
    }

    /// The metadata of the resource that publishes them at that path behind the well-known string.
    pub(crate) async fn resource_document(&self, path: &str) -> Option<Bytes> {
        let current = self.current_or_last_known().await;
        let document = metadata::resource_metadata(&current.policy, current.policy.published_at(path)?);
        let document = document.inspect_err(|error| tracing::error!(%error, "the metadata cannot be written"));
        document.ok().map(Bytes::from)
    }

    /// What is in force or, if the store cannot answer, was so last: a client that reads metadata gets nothing by it.
    async fn current_or_last_known(&self) -> Guard<Arc<Current>> {
        match self.current().await {
            Ok(current) => current,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store could not answer");
                self.0.in_force.last_known()
            }
        }
    }
}
