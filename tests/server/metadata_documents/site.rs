//! A web of sites for tests: what answers at which URL, and what was fetched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use grantor::host::{Event, Fetch, FetchError, Fetched};
use grantor::{Builder, Fetcher, MetadataDocuments};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{CALLBACK, Client, World};

pub(crate) const URL: &str = "https://client.example/client.json";

#[derive(Clone)]
pub(crate) struct Web(Arc<Inner>);

struct Inner {
    answers: Mutex<BTreeMap<String, Answer>>,
    fetched: Mutex<Vec<String>>,
    /// One permit is taken by each fetch while there is a gate.
    gate: Mutex<Option<Arc<Semaphore>>>,
    events: Mutex<Vec<Value>>,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Is(Fetched),
    Unreachable,
    TimedOut,
    NotPublic,
    TooLarge,
}

impl Fetcher for Web {
    async fn fetch(&self, ask: Fetch<'_>) -> Result<Fetched, FetchError> {
        assert_eq!((ask.accept, ask.limit), ("application/json", 64 * 1024));
        self.0.fetched.lock().unwrap().push(ask.url.to_owned());
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        match self.0.answers.lock().unwrap().get(ask.url).cloned() {
            Some(Answer::Is(fetched)) => Ok(fetched),
            Some(Answer::TimedOut) => Err(FetchError::TimedOut),
            Some(Answer::NotPublic) => Err(FetchError::AddressNotPublic),
            Some(Answer::TooLarge) => Err(FetchError::TooLarge),
            Some(Answer::Unreachable) | None => Err(FetchError::unreachable("nobody is there")),
        }
    }
}

impl Web {
    /// With the document of [`document`] at [`URL`].
    pub(crate) fn new() -> Self {
        let web = Self::empty();
        web.put(URL, &document(URL));
        web
    }

    pub(crate) fn empty() -> Self {
        Self(Arc::new(Inner {
            answers: Mutex::default(),
            fetched: Mutex::default(),
            gate: Mutex::default(),
            events: Mutex::default(),
        }))
    }

    pub(crate) fn answer(&self, url: &str, answer: Answer) {
        self.0.answers.lock().unwrap().insert(url.to_owned(), answer);
    }

    pub(crate) fn put(&self, url: &str, document: &Value) {
        self.answer(url, Answer::Is(json_answer(&document.to_string())));
    }

    /// How much was fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.0.fetched.lock().unwrap().len()
    }

    /// How often that was fetched.
    pub(crate) fn fetches_of(&self, url: &str) -> usize {
        self.0.fetched.lock().unwrap().iter().filter(|fetched| *fetched == url).count()
    }

    /// Holds every fetch until a permit is added.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) fn world(&self) -> World {
        self.world_with(|rules| rules)
    }

    pub(crate) fn world_with(&self, change: impl FnOnce(MetadataDocuments) -> MetadataDocuments) -> World {
        World::with(|builder| self.configure(builder, change))
    }

    pub(crate) fn configure(
        &self,
        builder: Builder,
        change: impl FnOnce(MetadataDocuments) -> MetadataDocuments,
    ) -> Builder {
        let web = self.clone();
        let audit = move |event: &Event| web.0.events.lock().unwrap().push(serde_json::to_value(event).unwrap());
        builder.client_metadata_documents(change(MetadataDocuments::new(self.clone()))).audit(audit)
    }

    /// Name and news or reason of all events about documents, and of all refusals.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let events = self.0.events.lock().unwrap();
        let told =
            events.iter().map(|event| (text(event, "event"), text(event, "news") + text(event, "reason").as_str()));
        told.filter(|(name, _)| name.starts_with("document_") || name == "refused").collect()
    }

    pub(crate) fn last_event(&self) -> (String, String) {
        self.events().pop().unwrap_or_default()
    }
}

pub(crate) fn json_answer(body: &str) -> Fetched {
    Fetched::new(200, body.to_owned()).content_type("application/json")
}

/// An honest document.
pub(crate) fn document(url: &str) -> Value {
    json!({
        "client_id": url,
        "client_name": "Helper",
        "client_uri": "https://client.example/",
        "logo_uri": "https://client.example/logo.png",
        "redirect_uris": [CALLBACK, "http://127.0.0.1/callback", "com.example.client:/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}

pub(crate) fn client(url: &str, redirect_uri: &str) -> Client {
    Client { id: url.to_owned(), secret: None, redirect_uri: redirect_uri.to_owned() }
}
