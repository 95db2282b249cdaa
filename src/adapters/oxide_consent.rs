//! An `OwnerSolicitor` as the consent UI.
//!
//! oxide-auth asks a solicitor twice: it makes the page, and when the person's answer has come it says what that was. In
//! between a `state` goes through the page, and back. Here that is the sealed question, so that a decision still counts
//! once, for what was asked, by the person and in the browser that were asked.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response as HttpResponse, StatusCode};
use oxide_auth::endpoint::{
    NormalizedParameter, OwnerConsent, OwnerSolicitor, QueryParameter, Solicitation, WebRequest,
};
use oxide_auth::frontends::simple::request::{NoError, Response, Status};
use oxide_auth::primitives::registrar::{ExactUrl, PreGrant, RegisteredUrl};

use crate::host::{ConsentUi, ConsentView, DecidedView, ErrorView, HostError, Page};
use crate::server::Server;

/// Styles that are in the page itself are let in, and pictures; scripts are not.
const POLICY: &str = "style-src 'unsafe-inline'; img-src 'self' https: data:";

/// What a solicitor sees of a request.
#[derive(Debug, Clone)]
pub struct Request {
    head: Parts,
    body: Bytes,
}

impl Request {
    /// The head of the request that brings the person's answer, with cookies and extensions. When the page is to be
    /// made it is an empty one.
    #[must_use]
    pub fn head(&self) -> &Parts {
        &self.head
    }
}

fn parameters(text: &[u8]) -> NormalizedParameter {
    url::form_urlencoded::parse(text).into_owned().collect()
}

impl WebRequest for Request {
    type Error = NoError;
    type Response = Response;

    fn query(&mut self) -> Result<Cow<'_, dyn QueryParameter + 'static>, NoError> {
        Ok(Cow::Owned(parameters(self.head.uri.query().unwrap_or_default().as_bytes())))
    }

    fn urlbody(&mut self) -> Result<Cow<'_, dyn QueryParameter + 'static>, NoError> {
        Ok(Cow::Owned(parameters(&self.body)))
    }

    fn authheader(&mut self) -> Result<Option<Cow<'_, str>>, NoError> {
        Ok(self.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(Cow::Borrowed))
    }
}

/// What a solicitor said.
pub(super) enum Word {
    Authorized(String),
    Denied,
    Page(String),
    /// To send the person somewhere else, or to refuse.
    Other,
}

impl From<OwnerConsent<Response>> for Word {
    fn from(consent: OwnerConsent<Response>) -> Self {
        match consent {
            OwnerConsent::Denied => Self::Denied,
            OwnerConsent::Authorized(owner) => Self::Authorized(owner),
            OwnerConsent::InProgress(Response { status: Status::Ok, body: Some(body), .. }) => {
                Self::Page(body.as_str().to_owned())
            }
            OwnerConsent::InProgress(_) => Self::Other,
            OwnerConsent::Error(never) => match never {},
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the solicitor decided before anybody was asked")]
    Hasty,
    #[error("the solicitor made no page: whoever has to sign in first is sent there by `Host::sign_in`")]
    NoPage,
    #[error("the solicitor named somebody else than who is signed in")]
    SomebodyElse,
}

/// A solicitor of either kind.
pub(super) trait Ask: Send + Sync {
    fn ask(&self, request: Request, grant: PreGrant, state: &str) -> impl Future<Output = Word> + Send;
}

/// The two public types for solicitors of one kind, whose module says how to ask one.
macro_rules! consent {
    ($solicitor:ident, $mutex:ident) => {
        /// A [`ConsentUi`](crate::ConsentUi) that asks an `OwnerSolicitor`; pages of other kinds are made by `U`.
        #[derive(Debug)]
        pub struct Consent<S, U> {
            solicitor: std::sync::Arc<$mutex<S>>,
            others: U,
        }

        impl<S: $solicitor<Request> + Send + 'static, U: ConsentUi> Consent<S, U> {
            /// Asks `solicitor`. It must not decide without asking: whoever is `OwnerConsent::Authorized` before there was
            /// a page gets an error.
            pub fn new(solicitor: S, others: U) -> (Self, Decisions<S>) {
                let solicitor = std::sync::Arc::new($mutex::new(solicitor));
                (Self { solicitor: std::sync::Arc::clone(&solicitor), others }, Decisions(solicitor))
            }
        }

        impl<S: $solicitor<Request> + Send + 'static, U: ConsentUi> ConsentUi for Consent<S, U> {
            async fn consent(&self, view: &ConsentView) -> Result<Page, HostError> {
                show(&*self.solicitor, view).await
            }

            async fn decided(&self, view: &DecidedView) -> Result<Page, HostError> {
                self.others.decided(view).await
            }

            async fn error(&self, view: &ErrorView) -> Result<Page, HostError> {
                self.others.error(view).await
            }
        }

        /// Takes the answers to the pages of a [`Consent`].
        #[derive(Debug)]
        pub struct Decisions<S>(std::sync::Arc<$mutex<S>>);

        impl<S> Clone for Decisions<S> {
            fn clone(&self) -> Self {
                Self(std::sync::Arc::clone(&self.0))
            }
        }

        impl<S: $solicitor<Request> + Send + 'static> Decisions<S> {
            /// The answer to a form of the solicitor's page, to be called for a POST to wherever that sends it; the query
            /// or the body has the `state`. Whom the solicitor names must be who is signed in.
            pub async fn take(&self, server: &Server, request: http::Request<Bytes>) -> http::Response<Bytes> {
                decide(&*self.0, server, request).await
            }
        }
    };
}

#[cfg(feature = "oxide-auth-async")]
pub(super) use consent;

consent!(OwnerSolicitor, Mutex);

impl<S: OwnerSolicitor<Request> + Send> Ask for Mutex<S> {
    async fn ask(&self, mut request: Request, grant: PreGrant, state: &str) -> Word {
        let mut solicitor = self.lock().unwrap_or_else(PoisonError::into_inner);
        solicitor.check_consent(&mut request, Solicitation::new(&grant).with_state(state)).into()
    }
}

pub(super) async fn show(asking: &impl Ask, view: &ConsentView) -> Result<Page, HostError> {
    let state = view.form.fields.iter().find(|(name, _)| *name == "prompt").map_or("", |(_, value)| value.as_str());
    let scopes = view.scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>().join(" ");
    let grant = pre_grant(&view.client.id, &view.redirect.uri, &scopes)?;
    let (head, ()) = http::Request::new(()).into_parts();
    match asking.ask(Request { head, body: Bytes::new() }, grant, state).await {
        Word::Page(html) => Ok(Page::html(html, POLICY)),
        Word::Authorized(_) | Word::Denied => Err(Unfit::Hasty.into()),
        Word::Other => Err(Unfit::NoPage.into()),
    }
}

pub(super) async fn decide(asking: &impl Ask, server: &Server, request: http::Request<Bytes>) -> HttpResponse<Bytes> {
    let (mut head, body) = request.into_parts();
    let both = [head.uri.query().unwrap_or_default().as_bytes(), &body].map(parameters);
    let state = both.iter().find_map(|parameters| parameters.unique_value("state")).unwrap_or_default().into_owned();
    let allow = match server.asked(&head, &state).await {
        // The consent endpoint says why, in its own page.
        None => false,
        Some(asked) => {
            let grant = match pre_grant(&asked.client, &asked.redirect_uri, asked.scopes.as_str()) {
                Ok(grant) => grant,
                Err(error) => return failed(&error),
            };
            match asking.ask(Request { head: head.clone(), body }, grant, &state).await {
                Word::Page(html) => return crate::web::page(Page::html(html, POLICY)),
                Word::Denied => false,
                Word::Authorized(owner) if owner == asked.subject.as_str() => true,
                Word::Authorized(_) => return failed(&Unfit::SomebodyElse.into()),
                Word::Other => return failed(&Unfit::NoPage.into()),
            }
        }
    };
    let form = [("prompt", state.as_str()), ("decision", if allow { "allow" } else { "deny" })];
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    head.method = Method::POST;
    head.uri = server.consent_uri();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    head.headers.remove(CONTENT_LENGTH);
    server.handle(http::Request::from_parts(head, form.into())).await
}

fn pre_grant(client: &str, redirect_uri: &str, scopes: &str) -> Result<PreGrant, HostError> {
    Ok(PreGrant {
        client_id: client.to_owned(),
        redirect_uri: RegisteredUrl::Exact(ExactUrl::new(redirect_uri.to_owned())?),
        scope: scopes.parse()?,
    })
}

fn failed(error: &HostError) -> HttpResponse<Bytes> {
    tracing::error!(%error, "an answer to a consent page counts for nothing");
    let mut response = HttpResponse::new(Bytes::new());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
