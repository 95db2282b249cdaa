//! Attacks on access tokens and on the guard: time, form, audience, and who a principal is.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{self, API, Answer, CALLBACK, CHALLENGE, Client, ISSUER, MCP, START, World};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantor::protocol::client::ClientId;
use grantor::protocol::grant::{Grant, Holder, Subject};
use grantor::protocol::pkce::CodeChallenge;
use grantor::protocol::resource::ResourceId;
use grantor::protocol::secret::{Bearer, BearerKind, BearerSeed};
use grantor::storage::testkit::{Call, Faulty, Lost, records};
use grantor::storage::{Decided, RedeemCode, Redeemed, Storage as _};
use grantor::{ConsentPolicy, Host, HostError, MemoryStorage, Principal, Resource, SignIn, Timestamp, User};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// The answer of the guard of [`API`] to a request with these headers; 200 if it may pass.
async fn knock(world: &World, path: &str, headers: Headers<'_>) -> Answer {
    let guard = world.server.resource(API).unwrap().require("projects:read").unwrap();
    let mut request = support::request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    match guard.check(&request.body(()).unwrap().into_parts().0).await {
        Ok(_) => Answer(http::Response::new(Bytes::new())),
        Err(refusal) => Answer(refusal.response()),
    }
}

async fn principal(world: &World, token: &str) -> Principal {
    let guard = world.server.resource(API).unwrap().require("").unwrap();
    let request = support::request(Method::GET, "/api").header("authorization", format!("Bearer {token}"));
    guard.check(&request.body(()).unwrap().into_parts().0).await.unwrap()
}

#[tokio::test]
async fn attack_21_the_last_moment_of_a_code_and_of_a_token() {
    let world = World::new();
    let client = world.public_client().await;
    for (age, lives) in [(59_999, true), (60_000, false), (60_001, false)] {
        let code = world.code(&client).await;
        world.clock.advance(Duration::from_millis(age));
        let answer = world.exchange(&client, &code, &[]).await;
        assert_eq!(answer.status() == StatusCode::OK, lives, "a code {age} ms old");
        if !lives {
            answer.assert_error(400, "invalid_grant");
        }
    }
    let token = world.access_token(&client).await;
    for (step, status) in [(3_599_999, 200), (1, 401), (1, 401), (1_000_000_000, 401)] {
        world.clock.advance(Duration::from_millis(step));
        assert_eq!(world.guard(API, "projects:read", &token).await, status);
    }
    let refused = knock(&world, "/api", &[("authorization", format!("Bearer {token}").as_bytes())]).await;
    assert!(refused.header("www-authenticate").unwrap().contains(r#"error="invalid_token""#));
}

#[tokio::test]
async fn attack_21_a_clock_that_jumps_never_panics_and_never_answers_5xx() {
    let world = World::new();
    // One that registered itself ends when nobody uses it for that long.
    let client = world.house_client("house", ConsentPolicy::Ask, &[CALLBACK]).await;
    let token = world.access_token(&client).await;
    let mut browser = world.browser_of("alice");
    let codes = [world.code(&client).await, world.code(&client).await, world.code(&client).await];
    let times = [0, 1, START - 7_200_000, START + 1, START + 3_600_000, (1 << 42) - 1, 1 << 42, u64::MAX - 1, u64::MAX];
    for now in times {
        world.clock.set(Timestamp::from_millis(now));
        assert!(matches!(world.guard(API, "projects:read", &token).await, 200 | 401), "{now}");
        let page = browser.prompt(&client.authorize()).await;
        let decided = browser.decide(&page, "allow").await;
        assert!(decided.status().as_u16() < 500, "{now}: {}", decided.body());
        let fresh = decided.location().and_then(|_| decided.redirect_parameter("code"));
        for code in codes.iter().chain(&fresh) {
            let answer = world.exchange(&client, code, &[]).await;
            assert!(matches!(answer.status().as_u16(), 200 | 400), "{now}: {}", answer.body());
        }
        let registered = world.register(&serde_json::json!({ "redirect_uris": [CALLBACK] })).await;
        assert_eq!(registered.status(), StatusCode::CREATED, "{now}");
        world.server.purge(10).await.unwrap();
    }
}

/// Texts that were never minted, made from one that was: a code or a token, and one of the other kind.
fn malformed(minted: &str, other_kind: &str) -> Vec<Vec<u8>> {
    let mut bad: Vec<Vec<u8>> = (0..minted.len()).map(|length| minted.as_bytes()[..length].to_vec()).collect();
    let bytes = URL_SAFE_NO_PAD.decode(&minted[4..]).unwrap();
    let prefix = &minted[..4];
    for (first, length) in [(0xff, 40), (0x80, 40), (0, 40), (0xff, 39), (0xff, 41), (0, 8), (0, 7)] {
        let mut changed = bytes.clone();
        changed.resize(length, 0);
        changed[..8.min(length)].fill(first);
        bad.push(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(changed)).into_bytes());
    }
    let mut with_top_bit = bytes.clone();
    with_top_bit[0] |= 0x80;
    bad.push(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(with_top_bit)).into_bytes());
    // The last character has four bits that say nothing: one token must not have sixteen spellings.
    let last = minted.as_bytes()[57];
    bad.extend((b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').filter(|byte| *byte != last).map(|byte| {
        let mut alias = minted.as_bytes().to_vec();
        alias[57] = byte;
        alias
    }));
    for text in [
        format!("{minted}A"),
        format!("{minted}="),
        format!("{minted}{minted}"),
        minted.to_uppercase(),
        minted[4..].to_owned(),
        format!("{prefix}{}", minted),
        format!("{prefix}{}", "é".repeat(27)),
        format!("{prefix}{}", "A".repeat(60_000)),
        format!("{}{}", &other_kind[..4], &minted[4..]),
        other_kind.to_owned(),
    ] {
        bad.push(text.into_bytes());
    }
    bad.push([prefix.as_bytes(), &[0xff; 54]].concat());
    bad
}

#[tokio::test]
async fn attack_21_a_malformed_token_or_code_is_an_unknown_one() {
    let world = World::new();
    let client = world.public_client().await;
    let (token, code) = (world.access_token(&client).await, world.code(&client).await);
    for bad in malformed(&token, &code) {
        let header = [b"Bearer ", bad.as_slice()].concat();
        let answer = knock(&world, "/api", &[("authorization", &header)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{:?}", String::from_utf8_lossy(&bad));
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
    }
    for bad in malformed(&code, &token) {
        let form = support::encode(&support::pairs(&client.token_request("", &[])));
        let encoded: String = url::form_urlencoded::byte_serialize(&bad).collect();
        let request = support::request(Method::POST, "/oauth/token");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer =
            world.send(request.body(form.replace("code=&", &format!("code={encoded}&")).into()).unwrap()).await;
        answer.assert_error(400, if bad.is_empty() { "invalid_request" } else { "invalid_grant" });
    }
    assert!(world.is_live(&token).await);
    assert!(world.is_live(&token_of(&world.exchange(&client, &code, &[]).await)).await, "and nothing was burned");
}

#[tokio::test]
async fn attack_21_only_one_well_formed_bearer_header_is_read() {
    let world = World::new();
    let token = world.access_token(&world.public_client().await).await;
    let bearer = format!("Bearer {token}");
    for good in [bearer.clone(), format!("bearer {token}"), format!("BEARER  {token} ")] {
        assert_eq!(knock(&world, "/api", &[("authorization", good.as_bytes())]).await.status(), 200, "{good}");
    }
    let basic = format!("Basic {token}");
    let glued = format!("Bearer{token}");
    let listed = format!("Bearer {token}, Bearer {token}");
    let cookie = format!("access_token={token}; session=alice.1");
    let refused: [(u16, &str, Headers<'_>); 12] = [
        (401, "/api", &[]),
        (401, "/api", &[("authorization", b"")]),
        (400, "/api", &[("authorization", b"Bearer")]),
        (401, "/api", &[("authorization", b"Bearer null")]),
        (401, "/api", &[("authorization", b"Bearer \xff\xfe")]),
        (401, "/api", &[("authorization", token.as_bytes())]),
        (401, "/api", &[("authorization", basic.as_bytes())]),
        (401, "/api", &[("authorization", glued.as_bytes())]),
        (401, "/api", &[("authorization", listed.as_bytes())]),
        (400, "/api", &[("authorization", bearer.as_bytes()), ("authorization", bearer.as_bytes())]),
        (401, "/api", &[("cookie", cookie.as_bytes()), ("x-authorization", bearer.as_bytes())]),
        (401, "QUERY", &[]),
    ];
    for (status, path, headers) in refused {
        let path = path.replace("QUERY", &format!("/api?access_token={token}"));
        let answer = knock(&world, &path, headers).await;
        let sent: Vec<_> = headers.iter().map(|(_, value)| String::from_utf8_lossy(value)).collect();
        assert_eq!(answer.status().as_u16(), status, "{sent:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "), "{sent:?}");
    }
}

/// Resources whose addresses resemble one another.
const NEIGHBOURS: [&str; 8] = [
    "https://app.example",
    "https://app.example/api",
    "https://app.example/mcp",
    "https://app.example/mcp-other",
    "https://app.example/mcp/inner",
    "https://app.example/MCP",
    "https://app.example:8443/mcp",
    "https://app.example/mcp?tenant=1",
];

#[tokio::test]
async fn attack_23_a_token_opens_its_own_resource_and_no_neighbour() {
    let missing = NEIGHBOURS.iter().filter(|uri| ![API, MCP].contains(uri));
    let world = World::with(|builder| missing.fold(builder, |builder, uri| builder.resource(*uri)));
    let client = world.public_client().await;
    for own in NEIGHBOURS {
        let code = world.code_for(&client, &[("resource", own)]).await;
        let token = token_of(&world.exchange(&client, &code, &[]).await);
        for other in NEIGHBOURS {
            let expected = if own == other { 200 } else { 401 };
            assert_eq!(world.guard(other, "projects:read", &token).await, expected, "{own} at {other}");
        }
    }
}

#[tokio::test]
async fn attack_23_a_request_without_resource_gives_a_token_for_the_default_alone() {
    let world = World::new();
    let token = world.access_token(&world.public_client().await).await;
    assert_eq!(principal(&world, &token).await.resource().as_str(), API);
    assert_eq!(world.guard(API, "", &token).await, 200);
    assert_eq!(world.guard(MCP, "", &token).await, 401);
}

/// An app that must not be asked who is signed in.
struct NobodyMayAsk;

impl Host for NobodyMayAsk {
    async fn signed_in(&self, _: &Parts) -> Result<Option<User>, HostError> {
        panic!("the app was asked who is signed in")
    }
    async fn sign_in(&self, _: &Parts, _: SignIn) -> Result<String, HostError> {
        panic!("somebody was sent to the login page")
    }
}

const UNKNOWN: [&str; 14] = [
    "https://app.example",
    "https://app.example/ap",
    "https://app.example/api-other",
    "https://app.example/api/inner",
    "https://app.example/api?tenant=1",
    "https://app.example/api#fragment",
    "https://app.example/API",
    "https://app.example:8443/api",
    "http://app.example/api",
    "https://app.example@evil.example/api",
    "https://app.example.evil.example/api",
    "urn:example:api",
    "/api",
    "*",
];

#[tokio::test]
async fn attack_23_an_unknown_resource_is_refused_before_anybody_is_asked() {
    let world = World::with(|builder| builder.host(NobodyMayAsk));
    let stranger = world.public_client().await;
    let house = world.administrators_client("house", None, &[CALLBACK]).await;
    for unknown in UNKNOWN {
        for changes in [&[("resource", unknown)][..], &[("resource", API), ("resource", unknown)]] {
            let answer = world.browser_of("alice").get(&house.authorize_with(changes)).await;
            assert!(answer.location().unwrap().starts_with(CALLBACK), "{unknown}");
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some("invalid_target"), "{unknown}");
            assert_eq!(answer.redirect_parameter("state").as_deref(), Some("st/a te"));
            assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(ISSUER));

            let answer = world.browser_of("alice").get(&stranger.authorize_with(changes)).await;
            answer.assert_page(400);
            assert!(!answer.body().contains("<form"), "nothing can be allowed: {}", answer.body());
            assert!(answer.body().contains("invalid_target"), "the way back carries the error");
        }
    }
}

#[tokio::test]
async fn attack_23_the_token_endpoint_gives_nothing_outside_the_grant_and_the_code_lives() {
    let world = World::new();
    let client = world.public_client().await;
    let code = world.code_for(&client, &[("resource", API)]).await;
    for other in UNKNOWN.iter().chain(&[MCP]) {
        world.exchange(&client, &code, &[("resource", other)]).await.assert_error(400, "invalid_target");
    }
    let answer = world.exchange(&client, &code, &[("resource", "HTTPS://APP.example:443/api/")]).await;
    assert_eq!(world.guard(API, "", &token_of(&answer)).await, 200, "another spelling of the same resource");
}

#[tokio::test]
async fn attack_23_of_two_granted_resources_a_token_is_for_one() {
    const NOTES: &str = "https://app.example/notes";
    let world = World::with(|builder| builder.resource(Resource::new(NOTES).scopes("projects:read")));
    let client = world.public_client().await;
    let both = [("resource", API), ("resource", NOTES)];
    let code = world.code_for(&client, &both).await;
    world.exchange(&client, &code, &both).await.assert_error(400, "invalid_target");
    world.exchange(&client, &code, &[("resource", MCP)]).await.assert_error(400, "invalid_target");
    let answer = world.exchange(&client, &code, &[("resource", NOTES)]).await;
    assert_eq!(answer.json()["scope"], "projects:read", "a scope means nothing where it does not exist");
    let token = token_of(&answer);
    assert_eq!((world.guard(NOTES, "", &token).await, world.guard(API, "", &token).await), (200, 401));

    let code = world.code_for(&client, &both).await;
    let token = token_of(&world.exchange(&client, &code, &[]).await);
    assert_eq!((world.guard(NOTES, "", &token).await, world.guard(API, "", &token).await), (401, 200));
}

#[tokio::test]
async fn attack_24_the_guard_lets_nobody_through_when_the_store_cannot_answer() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let token = world.access_token(&world.public_client().await).await;
    let guard = world.server.resource(API).unwrap().require("").unwrap();
    let request = support::request(Method::GET, "/api").header("authorization", format!("Bearer {token}"));
    let request = request.body(()).unwrap().into_parts().0;
    for lost in [Lost::Request, Lost::Answer] {
        storage.lose(lost, Call::AccessToken, 1);
        let answer = Answer(guard.check(&request).await.unwrap_err().response());
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some());
        assert!(answer.header("www-authenticate").is_none(), "a client must not throw its token away");
        assert!(guard.check(&request).await.is_ok(), "the token is as good as before");
    }
}

#[tokio::test]
async fn attack_24_only_a_token_whole_and_live_opens() {
    let world = World::new();
    let client = world.public_client().await;
    let (token, other) = (world.access_token(&client).await, world.access_token(&client).await);
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
    let (mut guessed, mut spliced) = (decode(&token), decode(&token));
    guessed[8..].fill(0);
    spliced[8..].copy_from_slice(&decode(&other)[8..]);
    for forged in [guessed, spliced] {
        let forged = format!("gra_{}", URL_SAFE_NO_PAD.encode(forged));
        assert_eq!(world.guard(API, "", &forged).await, 401, "an id is worth nothing without its secret");
    }
    let elsewhere = World::new();
    assert_eq!(elsewhere.guard(API, "", &token).await, 401, "a token of another server");

    let grant = principal(&world, &token).await.grant();
    assert!(world.server.revoke_grant(&Subject::new("alice"), grant).await.unwrap());
    assert_eq!((world.guard(API, "", &token).await, world.guard(API, "", &other).await), (401, 200));
}

#[tokio::test]
async fn attack_24_a_token_without_the_scope_is_refused_and_told_which() {
    let world = World::new();
    let client = world.public_client().await;
    let code = world.code_for(&client, &[("scope", "projects:read")]).await;
    let token = token_of(&world.exchange(&client, &code, &[]).await);
    assert_eq!(world.guard(API, "projects:read", &token).await, 200);
    for needed in ["projects:write", "projects:read projects:write", "admin"] {
        assert_eq!(world.guard(API, needed, &token).await, 403, "{needed}");
    }
    let ceiling = world.server.resource(API).unwrap();
    assert!(ceiling.require("projects").is_err() && ceiling.require("unknown").is_err(), "never a guard for nothing");
    assert!(world.server.resource("https://app.example/other").is_err());
}

/// Puts a grant into the store as nobody could by HTTP, with a code that `client` can redeem.
async fn smuggle(world: &World, client: &Client, change: impl FnOnce(&mut Grant)) -> (Grant, String) {
    let now = world.clock.now();
    let id = ClientId::parse(&client.id).unwrap();
    let stored = world.storage.client(&id).await.unwrap().unwrap();
    let mut approval = records::approval(&records::subject("alice"), &id, now);
    change(Arc::make_mut(&mut approval.grant));
    let (text, bearer) = Bearer::mint(BearerKind::Code, now, &BearerSeed::from_random(&[9; BearerSeed::LEN]));
    approval.code.id = bearer.id;
    approval.code.hash = bearer.hash;
    approval.code.redirect_uri = Arc::from(client.redirect_uri.as_str());
    approval.code.challenge = CodeChallenge::parse(CHALLENGE).unwrap();
    let op = records::approve(records::prompt(now), &stored, &approval, now);
    assert_eq!(world.storage.decide(op).await.unwrap(), Decided::First);
    ((*approval.grant).clone(), text.expose().to_owned())
}

#[tokio::test]
async fn attack_24_a_grant_without_audience_gives_no_token() {
    let world = World::new();
    let client = world.public_client().await;
    let (_, code) = smuggle(&world, &client, |grant| grant.resources = Arc::new([])).await;
    for changes in [&[][..], &[("resource", API)]] {
        world.exchange(&client, &code, changes).await.assert_error(400, "invalid_target");
    }
}

#[tokio::test]
async fn attack_24_a_token_for_what_is_no_resource_any_more_opens_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    let gone = ResourceId::parse("https://app.example/gone").unwrap();
    let resources = vec![gone.clone()];
    let (grant, code) = smuggle(&world, &client, |grant| grant.resources = resources.into()).await;
    let answer = world.exchange(&client, &code, &[]).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{}", answer.body());

    let now = world.clock.now();
    let (text, bearer) = Bearer::mint(BearerKind::Access, now, &BearerSeed::from_random(&[8; BearerSeed::LEN]));
    let code = Bearer::parse(BearerKind::Code, &code).unwrap().id;
    let approval = records::approval(&records::subject("alice"), &grant.client, now);
    let RedeemCode { mut access, grant_expires_at, .. } = records::redeem(&approval, now);
    (access.id, access.hash, access.grant, access.resource) = (bearer.id, bearer.hash, grant.id, gone);
    let redeemed =
        world.storage.redeem_code(RedeemCode { code, access, refresh: None, grant_expires_at, now }).await.unwrap();
    assert_eq!(redeemed, Redeemed::First);
    for resource in [API, MCP] {
        assert_eq!(world.guard(resource, "", text.expose()).await, 401, "{resource}");
    }
}

#[tokio::test]
async fn attack_57_a_client_whose_id_is_a_users_name_is_not_that_user() {
    let world = World::new();
    let client = world.administrators_client("alice", None, &[CALLBACK]).await;
    let code = world.browser_of("bob").allow(&client.authorize()).await.redirect_parameter("code").unwrap();
    let token = token_of(&world.exchange(&client, &code, &[]).await);
    let principal = principal(&world, &token).await;
    assert_eq!(principal.holder(), &Holder::User(Subject::new("bob")));
    assert_eq!((principal.subject(), principal.client().as_str()), (Some(&Subject::new("bob")), "alice"));
    let alice = Subject::new("alice");
    assert!(world.server.grants(&alice, None, 10).await.unwrap().is_empty(), "alice has connected nothing");
    assert!(!world.server.revoke_grant(&alice, principal.grant()).await.unwrap(), "nor can she take it back");
    assert!(world.is_live(&token).await);
}

#[tokio::test]
async fn attack_57_a_clients_own_access_is_nobodys() {
    let world = World::new();
    let client = world.administrators_client("alice", None, &[CALLBACK]).await;
    let (grant, code) = smuggle(&world, &client, |grant| grant.holder = Holder::Client).await;
    let token = token_of(&world.exchange(&client, &code, &[]).await);
    let principal = principal(&world, &token).await;
    assert_eq!((principal.holder(), principal.subject()), (&Holder::Client, None));
    let alice = Subject::new("alice");
    assert!(world.server.grants(&alice, None, 10).await.unwrap().is_empty());
    assert!(!world.server.revoke_grant(&alice, grant.id).await.unwrap());
    assert!(world.is_live(&token).await);
}

#[tokio::test]
async fn attack_57_nobody_registers_under_a_name_of_their_choice() {
    let world = World::new();
    let metadata = serde_json::json!({ "redirect_uris": [CALLBACK], "client_id": "alice", "sub": "alice" });
    let answer = world.register(&metadata).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_ne!(answer.json()["client_id"], "alice");
}
