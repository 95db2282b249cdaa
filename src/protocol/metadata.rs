//! What clients discover: server metadata (RFC 8414) and protected resource metadata (RFC 9728).

use serde::Serialize;

use super::issuer::Issuer;
use super::jws::ALGORITHMS;
use super::policy::Policy;
use super::resource::ResourceUri;
use super::resource_registry::KnownResource;
use super::scope::ScopeSet;

/// Where the endpoints are, as absolute URLs.
#[derive(Debug, Clone)]
pub struct EndpointUrls {
    /// The authorization endpoint.
    pub authorization: String,
    /// The token endpoint.
    pub token: String,
    /// The revocation endpoint.
    pub revocation: String,
    /// The introspection endpoint.
    pub introspection: String,
    /// The registration endpoint, if clients may register themselves.
    pub registration: Option<String>,
    /// Whether clients may be known by a metadata document.
    pub metadata_documents: bool,
}

#[derive(Serialize)]
struct ServerMetadata<'a> {
    issuer: &'a str,
    authorization_endpoint: &'a str,
    token_endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<&'a str>,
    scopes_supported: Vec<&'a str>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 2],
    grant_types_supported: [&'static str; 3],
    token_endpoint_auth_methods_supported: [&'static str; 4],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 5],
    revocation_endpoint: &'a str,
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 5],
    introspection_endpoint: &'a str,
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 5],
    code_challenge_methods_supported: [&'static str; 1],
    prompt_values_supported: [&'static str; 3],
    authorization_response_iss_parameter_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    client_id_metadata_document_supported: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    protected_resources: Vec<&'a str>,
}

const AUTH_METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
const CONFIDENTIAL_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The document of the authorization server (RFC 8414 §2, RFC 9728 §4).
///
/// # Errors
/// If it cannot be written as JSON.
pub fn server_metadata(policy: &Policy, endpoints: &EndpointUrls) -> Result<String, serde_json::Error> {
    let scopes = policy.scopes.ids();
    let listed = policy.resources.iter().filter(|resource| resource.record.advertised);
    serde_json::to_string(&ServerMetadata {
        issuer: policy.issuer.as_str(),
        authorization_endpoint: &endpoints.authorization,
        token_endpoint: &endpoints.token,
        registration_endpoint: endpoints.registration.as_deref(),
        scopes_supported: advertised(policy, &scopes),
        response_types_supported: ["code"],
        response_modes_supported: ["query", "form_post"],
        grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
        token_endpoint_auth_methods_supported: AUTH_METHODS,
        token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        revocation_endpoint: &endpoints.revocation,
        revocation_endpoint_auth_methods_supported: AUTH_METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        introspection_endpoint: &endpoints.introspection,
        introspection_endpoint_auth_methods_supported: CONFIDENTIAL_METHODS,
        introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        code_challenge_methods_supported: ["S256"],
        prompt_values_supported: ["none", "login", "consent"],
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: endpoints.metadata_documents,
        protected_resources: listed.map(|resource| resource.uri.as_str()).collect(),
    })
}

#[derive(Serialize)]
struct ResourceMetadata<'a> {
    resource: &'a str,
    authorization_servers: [&'a str; 1],
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
}

/// The document of a resource (RFC 9728 §2).
///
/// # Errors
/// If it cannot be written as JSON.
pub fn resource_metadata(policy: &Policy, resource: &KnownResource) -> Result<String, serde_json::Error> {
    serde_json::to_string(&ResourceMetadata {
        resource: resource.uri.as_str(),
        authorization_servers: [policy.issuer.as_str()],
        scopes_supported: advertised(policy, &resource.scopes),
        bearer_methods_supported: ["header"],
        resource_name: resource.record.name.as_deref(),
        resource_documentation: resource.record.documentation.as_deref(),
    })
}

/// The document of a resource in another process than its authorization server (RFC 9728 §2).
///
/// # Errors
/// If it cannot be written as JSON.
pub fn remote_resource_metadata(
    issuer: &Issuer,
    resource: &ResourceUri,
    scopes: &ScopeSet,
    name: Option<&str>,
    documentation: Option<&str>,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&ResourceMetadata {
        resource: resource.as_str(),
        authorization_servers: [issuer.as_str()],
        scopes_supported: scopes.iter().collect(),
        bearer_methods_supported: ["header"],
        resource_name: name,
        resource_documentation: documentation,
    })
}

/// The path of the metadata of an authorization server (RFC 8414 §3.1): the well-known string goes between the host and
/// the issuer's path.
#[must_use]
pub fn server_metadata_path(issuer: &Issuer) -> String {
    format!("/.well-known/oauth-authorization-server{}", issuer.path())
}

fn advertised<'a>(policy: &'a Policy, scopes: &'a ScopeSet) -> Vec<&'a str> {
    let described = policy.scopes.describe(scopes).filter(|scope| scope.advertised && !scope.reserved);
    described.map(|scope| scope.name.as_str()).collect()
}
