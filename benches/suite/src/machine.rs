//! A server with as many live tokens as wanted, put into its store without a request for each.

use std::sync::Arc;

use grantor::protocol::client::ClientId;
use grantor::protocol::grant::{AccessRecord, Grant, Holder};
use grantor::protocol::secret::{Bearer, BearerKind, BearerSeed, OrderedId};
use grantor::protocol::time::Timestamp;
use grantor::storage::{GrantClient, Granted, IssueAccess, Issued, Storage as _};
use grantor::{Guard, MemoryStorage, NewClient, Server};
use http::request::Parts;
use http::{HeaderValue, Request, header};

use crate::now;
use crate::ours::{App, ISSUER, Ours, SECRET};

/// Tokens of one grant: an installation that is used gets a new one every hour, and has the last few.
pub const TOKENS_OF_A_GRANT: u32 = 4;
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(3600);

pub struct Machine {
    server: Server,
    storage: MemoryStorage,
    guard: Guard,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    client: ClientId,
    revision: u32,
    /// Of which new ones are made.
    pattern: Arc<Grant>,
    grant: Option<Arc<Grant>>,
    issued: u32,
    random: u64,
}

impl Machine {
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(clock);
        let (storage, told) = (MemoryStorage::new(), Arc::clone(&clock));
        let server = Server::builder(ISSUER)
            .storage(storage.clone())
            .host(App::default())
            .clock(move || told())
            .scope("projects:read", "See your projects")
            .resource("/api")
            .client(NewClient::confidential("Job").id("job").secret(SECRET).client_credentials())
            .build()
            .unwrap();
        let client = ClientId::parse("job").unwrap();
        let pattern = a_grant(&server, &storage);
        let revision = now(storage.client(&client)).unwrap().unwrap().revision;
        let guard = server.resource("/api").unwrap().require("projects:read").unwrap();
        Self { server, storage, guard, clock, client, revision, pattern, grant: None, issued: 0, random: 1 }
    }

    /// The text of another live token.
    pub fn token(&mut self) -> [u8; 58] {
        loop {
            let at = (self.clock)();
            let mut random = [0; BearerSeed::LEN];
            random.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_ne_bytes()[..chunk.len()]));
            let (text, bearer) = Bearer::mint(BearerKind::Access, at, &BearerSeed::from_random(&random));
            if self.put(&bearer, at) {
                return text.expose().as_bytes().try_into().unwrap();
            }
        }
    }

    /// Whether the id was free.
    fn put(&mut self, &Bearer { id, hash }: &Bearer, at: Timestamp) -> bool {
        let is_new = self.issued.is_multiple_of(TOKENS_OF_A_GRANT);
        let grant = match &self.grant {
            Some(grant) if !is_new => Arc::clone(grant),
            _ => self.new_grant(at),
        };
        let access = AccessRecord {
            id,
            hash,
            grant: grant.id,
            scopes: grant.scopes.clone(),
            resource: grant.resources[0].clone(),
            issued_at: at,
            expires_at: at.after(LIFETIME),
        };
        let is_free = if is_new {
            let (client, client_revision) = (self.client.clone(), self.revision);
            let op = GrantClient { client, client_revision, grant: Arc::clone(&grant), access, now: at };
            now(self.storage.grant_client(op)).unwrap() == Granted::Now
        } else {
            now(self.storage.issue_access(IssueAccess { access, now: at })).unwrap() == Issued::Now
        };
        if is_free {
            (self.grant, self.issued) = (Some(grant), self.issued.wrapping_add(1));
        }
        is_free
    }

    fn new_grant(&mut self, at: Timestamp) -> Arc<Grant> {
        Arc::new(Grant {
            id: OrderedId::new(at, self.next() as u32),
            holder: Holder::Client,
            client: self.client.clone(),
            scopes: self.pattern.scopes.clone(),
            resources: self.pattern.resources.clone(),
            created_at: at,
        })
    }

    /// xorshift64*: nobody guesses tokens here.
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn shows(&self, token: &[u8; 58]) -> Parts {
        let value = HeaderValue::from_bytes(&[b"Bearer ", token.as_slice()].concat()).unwrap();
        Request::get("/api").header(header::AUTHORIZATION, value).body(()).unwrap().into_parts().0
    }

    pub fn guards(&self, request: &Parts) {
        assert!(self.asks(request));
    }

    pub fn asks(&self, request: &Parts) -> bool {
        now(self.guard.check(request)).is_ok()
    }

    pub fn purge(&self, limit: u32) -> u32 {
        now(self.server.purge(limit)).unwrap()
    }
}

/// A grant as the server makes it when the client asks.
fn a_grant(server: &Server, storage: &MemoryStorage) -> Arc<Grant> {
    let answer = now(server.handle(Ours::client_credentials()));
    let tokens: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    let token = Bearer::parse(BearerKind::Access, tokens["access_token"].as_str().unwrap()).unwrap();
    now(storage.access_token(token.id)).unwrap().unwrap().grant
}
