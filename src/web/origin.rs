//! Where a request comes from, as far as its browser says.

use http::header::{HeaderMap, ORIGIN};

/// Whether a form was sent by a page of this origin.
///
/// Every browser of today says so, in one of two headers, with each POST. A request with neither comes
/// from no browser, and without our cookie it gets nowhere.
pub(super) fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        // `null` is the origin of sandboxed frames, of local files and of redirects from other sites.
        (Some(origin), None) => origin.as_bytes() == own.as_bytes(),
        (Some(_), Some(_)) => false,
        (None, _) => headers.get("sec-fetch-site").is_none_or(|site| site.as_bytes() == b"same-origin"),
    }
}
