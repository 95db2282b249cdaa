//! Our one cookie: it tells browsers apart, so that a form works only where it was shown.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// With the prefix no subdomain and no plain-http page can set it (RFC 6265bis §4.1.3.2).
const fn name(tls: bool) -> &'static str {
    if tls { "__Host-grantor" } else { "grantor" }
}

/// The value of our cookie, if the browser sent one that we may have set.
pub(super) fn read(headers: &HeaderMap, tls: bool) -> Option<&str> {
    // Cookie by cookie: one that is no text, which anybody on a sibling domain can set, hides no other.
    let cookies = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    cookies
        .filter_map(|cookie| str::from_utf8(cookie).ok()?.trim().split_once('='))
        .find(|(known, value)| *known == name(tls) && is_ours(value))
        .map(|(_, value)| value)
}

/// Sets it for this session of the browser.
pub(super) fn set(headers: &mut HeaderMap, value: &str, tls: bool) {
    let secure = if tls { "; Secure" } else { "" };
    if let Ok(cookie) = HeaderValue::try_from(format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", name(tls)))
    {
        headers.append(SET_COOKIE, cookie);
    }
}

/// 32 bytes in base64url.
fn is_ours(value: &str) -> bool {
    value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
