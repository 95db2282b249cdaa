//! The issuer: the name of this authorization server.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Why a text cannot be an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIssuer {
    /// Not an absolute `https` URL, nor an `http` one.
    #[error("the issuer is an absolute https URL")]
    NotAbsolute,
    /// Plain `http` on a host that is not this machine (RFC 8414 §2).
    #[error("the issuer is plain http on a host that is not loopback: use https")]
    PlainHttp,
    /// A query or fragment (RFC 8414 §2).
    #[error("the issuer has a query or fragment")]
    QueryOrFragment,
    /// A user name, a password, or characters that a browser would change.
    #[error("the issuer has a user name or is not written as a browser would write it")]
    NotCanonical,
}

/// The issuer, kept byte for byte: what clients compare is a string (RFC 8414 §3.3, RFC 9207 §2.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Issuer {
    text: Arc<str>,
    origin_len: usize,
    is_loopback: bool,
}

impl Issuer {
    /// Reads an issuer.
    ///
    /// # Errors
    /// See [`InvalidIssuer`].
    pub fn parse(text: &str) -> Result<Self, InvalidIssuer> {
        let url = url::Url::parse(text).map_err(|_| InvalidIssuer::NotAbsolute)?;
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            "http" => return Err(InvalidIssuer::PlainHttp),
            _ => return Err(InvalidIssuer::NotAbsolute),
        }
        // RFC 8414 §2: "a URL that uses the "https" scheme and has no query or fragment components"
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidIssuer::QueryOrFragment);
        }
        // Clients parse the issuer and derive URLs from it: they must arrive where we listen.
        let without_slash = url.as_str().strip_suffix('/').filter(|_| url.path() == "/");
        if url.as_str() != text && without_slash != Some(text) {
            return Err(InvalidIssuer::NotCanonical);
        }
        let origin = url.origin().ascii_serialization();
        if !text.starts_with(&origin) {
            return Err(InvalidIssuer::NotCanonical);
        }
        Ok(Self { text: text.into(), origin_len: origin.len(), is_loopback })
    }

    /// The issuer as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `scheme://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.origin_len]
    }

    /// A URL, or a path that is meant on this origin, as a URL.
    #[must_use]
    pub fn absolute<'a>(&self, url: &'a str) -> Cow<'a, str> {
        if url.starts_with('/') { format!("{}{url}", self.origin()).into() } else { url.into() }
    }

    /// `host[:port]`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.origin().split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The path without a slash at its end; empty for the root.
    #[must_use]
    pub fn path(&self) -> &str {
        // RFC 8414 §3.1: "any terminating "/" following the host component MUST be removed"
        self.text[self.origin_len..].trim_end_matches('/')
    }

    /// Whether this is a server on the developer's own machine.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Whether browsers reach it over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.text)
    }
}

/// Whether a `Host` header names this very machine, whatever the port. A page that was rebound to
/// loopback by its DNS server still sends its own name (attack 53).
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_50_the_issuer_is_kept_byte_for_byte() {
        for (text, origin, path) in [
            ("https://app.example", "https://app.example", ""),
            ("https://app.example/", "https://app.example", ""),
            ("https://app.example:8443/auth/", "https://app.example:8443", "/auth"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000", ""),
            ("http://[::1]:3000/x", "http://[::1]:3000", "/x"),
        ] {
            let issuer = Issuer::parse(text).unwrap();
            assert_eq!((issuer.as_str(), issuer.origin(), issuer.path()), (text, origin, path));
        }
    }

    #[test]
    fn unsafe_or_ambiguous_issuers_are_refused() {
        for (text, reason) in [
            ("app.example", InvalidIssuer::NotAbsolute),
            ("ftp://app.example", InvalidIssuer::NotAbsolute),
            ("http://app.example", InvalidIssuer::PlainHttp),
            ("http://127.0.0.1.evil.example", InvalidIssuer::PlainHttp),
            ("https://app.example?x=1", InvalidIssuer::QueryOrFragment),
            ("https://app.example/?", InvalidIssuer::QueryOrFragment),
            ("https://app.example/#f", InvalidIssuer::QueryOrFragment),
            ("https://u@app.example", InvalidIssuer::NotCanonical),
            ("https://APP.example", InvalidIssuer::NotCanonical),
            ("https://app.example:443", InvalidIssuer::NotCanonical),
            ("https://app.example/a/../b", InvalidIssuer::NotCanonical),
            (" https://app.example", InvalidIssuer::NotCanonical),
        ] {
            assert_eq!(Issuer::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn attack_53_only_loopback_names_are_loopback_hosts() {
        for good in ["localhost", "LOCALHOST:3000", "127.0.0.1:3000", "[::1]", "[::1]:3000"] {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "127.0.0.2",
            "::1",
            "localhost:x",
        ] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }

    #[test]
    fn its_parts_are_those_of_its_text() {
        let parts = |text| {
            let issuer = Issuer::parse(text).unwrap();
            (issuer.authority().to_owned(), issuer.is_https(), issuer.is_loopback())
        };
        assert_eq!(parts("https://app.example/x"), ("app.example".to_owned(), true, false));
        assert_eq!(parts("http://127.0.0.1:4000"), ("127.0.0.1:4000".to_owned(), false, true));
    }
}
