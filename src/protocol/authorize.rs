//! The authorization request (RFC 6749 §4.1.1): who asks, for what, and where the answer goes.

use std::fmt;
use std::sync::Arc;

use super::client::{Client, ClientId, ClientOrigin, GrantType};
use super::error::{AuthorizeReason, PageReason};
use super::params::Parameters;
use super::pkce::CodeChallenge;
use super::policy::Policy;
use super::redirect::VerifiedRedirectUri;
use super::resource::ResourceUri;
use super::scope::ScopeSet;

/// The parameters that the authorization endpoint knows.
pub const PARAMETERS: [&str; 11] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "response_mode",
    "request",
    "request_uri",
];

/// A request that passed every rule: what a user may be asked.
#[derive(Debug)]
pub struct ValidRequest {
    pub(super) client: Arc<Client>,
    pub(super) redirect_uri: VerifiedRedirectUri,
    pub(super) state: Option<String>,
    pub(super) scopes: ScopeSet,
    pub(super) resources: Vec<ResourceUri>,
    pub(super) challenge: CodeChallenge,
}

/// A request that is refused. The type says whether there is somebody to redirect to.
#[derive(Debug)]
pub enum AuthorizeError {
    /// Nobody: a person sees a page.
    ShowPage(PageReason),
    /// The client, at a redirect URI of its own.
    Redirect(RedirectError),
}

impl From<PageReason> for AuthorizeError {
    fn from(reason: PageReason) -> Self {
        Self::ShowPage(reason)
    }
}

/// An error for a client whose redirect URI was verified.
#[derive(Debug)]
pub struct RedirectError {
    reason: AuthorizeReason,
    client: Arc<Client>,
    redirect_uri: VerifiedRedirectUri,
    state: Option<String>,
}

impl RedirectError {
    /// Why the request is refused.
    #[must_use]
    pub const fn reason(&self) -> AuthorizeReason {
        self.reason
    }

    /// Whose request it is.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the answer goes.
    #[must_use]
    pub const fn redirect_uri(&self) -> &VerifiedRedirectUri {
        &self.redirect_uri
    }

    /// Whether the browser may be sent there before a person has seen who asks.
    #[must_use]
    pub fn may_redirect_unseen(&self) -> bool {
        // RFC 9700 §4.11.2: anyone can register a client and let an invalid request of it redirect.
        match self.client.origin {
            ClientOrigin::Administrator => true,
            ClientOrigin::Dynamic => false,
        }
    }

    /// The error at the client's redirect URI.
    #[must_use]
    pub fn response(&self, policy: &Policy) -> AuthorizeResponse {
        AuthorizeResponse::error(&self.redirect_uri, self.state.as_deref(), self.reason, policy)
    }
}

/// An answer of the authorization endpoint: where to send the browser.
pub struct AuthorizeResponse {
    location: String,
}

// The location may have a code.
impl fmt::Debug for AuthorizeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizeResponse(..)")
    }
}

impl AuthorizeResponse {
    /// The URL to send the browser to.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    pub(super) fn code(redirect_uri: &VerifiedRedirectUri, state: Option<&str>, code: &str, policy: &Policy) -> Self {
        Self::new(redirect_uri, &[("code", code)], state, policy)
    }

    pub(super) fn error(
        redirect_uri: &VerifiedRedirectUri,
        state: Option<&str>,
        reason: AuthorizeReason,
        policy: &Policy,
    ) -> Self {
        let wire = reason.wire();
        Self::new(redirect_uri, &[("error", wire.code), ("error_description", wire.description)], state, policy)
    }

    fn new(redirect_uri: &VerifiedRedirectUri, answer: &[(&str, &str)], state: Option<&str>, policy: &Policy) -> Self {
        let mut parameters = answer.to_vec();
        // RFC 6749 §4.1.2: "The exact value received from the client"
        parameters.extend(state.map(|state| ("state", state)));
        // RFC 9207 §2: in every authorization response, errors included
        parameters.push(("iss", policy.issuer.as_str()));
        Self { location: redirect_uri.with_query(&parameters) }
    }
}

/// The client that a request says it comes from.
///
/// # Errors
/// If it does not say, or says it twice. Nothing else of the request is looked at before (attack 1).
pub fn client_id(parameters: &Parameters<'_>) -> Result<ClientId, PageReason> {
    let id = parameters.one("client_id").ok().flatten().ok_or(PageReason::ClientMissing)?;
    ClientId::parse(id).map_err(|_| PageReason::ClientUnknown)
}

impl ValidRequest {
    /// Judges a request, the client first, then the redirect URI, and only then all that can be told
    /// to the client.
    ///
    /// # Errors
    /// See [`AuthorizeError`].
    pub fn check(
        parameters: &Parameters<'_>,
        client: Option<Arc<Client>>,
        policy: &Policy,
    ) -> Result<Self, AuthorizeError> {
        let client = client.ok_or(PageReason::ClientUnknown)?;
        let redirect_uri = redirect_uri(parameters, &client)?;
        let state = parameters.one("state").ok().flatten().map(str::to_owned);
        match Asked::check(parameters, &client, policy) {
            Ok(Asked { scopes, resources, challenge }) => {
                Ok(Self { client, redirect_uri, state, scopes, resources, challenge })
            }
            Err(reason) => Err(AuthorizeError::Redirect(RedirectError { reason, client, redirect_uri, state })),
        }
    }

    /// Who asks.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What is asked for.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// For which resources; at least one.
    #[must_use]
    pub fn resources(&self) -> &[ResourceUri] {
        &self.resources
    }

    /// Where the answer goes.
    #[must_use]
    pub const fn redirect_uri(&self) -> &VerifiedRedirectUri {
        &self.redirect_uri
    }

    /// The query that makes this request again.
    #[must_use]
    pub fn to_query(&self) -> String {
        request_query(
            &self.client.id,
            self.redirect_uri.as_str(),
            &self.scopes,
            &self.challenge,
            &self.resources,
            self.state.as_deref(),
        )
    }
}

pub(super) fn request_query(
    client: &ClientId,
    redirect_uri: &str,
    scopes: &ScopeSet,
    challenge: &CodeChallenge,
    resources: &[ResourceUri],
    state: Option<&str>,
) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", client.as_str())
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", scopes.as_str())
        .append_pair("code_challenge", &challenge.to_string())
        .append_pair("code_challenge_method", "S256")
        .extend_pairs(resources.iter().map(|resource| ("resource", resource.as_str())))
        .extend_pairs(state.iter().map(|state| ("state", state)))
        .finish()
}

fn redirect_uri(parameters: &Parameters<'_>, client: &Client) -> Result<VerifiedRedirectUri, PageReason> {
    let presented = match (parameters.one("redirect_uri"), client.metadata.redirect_uris.as_slice()) {
        (Ok(Some(presented)), _) => presented,
        // RFC 6749 §3.1.2.3: may be left out only if there is exactly one
        (Ok(None), [only]) => only.as_str(),
        (Ok(None) | Err(_), _) => return Err(PageReason::RedirectUriMissing),
    };
    client.verify_redirect(presented).ok_or(PageReason::RedirectUriNotRegistered)
}

/// The part of a request whose errors go to the client.
struct Asked {
    scopes: ScopeSet,
    resources: Vec<ResourceUri>,
    challenge: CodeChallenge,
}

impl Asked {
    fn check(parameters: &Parameters<'_>, client: &Client, policy: &Policy) -> Result<Self, AuthorizeReason> {
        parameters.check_repetition()?;
        if !client.may_use(GrantType::AuthorizationCode) {
            return Err(AuthorizeReason::GrantNotAllowed);
        }
        // RFC 9101 §5: a request by value or by reference must not be mistaken for one without
        if parameters.one("request")?.is_some() {
            return Err(AuthorizeReason::RequestObject);
        }
        if parameters.one("request_uri")?.is_some() {
            return Err(AuthorizeReason::RequestUri);
        }
        match parameters.one("response_type")? {
            Some("code") => {}
            Some(_) => return Err(AuthorizeReason::ResponseTypeUnsupported),
            None => return Err(AuthorizeReason::ResponseTypeMissing),
        }
        if !matches!(parameters.one("response_mode")?, None | Some("query")) {
            return Err(AuthorizeReason::ResponseModeUnsupported);
        }
        let challenge = challenge(parameters)?;
        let resources = resources(parameters, policy)?;
        let scopes = scopes(parameters, client, &resources, policy)?;
        Ok(Self { scopes, resources, challenge })
    }
}

fn challenge(parameters: &Parameters<'_>) -> Result<CodeChallenge, AuthorizeReason> {
    // OAuth 2.1 §4.1.1: every client, confidential ones too
    let challenge = parameters.one("code_challenge")?.ok_or(AuthorizeReason::ChallengeMissing)?;
    // RFC 7636 §4.3: a missing method means `plain`, which is not offered
    if parameters.one("code_challenge_method")? != Some("S256") {
        return Err(AuthorizeReason::ChallengeMethodUnsupported);
    }
    CodeChallenge::parse(challenge).ok_or(AuthorizeReason::ChallengeMalformed)
}

fn resources(parameters: &Parameters<'_>, policy: &Policy) -> Result<Vec<ResourceUri>, AuthorizeReason> {
    let mut resources = Vec::new();
    for presented in parameters.all("resource") {
        // RFC 8707 §2: "invalid_target: The requested resource is invalid, missing, unknown, or malformed."
        let uri = ResourceUri::parse(presented).map_err(|_| AuthorizeReason::ResourceUnknown)?;
        let known = policy.resources.get(&uri).ok_or(AuthorizeReason::ResourceUnknown)?;
        if !resources.contains(&known.uri) {
            resources.push(known.uri.clone());
        }
    }
    if resources.is_empty() {
        let default = policy.resources.default_resource().ok_or(AuthorizeReason::ResourceUnknown)?;
        resources.push(default.uri.clone());
    }
    Ok(resources)
}

fn scopes(
    parameters: &Parameters<'_>,
    client: &Client,
    resources: &[ResourceUri],
    policy: &Policy,
) -> Result<ScopeSet, AuthorizeReason> {
    let requested = match parameters.one("scope")? {
        Some(text) => ScopeSet::parse(text).map_err(|_| AuthorizeReason::ScopeMalformed)?,
        // RFC 6749 §3.3: "either process the request using a pre-defined default value or fail the request"
        None if policy.default_scopes.is_empty() => return Err(AuthorizeReason::ScopeMissing),
        None => policy.default_scopes.clone(),
    };
    let meaningful =
        resources.iter().fold(ScopeSet::empty(), |scopes, resource| scopes.union(&policy.scopes_of(resource)));
    // RFC 6749 §3.3: "MAY fully or partially ignore the scope requested by the client"
    let scopes = requested.intersection(&meaningful).intersection(&client.ceiling(&policy.scopes));
    if scopes.is_empty() { Err(AuthorizeReason::ScopeEmpty) } else { Ok(scopes) }
}
