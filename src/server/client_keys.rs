//! The keys of clients that have them at a URL of their own (`jwks_uri`): when they are fetched, and how long they are
//! used.
//!
//! Whoever asks for that was not authenticated yet. So everything else about the request is in order by then, the
//! client is one that somebody let in, and what is fetched for it is bounded. Each instance keeps its own copies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Server;
use super::document_clients::{answered, unfetched};
use super::fetch_budget::FetchBudget;
use super::metadata_documents::Rules;
use crate::host::{Boarded, Boarding, Fetch, Fetcher as _, Flights};
use crate::protocol::client_auth::Presented;
use crate::protocol::client_keys::{FetchedKeys, KeysUrl, may_ask_again};
use crate::protocol::error::DocumentReason;
use crate::protocol::jwk::KeySet;
use crate::protocol::metadata_document::MAX_BYTES;
use crate::protocol::time::Timestamp;

/// How many key sets are kept; the one that was read the longest ago makes room for another.
const MOST: usize = 512;
/// How much is fetched for one client within a minute, so that none uses up what its site has for others.
const PER_CLIENT: u32 = 6;

/// What is known of the keys of clients, and what is being fetched.
pub(super) struct KeyFetches {
    kept: Mutex<HashMap<KeysUrl, Kept>>,
    flights: Flights<KeysUrl, DocumentReason>,
    per_site: FetchBudget,
    per_client: FetchBudget,
}

#[derive(Clone)]
struct Kept {
    keys: FetchedKeys,
    /// When they were last asked for, whatever came of it.
    asked_at: Timestamp,
}

impl KeyFetches {
    pub(super) fn new(per_site: u32) -> Self {
        let (per_site, per_client) = (FetchBudget::new(per_site), FetchBudget::new(PER_CLIENT));
        Self { kept: Mutex::default(), flights: Flights::default(), per_site, per_client }
    }

    fn known(&self, url: &KeysUrl) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned()
    }

    fn asks(&self, url: &KeysUrl, now: Timestamp) {
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get_mut(url) {
            kept.asked_at = now;
        }
    }

    fn keep(&self, url: &KeysUrl, keys: FetchedKeys) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST && !kept.contains_key(url) {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.keys.fetched_at()).map(|(url, _)| url.clone());
            oldest.and_then(|oldest| kept.remove(&oldest));
        }
        kept.insert(url.clone(), Kept { asked_at: keys.fetched_at(), keys });
    }
}

impl Server {
    /// The keys at that URL: as they were last read, or read anew if it is time for that, or if that request is
    /// signed by none of those.
    pub(super) async fn keys_at(&self, url: &KeysUrl, presented: &Presented) -> Result<KeySet, DocumentReason> {
        let rules = self.0.metadata_documents.as_ref().ok_or(DocumentReason::HostNotAllowed)?;
        let (host, origin) = url.host_and_origin().ok_or(DocumentReason::HostNotAllowed)?;
        if !rules.allow(&host) {
            return Err(DocumentReason::HostNotAllowed);
        }
        let good = || {
            let now = self.now();
            let kept = rules.keys.known(url).filter(|kept| kept.keys.are_fresh(now))?;
            // A signature is the dearer of the two to look at.
            let is_last_word = !may_ask_again(kept.asked_at, now) || presented.is_signed_by(kept.keys.set());
            is_last_word.then(|| kept.keys.set().clone())
        };
        let failed = loop {
            if let Some(keys) = good() {
                return Ok(keys);
            }
            match rules.keys.flights.board(url).await {
                Boarding::Fetch(boarded) => {
                    // Somebody else may have landed just before.
                    if let Some(keys) = good() {
                        return Ok(keys);
                    }
                    match self.fetch_keys(rules, url, &origin, presented, &boarded).await {
                        Ok(keys) => return Ok(keys),
                        Err(reason) => break reason,
                    }
                }
                Boarding::Landed(Some(reason)) => break reason,
                Boarding::Landed(None) => {}
            }
        };
        let now = self.now();
        let kept = rules.keys.known(url).filter(|kept| failed.may_pass() && kept.keys.are_good_without_site(now));
        kept.map(|kept| kept.keys.set().clone()).ok_or(failed)
    }

    async fn fetch_keys(
        &self,
        rules: &Rules,
        url: &KeysUrl,
        origin: &str,
        presented: &Presented,
        boarded: &Boarded<'_, KeysUrl, DocumentReason>,
    ) -> Result<KeySet, DocumentReason> {
        let now = self.now();
        // The client first: one that has nothing left takes nothing from the site, and so from others. That is no
        // failure of the keys: others who wait for them may have something left.
        if !(rules.keys.per_client.take(presented.id().as_str(), now) && rules.keys.per_site.take(origin, now)) {
            return Err(DocumentReason::TooManyFetches);
        }
        rules.keys.asks(url, now);
        let fetched = rules.fetcher.fetch(Fetch::json(url.as_str(), MAX_BYTES)).await;
        let read = fetched.map_err(|error| unfetched(&error, url)).and_then(|fetched| {
            // What was asked for before the clock went on is not newer for that.
            FetchedKeys::read(&answered(&fetched), now)
        });
        match read {
            Ok(keys) => {
                let set = keys.set().clone();
                rules.keys.keep(url, keys);
                Ok(set)
            }
            Err(reason) => {
                boarded.failed(reason);
                Err(reason)
            }
        }
    }
}
