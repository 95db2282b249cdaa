//! grantor: every call is a request and a response, from the bytes of one to those of the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantor::protocol::client::ConsentPolicy;
use grantor::protocol::grant::Subject;
use grantor::{Guard, Host, HostError, MemoryStorage, NewClient, Server, SignIn, User};
use http::request::Parts;
use http::{Request, header};

use crate::now;

pub const ISSUER: &str = "https://app.example";
pub const RESOURCE: &str = "https://app.example/api";
pub const METADATA: &str = "/.well-known/oauth-authorization-server";
pub const CALLBACK: &str = "https://client.example/cb";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const SECRET: &str = "mJ2yfFq0S3eYwB9nTg6hVxLzRk4pUcDa8oNs1iEv5bQ";

/// The form by which the machine gets access of its own.
pub const ACCESS: &str = "grant_type=client_credentials&resource=https%3A%2F%2Fapp.example%2Fapi";

/// Somebody is signed in whenever it is asked, one after the other: what that costs is the app's.
#[derive(Default)]
pub struct App(AtomicUsize);

/// So many people use the app.
const USERS: usize = 10_000;

impl Host for App {
    async fn signed_in(&self, _: &Parts) -> Result<Option<User>, HostError> {
        let user = self.0.fetch_add(1, Ordering::Relaxed) % USERS;
        Ok(Some(User::new(&user.to_string(), "alice@app.example", "session")))
    }

    async fn sign_in(&self, _: &Parts, _: SignIn) -> Result<String, HostError> {
        Err(HostError::new("nobody has to sign in"))
    }
}

pub struct Ours {
    storage: MemoryStorage,
    server: Server,
    guard: Guard,
    authorize: String,
    users: AtomicUsize,
}

impl Ours {
    pub fn new() -> Self {
        let storage = MemoryStorage::new();
        let server = Server::builder(ISSUER)
            .storage(storage.clone())
            .host(App::default())
            .scope("projects:read", "See your projects")
            .scope("projects:write", "Change your projects")
            .resource("/api")
            // Its own clients are asked nothing, so that a request to authorize is answered with a code.
            .client(NewClient::public("App").id("app").redirect_uri(CALLBACK).consent(ConsentPolicy::Skip))
            .client(NewClient::confidential("Job").id("job").secret(SECRET).client_credentials().introspects(["/api"]))
            .build()
            .unwrap();
        let guard = server.resource("/api").unwrap().require("projects:read").unwrap();
        let authorize = format!(
            "/oauth/authorize?response_type=code&client_id=app&redirect_uri={}&scope=projects:read%20projects:write\
             &state=s&code_challenge={CHALLENGE}&code_challenge_method=S256&resource={}",
            "https%3A%2F%2Fclient.example%2Fcb", "https%3A%2F%2Fapp.example%2Fapi"
        );
        Self { storage, server, guard, authorize, users: AtomicUsize::new(0) }
    }

    /// The server.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Its store.
    pub const fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    /// The guard of `/api`.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    fn post(form: String, basic: bool) -> Request<Bytes> {
        let request = Request::post("/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match basic {
            true => request.header(header::AUTHORIZATION, Self::basic()),
            false => request,
        };
        request.body(form.into()).unwrap()
    }

    /// How the machine proves who it is.
    pub fn basic() -> String {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("job:{SECRET}")))
    }

    /// The request for the metadata (RFC 8414).
    pub fn metadata() -> Request<Bytes> {
        Request::get(METADATA).body(Bytes::new()).unwrap()
    }

    /// A request to authorize.
    pub fn asks(&self) -> Request<Bytes> {
        Request::get(&self.authorize).body(Bytes::new()).unwrap()
    }

    /// The same as its query, with who asks.
    pub fn query(&self) -> (&str, Subject) {
        let (_, query) = self.authorize.split_once('?').unwrap();
        let user = self.users.fetch_add(1, Ordering::Relaxed) % USERS;
        (query, Subject::new(&user.to_string()))
    }

    /// The request that redeems a fresh code.
    pub fn redeems(&self) -> Request<Bytes> {
        self.redeems_code(&self.code(self.asks()))
    }

    fn redeems_code(&self, code: &str) -> Request<Bytes> {
        Self::post(Self::form_of(code), false)
    }

    /// The form that redeems a code.
    pub fn form_of(code: &str) -> String {
        format!(
            "grant_type=authorization_code&client_id=app&code={code}&code_verifier={VERIFIER}\
             &redirect_uri=https%3A%2F%2Fclient.example%2Fcb&resource=https%3A%2F%2Fapp.example%2Fapi"
        )
    }

    /// A fresh code.
    pub fn code(&self, asks: Request<Bytes>) -> String {
        let answer = now(self.server.handle(asks));
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        let (_, code) = location.split_once("code=").unwrap();
        code.split('&').next().unwrap().to_owned()
    }

    pub fn handle(&self, request: Request<Bytes>) -> http::Response<Bytes> {
        let answer = now(self.server.handle(request));
        assert_eq!(answer.status(), 200);
        answer
    }

    /// From the request to authorize up to the tokens.
    pub fn goes_the_whole_way(&self, asks: Request<Bytes>) -> http::Response<Bytes> {
        let code = self.code(asks);
        self.handle(self.redeems_code(&code))
    }

    /// The request that uses a fresh refresh token.
    pub fn refreshes(&self) -> Request<Bytes> {
        Self::post(self.refresh_form(), false)
    }

    /// The form that uses a fresh refresh token.
    pub fn refresh_form(&self) -> String {
        let tokens: serde_json::Value = serde_json::from_slice(self.handle(self.redeems()).body()).unwrap();
        let token = tokens["refresh_token"].as_str().unwrap();
        format!("grant_type=refresh_token&client_id=app&refresh_token={token}")
    }

    /// The request of a client for access of its own.
    pub fn client_credentials() -> Request<Bytes> {
        Self::post(ACCESS.to_owned(), true)
    }

    /// A fresh access token.
    pub fn token(&self) -> String {
        let tokens: serde_json::Value = serde_json::from_slice(self.handle(Self::client_credentials()).body()).unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    pub fn introspects(&self, token: &str) -> Request<Bytes> {
        let request = Request::post("/oauth/introspect")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, Self::basic());
        request.body(format!("token={token}").into()).unwrap()
    }

    /// A request to a guarded route.
    pub fn shows(&self, token: &str) -> Parts {
        Request::get("/api").header(header::AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap().into_parts().0
    }

    pub fn guards(&self, request: &Parts) {
        assert!(now(self.guard.check(request)).is_ok());
    }
}

/// What hides the challenge of a verifier: SHA-256, as every peer has it.
pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, VERIFIER.as_bytes()))
}
