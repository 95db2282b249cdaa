//! Where the endpoints are, and the documents that say so.

use bytes::Bytes;

use super::{InvalidConfiguration, Registration};
use crate::protocol::issuer::Issuer;
use crate::protocol::metadata::{self, EndpointUrls};
use crate::protocol::policy::Policy;
use crate::protocol::resource::Resource as KnownResource;

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

/// The metadata, ready to be sent.
pub(crate) struct Documents {
    /// Which state of the stored scopes they are about; 0 is that of the code.
    pub(super) revision: u32,
    pub(crate) server: Bytes,
    /// By path of the well-known URL; the first is that of the root.
    pub(crate) resources: Vec<(String, Bytes)>,
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
            // RFC 8414 §3: the well-known string goes between the host and the issuer's path
            server_metadata: format!("/.well-known/oauth-authorization-server{}", issuer.path()),
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
        // Resources of other origins publish their own documents.
        let is_here = |resource: &&KnownResource| resource.uri.origin() == policy.issuer.origin();
        let document = |resource: &KnownResource| metadata::resource_metadata(policy, resource).map(Bytes::from);
        let mut resources = Vec::new();
        for resource in policy.resources.iter().filter(is_here) {
            resources.push((resource.uri.path().to_owned(), document(resource)?));
        }
        // Many clients look at the root whatever the path: without a resource there, it is the default one.
        let has_root = resources.iter().any(|(path, _)| path.is_empty());
        if let Some(default) = policy.resources.default_resource().filter(is_here).filter(|_| !has_root) {
            resources.push((String::new(), document(default)?));
        }
        Ok(Self { revision: 0, server: Bytes::from(metadata::server_metadata(policy, &endpoints)?), resources })
    }
}
