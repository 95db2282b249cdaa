//! Which paths there are, and which methods they have.

use bytes::Bytes;
use http::Method;

use crate::host::Place;
use crate::server::{Registration, Server};

pub(super) const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
const SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// Where clients look for metadata, whether there is any or not.
const WELL_KNOWN: [&str; 3] = [SERVER_METADATA, RESOURCE_METADATA, OPENID_CONFIGURATION];

/// What a path leads to.
pub(crate) enum Endpoint {
    Authorize,
    Consent,
    Token,
    Revoke,
    Introspect,
    Register,
    /// The registration of the client of that id, as it stands in the path.
    Registration(String),
    ServerMetadata,
    /// The document of a resource.
    ResourceMetadata(Bytes),
    /// That of the resource at this path, if there is one: resources come and go.
    MaybeResourceMetadata(String),
    /// A path where clients look and nothing is: pages of other origins must be able to read that.
    Absent,
}

/// The methods of a path.
#[derive(Clone, Copy)]
pub(super) enum Methods {
    Read,
    Post,
    ReadAndPost,
    ReadPutAndDelete,
}

impl Methods {
    pub(super) fn admits(self, method: &Method) -> bool {
        let reads = *method == Method::GET || *method == Method::HEAD;
        match self {
            Self::Read => reads,
            Self::Post => *method == Method::POST,
            Self::ReadAndPost => reads || *method == Method::POST,
            Self::ReadPutAndDelete => reads || *method == Method::PUT || *method == Method::DELETE,
        }
    }

    /// For `Allow` and for preflights.
    pub(super) const fn list(self) -> &'static str {
        match self {
            Self::Read => "GET, HEAD, OPTIONS",
            Self::Post => "POST, OPTIONS",
            Self::ReadAndPost => "GET, HEAD, POST, OPTIONS",
            Self::ReadPutAndDelete => "GET, HEAD, PUT, DELETE, OPTIONS",
        }
    }
}

impl Endpoint {
    pub(super) const fn place(&self) -> Place {
        match self {
            Self::Authorize => Place::Authorize,
            Self::Consent => Place::Consent,
            Self::Token => Place::Token,
            Self::Revoke => Place::Revoke,
            Self::Introspect => Place::Introspect,
            Self::Register => Place::Register,
            Self::Registration(_) => Place::ManageRegistration,
            Self::ServerMetadata | Self::ResourceMetadata(_) | Self::MaybeResourceMetadata(_) => Place::Metadata,
            Self::Absent => Place::Elsewhere,
        }
    }

    pub(super) const fn methods(&self) -> Methods {
        match self {
            Self::Authorize => Methods::ReadAndPost,
            Self::Consent | Self::Token | Self::Revoke | Self::Introspect | Self::Register => Methods::Post,
            Self::ServerMetadata | Self::ResourceMetadata(_) | Self::MaybeResourceMetadata(_) => Methods::Read,
            Self::Registration(_) => Methods::ReadPutAndDelete,
            Self::Absent => Methods::ReadAndPost,
        }
    }

    /// Whether pages of other origins may call it: all but those that use cookies.
    pub(super) const fn is_cross_origin(&self) -> bool {
        match self {
            Self::Authorize | Self::Consent => false,
            Self::Token
            | Self::Revoke
            | Self::Introspect
            | Self::Register
            | Self::Registration(_)
            | Self::ServerMetadata
            | Self::ResourceMetadata(_)
            | Self::MaybeResourceMetadata(_)
            | Self::Absent => true,
        }
    }
}

/// A path of this server, for an adapter's router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePattern {
    /// The path, without anything that a router would take for a pattern.
    pub path: String,
    /// Whether all paths below it are meant, and not the path itself.
    pub below: bool,
}

impl RoutePattern {
    /// Whether `path` is meant, compared as it was sent: `/%74oken` is not `/token`.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match path.strip_prefix(self.path.as_str()) {
            Some(rest) if self.below => rest.starts_with('/'),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

impl Server {
    /// The paths that this server answers. Those below a well-known path are among them even where
    /// nothing is: an app that answers unknown paths with its start page would mislead clients there.
    #[must_use]
    pub fn routes(&self) -> Vec<RoutePattern> {
        let paths = self.paths();
        let endpoints =
            [&paths.authorize, &paths.consent, &paths.token, &paths.revoke, &paths.introspect, &paths.register]
                .map(String::clone);
        // What is below a path begins behind its slash for a router.
        let at = |path, below| RoutePattern { path, below };
        let mut patterns: Vec<_> = endpoints.into_iter().map(|path| at(path, false)).collect();
        patterns.extend([at(format!("{}/", paths.register), false), at(paths.register.clone(), true)]);
        // Some clients put the well-known string behind the issuer's path.
        let issuer_path = Some(self.issuer().path()).filter(|path| !path.is_empty());
        for base in std::iter::once("").chain(issuer_path) {
            for known in WELL_KNOWN {
                let path = format!("{base}{known}");
                patterns.extend([at(path.clone(), false), at(format!("{path}/"), false), at(path, true)]);
            }
        }
        patterns
    }

    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let paths = self.paths();
        let fixed = [
            (&paths.authorize, Endpoint::Authorize),
            (&paths.consent, Endpoint::Consent),
            (&paths.token, Endpoint::Token),
            (&paths.revoke, Endpoint::Revoke),
            (&paths.introspect, Endpoint::Introspect),
            (&paths.server_metadata, Endpoint::ServerMetadata),
        ];
        if let Some((_, endpoint)) = fixed.into_iter().find(|(known, _)| **known == path) {
            return Some(endpoint);
        }
        if let Some(rest) = path.strip_prefix(&paths.register)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Some(match rest.strip_prefix('/') {
                _ if self.registration() == Registration::Off => Endpoint::Absent,
                None => Endpoint::Register,
                Some(id) => Endpoint::Registration(percent_decoded(id)),
            });
        }
        if let Some(rest) = path.strip_prefix(RESOURCE_METADATA)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Some(Endpoint::MaybeResourceMetadata(rest.to_owned()));
        }
        let behind_issuer = path.strip_prefix(self.issuer().path());
        (is_well_known(path) || behind_issuer.is_some_and(is_well_known)).then_some(Endpoint::Absent)
    }
}

/// A segment of a path; what does not decode is left as it is and names nobody.
fn percent_decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let decoded = digits.filter(|_| *first == b'%');
        let decoded = decoded.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}

fn is_well_known(path: &str) -> bool {
    WELL_KNOWN.iter().filter_map(|known| path.strip_prefix(known)).any(|rest| rest.is_empty() || rest.starts_with('/'))
}
