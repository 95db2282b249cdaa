//! Redirect URIs: what may be registered, and when a presented one is the registered one.
//!
//! Everything here works on the text as it was sent. A URL parser would turn `127.1` into
//! `127.0.0.1` and drop default ports, and the comparison must not (RFC 9700 §2.1, attack 2).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text cannot be registered as a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvalidRedirectUri {
    /// Longer than [`RedirectUri::MAX_LEN`].
    #[error("the redirect URI is too long")]
    TooLong,
    /// White space, control characters or others that RFC 3986 does not allow.
    #[error("the redirect URI has a character that RFC 3986 does not allow")]
    Character,
    /// Not an absolute URI with something behind its scheme.
    #[error("the redirect URI is not absolute")]
    NotAbsolute,
    /// A fragment (RFC 6749 §3.1.2).
    #[error("the redirect URI has a fragment")]
    Fragment,
    /// A user name or password.
    #[error("the redirect URI has a user name")]
    UserInfo,
    /// `http` on a host that is not the user's own machine (RFC 9700 §2.6).
    #[error("the redirect URI is plain http on a host that is not loopback")]
    PlainHttp,
    /// A scheme that browsers run or open themselves, such as `javascript`.
    #[error("the redirect URI has a scheme that is not safe")]
    Scheme,
    /// A parameter in its query that the authorization response sets itself.
    #[error("the redirect URI has a response parameter in its query")]
    ResponseParameter,
}

/// Where a redirect URI leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectKind {
    /// An `https` URL.
    Web,
    /// An `http` URL on the user's own machine (RFC 8252 §7.3).
    Loopback,
    /// A scheme that a native app has claimed (RFC 8252 §7.1).
    PrivateUse,
}

/// A redirect URI that may be registered, byte for byte as it was sent.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RedirectUri(Arc<str>);

/// Schemes that a browser or an operating system acts on itself.
const UNSAFE_SCHEMES: [&str; 21] = [
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "edge",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "resource",
    "sms",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Parameters that an authorization response sets (RFC 6749 §4.1.2, RFC 9207 §2).
const RESPONSE_PARAMETERS: [&str; 7] = ["code", "state", "iss", "error", "error_description", "error_uri", "response"];

impl RedirectUri {
    /// The longest redirect URI, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Takes a redirect URI for registration.
    ///
    /// # Errors
    /// See [`InvalidRedirectUri`].
    pub fn parse(text: &str) -> Result<Self, InvalidRedirectUri> {
        if text.len() > Self::MAX_LEN {
            return Err(InvalidRedirectUri::TooLong);
        }
        // RFC 3986 §2: unreserved, reserved and percent-encoded characters. The rest is what parsers
        // disagree about: `https://evil.example\@good.example`.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)) {
            return Err(InvalidRedirectUri::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(InvalidRedirectUri::NotAbsolute)?;
        // RFC 3986 §3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme || rest.is_empty() {
            return Err(InvalidRedirectUri::NotAbsolute);
        }
        // RFC 6749 §3.1.2: "The endpoint URI MUST NOT include a fragment component."
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        let scheme = scheme.to_ascii_lowercase();
        if UNSAFE_SCHEMES.contains(&scheme.as_str()) {
            return Err(InvalidRedirectUri::Scheme);
        }
        if authority(rest).is_some_and(|authority| authority.contains('@')) {
            return Err(InvalidRedirectUri::UserInfo);
        }
        match scheme.as_str() {
            // RFC 8252 §7.3, RFC 9700 §2.6: plain http only to the user's own machine.
            "http" if Loopback::parse(text).is_none() => return Err(InvalidRedirectUri::PlainHttp),
            "https" if url::Url::parse(text).is_err() || authority(rest).is_none_or(str::is_empty) => {
                return Err(InvalidRedirectUri::NotAbsolute);
            }
            _ => {}
        }
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        if url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| RESPONSE_PARAMETERS.contains(&&*name)) {
            return Err(InvalidRedirectUri::ResponseParameter);
        }
        Ok(Self(text.into()))
    }

    /// The URI as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it leads to.
    #[must_use]
    pub fn kind(&self) -> RedirectKind {
        kind(&self.0)
    }

    /// Whether `presented` is this URI: the same bytes, or another port on loopback.
    fn admits(&self, presented: &str) -> bool {
        if *self.0 == *presented {
            return true;
        }
        // RFC 8252 §7.3: "The authorization server MUST allow any port to be specified at the time of
        // the request for loopback IP redirect URIs". Clients rely on it for `localhost` as well.
        match (Loopback::parse(&self.0), Loopback::parse(presented)) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => false,
        }
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedirectUri({})", self.0)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RedirectUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A presented redirect URI that one of the client's registered ones admits.
///
/// The only thing that an answer may be redirected to. It keeps the text as presented, port included,
/// and that is what a code is bound to (attack 4).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VerifiedRedirectUri(Arc<str>);

impl VerifiedRedirectUri {
    /// The verdict on `presented`: `None` if no registered URI admits it.
    pub(super) fn verify(registered: &[RedirectUri], presented: &str) -> Option<Self> {
        registered.iter().any(|uri| uri.admits(presented)).then(|| Self(presented.into()))
    }

    /// The URI as it was presented.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As one that could be registered: what a registered URI admits is one itself.
    pub(super) fn to_registered(&self) -> RedirectUri {
        RedirectUri(Arc::clone(&self.0))
    }

    /// Where it leads to.
    #[must_use]
    pub fn kind(&self) -> RedirectKind {
        kind(&self.0)
    }

    /// What a person should know the target by: the host of a web URL, or the scheme of an app's own.
    #[must_use]
    pub fn display_host(&self) -> String {
        let (scheme, rest) = self.0.split_once(':').unwrap_or((&self.0, ""));
        match self.kind() {
            RedirectKind::Web => url::Url::parse(&self.0)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
                .unwrap_or_else(|| authority(rest).unwrap_or(rest).to_owned()),
            RedirectKind::Loopback => authority(rest).unwrap_or(rest).to_owned(),
            RedirectKind::PrivateUse => format!("{scheme}:"),
        }
    }

    /// This URI with `parameters` added to its query.
    #[must_use]
    pub fn with_query(&self, parameters: &[(&str, &str)]) -> String {
        // RFC 6749 §3.1.2: a query of the registered URI "MUST be retained".
        let mut text = String::with_capacity(self.0.len() + 256);
        text.push_str(&self.0);
        let mut before = if self.0.contains('?') { '&' } else { '?' };
        for (name, value) in parameters {
            text.push(before);
            append_encoded(&mut text, name);
            text.push('=');
            append_encoded(&mut text, value);
            before = '&';
        }
        text
    }
}

impl fmt::Debug for VerifiedRedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedRedirectUri({})", self.0)
    }
}

/// Codes and most names are as they are when they are encoded.
fn append_encoded(text: &mut String, part: &str) {
    if part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        text.push_str(part);
    } else {
        text.extend(url::form_urlencoded::byte_serialize(part.as_bytes()));
    }
}

fn kind(uri: &str) -> RedirectKind {
    match uri.split_once(':') {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => RedirectKind::Web,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => RedirectKind::Loopback,
        _ => RedirectKind::PrivateUse,
    }
}

/// The authority of the part behind `scheme:`, if there is one.
fn authority(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("//")?;
    Some(&rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())])
}

/// An `http` URI on loopback without its port; two that differ in the port alone are equal.
#[derive(PartialEq, Eq)]
struct Loopback<'a> {
    host: &'a str,
    path_and_query: &'a str,
}

impl<'a> Loopback<'a> {
    fn parse(uri: &'a str) -> Option<Self> {
        let rest = uri.strip_prefix("http:")?;
        let authority = authority(rest)?;
        let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| authority.starts_with(host))?;
        let (host, port) = authority.split_at(host.len());
        let is_port = match port.strip_prefix(':') {
            Some(digits) => {
                digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
            }
            None => port.is_empty(),
        };
        is_port.then_some(Self { host, path_and_query: &rest[2 + authority.len()..] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(registered: &str, presented: &str) -> bool {
        VerifiedRedirectUri::verify(&[RedirectUri::parse(registered).unwrap()], presented).is_some()
    }

    #[test]
    fn a_redirect_uri_has_at_most_2048_bytes() {
        let of = |length: usize| RedirectUri::parse(&format!("https://app.example/{}", "p".repeat(length - 20)));
        assert!(of(2048).is_ok());
        assert_eq!(of(2049), Err(InvalidRedirectUri::TooLong));
    }

    #[test]
    fn attack_02_the_comparison_is_byte_exact() {
        let registered = "https://app.example/cb";
        assert!(admits(registered, registered));
        for other in [
            "https://app.example/CB",
            "https://APP.example/cb",
            "HTTPS://app.example/cb",
            "https://app.example:443/cb",
            "https://app.example/./cb",
            "https://app.example/x/../cb",
            "https://app.example/cb/",
            "https://app.example/cb?",
            "https://app.example/cb#",
            "https://app.example/cb#x",
            "https://u@app.example/cb",
            "https://app.example/cb?x=1",
            "https://app.example.evil.example/cb",
            "https://app.example/%63b",
            " https://app.example/cb",
            "https://app.example/cb\n",
            "",
        ] {
            assert!(!admits(registered, other), "{other}");
        }
        assert!(!admits("http://127.0.0.1/cb", "http://attacker@127.0.0.1/cb"));
    }

    #[test]
    fn attack_03_only_the_port_may_differ_on_loopback() {
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            for registered in [format!("http://{host}/cb?a=1"), format!("http://{host}:33418/cb?a=1")] {
                assert!(admits(&registered, &format!("http://{host}:8080/cb?a=1")), "{registered}");
                assert!(admits(&registered, &format!("http://{host}/cb?a=1")), "{registered}");
                for other in [
                    format!("http://{host}:8080/cb"),
                    format!("http://{host}:8080/cb2?a=1"),
                    format!("http://u@{host}:8080/cb?a=1"),
                    format!("http://{host}:/cb?a=1"),
                    format!("http://{host}:0/cb?a=1"),
                    format!("http://{host}:65536/cb?a=1"),
                    format!("http://{host}:+80/cb?a=1"),
                    format!("https://{host}:8080/cb?a=1"),
                    format!("http://{host}:8080/cb?a=1#f"),
                    format!("http://{host}.evil.com:8080/cb?a=1"),
                    format!("http://{host}:8080@evil.com/cb?a=1"),
                    format!("http://{host}evil/cb?a=1"),
                    format!("HTTP://{host}:8080/cb?a=1"),
                    format!("http://{host}:8080/cb?a=2"),
                ] {
                    assert!(!admits(&registered, &other), "{registered} {other}");
                }
            }
        }
        assert!(!admits("http://127.0.0.1/cb", "http://localhost/cb"), "the host may not differ");
        assert!(!admits("http://127.0.0.1/cb", "http://127.1/cb"), "compared as text");
        assert!(admits("http://localhost", "http://localhost:9"));
        assert!(!admits("http://localhost", "http://localhost:9/"));
        for evil in ["http://127.0.0.1.evil.com/cb", "http://localhost.evil.com/cb"] {
            assert_eq!(RedirectUri::parse(evil), Err(InvalidRedirectUri::PlainHttp), "{evil}");
        }
        assert!(!admits("https://app.example:8443/cb", "https://app.example:8444/cb"), "only on loopback");
    }

    #[test]
    fn attack_05_unsafe_redirect_uris_cannot_be_registered() {
        use InvalidRedirectUri as Invalid;
        for (text, reason) in [
            ("javascript:alert(1)", Invalid::Scheme),
            ("JavaScript:alert(1)", Invalid::Scheme),
            ("data:text/html,x", Invalid::Scheme),
            ("vbscript:x", Invalid::Scheme),
            ("FILE:///etc/passwd", Invalid::Scheme),
            ("blob:https://a.example/x", Invalid::Scheme),
            ("view-source:https://a.example", Invalid::Scheme),
            ("intent://x", Invalid::Scheme),
            ("java\nscript:alert(1)", Invalid::Character),
            ("\tjavascript:alert(1)", Invalid::Character),
            (" https://a.example", Invalid::Character),
            ("https://a.example/\u{202e}", Invalid::Character),
            ("https://a.example\\@b.example/", Invalid::Character),
            ("https://a.example/\"", Invalid::Character),
            ("http://a.example/cb", Invalid::PlainHttp),
            ("http://10.0.0.1/cb", Invalid::PlainHttp),
            ("HTTP://a.example/cb", Invalid::PlainHttp),
            ("https://a.example/cb#f", Invalid::Fragment),
            ("https://a.example/cb#", Invalid::Fragment),
            ("com.app:/cb#f", Invalid::Fragment),
            ("https://u:p@a.example/cb", Invalid::UserInfo),
            ("http://u@127.0.0.1/cb", Invalid::UserInfo),
            ("com.app://u@x/cb", Invalid::UserInfo),
            ("", Invalid::NotAbsolute),
            ("/cb", Invalid::NotAbsolute),
            ("cb", Invalid::NotAbsolute),
            ("//a.example/cb", Invalid::NotAbsolute),
            ("https:", Invalid::NotAbsolute),
            ("https:///cb", Invalid::NotAbsolute),
            ("https:a.example", Invalid::NotAbsolute),
            ("1a:x", Invalid::NotAbsolute),
            (":x", Invalid::NotAbsolute),
            ("https://a.example/cb?state=1", Invalid::ResponseParameter),
            ("https://a.example/cb?x=1&%69ss=1", Invalid::ResponseParameter),
        ] {
            assert_eq!(RedirectUri::parse(text), Err(reason), "{text:?}");
        }
        assert_eq!(RedirectUri::parse(&format!("https://a.example/{}", "x".repeat(3000))), Err(Invalid::TooLong));
    }

    #[test]
    fn redirect_uris_of_known_clients_can_be_registered() {
        for (text, kind, host) in [
            ("https://claude.ai/api/mcp/auth_callback", RedirectKind::Web, "claude.ai"),
            ("http://localhost/callback", RedirectKind::Loopback, "localhost"),
            ("http://127.0.0.1:33418/", RedirectKind::Loopback, "127.0.0.1:33418"),
            ("http://[::1]:80", RedirectKind::Loopback, "[::1]:80"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", RedirectKind::PrivateUse, "cursor:"),
            ("com.example.app:/oauth", RedirectKind::PrivateUse, "com.example.app:"),
            ("https://www.cursor.com/agents/mcp/oauth/callback?x=1", RedirectKind::Web, "www.cursor.com"),
        ] {
            let uri = RedirectUri::parse(text).unwrap();
            let verified = VerifiedRedirectUri::verify(std::slice::from_ref(&uri), text).unwrap();
            assert_eq!((uri.kind(), verified.display_host().as_str()), (kind, host), "{text}");
        }
    }

    #[test]
    fn a_query_of_the_registered_uri_is_retained() {
        let uri = |text: &str| VerifiedRedirectUri(text.into());
        assert_eq!(
            uri("https://a.example/cb?x=%2F").with_query(&[("code", "a b&c")]),
            "https://a.example/cb?x=%2F&code=a+b%26c"
        );
        assert_eq!(uri("https://a.example/cb").with_query(&[("a", "1"), ("b", "2")]), "https://a.example/cb?a=1&b=2");
    }
}
