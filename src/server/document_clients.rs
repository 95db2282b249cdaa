//! Clients that are known by a metadata document: when it is fetched, and what is stored of it.
//!
//! What was last read is in the store, as the client: so every instance knows it, tokens and grants need no document,
//! and an administrator can block or remove it.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::metadata_documents::Rules;
use super::{MINT_TRIES, PageRefusal, Server};
use crate::host::{
    Admission, Boarded, Boarding, DocumentApplicant, DocumentNews, EventKind, Fetch, FetchError, Fetched, Fetcher as _,
    Host as _, User,
};
use crate::protocol::admission::Terms;
use crate::protocol::client::{Client, ClientId, ClientOrigin};
use crate::protocol::document_url::DocumentUrl;
use crate::protocol::error::{DocumentReason, PageReason};
use crate::protocol::metadata_document::{Answered, MAX_BYTES, MetadataDocument};
use crate::protocol::policy::Policy;
use crate::storage::{InsertClient, Inserted, RenewClient, Storage as _, UpdateClient, Updated};

/// What is known of a request's client.
pub(super) enum Known {
    /// All that there is to know: the client, or that there is none.
    Client(Option<Arc<Client>>),
    /// Its document has to be fetched, and for that somebody has to be signed in.
    SignInFirst,
}

/// Whether a client's document has to be read.
enum Look {
    No,
    Yes(DocumentUrl),
}

impl Server {
    /// The client of an authorization request, with its document read anew if it is time for that.
    pub(super) async fn asking_client(
        &self,
        request: &Parts,
        id: &ClientId,
        policy: &Policy,
    ) -> Result<Known, PageRefusal> {
        let stored = self.client_by_id(id).await?;
        let Some(rules) = &self.0.metadata_documents else {
            // Nobody can tell whether the document still says so.
            return Ok(Known::Client(stored.filter(|client| client.origin != ClientOrigin::Document)));
        };
        let Look::Yes(url) = self.look(rules, id, stored.as_deref())? else { return Ok(Known::Client(stored)) };
        // Strangers make this server fetch nothing.
        let Some(user) = self.0.host.signed_in(request).await? else { return Ok(Known::SignInFirst) };
        let client = self.read_document(request, rules, &url, &user, policy).await?;
        Ok(Known::Client(Some(client)))
    }

    fn look(&self, rules: &Rules, id: &ClientId, stored: Option<&Client>) -> Result<Look, DocumentReason> {
        match stored {
            None if !DocumentUrl::is_meant(id) => return Ok(Look::No),
            Some(client) if client.origin != ClientOrigin::Document || client.blocked => return Ok(Look::No),
            Some(_) | None => {}
        }
        let url = DocumentUrl::parse(id)?;
        if !rules.allow(url.host()) {
            return Err(DocumentReason::HostNotAllowed);
        }
        let is_fresh = stored.and_then(Client::document).is_some_and(|document| document.is_fresh(self.now()));
        Ok(if is_fresh { Look::No } else { Look::Yes(url) })
    }

    async fn read_document(
        &self,
        request: &Parts,
        rules: &Rules,
        url: &DocumentUrl,
        user: &User,
        policy: &Policy,
    ) -> Result<Arc<Client>, PageRefusal> {
        let applicant = DocumentApplicant::new(url.as_str(), url.host(), user);
        let terms = match self.0.host.admit_document(applicant, request).await? {
            Admission::Admit(terms) => terms,
            Admission::Refuse => return Err(DocumentReason::NotAdmitted.into()),
        };
        loop {
            let failed = match rules.flights.board(url.id()).await {
                Boarding::Fetch(boarded) => {
                    // Somebody else may have landed just before.
                    let stored = self.client_by_id(url.id()).await?;
                    if let Look::No = self.look(rules, url.id(), stored.as_deref())?
                        && let Some(client) = stored
                    {
                        return Ok(client);
                    }
                    match self.fetch_document(rules, url, user, &boarded).await {
                        Ok(document) => return self.store_document(document, url, &terms, policy).await,
                        Err(reason) => reason,
                    }
                }
                Boarding::Landed(Some(reason)) => reason,
                Boarding::Landed(None) => {
                    let stored = self.client_by_id(url.id()).await?;
                    match (self.look(rules, url.id(), stored.as_deref())?, stored) {
                        (Look::No, Some(client)) => return Ok(client),
                        // That fetch was given up: this request's turn.
                        (Look::Yes(_), _) | (Look::No, None) => continue,
                    }
                }
            };
            return self.last_copy(rules, url, failed).await;
        }
    }

    async fn fetch_document(
        &self,
        rules: &Rules,
        url: &DocumentUrl,
        user: &User,
        boarded: &Boarded<'_, ClientId, DocumentReason>,
    ) -> Result<MetadataDocument, DocumentReason> {
        // Not a failure of the document: others who wait for it may have something left.
        // The user first: one who has nothing left takes nothing from the site, and so from others.
        let now = self.now();
        if !(rules.per_user.take(user.subject.as_str(), now) && rules.per_site.take(url.origin(), now)) {
            return Err(DocumentReason::TooManyFetches);
        }
        let fetched = rules.fetcher.fetch(Fetch::json(url.as_str(), MAX_BYTES)).await;
        let read = fetched
            .map_err(|error| unfetched(&error, url))
            .and_then(|fetched| MetadataDocument::read(url, &answered(&fetched), self.now()));
        if let Err(reason) = read {
            boarded.failed(reason);
        }
        read
    }

    /// What was last read, while the site fails, for some time.
    async fn last_copy(
        &self,
        rules: &Rules,
        url: &DocumentUrl,
        reason: DocumentReason,
    ) -> Result<Arc<Client>, PageRefusal> {
        let stored = self.client_by_id(url.id()).await?.filter(|_| reason.may_pass());
        let is_good = |client: &Arc<Client>| {
            client.document().is_some_and(|document| document.is_good_without_site(rules.kept_for, self.now()))
        };
        let client = stored.filter(is_good).ok_or(reason)?;
        self.audit(EventKind::DocumentKept { client: client.id.clone(), reason });
        Ok(client)
    }

    /// Puts what a document says into the store. A client that changed in what people see has another digest, and
    /// so no page that is open counts any more.
    async fn store_document(
        &self,
        document: MetadataDocument,
        url: &DocumentUrl,
        terms: &Terms,
        policy: &Policy,
    ) -> Result<Arc<Client>, PageRefusal> {
        for _ in 0..MINT_TRIES {
            let (now, document) = (self.now(), document.clone());
            let news = match self.0.storage.client(url.id()).await? {
                None => {
                    let client = Arc::new(document.client(url, terms, now, policy));
                    let budget = Some(self.0.registration.budget);
                    match self.0.storage.insert_client(InsertClient { client, budget, now }).await? {
                        Inserted::New => DocumentNews::New,
                        Inserted::Taken | Inserted::Folded(_) | Inserted::Blocked => continue,
                    }
                }
                Some(stored) => {
                    if stored.has_ended(now) {
                        let until = now.after(policy.lifetimes.registration);
                        let op = RenewClient { client: stored.id.clone(), until, now };
                        let _ = self.0.storage.renew_client(op).await?;
                    }
                    let client = Arc::new(document.renewed(&stored, terms));
                    let ends_access = stored.ends_access_as(&client);
                    let is_same = client.as_shown() == stored.as_shown();
                    match self.0.storage.update_client(UpdateClient { client, ends_access, now }).await? {
                        Updated::Now if is_same => DocumentNews::Same,
                        Updated::Now => DocumentNews::Changed,
                        Updated::Changed | Updated::Unknown => continue,
                    }
                }
            };
            self.audit(EventKind::DocumentFetched { client: url.id().clone(), news });
            // With the revision that the store gave it.
            if let Some(client) = self.client_by_id(url.id()).await? {
                return Ok(client);
            }
        }
        Err(PageReason::Unavailable.into())
    }
}

impl From<DocumentReason> for PageRefusal {
    fn from(reason: DocumentReason) -> Self {
        PageReason::from(reason).into()
    }
}

/// An answer as the protocol reads it.
pub(super) fn answered(fetched: &Fetched) -> Answered<'_> {
    let Fetched { status, content_type, cache_control, age, body } = fetched;
    let (content_type, cache_control) = (content_type.as_deref(), cache_control.as_deref());
    Answered { status: *status, content_type, cache_control, age: age.as_deref(), body }
}

pub(super) fn unfetched(error: &FetchError, url: &impl fmt::Display) -> DocumentReason {
    tracing::warn!(%error, %url, "what is known of a client was not fetched");
    match error {
        FetchError::AddressNotPublic => DocumentReason::AddressNotPublic,
        FetchError::Unreachable(_) => DocumentReason::Unreachable,
        FetchError::TimedOut => DocumentReason::TimedOut,
        FetchError::TooLarge => DocumentReason::DocumentTooLarge,
    }
}
