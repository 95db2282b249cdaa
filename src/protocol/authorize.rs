//! The authorization request (RFC 6749 §4.1.1): who asks, for what, and where the answer goes.

use std::sync::Arc;

use super::client::{Client, ClientId, ClientOrigin, GrantType};
use super::document_url::DocumentUrl;
use super::error::{AuthorizeReason, PageReason};
use super::grant::Subject;
use super::interaction::{self, Consent, LOGIN_AFTER, Question, Wishes};
use super::params::Parameters;
use super::pkce::CodeChallenge;
use super::policy::Policy;
use super::redirect::{RedirectKind, VerifiedRedirectUri};
use super::resource::ResourceId;
use super::response::{AuthorizeResponse, ResponseMode, Target};
use super::scope::{OFFLINE_ACCESS, ScopeSet};
use super::time::Timestamp;

/// The parameters that the authorization endpoint knows.
pub const PARAMETERS: [&str; 15] = [
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
    "prompt",
    "max_age",
    "login_hint",
    LOGIN_AFTER,
];

/// A request that passed every rule: what a user may be asked.
#[derive(Debug)]
pub struct ValidRequest {
    pub(super) client: Arc<Client>,
    pub(super) target: Target,
    pub(super) scopes: ScopeSet,
    pub(super) resources: Vec<ResourceId>,
    pub(super) challenge: CodeChallenge,
    pub(super) wishes: Wishes,
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
    target: Target,
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

    /// Whether the browser may be sent there before a person has seen who asks.
    #[must_use]
    pub fn may_redirect_unseen(&self) -> bool {
        // RFC 9700 §4.11.2: anyone can register a client and let an invalid request of it redirect.
        match self.client.origin {
            ClientOrigin::Administrator => true,
            ClientOrigin::Dynamic | ClientOrigin::Document => false,
        }
    }

    /// The error at the client's redirect URI.
    #[must_use]
    pub fn response(&self, policy: &Policy) -> AuthorizeResponse {
        AuthorizeResponse::error(&self.target, self.reason, policy)
    }
}

fn document_url(client: &Client) -> Option<DocumentUrl> {
    let is_document = client.origin == ClientOrigin::Document;
    is_document.then(|| DocumentUrl::parse(&client.id).ok()).flatten()
}

/// The login that a request needs before its client is looked at, and the query that makes it again afterwards.
///
/// # Errors
/// If the request leaves no room for a login, or contradicts itself. Nobody knows yet where that could be told.
pub fn login_before_all(
    parameters: &Parameters<'_>,
    query: &str,
    now: Timestamp,
) -> Result<(bool, Option<String>, String), AuthorizeReason> {
    let wishes = Wishes::read(parameters)?;
    let fresh = match wishes.login(None, now)? {
        interaction::Login::Needed { fresh } => fresh,
        interaction::Login::Enough => false,
    };
    let sent = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !fresh || name != LOGIN_AFTER);
    let mut again = url::form_urlencoded::Serializer::new(String::new());
    again.extend_pairs(sent);
    if fresh {
        again.append_pair(LOGIN_AFTER, &now.as_millis().to_string());
    }
    Ok((fresh, wishes.login_hint, again.finish()))
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
        if client.blocked {
            return Err(PageReason::ClientBlocked.into());
        }
        let redirect_uri = redirect_uri(parameters, &client)?;
        let state = parameters.one("state").ok().flatten().map(str::to_owned);
        let mode = response_mode(parameters);
        let target = Target { redirect_uri, state, mode: mode.unwrap_or_default() };
        match mode.and_then(|_| Asked::check(parameters, &client, policy)) {
            Ok(Asked { scopes, resources, challenge, wishes }) => {
                Ok(Self { client, target, scopes, resources, challenge, wishes })
            }
            Err(reason) => Err(AuthorizeError::Redirect(RedirectError { reason, client, target })),
        }
    }

    /// Who asks.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What is asked for, and what comes with it, by id.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// For which resources; at least one.
    #[must_use]
    pub fn resources(&self) -> &[ResourceId] {
        &self.resources
    }

    /// Where the answer goes.
    #[must_use]
    pub const fn redirect_uri(&self) -> &VerifiedRedirectUri {
        &self.target.redirect_uri
    }

    /// Whether the client is known by a metadata document, and the answer goes to the very origin of that: then it is
    /// assured who asks. Any program on the user's machine can present the document of one with a loopback URI.
    #[must_use]
    pub fn is_of_document_origin(&self) -> bool {
        let redirect_uri = &self.target.redirect_uri;
        redirect_uri.kind() == RedirectKind::Web
            && document_url(&self.client).is_some_and(|url| url.has_origin_of(redirect_uri.as_str()))
    }

    /// The host of the client's metadata document, and the port if it is not 443, if it is known by one.
    #[must_use]
    pub fn document_host(&self) -> Option<String> {
        let url = document_url(&self.client)?;
        url.origin().split_once("://").map(|(_, authority)| authority.to_owned())
    }

    /// What the client wishes of the login and the consent page.
    #[must_use]
    pub const fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// Whether the client gets a refresh token.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.client.may_use(GrantType::RefreshToken)
    }

    /// What `subject` would have agreed to.
    #[must_use]
    pub fn consent_of(&self, subject: &Subject) -> Consent {
        let mut resources = self.resources.clone();
        resources.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        Consent {
            subject: subject.clone(),
            client: self.client.id.clone(),
            redirect_uri: self.target.redirect_uri.to_registered(),
            resources,
            scopes: self.scopes.clone(),
        }
    }

    /// Whether `subject` has to be asked, who has `given` consents to this client before.
    #[must_use]
    pub fn question(&self, subject: &Subject, given: &[Consent], policy: &Policy) -> Question {
        let kind = self.target.redirect_uri.kind();
        let is_free = policy.scopes.need_no_consent(&self.scopes);
        interaction::question(&self.client, kind, &self.wishes, is_free, &self.consent_of(subject), given)
    }

    /// This request, refused.
    #[must_use]
    pub fn refuse(self, reason: AuthorizeReason) -> RedirectError {
        RedirectError { reason, client: self.client, target: self.target }
    }

    /// The query that makes this request again, with the mark that a fresh login was asked for then.
    #[must_use]
    pub fn to_query(&self, login_after: Option<Timestamp>, policy: &Policy) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client.id.as_str())
            .append_pair("redirect_uri", self.target.redirect_uri.as_str())
            .append_pair("scope", policy.scopes.names_of(&self.scopes).as_str())
            .append_pair("code_challenge", &self.challenge.to_string())
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.resources.iter().map(|resource| ("resource", resource.url())))
            .extend_pairs(self.target.state.iter().map(|state| ("state", state)));
        if self.target.mode != ResponseMode::default() {
            query.append_pair("response_mode", self.target.mode.as_str());
        }
        self.wishes.append_to(&mut query, login_after);
        query.finish()
    }
}

fn redirect_uri(parameters: &Parameters<'_>, client: &Client) -> Result<VerifiedRedirectUri, PageReason> {
    let presented = parameters.one("redirect_uri").map_err(|_| PageReason::RedirectUriMissing)?;
    verified_redirect_uri(presented, client)
}

/// Where answers to a client go that names `presented`, or nothing.
///
/// # Errors
/// If it did not register that, or more than one if it names nothing.
pub fn verified_redirect_uri(presented: Option<&str>, client: &Client) -> Result<VerifiedRedirectUri, PageReason> {
    let presented = match (presented, client.metadata.redirect_uris.as_slice()) {
        (Some(presented), _) => presented,
        // RFC 6749 §3.1.2.3: may be left out only if there is exactly one
        (None, [only]) => only.as_str(),
        (None, _) => return Err(PageReason::RedirectUriMissing),
    };
    client.verify_redirect(presented).ok_or(PageReason::RedirectUriNotRegistered)
}

fn response_mode(parameters: &Parameters<'_>) -> Result<ResponseMode, AuthorizeReason> {
    match parameters.one("response_mode") {
        Ok(None | Some("query")) => Ok(ResponseMode::Query),
        Ok(Some("form_post")) => Ok(ResponseMode::FormPost),
        Ok(Some(_)) | Err(_) => Err(AuthorizeReason::ResponseModeUnsupported),
    }
}

/// The part of a request whose errors go to the client.
struct Asked {
    scopes: ScopeSet,
    resources: Vec<ResourceId>,
    challenge: CodeChallenge,
    wishes: Wishes,
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
        let challenge = challenge(parameters)?;
        let resources = resources(parameters, policy)?;
        let scopes = scopes(parameters, client, &resources, policy)?;
        Ok(Self { scopes, resources, challenge, wishes: Wishes::read(parameters)? })
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

fn resources(parameters: &Parameters<'_>, policy: &Policy) -> Result<Vec<ResourceId>, AuthorizeReason> {
    let mut resources = Vec::new();
    for presented in parameters.all("resource") {
        // RFC 8707 §2: "invalid_target: The requested resource is invalid, missing, unknown, or malformed."
        let known = policy.resources.meant_by(presented).ok_or(AuthorizeReason::ResourceUnknown)?;
        if !resources.contains(known.id()) {
            resources.push(known.id().clone());
        }
    }
    if resources.is_empty() {
        let default = policy.resources.default_resource().ok_or(AuthorizeReason::ResourceUnknown)?;
        resources.push(default.id().clone());
    }
    Ok(resources)
}

fn scopes(
    parameters: &Parameters<'_>,
    client: &Client,
    resources: &[ResourceId],
    policy: &Policy,
) -> Result<ScopeSet, AuthorizeReason> {
    let offline = ScopeSet::offline_access();
    let requested = match parameters.one("scope")? {
        Some(text) => ScopeSet::parse(text).map_err(|_| AuthorizeReason::ScopeMalformed)?,
        None => ScopeSet::empty(),
    };
    // RFC 6749 §3.3: "either process the request using a pre-defined default value or fail the request".
    // `offline_access` alone says for how long, but not for what.
    let requested = match offline.contains_all(&requested) {
        true if policy.default_scopes.is_empty() => return Err(AuthorizeReason::ScopeMissing),
        true => requested.union(&policy.default_scopes),
        false => requested,
    };
    let requested = policy.scopes.ids_of(&requested);
    let of_resources = resources.iter().map(|resource| policy.scopes_of(resource));
    let meaningful = of_resources.fold(ScopeSet::empty(), |scopes, more| scopes.union(&more));
    // RFC 6749 §3.3: "MAY fully or partially ignore the scope requested by the client"
    let ceiling = client.ceiling(&policy.scopes);
    let scopes = requested.intersection(&meaningful).intersection(&ceiling);
    if scopes.is_empty() {
        return Err(AuthorizeReason::ScopeEmpty);
    }
    let scopes = policy.scopes.with_implied(&scopes).within(&meaningful.intersection(&ceiling));
    let stays = requested.contains(OFFLINE_ACCESS) && ceiling.contains(OFFLINE_ACCESS);
    Ok(if stays { scopes.union(&offline) } else { scopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_before_all_leaves_the_request_as_it_was_but_for_its_time() {
        let again = |query: &str| {
            let parameters = Parameters::parse(query.as_bytes(), &PARAMETERS);
            login_before_all(&parameters, query, Timestamp::from_millis(7)).unwrap()
        };
        let sent = "client_id=c&state=s&unknown=u&login_after=5";
        assert_eq!(again(sent), (false, None, sent.to_owned()));
        let fresh = format!("{sent}&prompt=login&login_hint=ada");
        let asked = "client_id=c&state=s&unknown=u&prompt=login&login_hint=ada&login_after=7";
        assert_eq!(again(&fresh), (true, Some("ada".to_owned()), asked.to_owned()));
    }
}
