//! What can be wrong with how a server is put together.

use crate::protocol::issuer::InvalidIssuer;
use crate::protocol::new_client::InvalidClient;
use crate::protocol::resource::InvalidResource;

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfiguration {
    /// The issuer is unsafe or not one.
    #[error("issuer {0:?}: {1}")]
    Issuer(String, #[source] InvalidIssuer),
    /// A text is not a scope, or not a list of scopes.
    #[error("{0:?} is not a scope: use printable ASCII without space, quote and backslash")]
    Scope(String),
    /// A scope is used that is not in the catalogue.
    #[error("the scope {0:?} is not in the catalogue: add it with `scope`")]
    UnknownScope(String),
    /// A scope implies itself by way of others.
    #[error("the scope {0:?} implies itself by way of others")]
    ScopeCycle(String),
    /// There is no scope.
    #[error("there is no scope: add one with `scope`")]
    NoScope,
    /// A resource has a URL that cannot name one.
    #[error("resource {0:?}: {1}")]
    Resource(String, #[source] InvalidResource),
    /// A resource is plain `http` on a host that is not loopback.
    #[error("resource {0:?} is plain http on a host that is not loopback: use https")]
    InsecureResource(String),
    /// The documentation of a resource is not at an `https` URL.
    #[error("the documentation of resource {0:?} is not at an https URL")]
    Documentation(String),
    /// One resource was added twice, or the issuer's origin means two of them.
    #[error("resource {0:?} was added twice, or the issuer's origin means another one already")]
    RepeatedResource(String),
    /// The default resource is not one of the resources.
    #[error("the default resource {0:?} is not one of the resources")]
    UnknownResource(String),
    /// There is no resource.
    #[error("there is no resource: add the URL of your API with `resource`")]
    NoResource,
    /// A client is not one.
    #[error(transparent)]
    Client(#[from] InvalidClient),
    /// A text in a list of hosts for metadata documents is none.
    #[error("{0:?} is not a host of metadata documents: write it like \"client.example\", or \"*.client.example\"")]
    DocumentHost(String),
    /// There is no store.
    #[error("there is no store: add one with `storage`")]
    NoStorage,
    /// There is no host.
    #[error("there is no host: add one with `host`")]
    NoHost,
    /// There are no pages.
    #[error("there are no pages: add yours with `consent_ui`, or the feature `pages`")]
    NoConsentUi,
    /// The store outlives the process, but the keys would not.
    #[error("a store that lasts needs keys that last: add them with `keys`")]
    NoKeys,
    /// The base path is not an absolute path without a slash at its end.
    #[error(
        "the base path {0:?} is not like \"/oauth\": it starts with a slash and has letters, digits, '-', '_', '.', '~'"
    )]
    BasePath(String),
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] crate::host::EntropyError),
    /// The metadata cannot be written.
    #[error("the metadata cannot be written: {0}")]
    Metadata(#[from] serde_json::Error),
}
