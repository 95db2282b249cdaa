//! Answers to the consent page that come by another way than its own form.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode, Uri};

use super::{answer, cookie, origin};
use crate::host::Page;
use crate::server::{Asked, Server};

impl Server {
    /// The question that a form of this origin answers.
    pub(crate) async fn asked(&self, request: &Parts, sealed: &str) -> Option<Asked> {
        if !origin::is_same_origin(&request.headers, self.issuer().origin()) {
            return None;
        }
        self.question(request, sealed, cookie::read(&request.headers, self.has_tls())?).await
    }

    /// Where the consent form is sent to.
    pub(crate) fn consent_uri(&self) -> Uri {
        self.paths().consent.parse().unwrap_or_default()
    }
}

/// A page that asks on.
pub(crate) fn page(page: Page) -> Response<Bytes> {
    answer::page(StatusCode::OK, page)
}
