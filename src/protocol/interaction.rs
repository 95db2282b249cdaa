//! What a request needs of its user before it is answered: a login, a decision, or nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{Client, ClientId, ClientOrigin, ConsentPolicy};
use super::error::AuthorizeReason;
use super::grant::Subject;
use super::params::Parameters;
use super::redirect::{RedirectKind, RedirectUri};
use super::resource::ResourceId;
use super::scope::ScopeSet;
use super::time::Timestamp;

/// What the client wishes of the login and the consent page (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Wishes {
    /// `prompt=none`: no page may be shown.
    pub no_page: bool,
    /// `prompt=consent`: the consent page is shown whatever was remembered.
    pub consent: bool,
    /// `login_hint`: whom the client expects.
    pub login_hint: Option<String>,
    login: bool,
    max_age: Option<Duration>,
    /// When the browser was sent to a fresh login for this very request. It is our own parameter and no
    /// secret: whoever sets it asks for no more than a request without `prompt=login` would get.
    login_after: Option<Timestamp>,
}

/// The parameter by which a request that comes back from a fresh login is known.
pub(super) const LOGIN_AFTER: &str = "login_after";

/// Whether the present login will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Yes.
    Enough,
    /// No: the person has to log in, and the request comes back with `login_after` set to this time.
    Needed {
        /// Whether also a person who is signed in has to.
        fresh: bool,
    },
}

impl Wishes {
    pub(super) fn read(parameters: &Parameters<'_>) -> Result<Self, AuthorizeReason> {
        let prompt = parameters.one("prompt")?.unwrap_or_default();
        // Values that are not known here, such as `select_account`, are left to the login page.
        let has = |value| prompt.split(' ').any(|known| known == value);
        // OpenID Connect Core §3.1.2.1: "If this parameter contains none with any other value, an error is returned."
        if has("none") && prompt.trim() != "none" {
            return Err(AuthorizeReason::PromptContradicts);
        }
        let number = |name| match parameters.one(name)?.map(str::parse::<u64>) {
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(AuthorizeReason::NumberMalformed),
            None => Ok(None),
        };
        Ok(Self {
            no_page: has("none"),
            consent: has("consent"),
            login: has("login"),
            max_age: number("max_age")?.map(Duration::from_secs),
            login_hint: parameters.one("login_hint")?.map(str::to_owned),
            login_after: number(LOGIN_AFTER)?.map(Timestamp::from_millis),
        })
    }

    /// Judges the present login: `None` for nobody, else the time at which the person proved who they
    /// are, if the app knows it.
    ///
    /// # Errors
    /// If the client must be told instead: no page may be shown, or a fresh login was already asked for
    /// and the app does not vouch for one.
    pub fn login(&self, signed_in: Option<Option<Timestamp>>, now: Timestamp) -> Result<Login, AuthorizeReason> {
        let wants_fresh = self.login || self.max_age.is_some();
        let is_fresh = |at: Timestamp| match (self.login_after, self.max_age) {
            // Many apps know the time in seconds.
            (Some(after), _) => at.as_secs() >= after.as_secs(),
            (None, Some(max_age)) => !self.login && now.since(at) <= max_age,
            (None, None) => false,
        };
        match signed_in {
            Some(_) if !wants_fresh => Ok(Login::Enough),
            Some(Some(at)) if is_fresh(at) => Ok(Login::Enough),
            // OpenID Connect Core §3.1.2.6; and never a loop between the two pages
            _ if self.no_page => Err(AuthorizeReason::LoginRequired),
            Some(_) if self.login_after.is_some() => Err(AuthorizeReason::LoginRequired),
            _ => Ok(Login::Needed { fresh: wants_fresh }),
        }
    }

    /// The parameters that make the same wishes again, after a login if `login_after` says so.
    pub(super) fn append_to(
        &self,
        query: &mut url::form_urlencoded::Serializer<'_, String>,
        login_after: Option<Timestamp>,
    ) {
        let after = login_after.or(self.login_after);
        let prompts = [("none", self.no_page), ("consent", self.consent), ("login", self.login)];
        let prompts: Vec<_> = prompts.iter().filter(|(_, wished)| *wished).map(|(name, _)| *name).collect();
        if !prompts.is_empty() {
            query.append_pair("prompt", &prompts.join(" "));
        }
        if let Some(max_age) = self.max_age {
            query.append_pair("max_age", &max_age.as_secs().to_string());
        }
        if let Some(hint) = &self.login_hint {
            query.append_pair("login_hint", hint);
        }
        if let Some(after) = after.filter(|_| self.login || self.max_age.is_some()) {
            query.append_pair(LOGIN_AFTER, &after.as_millis().to_string());
        }
    }
}

/// What a user agreed to for a client, for one redirect URI and set of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The user who agreed.
    pub subject: Subject,
    /// The client.
    pub client: ClientId,
    /// The redirect URI of the request, as presented.
    pub redirect_uri: RedirectUri,
    /// The resources of the request, sorted.
    pub resources: Vec<ResourceId>,
    /// All that was agreed to, over time.
    pub scopes: ScopeSet,
}

impl Consent {
    /// Whether `other` is about the same client, redirect URI and resources of the same user.
    #[must_use]
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        let Self { subject, client, redirect_uri, resources, scopes: _ } = self;
        (subject, client, redirect_uri, resources)
            == (&other.subject, &other.client, &other.redirect_uri, &other.resources)
    }

    /// Whether this consent, given before, covers what `asked` would add.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        self.is_about_the_same_as(asked) && self.scopes.contains_all(&asked.scopes)
    }
}

/// Whether a person has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Yes.
    Ask,
    /// No: the app's own people said that this client, or what it asks for, needs no consent.
    Skip,
    /// No, as long as the store still has the consent that covers this.
    Remembered,
}

/// Decides whether a person has to be asked.
pub(super) fn question(
    client: &Client,
    kind: RedirectKind,
    wishes: &Wishes,
    needs_no_consent: bool,
    asked: &Consent,
    given: &[Consent],
) -> Question {
    // RFC 8252 §8.6: "SHOULD NOT process authorization requests automatically without user consent or
    // interaction, except when the identity of the client can be assured" — any program can listen on
    // loopback or claim a scheme, and anyone can register a name.
    let is_assured = match (client.origin, kind) {
        (ClientOrigin::Administrator, RedirectKind::Web) => true,
        (ClientOrigin::Dynamic | ClientOrigin::Document, _)
        | (_, RedirectKind::Loopback | RedirectKind::PrivateUse) => false,
    };
    if !is_assured || wishes.consent {
        return Question::Ask;
    }
    match client.consent_policy {
        ConsentPolicy::Skip => Question::Skip,
        ConsentPolicy::Remember | ConsentPolicy::Ask if needs_no_consent => Question::Skip,
        ConsentPolicy::Remember if given.iter().any(|given| given.covers(asked)) => Question::Remembered,
        ConsentPolicy::Remember | ConsentPolicy::Ask => Question::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(query: &str) -> Result<Wishes, AuthorizeReason> {
        Wishes::read(&Parameters::parse(query.as_bytes(), &super::super::authorize::PARAMETERS))
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at(seconds_ago: u64) -> Option<Option<Timestamp>> {
        Some(Some(Timestamp::from_millis(NOW.as_millis() - seconds_ago * 1000)))
    }

    #[test]
    fn a_login_is_asked_for_once_and_never_in_a_loop() {
        use AuthorizeReason::LoginRequired;
        let after = format!("login_after={}", NOW.as_millis() - 60_000);
        for (query, signed_in, expected) in [
            ("", at(9999), Ok(Login::Enough)),
            ("", Some(None), Ok(Login::Enough)),
            ("", None, Ok(Login::Needed { fresh: false })),
            ("prompt=none", None, Err(LoginRequired)),
            ("prompt=none", Some(None), Ok(Login::Enough)),
            ("prompt=login", at(0), Ok(Login::Needed { fresh: true })),
            ("prompt=login", None, Ok(Login::Needed { fresh: true })),
            (&format!("prompt=login&{after}"), at(59), Ok(Login::Enough)),
            (&format!("prompt=login&{after}"), at(61), Err(LoginRequired)),
            (&format!("prompt=login&{after}"), Some(None), Err(LoginRequired)),
            (&format!("prompt=login&{after}"), None, Ok(Login::Needed { fresh: true })),
            ("max_age=100", at(100), Ok(Login::Enough)),
            ("max_age=100", at(101), Ok(Login::Needed { fresh: true })),
            ("max_age=100", Some(None), Ok(Login::Needed { fresh: true })),
            (&format!("max_age=100&{after}"), Some(None), Err(LoginRequired)),
            (&format!("max_age=10&{after}"), at(50), Ok(Login::Enough)),
            ("max_age=0&prompt=none", at(5), Err(LoginRequired)),
            ("prompt=login%20consent", at(0), Ok(Login::Needed { fresh: true })),
        ] {
            assert_eq!(wishes(query).unwrap().login(signed_in, NOW), expected, "{query} {signed_in:?}");
        }
    }

    #[test]
    fn contradictions_and_nonsense_are_refused() {
        assert_eq!(wishes("prompt=none%20login").unwrap_err(), AuthorizeReason::PromptContradicts);
        assert_eq!(wishes("max_age=soon").unwrap_err(), AuthorizeReason::NumberMalformed);
        assert_eq!(wishes("max_age=-1").unwrap_err(), AuthorizeReason::NumberMalformed);
        assert!(wishes("prompt=select_account").is_ok());
        assert!(wishes("max_age=18446744073709551615").unwrap().login(at(5), NOW).is_ok());
    }
}
