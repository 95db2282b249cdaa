//! Whole requests, from bytes to the answer of a server that has clients, people and tokens.
//!
//! An input is a request in plain text: a line with method and target, header lines, an empty line and the body. What
//! stands in braces is replaced by something fresh and valid, so that requests get past the first checks: `{client}`,
//! `{secret_client}`, `{secret}`, `{cookie}`, `{prompt}`, `{code}`, `{access}`, `{refresh}`; `{machine}` and
//! `{machine_secret}` of a client that acts for itself and introspects, `{managed}` and `{managed_token}` of one that
//! manages its own registration; `{assertion}` of one that signs.
//!
//! No answer may be a panic or a 5xx, and none may be large. How often each endpoint succeeded is written to the file
//! that `FUZZ_SUCCESSES` names, also where that is never.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantor::{Host, HostError, MemoryStorage, NewClient, Registration, Server, SignIn, User};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const CALLBACK: &str = "https://client.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// A world is replaced before it has grown large.
const LIFE: u32 = 10_000;

const PLACEHOLDERS: [&str; 13] = [
    "{prompt}",
    "{code}",
    "{access}",
    "{refresh}",
    "{client}",
    "{secret_client}",
    "{secret}",
    "{machine}",
    "{machine_secret}",
    "{managed}",
    "{managed_token}",
    "{assertion}",
    "{cookie}",
];

struct App;

impl Host for App {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let cookies = request.headers.get("cookie").and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
        let name = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("session="));
        Ok(name.map(|name| User::new(name, name, name)))
    }
    async fn sign_in(&self, _: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}

struct World {
    server: Server,
    client: String,
    secret_client: String,
    secret: String,
    machine: String,
    machine_secret: String,
    /// The last client that manages itself, and its token.
    managed: Option<(String, String)>,
    cookie: String,
    age: u32,
}

struct Fuzz {
    world: Option<World>,
    successes: BTreeMap<&'static str, u64>,
    runs: u64,
}

thread_local! {
    static FUZZ: RefCell<Fuzz> = RefCell::new(Fuzz {
        world: None,
        successes: ENDPOINTS.iter().map(|(name, ..)| (*name, 0)).collect(),
        runs: 0,
    });
}

/// What is counted, by how its paths begin, and by its method or what its body has; the first that fits counts.
const ENDPOINTS: [(&str, &str, &str); 14] = [
    ("preflights", "/", "OPTIONS"),
    ("/oauth/authorize", "/oauth/authorize", ""),
    ("/oauth/consent", "/oauth/consent", ""),
    ("/oauth/token(assertion)", "/oauth/token", "=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ("/oauth/token(client_credentials)", "/oauth/token", "=client_credentials"),
    ("/oauth/token", "/oauth/token", ""),
    ("/oauth/revoke", "/oauth/revoke", ""),
    ("/oauth/introspect", "/oauth/introspect", ""),
    ("/oauth/register/{id}(GET)", "/oauth/register/", "GET"),
    ("/oauth/register/{id}(PUT)", "/oauth/register/", "PUT"),
    ("/oauth/register/{id}(DELETE)", "/oauth/register/", "DELETE"),
    ("/oauth/register", "/oauth/register", ""),
    ("/.well-known", "/.well-known", ""),
    ("/api", "/api", ""),
];

/// Everything here is in memory, so that nothing ever waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("the store in memory does not wait"),
    }
}

impl World {
    fn new() -> Self {
        let builder = Server::builder("https://app.example").storage(MemoryStorage::new()).host(App);
        let server = builder
            .scope("projects:read", "See your projects")
            .scope("projects:write", "Change your projects")
            .default_scopes("projects:read")
            .resource("/api")
            .registration(Registration::Open)
            .registration_management()
            .build()
            .expect("a server");
        let public = now(server.create_client(NewClient::public("Public").redirect_uri(CALLBACK))).expect("a client");
        let confidential = NewClient::confidential("Confidential").redirect_uri(CALLBACK);
        let confidential = now(server.create_client(confidential)).expect("a client");
        let x = encoded(signer().public_key());
        let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        now(server.create_client(NewClient::with_keys("Signer", &jwks).id("signer").client_credentials()))
            .expect("a client");
        let machine = NewClient::confidential("Machine").client_credentials().introspects(["/api"]);
        let machine = now(server.create_client(machine)).expect("a client");
        Self {
            server,
            client: public.client.id.to_string(),
            secret_client: confidential.client.id.to_string(),
            secret: confidential.secret.expect("a secret").expose().to_owned(),
            machine: machine.client.id.to_string(),
            machine_secret: machine.secret.expect("a secret").expose().to_owned(),
            managed: None,
            cookie: "session=alice".to_owned(),
            age: 0,
        }
    }

    fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        now(self.server.handle(request))
    }

    /// The consent page that the public client's honest request leads to.
    fn prompt(&mut self) -> String {
        let target = format!(
            "/oauth/authorize?response_type=code&client_id={}&redirect_uri={}&code_challenge={CHALLENGE}&code_challenge_method=S256&scope=projects:read",
            self.client, "https%3A%2F%2Fclient.example%2Fcb"
        );
        let request = Request::get(target).header("cookie", &self.cookie).body(Bytes::new()).expect("a request");
        let answer = self.handle(request);
        if let Some(cookie) = answer.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            self.cookie = format!("session=alice; {pair}");
        }
        let page = String::from_utf8_lossy(answer.body());
        let field = page.split("name=\"prompt\"").nth(1).and_then(|rest| rest.split('"').nth(1));
        field.expect("a consent page").to_owned()
    }

    fn code(&mut self) -> String {
        let body = format!("prompt={}&decision=allow", self.prompt());
        let answer = self.handle(form("/oauth/consent", &body, &self.cookie));
        let location = answer.headers()["location"].to_str().expect("a location").to_owned();
        let code = location.split("code=").nth(1).and_then(|rest| rest.split('&').next());
        code.expect("a code").to_owned()
    }

    fn token(&mut self, name: &str) -> String {
        let (code, client) = (self.code(), &self.client);
        let body = format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&client_id={client}");
        let answer = self.handle(form("/oauth/token", &body, ""));
        let json: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
        json[name].as_str().expect("a token").to_owned()
    }

    /// A client that manages itself: the last one, for as long as it is there.
    fn managed(&mut self) -> (String, String) {
        let kept = self.managed.take().filter(|(id, token)| {
            let request =
                Request::get(format!("/oauth/register/{id}")).header("authorization", format!("Bearer {token}"));
            self.handle(request.body(Bytes::new()).expect("a request")).status() == 200
        });
        let managed = kept.unwrap_or_else(|| {
            let metadata = format!("{{\"redirect_uris\":[\"{CALLBACK}\"],\"token_endpoint_auth_method\":\"none\"}}");
            let request = Request::post("/oauth/register").header("content-type", "application/json");
            let answer = self.handle(request.body(Bytes::from(metadata)).expect("a request"));
            let json: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
            let text = |name: &str| json[name].as_str().expect("a text").to_owned();
            (text("client_id"), text("registration_access_token"))
        });
        self.managed = Some(managed.clone());
        managed
    }

    /// The text with what stands in braces replaced.
    fn filled(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for name in PLACEHOLDERS {
            if !text.contains(name) {
                continue;
            }
            let value = match name {
                "{prompt}" => self.prompt(),
                "{code}" => self.code(),
                "{access}" => self.token("access_token"),
                "{refresh}" => self.token("refresh_token"),
                "{client}" => self.client.clone(),
                "{secret_client}" => self.secret_client.clone(),
                "{secret}" => self.secret.clone(),
                "{machine}" => self.machine.clone(),
                "{machine_secret}" => self.machine_secret.clone(),
                "{managed}" => self.managed().0,
                "{managed_token}" => self.managed().1,
                "{assertion}" => assertion(),
                _ => self.cookie.clone(),
            };
            text = text.replace(name, &value);
        }
        text
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed")
}

/// A fresh one of the client that signs.
#[allow(clippy::disallowed_methods, reason = "the server's clock is the system's")]
fn assertion() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    let claims = format!(
        r#"{{"iss":"signer","sub":"signer","aud":"https://app.example","exp":{},"jti":"{}"}}"#,
        now + 60,
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    let signed = format!("{}.{}", encoded(r#"{"alg":"EdDSA"}"#), encoded(claims));
    format!("{signed}.{}", encoded(signer().sign(signed.as_bytes())))
}

fn form(path: &str, body: &str, cookie: &str) -> Request<Bytes> {
    let builder = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://app.example")
        .header("cookie", cookie);
    builder.body(Bytes::from(body.to_owned())).expect("a request")
}

/// Reads a request; `None` if no HTTP library would let it through.
fn read(head: &str, body: Vec<u8>) -> Option<Request<Bytes>> {
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(target).ok()?;
    for line in lines.take(64) {
        let (name, value) = line.split_once(": ")?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(request)
}

fn endpoint(request: &Request<Bytes>) -> &'static str {
    let body = String::from_utf8_lossy(request.body());
    let has = |word: &str| {
        word.is_empty() || word == request.method().as_str() || (word.starts_with('=') && body.contains(word))
    };
    let fits = |(_, start, word): &&(&str, &str, &str)| request.uri().path().starts_with(start) && has(word);
    ENDPOINTS.iter().find(fits).map_or("elsewhere", |(name, ..)| name)
}

/// Sends one request and judges the answer.
pub fn send(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    FUZZ.with_borrow_mut(|fuzz| {
        let world = fuzz.world.get_or_insert_with(World::new);
        let body = world.filled(body);
        let Some(request) = read(&world.filled(head), body.into_bytes()) else { return };
        let name = endpoint(&request);
        let is_success = if request.uri().path() == "/api" { knock(world, request) } else { ask(world, request) };
        *fuzz.successes.entry(name).or_default() += u64::from(is_success);
        world.age += 1;
        if world.age > LIFE {
            fuzz.world = None;
        }
        fuzz.runs += 1;
        if fuzz.runs.is_multiple_of(64) {
            tell(&fuzz.successes);
        }
    });
}

fn ask(world: &World, request: Request<Bytes>) -> bool {
    let introspects = request.uri().path() == "/oauth/introspect" && request.method() == Method::POST;
    let what = format!("{} {} {:?} {:?}", request.method(), request.uri(), request.headers(), request.body());
    let answer = world.handle(request);
    assert!(!answer.status().is_server_error(), "{}: {what}", answer.status());
    assert!(answer.body().len() < 200_000, "{} bytes: {what}", answer.body().len());
    // Of a token that is worth nothing a client is told with the same status.
    let is_told = !introspects || answer.body().starts_with(b"{\"active\":true");
    answer.status().as_u16() < 400 && is_told
}

fn knock(world: &World, request: Request<Bytes>) -> bool {
    let guard = world.server.resource("/api").expect("a resource").require("projects:read").expect("a scope");
    let passed = now(guard.check(&request.into_parts().0));
    let status = passed.map_or_else(|refusal| refusal.response().status().as_u16(), |_| 200);
    assert!(status < 500, "{status}");
    status < 400
}

fn tell(successes: &BTreeMap<&'static str, u64>) {
    #[allow(clippy::disallowed_methods, reason = "who fuzzes says where the counts go")]
    let Ok(file) = std::env::var("FUZZ_SUCCESSES") else { return };
    let lines: String = successes.iter().map(|(endpoint, times)| format!("{endpoint} {times}\n")).collect();
    std::fs::write(file, lines).expect("the file can be written");
}
