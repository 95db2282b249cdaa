//! Client ids that are the URL of a metadata document
//! ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)
//! §3).

use std::fmt;

use serde::Serialize;
use url::{Host, Url};

use super::client::ClientId;

/// Why a URL is none that this server fetches for a client: its id if that is the URL of its metadata document, or
/// the place of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvalidDocumentUrl {
    /// No URL at all, or one with another scheme than `https`.
    #[error("the URL is not an https one")]
    NotHttps,
    /// A user name or password.
    #[error("the URL has a user name")]
    UserInfo,
    /// A fragment.
    #[error("the URL has a fragment")]
    Fragment,
    /// No path, or nothing but a slash.
    #[error("the URL has no path")]
    NoPath,
    /// An address, in whatever notation, or a name that is good on one network only.
    #[error("the URL has no public host name")]
    Host,
    /// Port 0.
    #[error("the URL has a port that nobody can have")]
    Port,
    /// Another spelling of a URL: dot segments, capitals in the host, the default port, characters that need encoding.
    #[error("the URL is not in its normal form")]
    NotNormal,
}

/// The URL of a metadata document, which is the id of its client, byte for byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DocumentUrl {
    id: ClientId,
    host: String,
    origin: String,
}

impl DocumentUrl {
    /// Whether a client id is meant to be one. Ids that this server makes never are.
    #[must_use]
    pub fn is_meant(id: &ClientId) -> bool {
        id.as_str().split_at_checked(8).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https://"))
    }

    /// Takes a client id for the URL of its document.
    ///
    /// A port and a query are allowed, as the draft does (a query SHOULD NOT be there, but names another document).
    ///
    /// # Errors
    /// See [`InvalidDocumentUrl`].
    pub fn parse(id: &ClientId) -> Result<Self, InvalidDocumentUrl> {
        let Place { host, origin } = Place::of(id.as_str())?;
        Ok(Self { id: id.clone(), host, origin })
    }

    /// The client id.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.id.as_str()
    }

    /// Its host, in lower-case ASCII, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its origin: `https://host`, and the port if it is another than 443.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether a redirect URI leads to the very origin of the document.
    #[must_use]
    pub fn has_origin_of(&self, redirect_uri: &str) -> bool {
        Url::parse(redirect_uri)
            .is_ok_and(|url| url.scheme() == "https" && url.origin().ascii_serialization() == self.origin)
    }
}

impl fmt::Debug for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentUrl({})", self.id)
    }
}

impl fmt::Display for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// The host and the origin of a URL that may be fetched for a stranger.
pub(super) struct Place {
    pub(super) host: String,
    pub(super) origin: String,
}

impl Place {
    pub(super) fn of(text: &str) -> Result<Self, InvalidDocumentUrl> {
        let url = Url::parse(text).map_err(|_| InvalidDocumentUrl::NotHttps)?;
        if url.scheme() != "https" {
            return Err(InvalidDocumentUrl::NotHttps);
        }
        if text.contains('#') {
            return Err(InvalidDocumentUrl::Fragment);
        }
        let authority = text.split('/').nth(2).unwrap_or_default();
        if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidDocumentUrl::UserInfo);
        }
        // 127.1, 0x7f000001, 2130706433 and 0177.0.0.1 are addresses as well: the parser has read them all.
        let host = match url.host() {
            Some(Host::Domain(name)) if is_public_name(name) => name.to_owned(),
            Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | None => return Err(InvalidDocumentUrl::Host),
        };
        if url.port() == Some(0) {
            return Err(InvalidDocumentUrl::Port);
        }
        if url.path() == "/" {
            return Err(InvalidDocumentUrl::NoPath);
        }
        // Ids are compared as they are written. What is fetched must be just that, and not what a parser makes of it:
        // a dot segment, for one, is gone by now.
        if url.as_str() != text {
            return Err(InvalidDocumentUrl::NotNormal);
        }
        Ok(Self { host, origin: url.origin().ascii_serialization() })
    }
}

/// A name of several labels that is not one of a single machine or network (RFC 6761, RFC 6762). One dot at the end
/// names the same host, and would pass by a list of hosts.
fn is_public_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_local = matches!(last, "localhost" | "local" | "internal" | "localdomain" | "onion" | "arpa");
    name.contains('.')
        && !is_local
        && name.split('.').all(|label| !label.is_empty())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DocumentUrl, InvalidDocumentUrl> {
        DocumentUrl::parse(&ClientId::parse(text).unwrap())
    }

    #[test]
    fn an_https_url_with_a_path_is_taken_as_it_is() {
        for good in [
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "https://client.example:8443/client.json",
            "https://client.example/client.json?version=2",
            "https://client.example/a%20b/",
            "https://xn--pple-43d.example/c",
        ] {
            assert_eq!(parse(good).unwrap().as_str(), good);
        }
        let url = parse("https://client.example:8443/c").unwrap();
        assert_eq!((url.host(), url.origin()), ("client.example", "https://client.example:8443"));
    }

    #[test]
    fn attack_33_what_is_no_public_https_url_is_never_fetched() {
        use InvalidDocumentUrl::*;
        for (bad, reason) in [
            ("http://client.example/c", NotHttps),
            ("ftp://client.example/c", NotHttps),
            ("client", NotHttps),
            ("https://client.example", NoPath),
            ("https://client.example/", NoPath),
            ("https://client.example/?c", NoPath),
            ("https://client.example/c#f", Fragment),
            ("https://client.example/c#", Fragment),
            ("https://user@client.example/c", UserInfo),
            ("https://user:password@client.example/c", UserInfo),
            ("https://@client.example/c", UserInfo),
            ("https:user@client.example/c", UserInfo),
            ("https::password@client.example/c", UserInfo),
            ("https://good.example@127.0.0.1/c", UserInfo),
            ("https://127.0.0.1/c", Host),
            ("https://127.1/c", Host),
            ("https://0x7f000001/c", Host),
            ("https://0x7f.0.0.1/c", Host),
            ("https://2130706433/c", Host),
            ("https://0177.0.0.1/c", Host),
            ("https://127.0.0.1./c", Host),
            ("https://8.8.8.8/c", Host),
            ("https://[::1]/c", Host),
            ("https://[::ffff:127.0.0.1]/c", Host),
            ("https://localhost/c", Host),
            ("https://client/c", Host),
            ("https://a.localhost/c", Host),
            ("https://printer.local/c", Host),
            ("https://metadata.google.internal/c", Host),
            ("https://client.example./c", Host),
            ("https://client..example/c", Host),
            ("https://a;b.example/c", Host),
            ("https://client.example:0/c", Port),
            ("https://client.example:99999/c", NotHttps),
            ("https://client.example:443/c", NotNormal),
            ("https://client.example:08443/c", NotNormal),
            ("https://client.example:/c", NotNormal),
            ("https://Client.example/c", NotNormal),
            ("HTTPS://client.example/c", NotNormal),
            ("https://client.example/a/../c", NotNormal),
            ("https://client.example/./c", NotNormal),
            ("https://client.example/%2e%2e/c", NotNormal),
            ("https://client.example/a/%2E/c", NotNormal),
            ("https://client.example\\c", NotNormal),
            ("https:client.example/c", NotNormal),
            ("https:///client.example/c", NotNormal),
            ("https://client.example/a b", NotNormal),
            ("https://client.example/\"", NotNormal),
        ] {
            assert_eq!(parse(bad).unwrap_err(), reason, "{bad}");
        }
    }

    #[test]
    fn only_https_on_the_same_host_and_port_is_the_documents_own_origin() {
        let url = parse("https://client.example/c").unwrap();
        assert!(url.has_origin_of("https://client.example/cb"));
        assert!(url.has_origin_of("https://client.example:443/cb"));
        for other in [
            "http://client.example/cb",
            "https://client.example:8443/cb",
            "https://www.client.example/cb",
            "https://client.example.evil.example/cb",
            "http://127.0.0.1/cb",
            "com.example.client:/cb",
        ] {
            assert!(!url.has_origin_of(other), "{other}");
        }
    }
}
