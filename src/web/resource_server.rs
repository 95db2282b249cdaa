//! The metadata of a resource in another process than its authorization server.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};

use super::routes::{Methods, RESOURCE_METADATA};
use super::{RoutePattern, answer, without_body};
use crate::guard::ResourceServer;
use crate::protocol::error::HttpReason;
use crate::server::Refused;

impl ResourceServer {
    /// Answers any request for metadata of resources, and with 404 any other. What a request has in it is not looked at.
    #[must_use]
    pub fn handle(&self, request: &Parts) -> Response<Bytes> {
        if let Some(reason) = self.refuses(request) {
            return self.refusal(reason);
        }
        let Some(path) = below(request.uri.path()) else { return answer::absent() };
        let methods = Methods::Read;
        let response = match (methods.admits(&request.method), &request.method) {
            (_, &Method::OPTIONS) => answer::options(methods),
            (false, _) => answer::method_not_allowed(&self.noted(HttpReason::MethodNotAllowed), methods),
            // RFC 9728 §3.1; many clients look at the root, whatever the path of the resource
            (true, _) if path.is_empty() || path == self.resource().path() => answer::document(self.metadata().clone()),
            (true, _) => answer::absent(),
        };
        let response = answer::cross_origin(response, &request.method, methods);
        if request.method == Method::HEAD { without_body(response) } else { response }
    }

    /// The paths that are answered here: the well-known one of resources, and all below.
    #[must_use]
    pub fn routes(&self) -> Vec<RoutePattern> {
        let at = |path: &str, below| RoutePattern { path: path.to_owned(), below };
        vec![at(RESOURCE_METADATA, false), at(&format!("{RESOURCE_METADATA}/"), false), at(RESOURCE_METADATA, true)]
    }

    fn noted(&self, reason: HttpReason) -> Refused {
        Refused { wire: reason.wire(), correlation: self.refused(reason), used_basic: false }
    }

    fn refusal(&self, reason: HttpReason) -> Response<Bytes> {
        answer::refusal(&self.noted(reason))
    }
}

/// What follows the well-known string in a path, without slashes at its end, as in the canonical URL of a resource.
fn below(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(RESOURCE_METADATA).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(rest.trim_end_matches('/'))
}
