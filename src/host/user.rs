//! The user's side of the host port.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::protocol::grant::Subject;
use crate::protocol::time::Timestamp;

/// The person who is signed in.
#[derive(Clone)]
pub struct User {
    /// The app's stable name for this person; never reused for another one.
    pub subject: Subject,
    /// What the consent page calls the person: a name or an e-mail address.
    pub label: String,
    /// The app's name for this login: a session id or its hash. A prompt that was made in one session
    /// cannot be answered in another.
    pub session: String,
    /// When the person proved who they are, if the app knows.
    pub authenticated_at: Option<Timestamp>,
}

impl User {
    /// A signed-in person; the time of authentication is left unknown.
    pub fn new(subject: &str, label: impl Into<String>, session: impl Into<String>) -> Self {
        Self { subject: Subject::new(subject), label: label.into(), session: session.into(), authenticated_at: None }
    }

    /// The same person with the time at which they proved who they are.
    #[must_use]
    pub const fn authenticated_at(mut self, time: Timestamp) -> Self {
        self.authenticated_at = Some(time);
        self
    }
}

// Whoever reads a session id in a log could use the session.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("subject", &self.subject).field("label", &self.label).finish_non_exhaustive()
    }
}

/// What is asked of the login page.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Where the browser must go after the login.
    pub return_to: ReturnTo,
    /// Whom the client expects to log in, if it said so (OpenID Connect Core §3.1.2.1). A mere hint.
    pub login_hint: Option<String>,
    /// Whether the person has to log in even though they may be signed in: a login page that sends people
    /// on who are signed in must not do so then. The login counts if the host vouches for its time
    /// afterwards ([`User::authenticated_at`]).
    pub fresh: bool,
}

/// A path on this very origin: where the browser goes after the login.
///
/// Its `Display` is encoded for use as a query value: `format!("/login?return_to={}", ask.return_to)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Takes the value that came back from the login form, decoded. Anything but a path on this origin
    /// becomes `/`, so that the login page is no open redirector.
    ///
    /// ```
    /// # use grantor::host::ReturnTo;
    /// assert_eq!(ReturnTo::checked("/oauth/authorize?client_id=x").path(), "/oauth/authorize?client_id=x");
    /// assert_eq!(ReturnTo::checked("//evil.example").path(), "/");
    /// assert_eq!(ReturnTo::checked("https://evil.example").path(), "/");
    /// ```
    #[must_use]
    pub fn checked(presented: &str) -> Self {
        let is_local = presented.starts_with('/')
            && !presented.starts_with("//")
            && presented.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        Self(if is_local { presented.to_owned() } else { "/".to_owned() })
    }

    /// The path and query, for a `Location` header.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded: Cow<'_, str> = url::form_urlencoded::byte_serialize(self.0.as_bytes()).collect();
        f.write_str(&encoded)
    }
}

/// The app could not answer. Made from any error by `?`; its text goes to the log, never to a browser.
pub struct HostError(Box<dyn Error + Send + Sync>);

impl HostError {
    /// An error with a text for the log.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HostError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostError({:?})", self.0)
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_on_this_origin_come_back() {
        for bad in [
            "",
            "x",
            "//e.example",
            "/\\e.example",
            "\\/e.example",
            "https://e.example/",
            "/a\nb",
            "/a b",
            "javascript:alert(1)",
            "/é",
            "/\t/e.example",
        ] {
            assert_eq!(ReturnTo::checked(bad).path(), "/", "{bad:?}");
        }
        assert_eq!(ReturnTo::checked("/a//b?c=//d").path(), "/a//b?c=//d");
    }

    #[test]
    fn the_shown_form_fits_into_a_query() {
        assert_eq!(ReturnTo::checked("/a?b=c&d=%20").to_string(), "%2Fa%3Fb%3Dc%26d%3D%2520");
    }
}
