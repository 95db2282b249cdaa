//! Addresses: what a URL names, and where the metadata for it may be.

use url::Url;

use super::observed::{ResourcePlace, ServerPlace};

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// Whether an address is one of this very machine.
pub(super) fn is_loopback(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
}

/// `scheme://host[:port]`.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The path as it stands in a well-known one: without a slash at its end.
fn path(url: &Url) -> &str {
    url.path().trim_end_matches('/')
}

/// Where the metadata of a resource may be, in the order in which clients look; `named` is what the challenge says.
pub(super) fn of_resource(endpoint: &Url, named: Option<String>) -> Vec<(ResourcePlace, String)> {
    let (origin, path) = (origin(endpoint), path(endpoint));
    let at_path = format!("{origin}{RESOURCE}{path}");
    let at_root = format!("{origin}{RESOURCE}");
    let mut places = Vec::new();
    places.extend(named.map(|named| (ResourcePlace::Challenge, named)));
    for (place, url) in [(ResourcePlace::Path, at_path), (ResourcePlace::Root, at_root)] {
        // The two are one for an endpoint at the root.
        let is_new = places.iter().all(|(_, known)| *known != url);
        places.extend(is_new.then_some((place, url)));
    }
    places
}

/// Where the metadata of an authorization server may be, in the order in which clients look.
pub(super) fn of_server(issuer: &Url, endpoint: &Url) -> Vec<(ServerPlace, String)> {
    let (origin, path) = (origin(issuer), path(issuer));
    let mut places = vec![
        (ServerPlace::OAuth, format!("{origin}{OAUTH}{path}")),
        (ServerPlace::OpenId, format!("{origin}{OPENID}{path}")),
    ];
    if !path.is_empty() {
        places.push((ServerPlace::OpenIdAppended, format!("{origin}{path}{OPENID}")));
        places.push((ServerPlace::OAuthAppended, format!("{origin}{path}{OAUTH}")));
    }
    let of_endpoint = format!("{}{OAUTH}{}", self::origin(endpoint), self::path(endpoint));
    if places.iter().all(|(_, place)| *place != of_endpoint) {
        places.push((ServerPlace::OfEndpoint, of_endpoint));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls<P>(places: Vec<(P, String)>) -> Vec<String> {
        places.into_iter().map(|(_, url)| url).collect()
    }

    #[test]
    fn the_well_known_paths_are_those_of_the_rfcs() {
        let url = |text: &str| Url::parse(text).unwrap();
        let endpoint = url("https://app.example/mcp");
        assert_eq!(
            urls(of_resource(&endpoint, None)),
            [
                "https://app.example/.well-known/oauth-protected-resource/mcp",
                "https://app.example/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(urls(of_resource(&url("https://app.example"), None)).len(), 1);
        assert_eq!(urls(of_resource(&endpoint, Some("https://x.example/".to_owned())))[0], "https://x.example/");
        assert_eq!(
            urls(of_server(&url("https://app.example"), &endpoint)),
            [
                "https://app.example/.well-known/oauth-authorization-server",
                "https://app.example/.well-known/openid-configuration",
                "https://app.example/.well-known/oauth-authorization-server/mcp",
            ]
        );
        assert_eq!(
            urls(of_server(&url("https://id.example/a/b/"), &endpoint)),
            [
                "https://id.example/.well-known/oauth-authorization-server/a/b",
                "https://id.example/.well-known/openid-configuration/a/b",
                "https://id.example/a/b/.well-known/openid-configuration",
                "https://id.example/a/b/.well-known/oauth-authorization-server",
                "https://app.example/.well-known/oauth-authorization-server/mcp",
            ]
        );
    }
}
