//! Attack 54: any bytes at any endpoint. Seeded, so that a failure can be seen again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::{API, CALLBACK, Client, ConsentPage, ISSUER, World, encode, pairs};
use base64::Engine as _;
use bytes::Bytes;
use grantor::NewClient;
use grantor::host::{Entropy, EntropyError};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

const SEED: u64 = 0x5eed_0f54;
/// Unless `GRANTOR_FUZZ_REQUESTS` says otherwise.
const REQUESTS: u64 = 24_000;

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    /// The same bytes with a few changes: flipped, removed, repeated, cut off, spliced.
    fn mutated(&mut self, honest: &[u8]) -> Vec<u8> {
        let mut bytes = honest.to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => bytes.splice(at..at, self.bytes(9)).for_each(drop),
                4 => bytes.splice(at..at, self.pick(&NASTY).bytes()).for_each(drop),
                5 => bytes.extend_from_within(at..),
                _ if at < bytes.len() => bytes[at] = self.next().to_be_bytes()[0],
                _ => {}
            }
            bytes.truncate(150_000);
        }
        bytes
    }
}

const NASTY: [&str; 22] = [
    "&&&",
    "==",
    "%",
    "%0",
    "%00",
    "%ff%fe",
    "%C0%AF",
    "\0",
    "\r\nx: y",
    "\u{202e}",
    "&resource=",
    "&state=",
    "a=b&a=b",
    "../",
    "//",
    "[[[[{{{{",
    "\"\\\"",
    "\\u0000\\ud800",
    "99999999999999999999",
    "+",
    ";",
    "é",
];

const METHODS: [&str; 11] =
    ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "X-M!"];

/// Randomness of the server that a run can be repeated with.
struct Repeatable(Mutex<Random>);

impl Entropy for Repeatable {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut random = self.0.lock().unwrap();
        bytes.iter_mut().for_each(|byte| *byte = random.next().to_be_bytes()[0]);
        Ok(())
    }
}

fn seeded() -> World {
    World::with(|builder| builder.entropy(Repeatable(Mutex::new(Random(!SEED)))).registration_management())
}

/// Honest requests and parts of them, from which the others are made.
struct Seeds {
    targets: Vec<String>,
    bodies: Vec<(&'static str, String)>,
    cookies: String,
    authorizations: Vec<String>,
}

const FORM: &str = "application/x-www-form-urlencoded";

async fn seeds(world: &World, round: u64) -> Seeds {
    let client = world.public_client().await;
    let secret = world.client("client_secret_basic", &[CALLBACK]).await;
    let native = world.client("none", &["http://127.0.0.1/cb", "com.example.app:/cb"]).await;
    let house = world.administrators_client(&format!("house-{round}"), None, &[CALLBACK]).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let token = world.access_token(&client).await;
    let mut targets: Vec<_> = [&client, &secret, &native, &house].map(Client::authorize).into();
    targets.push(house.authorize_with(&[("resource", API), ("response_type", "token")]));
    let itself =
        world.register(&serde_json::json!({ "client_name": "Itself", "redirect_uris": [CALLBACK] })).await.json();
    let managed = format!("/oauth/register/{}", itself["client_id"].as_str().unwrap());
    let managing = format!("Bearer {}", itself["registration_access_token"].as_str().unwrap());
    for path in [
        "/oauth/authorize",
        "/oauth/consent",
        "/oauth/token",
        "/oauth/introspect",
        "/oauth/register",
        &managed,
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/api",
        "/.well-known/openid-configuration",
    ] {
        targets.push(path.to_owned());
    }
    let registration = format!(
        r#"{{"redirect_uris":["{CALLBACK}","http://localhost:1/x"],"client_name":"N","client_uri":"https://c.example","logo_uri":"https://c.example/l.png","token_endpoint_auth_method":["none"],"grant_types":["authorization_code"]}}"#
    );
    let mut bodies = vec![("application/json", registration), (FORM, encode(&page.form("allow")))];
    bodies.extend(["allow", "deny"].map(|decision| (FORM, encode(&page.form(decision)))));
    for client in [&client, &secret] {
        let code = world.code(client).await;
        bodies.push((FORM, encode(&pairs(&client.token_request(&code, &[])))));
        bodies.push((FORM, encode(&pairs(&client.token_request(&code, &[("client_secret", ""), ("resource", API)])))));
    }
    let machine = world.created(NewClient::confidential("M").client_credentials().introspects([API])).await;
    let secret_of_machine = machine.secret.as_deref().unwrap_or_default();
    let credentials = [("client_id", machine.id.as_str()), ("client_secret", secret_of_machine)];
    let own = [("grant_type", "client_credentials"), ("scope", "projects:read"), ("resource", API)];
    bodies.push((FORM, encode(&[&own[..], &credentials].concat())));
    let asked = [("token", token.as_str()), ("token_type_hint", "access_token")];
    bodies.push((FORM, encode(&[&asked[..], &credentials].concat())));
    let authorizations =
        vec![format!("Bearer {token}"), secret.basic(), "Basic Og==".to_owned(), managing.clone(), managing];
    Seeds { targets, bodies, cookies: cookies.join("; "), authorizations }
}

fn target(random: &mut Random, seeds: &Seeds, body: Option<usize>) -> Uri {
    let honest = match body {
        Some(0) => "/oauth/register",
        Some(1..=3) => "/oauth/consent",
        // The last one is a question about a token.
        Some(at) if at + 1 == seeds.bodies.len() => "/oauth/introspect",
        Some(_) => "/oauth/token",
        None => seeds.targets[random.below(seeds.targets.len())].as_str(),
    };
    loop {
        let text = match random.below(12) {
            0 => [b"/", random.bytes(40).as_slice()].concat(),
            1..=3 => random.mutated(honest.as_bytes()),
            4 => format!(
                "{honest}{}{}",
                if honest.contains('?') { "&" } else { "?" },
                "x=%20".repeat(random.below(6_000))
            )
            .into(),
            _ => honest.as_bytes().to_vec(),
        };
        if let Ok(uri) = Uri::try_from(text) {
            return uri;
        }
    }
}

/// Credentials, in part with changes below their encoding.
fn authorization(random: &mut Random, seeds: &Seeds) -> String {
    if random.one_in(2) {
        return seeds.authorizations[random.below(seeds.authorizations.len())].clone();
    }
    let credentials = random.mutated(b"house-0:secret%20+");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

/// A form with one of its fields changed, taken out, sent twice or moved.
fn changed_form(random: &mut Random, form: &[u8]) -> Vec<u8> {
    let mut fields: Vec<_> = url::form_urlencoded::parse(form).into_owned().collect();
    if fields.is_empty() {
        return random.bytes(50);
    }
    let at = random.below(fields.len());
    match random.below(5) {
        0 => drop(fields.remove(at)),
        1 => fields.push(fields[at].clone()),
        2 => fields.swap(0, at),
        _ => fields[at].1 = String::from_utf8_lossy(&random.mutated(fields[at].1.as_bytes())).into_owned(),
    }
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into()
}

/// A request that is honest in most of its parts, so that it gets past the first checks.
fn request(random: &mut Random, seeds: &Seeds) -> Request<Bytes> {
    let from = (!random.one_in(2)).then(|| random.below(seeds.bodies.len()));
    let method = match (random.one_in(6), from) {
        (true, _) => random.pick(&METHODS),
        (false, Some(_)) => "POST",
        (false, None) => "GET",
    };
    let (media_type, body) = match from {
        Some(at) => (seeds.bodies[at].0, seeds.bodies[at].1.as_bytes()),
        None => (FORM, &b""[..]),
    };
    let body = match random.below(8) {
        0 => random.bytes(300),
        1 if random.one_in(8) => vec![b'x'; 60_000 + random.below(10_000)],
        1 | 2 => random.mutated(body),
        3 | 4 => changed_form(random, body),
        _ => body.to_vec(),
    };
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = target(random, seeds, from);
    let authorization = authorization(random, seeds);
    for (name, value, percent) in [
        ("content-type", media_type, 96),
        ("cookie", &seeds.cookies, 96),
        ("origin", ISSUER, 96),
        ("authorization", &authorization, 25),
        ("host", "app.example", 20),
        ("access-control-request-method", "POST", 10),
        ("sec-fetch-site", "same-origin", 10),
    ] {
        let times = if random.one_in(40) { 2 } else { usize::from(random.below(100) < percent) };
        for _ in 0..times {
            let value = if random.one_in(8) { random.mutated(value.as_bytes()) } else { value.as_bytes().to_vec() };
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
    }
    request
}

/// What came out of one request, if nothing is wrong with it.
#[allow(clippy::disallowed_methods, reason = "it is real time that is bounded")]
async fn outcome(world: &World, request: Request<Bytes>, at: u64) -> (String, u16) {
    let what = format!(
        "request {at} of seed {SEED:#x}: {} {} {:?} {:?}",
        request.method(),
        request.uri(),
        request.headers(),
        request.body()
    );
    let path = request.uri().path().to_owned();
    let is_large = request.body().len() > grantor::web::MAX_BODY;
    let started = Instant::now();
    let server = world.server.clone();
    let answer = tokio::spawn(async move { server.handle(request).await }).await;
    let answer = answer.unwrap_or_else(|panic| panic!("{what}: {panic}"));
    assert!(!answer.status().is_server_error(), "{what}: {}", answer.status());
    assert!(!is_large || matches!(answer.status().as_u16(), 204 | 404 | 405 | 413), "{what}: {}", answer.status());
    assert!(answer.body().len() < 160_000, "{what}: {} bytes", answer.body().len());
    let headers: usize = answer.headers().values().map(HeaderValue::len).sum();
    assert!(headers < 300_000, "{what}: {headers} bytes of headers");
    assert!(started.elapsed() < Duration::from_secs(5), "{what}: {:?}", started.elapsed());
    let known = ["/authorize", "/consent", "/token", "/introspect", "/register/", "/register", "/.well-known"];
    let endpoint = known.into_iter().find(|known| path.contains(known)).unwrap_or("elsewhere");
    (endpoint.to_owned(), answer.status().as_u16())
}

#[tokio::test]
async fn attack_54_any_bytes_at_any_endpoint_are_answered() {
    #[allow(clippy::disallowed_methods, reason = "how long a test goes on is the environment's choice")]
    let requests = std::env::var("GRANTOR_FUZZ_REQUESTS").map_or(REQUESTS, |text| text.parse().unwrap());
    let mut random = Random(SEED);
    let mut outcomes: BTreeMap<(String, u16), u32> = BTreeMap::new();
    let mut world = seeded();
    let mut seeds_now = seeds(&world, 0).await;
    for at in 0..requests {
        if at % 20_000 == 19_999 {
            // Each registration stays: a new world before this one is full of them.
            world = seeded();
        }
        if at % 200 == 199 || at % 20_000 == 19_999 {
            // Prompts and codes are good for one use: fresh ones keep the way in open.
            seeds_now = seeds(&world, at).await;
        }
        let request = request(&mut random, &seeds_now);
        *outcomes.entry(outcome(&world, request, at).await).or_default() += 1;
    }
    println!("{requests} requests of seed {SEED:#x}:");
    for ((endpoint, status), count) in &outcomes {
        println!("{endpoint:>12} {status} {count:>6}");
    }
    for deep in [
        ("/authorize", 200),
        ("/authorize", 303),
        ("/authorize", 400),
        ("/authorize", 413),
        ("/consent", 303),
        ("/consent", 400),
        ("/consent", 403),
        ("/consent", 409),
        ("/consent", 413),
        ("/token", 200),
        ("/token", 400),
        ("/token", 401),
        ("/token", 413),
        ("/introspect", 200),
        ("/introspect", 400),
        ("/introspect", 401),
        ("/register/", 200),
        ("/register/", 401),
        ("/register", 201),
        ("/register", 400),
        ("/register", 413),
        ("/.well-known", 200),
        ("/.well-known", 404),
    ] {
        let (endpoint, status) = (deep.0.to_owned(), deep.1);
        assert!(outcomes.contains_key(&(endpoint, status)), "nothing reached {deep:?}: {outcomes:?}");
    }
    assert!(seeds_now.targets.len() > 10 && ConsentPage::read(&still_works(&world).await).prompt.len() > 100);
}

/// A consent page after all that.
async fn still_works(world: &World) -> String {
    let client = world.public_client().await;
    let token = world.access_token(&client).await;
    assert!(world.is_live(&token).await);
    world.browser_of("alice").prompt(&client.authorize()).await.html
}

#[tokio::test]
async fn attack_54_any_bytes_at_the_guard_are_answered() {
    let mut random = Random(SEED);
    let world = seeded();
    let client = world.public_client().await;
    let token = world.access_token(&client).await;
    let guard = world.server.resource(API).unwrap().require("projects:read").unwrap();
    let honest = format!("Bearer {token}");
    let mut outcomes: BTreeMap<u16, u32> = BTreeMap::new();
    for at in 0..20_000 {
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(random.pick(&METHODS).as_bytes()).unwrap();
        for _ in 0..1 + usize::from(random.one_in(9)) {
            let value = if random.one_in(6) { random.bytes(100) } else { random.mutated(honest.as_bytes()) };
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append("authorization", value.clone());
                request.headers_mut().append("origin", value);
            }
        }
        let passed = guard.check(&request.into_parts().0).await;
        let status = passed.map_or_else(|refusal| refusal.response().status().as_u16(), |_| 200);
        assert!(status < 500, "request {at} of seed {SEED:#x}: {status}");
        *outcomes.entry(status).or_default() += 1;
    }
    println!("20000 requests of seed {SEED:#x} at the guard: {outcomes:?}");
    assert_eq!(outcomes.keys().copied().collect::<Vec<_>>(), [200, 400, 401]);
}
