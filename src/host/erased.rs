//! One type for every host, every set of pages and whatever gets something from elsewhere, so that the server needs no type parameter.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use serde_json::{Map, Value};

use super::Host;
use super::admission::{Admission, Applicant, DocumentApplicant};
use super::consent::{ConsentUi, ConsentView, DecidedView, ErrorView, Page};
use super::fetcher::{Fetch, FetchError, Fetched, Fetcher};
use super::hooks::{AccessView, Asked, Verdict, Where};
use super::transport::Transport;
use super::user::{HostError, SignIn, User};
use crate::protocol::grant::Subject;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, HostError>> + Send + 'a>>;

/// Any host, behind one pointer.
#[derive(Clone)]
pub(crate) struct AnyHost(Arc<dyn DynHost>);

/// Any set of pages, behind one pointer.
#[derive(Clone)]
pub(crate) struct AnyConsentUi(Arc<dyn DynConsentUi>);

trait DynHost: Send + Sync + 'static {
    fn signed_in_dyn<'a>(&'a self, request: &'a Parts) -> Boxed<'a, Option<User>>;
    fn sign_in_dyn<'a>(&'a self, request: &'a Parts, ask: SignIn) -> Boxed<'a, String>;
    fn is_allowed_dyn<'a>(&'a self, subject: &'a Subject) -> Boxed<'a, bool>;
    fn admit_dyn<'a>(&'a self, applicant: &'a Applicant<'_>, source: &'a Parts) -> Boxed<'a, Admission>;
    fn admit_document_dyn<'a>(&'a self, applicant: DocumentApplicant<'a>, source: &'a Parts) -> Boxed<'a, Admission>;
    fn may_ask_dyn<'a>(&'a self, asked: Asked<'a>) -> Boxed<'a, Verdict>;
    fn extra_fields_dyn<'a>(&'a self, access: AccessView<'a>, place: Where) -> Boxed<'a, Map<String, Value>>;
}

impl<H: Host> DynHost for H {
    fn signed_in_dyn<'a>(&'a self, request: &'a Parts) -> Boxed<'a, Option<User>> {
        Box::pin(self.signed_in(request))
    }
    fn sign_in_dyn<'a>(&'a self, request: &'a Parts, ask: SignIn) -> Boxed<'a, String> {
        Box::pin(self.sign_in(request, ask))
    }
    fn is_allowed_dyn<'a>(&'a self, subject: &'a Subject) -> Boxed<'a, bool> {
        Box::pin(self.is_allowed(subject))
    }
    fn admit_dyn<'a>(&'a self, applicant: &'a Applicant<'_>, source: &'a Parts) -> Boxed<'a, Admission> {
        Box::pin(self.admit(applicant, source))
    }
    fn admit_document_dyn<'a>(&'a self, applicant: DocumentApplicant<'a>, source: &'a Parts) -> Boxed<'a, Admission> {
        Box::pin(self.admit_document(applicant, source))
    }
    fn may_ask_dyn<'a>(&'a self, asked: Asked<'a>) -> Boxed<'a, Verdict> {
        Box::pin(self.may_ask(asked))
    }
    fn extra_fields_dyn<'a>(&'a self, access: AccessView<'a>, place: Where) -> Boxed<'a, Map<String, Value>> {
        Box::pin(self.extra_fields(access, place))
    }
}

impl AnyHost {
    pub(crate) fn new(host: impl Host) -> Self {
        Self(Arc::new(host))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Host for AnyHost {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        self.0.signed_in_dyn(request).await
    }
    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        self.0.sign_in_dyn(request, ask).await
    }
    async fn is_allowed(&self, subject: &Subject) -> Result<bool, HostError> {
        self.0.is_allowed_dyn(subject).await
    }
    async fn admit(&self, applicant: &Applicant<'_>, source: &Parts) -> Result<Admission, HostError> {
        self.0.admit_dyn(applicant, source).await
    }
    async fn admit_document(&self, applicant: DocumentApplicant<'_>, source: &Parts) -> Result<Admission, HostError> {
        self.0.admit_document_dyn(applicant, source).await
    }
    async fn may_ask(&self, asked: Asked<'_>) -> Result<Verdict, HostError> {
        self.0.may_ask_dyn(asked).await
    }
    async fn extra_fields(&self, access: AccessView<'_>, place: Where) -> Result<Map<String, Value>, HostError> {
        self.0.extra_fields_dyn(access, place).await
    }
}

/// Any fetcher, behind one pointer.
#[derive(Clone)]
pub(crate) struct AnyFetcher(Arc<dyn DynFetcher>);

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;

trait DynFetcher: Send + Sync + 'static {
    fn fetch_dyn<'a>(&'a self, ask: Fetch<'a>) -> Fetching<'a>;
}

impl<F: Fetcher> DynFetcher for F {
    fn fetch_dyn<'a>(&'a self, ask: Fetch<'a>) -> Fetching<'a> {
        Box::pin(self.fetch(ask))
    }
}

impl AnyFetcher {
    pub(crate) fn new(fetcher: impl Fetcher) -> Self {
        Self(Arc::new(fetcher))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Fetcher for AnyFetcher {
    async fn fetch(&self, ask: Fetch<'_>) -> Result<Fetched, FetchError> {
        self.0.fetch_dyn(ask).await
    }
}

/// Any transport, behind one pointer.
#[derive(Clone)]
pub(crate) struct AnyTransport(Arc<dyn DynTransport>);

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + 'a>>;

trait DynTransport: Send + Sync + 'static {
    fn send_dyn(&self, request: Request<Bytes>) -> Sending<'_>;
}

impl<T: Transport> DynTransport for T {
    fn send_dyn(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(self.send(request))
    }
}

impl AnyTransport {
    pub(crate) fn new(transport: impl Transport) -> Self {
        Self(Arc::new(transport))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for AnyTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        self.0.send_dyn(request).await
    }
}

trait DynConsentUi: Send + Sync + 'static {
    fn consent_dyn<'a>(&'a self, view: &'a ConsentView) -> Boxed<'a, Page>;
    fn decided_dyn<'a>(&'a self, view: &'a DecidedView) -> Boxed<'a, Page>;
    fn error_dyn<'a>(&'a self, view: &'a ErrorView) -> Boxed<'a, Page>;
}

impl<U: ConsentUi> DynConsentUi for U {
    fn consent_dyn<'a>(&'a self, view: &'a ConsentView) -> Boxed<'a, Page> {
        Box::pin(self.consent(view))
    }
    fn decided_dyn<'a>(&'a self, view: &'a DecidedView) -> Boxed<'a, Page> {
        Box::pin(self.decided(view))
    }
    fn error_dyn<'a>(&'a self, view: &'a ErrorView) -> Boxed<'a, Page> {
        Box::pin(self.error(view))
    }
}

impl AnyConsentUi {
    pub(crate) fn new(ui: impl ConsentUi) -> Self {
        Self(Arc::new(ui))
    }
}

#[deny(clippy::missing_trait_methods)]
impl ConsentUi for AnyConsentUi {
    async fn consent(&self, view: &ConsentView) -> Result<Page, HostError> {
        self.0.consent_dyn(view).await
    }
    async fn decided(&self, view: &DecidedView) -> Result<Page, HostError> {
        self.0.decided_dyn(view).await
    }
    async fn error(&self, view: &ErrorView) -> Result<Page, HostError> {
        self.0.error_dyn(view).await
    }
}
