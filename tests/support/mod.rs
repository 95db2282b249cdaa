//! A small world for black-box tests: an app with grantor in it, its people, their browsers, and
//! clients. Everything goes through `Server::handle`, as HTTP would.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

pub mod examples;
pub mod logins;
pub mod losses;
pub mod machines;
pub mod ports;
pub mod refreshing;
pub mod secrets;
pub mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use grantor::storage::Storage;
use grantor::{Builder, Host, HostError, MemoryStorage, Registration, Resource, Server, SignIn, Timestamp, User};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::Value;

pub const ISSUER: &str = "https://app.example";
pub const API: &str = "https://app.example/api";
pub const MCP: &str = "https://app.example/mcp";
pub const CALLBACK: &str = "https://client.example/cb";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const START: u64 = 1_800_000_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

/// The app: whoever sends the cookie `session=alice.1` is alice, in her session `alice.1`.
pub struct App;

impl Host for App {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let session = cookies(&request.headers).remove("session");
        Ok(session.map(|session| {
            let name = session.split('.').next().unwrap_or_default().to_owned();
            User::new(&name, format!("{name}@app.example"), session)
        }))
    }

    async fn sign_in(&self, _: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}

fn cookies(headers: &HeaderMap) -> BTreeMap<String, String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// An app with grantor in it.
#[derive(Clone)]
pub struct World<S = MemoryStorage> {
    pub server: Server,
    pub storage: S,
    pub clock: TestClock,
    pub issuer: String,
}

impl World {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// The same with changes to its configuration.
    pub fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::at(ISSUER, MemoryStorage::new(), change)
    }
}

impl<S: Storage + Clone> World<S> {
    /// An app at `issuer` with the resources `/api` and `/mcp` at its origin, over that store.
    pub fn at(issuer: &str, storage: S, change: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = TestClock(Arc::new(AtomicU64::new(START)));
        let ticking = clock.clone();
        let origin = url::Url::parse(issuer).unwrap().origin().ascii_serialization();
        let builder = Server::builder(issuer)
            .storage(storage.clone())
            .host(App)
            .app_name("Plan")
            .scope("projects:read", "See your projects")
            .scope("projects:write", "Create and change your projects")
            .reserved_scope("admin", "Administer everything")
            .default_scopes("projects:read")
            .resource(Resource::new(&format!("{origin}/api")).name("Plan API"))
            .resource(format!("{origin}/mcp"))
            .registration(Registration::Open)
            .clock(move || ticking.now());
        Self { server: change(builder).build().unwrap(), storage, clock, issuer: issuer.to_owned() }
    }

    /// `scheme://host[:port]` of the app.
    pub fn origin(&self) -> String {
        url::Url::parse(&self.issuer).unwrap().origin().ascii_serialization()
    }

    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        Answer(self.server.handle(request).await)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Bytes::new()).unwrap()).await
    }

    pub async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let builder =
            headers.iter().fold(request(method, path), |builder, (name, value)| builder.header(*name, *value));
        self.send(builder.body(Bytes::new()).unwrap()).await
    }

    /// Posts a form, as a client would.
    pub async fn post(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let builder =
            headers.iter().fold(request(Method::POST, path), |builder, (name, value)| builder.header(*name, *value));
        let body = Bytes::from(encode(form));
        self.send(builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).unwrap()).await
    }

    /// Registers a client with exactly this metadata.
    pub async fn register(&self, metadata: &Value) -> Answer {
        let body = Bytes::from(metadata.to_string());
        self.send(
            request(Method::POST, "/oauth/register")
                .header(header::CONTENT_TYPE, "application/json")
                .body(body)
                .unwrap(),
        )
        .await
    }

    /// A public client that registered itself with [`CALLBACK`].
    pub async fn public_client(&self) -> Client {
        self.client("none", &[CALLBACK]).await
    }

    /// A client that registered itself.
    pub async fn client(&self, auth_method: &str, redirect_uris: &[&str]) -> Client {
        let metadata = serde_json::json!({
            "client_name": "Helper", "redirect_uris": redirect_uris, "token_endpoint_auth_method": auth_method,
            "client_uri": another_home_page(),
        });
        let answer = self.register(&metadata).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
        let json = answer.json();
        Client {
            id: json["client_id"].as_str().unwrap().to_owned(),
            secret: json["client_secret"].as_str().map(str::to_owned),
            redirect_uri: redirect_uris[0].to_owned(),
        }
    }

    /// A client that the app's own people brought: it is put into the store as an administrator would.
    pub async fn administrators_client(&self, id: &str, secret: Option<&str>, redirect_uris: &[&str]) -> Client {
        use grantor::protocol::client as protocol;
        let authentication = match secret {
            Some(secret) => {
                protocol::ClientAuthentication::Secret(grantor::protocol::secret::SecretHash::of_text(secret))
            }
            None => protocol::ClientAuthentication::None,
        };
        let client = protocol::Client {
            id: protocol::ClientId::parse(id).unwrap(),
            origin: protocol::ClientOrigin::Administrator,
            authentication,
            metadata: protocol::ClientMetadata {
                redirect_uris: redirect_uris
                    .iter()
                    .map(|uri| grantor::protocol::redirect::RedirectUri::parse(uri).unwrap())
                    .collect(),
                name: Some("House client".to_owned()),
                home_page: None,
                logo: None,
                auth_method: if secret.is_some() {
                    protocol::AuthMethod::ClientSecretBasic
                } else {
                    protocol::AuthMethod::None
                },
                grant_types: vec![protocol::GrantType::AuthorizationCode],
            },
            scope_ceiling: None,
            consent_policy: protocol::ConsentPolicy::Ask,
            blocked: false,
            lifetimes: Default::default(),
            introspects: None,
            registration: None,
            tenure: None,
            created_at: self.clock.now(),
            revision: 0,
        };
        assert_eq!(
            self.storage.insert_client(grantor::storage::testkit::records::insert(client)).await.unwrap(),
            grantor::storage::Inserted::New
        );
        Client { id: id.to_owned(), secret: secret.map(str::to_owned), redirect_uri: redirect_uris[0].to_owned() }
    }

    /// A browser in which a person is signed in.
    pub fn browser_of(&self, name: &str) -> Browser<S> {
        let mut browser = self.browser();
        browser.sign_in(name);
        browser
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser<S> {
        Browser { world: self.clone(), cookies: BTreeMap::new() }
    }

    /// A code that alice has consented to.
    pub async fn code(&self, client: &Client) -> String {
        self.code_for(client, &[]).await
    }

    /// The same with changes to the authorization request.
    pub async fn code_for(&self, client: &Client, changes: &[(&str, &str)]) -> String {
        let mut browser = self.browser_of("alice");
        let answer = browser.allow(&client.authorize_with(changes)).await;
        answer
            .redirect_parameter("code")
            .unwrap_or_else(|| panic!("no code: {:?} {}", answer.location(), answer.body()))
    }

    /// Exchanges a code, with changes to the honest request: an empty value takes a parameter out.
    pub async fn exchange(&self, client: &Client, code: &str, changes: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", &pairs(&client.token_request(code, changes)), &[]).await
    }

    /// A fresh access token of alice for that client.
    pub async fn access_token(&self, client: &Client) -> String {
        let code = self.code(client).await;
        let answer = self.exchange(client, &code, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// What the guard of a resource says about a token: the status of its answer, 200 if it may pass.
    pub async fn guard(&self, resource: &str, scopes: &str, token: &str) -> u16 {
        let guard = self.server.resource(resource).unwrap().require(scopes).unwrap();
        let request =
            request(Method::GET, "/api").header(header::AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap();
        match guard.check(&request.into_parts().0).await {
            Ok(_) => 200,
            Err(refusal) => refusal.response().status().as_u16(),
        }
    }

    /// Fails if one of these people has given anything to anybody.
    pub async fn assert_nothing_granted(&self, names: &[&str]) {
        for name in names {
            let subject = grantor::Subject::new(name);
            assert!(self.server.grants(&subject, None, 10).await.unwrap().is_empty(), "{name} gave access");
        }
    }

    /// Whether a token opens the API.
    pub async fn is_live(&self, token: &str) -> bool {
        let resource = format!("{}/api", self.origin());
        self.guard(&resource, "projects:read", token).await == 200
    }
}

/// Two clients that say the same of themselves would be one.
pub fn another_home_page() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    format!("https://client.example/{}", NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// A client as it knows itself.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
    pub redirect_uri: String,
}

impl Client {
    /// The path and query of an honest authorization request.
    pub fn authorize(&self) -> String {
        self.authorize_with(&[])
    }

    /// The same with changes: an empty value takes a parameter out, another one replaces it or is added.
    pub fn authorize_with(&self, changes: &[(&str, &str)]) -> String {
        let honest = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "projects:read projects:write"),
            ("state", "st/a te"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        format!("/oauth/authorize?{}", encode(&pairs(&changed(&honest, changes))))
    }

    pub fn token_request(&self, code: &str, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut honest = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("client_id", &self.id),
            ("code_verifier", VERIFIER),
        ];
        honest.extend(self.secret.as_deref().map(|secret| ("client_secret", secret)));
        changed(&honest, changes)
    }

    /// The value of an `Authorization` header with this client's credentials.
    pub fn basic(&self) -> String {
        use base64::Engine as _;
        let credentials = format!("{}:{}", self.id, self.secret.as_deref().unwrap_or_default());
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
    }
}

pub fn changed(honest: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let kept = honest.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let added = changes.iter().filter(|(_, value)| !value.is_empty());
    kept.chain(added).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn pairs(owned: &[(String, String)]) -> Vec<(&str, &str)> {
    owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub fn encode(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

pub fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path)
}

/// A person's browser: it keeps cookies and sends the headers that browsers send.
#[derive(Clone)]
pub struct Browser<S = MemoryStorage> {
    pub world: World<S>,
    pub cookies: BTreeMap<String, String>,
}

impl<S: Storage + Clone> Browser<S> {
    /// A new session of that person.
    pub fn sign_in(&mut self, name: &str) {
        static SESSION: AtomicU64 = AtomicU64::new(1);
        let session = format!("{name}.{}", SESSION.fetch_add(1, Ordering::SeqCst));
        self.cookies.insert("session".to_owned(), session);
    }

    pub fn sign_out(&mut self) {
        self.cookies.remove("session");
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.with_cookies(request(Method::GET, path)).body(Bytes::new()).unwrap();
        self.send(request).await
    }

    /// Posts a form from a page of the app itself.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let origin = self.world.origin();
        self.post_with(path, form, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    /// Posts a form with these headers.
    pub async fn post_with(&mut self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let builder =
            headers.iter().fold(request(Method::POST, path), |builder, (name, value)| builder.header(*name, *value));
        let builder = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = self.with_cookies(builder).body(Bytes::from(encode(form))).unwrap();
        self.send(request).await
    }

    /// Opens an authorization request and reads the consent form.
    pub async fn prompt(&mut self, authorize: &str) -> ConsentPage {
        let answer = self.get(authorize).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?} {}", answer.location(), answer.body());
        ConsentPage::read(answer.body())
    }

    /// Opens an authorization request and presses Allow.
    pub async fn allow(&mut self, authorize: &str) -> Answer {
        let page = self.prompt(authorize).await;
        self.decide(&page, "allow").await
    }

    /// Opens an authorization request and presses Deny.
    pub async fn deny(&mut self, authorize: &str) -> Answer {
        let page = self.prompt(authorize).await;
        self.decide(&page, "deny").await
    }

    /// Presses a button of a consent page.
    pub async fn decide(&mut self, page: &ConsentPage, decision: &str) -> Answer {
        self.post(&page.action, &page.form(decision)).await
    }

    /// Fails unless this page can be answered in this browser.
    pub async fn assert_open(&mut self, page: &ConsentPage) {
        let answer = self.decide(page, "allow").await;
        assert!(answer.redirect_parameter("code").is_some(), "{}", answer.body());
    }

    fn with_cookies(&self, builder: http::request::Builder) -> http::request::Builder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { builder } else { builder.header(header::COOKIE, cookies.join("; ")) }
    }

    async fn send(&mut self, request: Request<Bytes>) -> Answer {
        let answer = self.world.send(request).await;
        for cookie in answer.0.headers().get_all(header::SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

/// The form of a consent page.
#[derive(Clone, Debug)]
pub struct ConsentPage {
    pub html: String,
    pub action: String,
    pub prompt: String,
}

impl ConsentPage {
    pub fn read(html: &str) -> Self {
        let attribute = |tag: &str, name: &str| {
            let start = html.find(tag).unwrap_or_else(|| panic!("no {tag} in {html}"));
            let rest = &html[start..start + html[start..].find('>').unwrap()];
            let value = rest.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {rest}"));
            value.split('"').next().unwrap().replace("&#x2F;", "/").replace("&#47;", "/")
        };
        Self {
            html: html.to_owned(),
            action: attribute("<form", "action"),
            prompt: attribute("name=\"prompt\"", "value"),
        }
    }

    pub fn form<'a>(&'a self, decision: &'a str) -> [(&'a str, &'a str); 2] {
        [("prompt", &self.prompt), ("decision", decision)]
    }
}

/// An answer, read as a test wants it.
#[derive(Debug)]
pub struct Answer(pub Response<Bytes>);

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub fn body(&self) -> &str {
        std::str::from_utf8(self.0.body()).unwrap()
    }

    /// Whether a code is anywhere in the body. A sealed prompt may have a code's first letters in its middle.
    pub fn shows_a_code(&self) -> bool {
        let mut words = self.body().split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        words.any(|word| word.starts_with("grc_"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_else(|error| panic!("{error}: {}", self.body()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name).map(|value| value.to_str().unwrap())
    }

    pub fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// A parameter of the query of the redirect, if it is there exactly once.
    pub fn redirect_parameter(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.location()?).unwrap();
        let mut values = url.query_pairs().filter(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {url}");
        value
    }

    /// The RFC's error code in a JSON body.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails unless this is an error of that code and status, never to be cached.
    pub fn assert_error(&self, status: u16, code: &str) {
        assert_eq!((self.status().as_u16(), self.error().as_str()), (status, code), "{}", self.body());
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }

    /// Fails unless nobody got a code from this answer and nobody was sent anywhere.
    pub fn assert_refused(&self, status: u16, why: &str) {
        assert_eq!(self.status().as_u16(), status, "{why}: {:?} {}", self.location(), self.body());
        assert!(self.location().is_none(), "{why}: {:?}", self.location());
        assert!(!self.shows_a_code(), "{why}");
    }

    /// Fails unless this is an error page, and not a redirect.
    pub fn assert_page(&self, status: u16) {
        assert_eq!(self.status().as_u16(), status, "{:?} {}", self.location(), self.body());
        assert!(self.location().is_none(), "{:?}", self.location());
        assert!(self.header("content-type").unwrap().starts_with("text/html"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }
}
