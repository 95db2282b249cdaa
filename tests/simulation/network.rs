//! Requests on their way to the server, and answers on their way back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use grantor::storage::Storage as _;
use grantor::{ChangeClientError, ClientId, OrderedId, StorageError, Subject};
use http::{Method, Request, Response, StatusCode, header};

use crate::executor::{Slot, Spawner, Time};
use crate::judge::{Gave, Made};
use crate::model::{Intent, Oracle};
use crate::store::StormyStorage;
use crate::support::{API, Answer, Client, World, encode, request};
use crate::weather::Weather;

/// Everything that those who act share.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) world: World<Arc<StormyStorage>>,
    pub(crate) time: Time,
    pub(crate) spawner: Spawner,
    pub(crate) weather: Weather,
    pub(crate) oracle: Oracle,
    /// The client of a thief.
    pub(crate) foreign: Client,
    /// When everybody goes home.
    pub(crate) horizon: u64,
}

/// What is asked of the server.
pub(crate) enum Errand {
    Http(Box<Request<Bytes>>),
    /// A request with that token at a guarded route of that resource.
    Guarded(&'static str, String),
    /// A user takes a grant back on a page of the app.
    Withdraw(&'static str, OrderedId),
    /// An administrator shuts a client out, or lets it in again.
    Admit(ClientId, bool),
}

/// An answer that arrived.
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) gave: Gave,
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }
}

impl Scene {
    pub(crate) fn is_over(&self) -> bool {
        self.time.now() >= self.horizon
    }

    /// Sends a request and waits for the answer, for as long as one does; whoever gives up does not know what
    /// became of it.
    pub(crate) async fn send(&self, intent: Intent, errand: Errand) -> Option<Reply> {
        let slot = Slot::new();
        let task = self.spawner.spawn(self.clone().deliver(intent, errand, slot.clone()));
        let patience = self.weather.pick(&[1_500, 10_000, 10_000]);
        let reply = self.time.within(patience, slot.take()).await;
        if reply.is_none() && self.weather.once_in(2) {
            self.spawner.end(task);
        }
        reply
    }

    async fn deliver(self, intent: Intent, errand: Errand, slot: Slot<Reply>) {
        self.time.sleep(self.weather.latency()).await;
        if self.weather.swallows("fault: a request never arrives") {
            return;
        }
        let request = self.oracle.sent(intent);
        self.oracle.arrived(request);
        let answer = self.weather.for_request(request, self.serve(errand)).await;
        let made = self.made(&answer).await;
        let gave = self.oracle.answered(request, &answer, made);
        if self.weather.swallows("fault: an answer never arrives") {
            return;
        }
        self.time.sleep(self.weather.latency()).await;
        slot.put(Reply { answer, gave });
    }

    async fn serve(&self, errand: Errand) -> Answer {
        match errand {
            Errand::Http(request) => self.world.send(*request).await,
            Errand::Guarded(resource, token) => {
                let guard = self.world.server.resource(resource).unwrap().require("projects:read").unwrap();
                let bearer = format!("Bearer {token}");
                let request = request(Method::GET, "/api").header(header::AUTHORIZATION, bearer).body(()).unwrap();
                match guard.check(&request.into_parts().0).await {
                    Ok(principal) => {
                        let (subject, grant) = (principal.subject().unwrap().as_str(), principal.grant().to_bits());
                        let answer = Response::builder().header("x-principal", format!("{subject} {grant}"));
                        Answer(answer.body(Bytes::new()).unwrap())
                    }
                    Err(refusal) => Answer(refusal.response()),
                }
            }
            Errand::Withdraw(user, grant) => {
                told(self.world.server.revoke_grant(&Subject::new(user), grant).await.map(|_| ()))
            }
            Errand::Admit(client, is_admitted) => {
                let server = &self.world.server;
                let done =
                    if is_admitted { server.unblock_client(&client).await } else { server.block_client(&client).await };
                told(done.map_err(|error| match error {
                    ChangeClientError::Storage(error) => error,
                    other => panic!("{other}"),
                }))
            }
        }
    }

    async fn made(&self, answer: &Answer) -> Option<Made> {
        let code = answer.redirect_parameter("code")?;
        let stored = self.world.storage.inner.code(id_of(&code)).await.unwrap()?;
        let subject = stored.grant.holder.subject()?.as_str();
        let user = USERS.iter().find(|user| **user == subject)?;
        Some(Made { grant: stored.grant.id, user })
    }

    /// Posts a form, as programs do.
    pub(crate) async fn post(&self, intent: Intent, path: &str, form: &[(&str, &str)]) -> Option<Reply> {
        self.send(intent, Errand::Http(Box::new(posted(request(Method::POST, path), form)))).await
    }

    /// Shows a token at a guarded route.
    pub(crate) async fn knock(&self, access: Option<usize>, token: &str) -> Option<Reply> {
        self.send(Intent::Knock(access), Errand::Guarded(API, token.to_owned())).await
    }

    /// Redeems a code in the name of a client.
    pub(crate) async fn exchange(
        &self,
        code: Option<usize>,
        client: &Client,
        text: &str,
        verifier: &str,
    ) -> Option<Reply> {
        let form = client.token_request(text, &[("code_verifier", verifier)]);
        self.post(Intent::Exchange(code), "/oauth/token", &crate::support::pairs(&form)).await
    }

    /// Uses a refresh token in the name of a client.
    pub(crate) async fn refresh(&self, token: Option<usize>, client: &Client, text: &str) -> Option<Reply> {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", text), ("client_id", &client.id)];
        form.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post(Intent::Refresh(token), "/oauth/token", &form).await
    }

    /// Revokes a token in the name of a client.
    pub(crate) async fn revoke(&self, intent: Intent, client: &Client, text: &str) -> Option<Reply> {
        let mut form = vec![("token", text), ("client_id", &client.id)];
        form.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post(intent, "/oauth/revoke", &form).await
    }

    /// Now and then waits until something that lives so long is about to end, or has just ended.
    pub(crate) async fn until_about(&self, lifetime: u64, once_in: usize) -> bool {
        let waits = self.weather.once_in(once_in);
        if waits {
            self.weather.count("client: something is used at its very end");
            self.time.sleep(lifetime.saturating_sub(20_000) + self.weather.about(&[40_000])).await;
        }
        waits
    }

    /// What one does who was told to come again, or was told nothing.
    pub(crate) async fn pause(&self, reply: Option<&Reply>) {
        let millis = match reply {
            Some(_) => 2_000 + self.weather.about(&[1_000]),
            None => self.weather.about(&[500, 500, 5_000, 90_000]),
        };
        self.time.sleep(millis).await;
    }
}

pub(crate) const USERS: [&str; 3] = ["alice", "bob", "mallory"];

/// What the app itself says on a page of its own.
fn told(done: Result<(), StorageError>) -> Answer {
    let Err(error) = done else { return Answer(Response::new(Bytes::new())) };
    assert!(error.is_temporary());
    let answer = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header("retry-after", "2");
    Answer(answer.body(Bytes::new()).unwrap())
}

fn posted(builder: http::request::Builder, form: &[(&str, &str)]) -> Request<Bytes> {
    let builder = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    builder.body(Bytes::from(encode(form))).unwrap()
}

fn id_of(text: &str) -> OrderedId {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
    OrderedId::from_bits(u64::from_be_bytes(bytes[..8].try_into().unwrap())).unwrap()
}

/// A browser in which somebody is signed in.
pub(crate) struct Window {
    scene: Scene,
    client: usize,
    cookies: BTreeMap<String, String>,
}

impl Window {
    /// For requests of the client that the model calls so.
    pub(crate) fn new(scene: &Scene, client: usize, user: &str, number: usize) -> Self {
        let cookies = BTreeMap::from([("session".to_owned(), format!("{user}.{number}"))]);
        Self { scene: scene.clone(), client, cookies }
    }

    fn with_cookies(&self, builder: http::request::Builder) -> http::request::Builder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        builder.header(header::COOKIE, cookies.join("; "))
    }

    pub(crate) async fn open(&mut self, path: &str) -> Option<Reply> {
        let request = self.with_cookies(request(Method::GET, path)).body(Bytes::new()).unwrap();
        let reply = self.scene.send(Intent::Ask(self.client), Errand::Http(Box::new(request))).await?;
        for cookie in reply.answer.0.headers().get_all(header::SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Some(reply)
    }

    pub(crate) async fn press(&self, intent: Intent, path: &str, form: &[(&str, &str)]) -> Option<Reply> {
        let origin = self.scene.world.origin();
        let builder = request(Method::POST, path).header("origin", origin).header("sec-fetch-site", "same-origin");
        self.scene.send(intent, Errand::Http(Box::new(posted(self.with_cookies(builder), form)))).await
    }
}
