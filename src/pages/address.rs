//! Addresses of strangers: which of them become links or images, how they are shown, and what they
//! add to the page's policy.

use url::Url;

use super::inert::{inert, shortened};
use crate::host::ReturnTo;
use crate::protocol::redirect::{RedirectKind, RedirectUri};

/// How much of a home page's path is shown.
const PATH_SHOWN: usize = 60;

/// A link to a client's home page.
#[derive(Debug)]
pub(super) struct HomePage {
    /// Where it leads to.
    pub(super) url: String,
    /// The host, whole: it says whose page that is.
    pub(super) host: String,
    /// The path, shortened.
    pub(super) path: String,
}

impl HomePage {
    /// `None` for anything but a plain `https` URL.
    pub(super) fn new(presented: &str) -> Option<Self> {
        let url = plain_url(presented, &["https"])?;
        let path = inert(url.path());
        let path = if path == "/" { String::new() } else { shortened(&path, PATH_SHOWN).into_owned() };
        Some(Self { host: authority(&url)?, path, url: url.into() })
    }
}

/// An image that the page may show.
#[derive(Debug)]
pub(super) struct Logo {
    /// Where it is.
    pub(super) url: String,
    /// The source expression that lets the page load it.
    pub(super) source: String,
}

impl Logo {
    /// A client's: an `https` URL.
    pub(super) fn of_client(presented: &str) -> Option<Self> {
        Self::elsewhere(presented, &["https"])
    }

    /// The app's own: a path on this origin or a URL.
    pub(super) fn of_app(configured: &str) -> Option<Self> {
        if ReturnTo::checked(configured).path() == configured {
            return Some(Self { url: configured.to_owned(), source: "'self'".to_owned() });
        }
        Self::elsewhere(configured, &["https", "http"])
    }

    fn elsewhere(presented: &str, schemes: &[&str]) -> Option<Self> {
        let url = plain_url(presented, schemes)?;
        Some(Self { source: format!("{}://{}", url.scheme(), authority(&url)?), url: url.into() })
    }
}

/// A URL without a user name, which only serves to hide the host.
fn plain_url(presented: &str, schemes: &[&str]) -> Option<Url> {
    let url = Url::parse(presented).ok()?;
    let is_plain = schemes.contains(&url.scheme()) && url.username().is_empty() && url.password().is_none();
    is_plain.then_some(url)
}

/// `host[:port]`, if it is safe inside a policy. The URL standard allows `;`, `,` and `*` in a host:
/// `https://a;script-src` would add a directive, `https://*` would open the page to everyone.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let is_safe = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_safe.then(|| url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Where a link on an error page may lead to: a path on this origin, or what could be a redirect URI.
pub(super) fn way_back(url: &str) -> Option<&str> {
    let address = url.split_once('?').map_or(url, |(address, _)| address);
    let is_safe = ReturnTo::checked(url).path() == url || RedirectUri::parse(address).is_ok();
    is_safe.then_some(url)
}

/// A host in two parts, of which the second says whose it is: its last three labels. A longer host
/// may begin with anything, such as `bank.example.` in front of a stranger's domain.
pub(super) fn emphasised(host: &str, kind: RedirectKind) -> (&str, &str) {
    let is_name = kind == RedirectKind::Web && host.rsplit('.').next().is_some_and(starts_with_a_letter);
    match host.rmatch_indices('.').nth(2) {
        Some((dot, _)) if is_name => host.split_at(dot + 1),
        _ => ("", host),
    }
}

fn starts_with_a_letter(label: &str) -> bool {
    label.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_32_only_plain_https_becomes_a_link_or_an_image() {
        for bad in [
            "http://c.example/",
            "javascript:alert(1)",
            "data:image/svg+xml,<svg/>",
            "https://bank.example@c.example/",
            "https://u:p@c.example/",
            "//c.example/",
            "/here",
            "",
            "not a url",
        ] {
            assert!(HomePage::new(bad).is_none(), "{bad}");
            assert!(Logo::of_client(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn attack_32_a_logo_cannot_widen_the_policy() {
        for bad in [
            "https://*/x.png",
            "https://*.example/x.png",
            "https://c.example;script-src/x.png",
            "https://c.example,script-src/x.png",
            "https://'unsafe-inline'/x.png",
            "https://[::1]/x.png",
        ] {
            assert!(Logo::of_client(bad).is_none(), "{bad}");
            assert!(HomePage::new(bad).is_none(), "{bad}");
        }
        let logo = Logo::of_client("https://C.example:8443/a;script-src 'unsafe-inline',b.png?x;y").unwrap();
        assert_eq!(logo.source, "https://c.example:8443");
    }

    #[test]
    fn attack_32_look_alike_hosts_are_shown_in_ascii() {
        assert_eq!(HomePage::new("https://аpple.example/").unwrap().host, "xn--pple-43d.example");
    }

    #[test]
    fn a_home_page_shows_its_whole_host_and_some_of_its_path() {
        let host = format!("{}evil.example", "bank.".repeat(40));
        let page = HomePage::new(&format!("https://{host}/{}", "x".repeat(2000))).unwrap();
        assert_eq!(page.host, host);
        assert_eq!(page.path.chars().count(), PATH_SHOWN);
        assert_eq!(HomePage::new("https://c.example").unwrap().path, "");
    }

    #[test]
    fn the_apps_logo_may_be_a_path_or_a_url() {
        assert_eq!(Logo::of_app("/logo.svg").unwrap().source, "'self'");
        assert_eq!(Logo::of_app("https://cdn.example/l.svg").unwrap().source, "https://cdn.example");
        assert_eq!(Logo::of_app("http://localhost:3000/l.svg").unwrap().source, "http://localhost:3000");
        assert!(Logo::of_app("//cdn.example/l.svg").is_none());
        assert!(Logo::of_app("logo.svg").is_none());
    }

    #[test]
    fn attack_32_a_way_back_runs_nothing() {
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)?x",
            "data:text/html,x",
            "//evil.example/",
            "",
            "http://evil.example/",
        ] {
            assert_eq!(way_back(bad), None, "{bad}");
        }
        for good in [
            "https://c.example/cb?error=access_denied&state=a%20b",
            "http://127.0.0.1:8080/cb?error=x",
            "com.example.app:/cb?error=x",
            "/oauth/authorize?client_id=x",
        ] {
            assert_eq!(way_back(good), Some(good));
        }
    }

    #[test]
    fn attack_32_the_end_of_a_long_host_stands_out() {
        assert_eq!(
            emphasised("accounts.bank.example.login.evil.example", RedirectKind::Web),
            ("accounts.bank.example.", "login.evil.example")
        );
        for whole in ["claude.ai", "app.claude.ai", "app.example.co.uk:8443"] {
            let (front, back) = emphasised(whole, RedirectKind::Web);
            assert!(back.ends_with("claude.ai") || back == "example.co.uk:8443", "{front} {back}");
        }
        assert_eq!(emphasised("192.0.2.17:8080", RedirectKind::Web), ("", "192.0.2.17:8080"));
        assert_eq!(emphasised("com.example.some.app", RedirectKind::PrivateUse), ("", "com.example.some.app"));
    }
}
