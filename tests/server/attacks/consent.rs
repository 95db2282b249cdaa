//! Attacks on the consent form and on the browser that it is shown in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{self, App, Browser, CALLBACK, Client, ConsentPage, ISSUER, World, encode};
use grantor::storage::MemoryStorage;
use grantor::{Host, HostError, Keys, SignIn, User};
use http::StatusCode;
use http::request::Parts;

#[tokio::test]
async fn attack_37_the_attackers_prompt_is_worth_nothing_in_another_browser() {
    let world = World::new();
    let client = world.public_client().await;
    let mut attacker = world.browser_of("mallory");
    let page = attacker.prompt(&client.authorize()).await;

    let mut fresh = world.browser_of("alice");
    fresh.decide(&page, "allow").await.assert_refused(403, "a browser without our cookie");
    let mut victim = world.browser_of("alice");
    victim.prompt(&client.authorize()).await;
    victim.decide(&page, "allow").await.assert_refused(403, "a browser with a cookie of its own");
    let mut signed_in_as_attacker = victim.clone();
    signed_in_as_attacker.cookies.insert("session".to_owned(), attacker.cookies["session"].clone());
    signed_in_as_attacker.decide(&page, "allow").await.assert_refused(403, "the attacker's session, another browser");
    let mut planted = victim.clone();
    planted.cookies.clone_from(&attacker.cookies);
    planted.sign_in("alice");
    planted.decide(&page, "allow").await.assert_refused(403, "the attacker's cookie planted beside alice's session");

    world.assert_nothing_granted(&["alice", "mallory"]).await;
    attacker.assert_open(&page).await;
}

#[tokio::test]
async fn attack_37_the_victims_prompt_is_worth_nothing_to_the_attacker() {
    let world = World::new();
    let client = world.public_client().await;
    let mut victim = world.browser_of("alice");
    let page = victim.prompt(&client.authorize()).await;

    let mut attacker = world.browser_of("mallory");
    attacker.prompt(&client.authorize()).await;
    attacker.decide(&page, "allow").await.assert_refused(403, "another person");
    let mut other_device = world.browser_of("alice");
    other_device.prompt(&client.authorize()).await;
    other_device.decide(&page, "allow").await.assert_refused(403, "alice's other device");
    let mut stolen_cookie = world.browser_of("mallory");
    stolen_cookie.cookies.insert("__Host-grantor".to_owned(), victim.cookies["__Host-grantor"].clone());
    stolen_cookie.decide(&page, "allow").await.assert_refused(403, "another person with the victim's cookie");
    stolen_cookie.decide(&page, "deny").await.assert_refused(403, "nor can they say no");
    let mut other_session = victim.clone();
    other_session.sign_in("alice");
    other_session.decide(&page, "allow").await.assert_refused(403, "the same person and browser in another session");
    let answer = world.post(&page.action, &page.form("allow"), &[("origin", ISSUER)]).await;
    answer.assert_refused(403, "no cookies at all");

    world.assert_nothing_granted(&["alice", "mallory"]).await;
    victim.assert_open(&page).await;
}

#[tokio::test]
async fn attack_37_the_attackers_consent_does_not_answer_for_the_victim() {
    let world = World::new();
    let client = world.public_client().await;
    let mut attacker = world.browser_of("mallory");
    assert!(attacker.allow(&client.authorize()).await.redirect_parameter("code").is_some());
    let mut victim = world.browser_of("alice");
    victim.cookies.insert("__Host-grantor".to_owned(), attacker.cookies["__Host-grantor"].clone());
    victim.prompt(&client.authorize()).await;
    world.assert_nothing_granted(&["alice"]).await;
}

#[tokio::test]
async fn attack_38_nobody_approves_unless_signed_in() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser();
    for path in [client.authorize(), format!("{}&decision=allow", client.authorize())] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert!(answer.location().unwrap().starts_with("/login?"), "{:?}", answer.location());
        assert!(!answer.body().contains("<form"));
    }
    browser.sign_in("alice");
    let page = browser.prompt(&client.authorize()).await;
    let session = browser.cookies["session"].clone();
    browser.sign_out();
    for decision in ["allow", "deny"] {
        browser.decide(&page, decision).await.assert_refused(403, "nobody is signed in");
    }
    world.assert_nothing_granted(&["alice", ""]).await;
    browser.cookies.insert("session".to_owned(), session);
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_38_a_change_of_user_or_session_ends_the_page() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let own = browser.cookies["session"].clone();
    for name in ["bob", "alice", "alic", "alice2", "Alice"] {
        browser.sign_in(name);
        for decision in ["allow", "deny"] {
            browser.decide(&page, decision).await.assert_refused(403, name);
        }
    }
    world.assert_nothing_granted(&["alice", "bob"]).await;
    browser.cookies.insert("session".to_owned(), own);
    browser.assert_open(&page).await;
}

/// An app that counts the sessions of each person: everybody's first one is `1`.
struct Counted;

impl Host for Counted {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let user = App.signed_in(request).await?;
        Ok(user.map(|user| User { session: "1".to_owned(), ..user }))
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }
}

#[tokio::test]
async fn attack_38_another_person_in_a_session_of_the_same_name_decides_nothing() {
    let world = World::with(|builder| builder.host(Counted));
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    for name in ["bob", "alic", "alice2", "Alice", "alice "] {
        browser.sign_in(name);
        for decision in ["allow", "deny"] {
            browser.decide(&page, decision).await.assert_refused(403, name);
        }
    }
    world.assert_nothing_granted(&["alice", "bob"]).await;
    browser.sign_in("alice");
    browser.assert_open(&page).await;
}

/// An app whose sessions cannot be read at times.
struct Failing(Arc<AtomicBool>);

impl Host for Failing {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(HostError::new("the sessions cannot be read"));
        }
        App.signed_in(request).await
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }
}

#[tokio::test]
async fn attack_38_a_host_that_cannot_tell_who_is_signed_in_approves_nothing() {
    let fails = Arc::new(AtomicBool::new(false));
    let world = World::with(|builder| builder.host(Failing(Arc::clone(&fails))));
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    fails.store(true, Ordering::SeqCst);
    browser.get(&client.authorize()).await.assert_refused(500, "no page");
    browser.decide(&page, "allow").await.assert_refused(500, "no decision");
    fails.store(false, Ordering::SeqCst);
    world.assert_nothing_granted(&["alice"]).await;
    browser.assert_open(&page).await;
}

/// A request of a native client: where it is sent to, and how.
async fn native_clients(world: &World) -> Vec<Client> {
    let mut clients = Vec::new();
    for (at, uri) in ["http://127.0.0.1:8123/cb", "http://localhost/cb", "http://[::1]:9/cb", "com.example.app:/cb"]
        .iter()
        .enumerate()
    {
        clients.push(world.client("none", &[uri]).await);
        clients.push(world.administrators_client(&format!("house-{at}"), None, &[uri]).await);
        clients.push(world.administrators_client(&format!("house-secret-{at}"), Some("s"), &[uri]).await);
    }
    clients
}

#[tokio::test]
async fn attack_42_a_native_client_always_gets_the_page() {
    let world = World::new();
    for client in native_clients(&world).await {
        let mut browser = world.browser_of("alice");
        for changes in
            [&[][..], &[("prompt", "select_account")], &[("approval_prompt", "auto")], &[("scope", "projects:read")]]
        {
            let page = browser.prompt(&client.authorize_with(changes)).await;
            let answer = browser.decide(&page, "allow").await;
            assert!(answer.redirect_parameter("code").is_some(), "{client:?}: {}", answer.body());
            let token = world.exchange(&client, &answer.redirect_parameter("code").unwrap(), &[]).await;
            assert_eq!(token.status(), StatusCode::OK, "{}", token.body());
        }
    }
}

#[tokio::test]
async fn attack_42_a_native_client_that_wants_no_page_gets_no_code_either() {
    let world = World::new();
    let mut given = 0;
    for client in native_clients(&world).await {
        let mut browser = world.browser_of("alice");
        assert!(browser.allow(&client.authorize()).await.redirect_parameter("code").is_some());
        let answer = browser.get(&client.authorize_with(&[("prompt", "none")])).await;
        if client.id.starts_with("house-") {
            answer.assert_told(&client, "consent_required");
        } else {
            answer.assert_page_says(400, "consent_required");
        }
        given += 1;
        let grants = world.server.grants(&grantor::Subject::new("alice"), None, 100).await.unwrap();
        assert_eq!(grants.len(), given, "one of each client, which alice gave: {client:?}");
    }
}

#[tokio::test]
async fn attack_43_extra_fields_of_the_form_change_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    let other = world.client("none", &["https://evil.example/cb"]).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize_with(&[("scope", "projects:read")])).await;
    let extra = [
        ("scope", "projects:read projects:write admin"),
        ("scopes", "projects:write"),
        ("client_id", &other.id),
        ("redirect_uri", "https://evil.example/cb"),
        ("resource", support::MCP),
        ("state", "evil"),
        ("response_mode", "fragment"),
        ("code_challenge", "A0JuPBWPJOvgsTHqFD8AHAkwZ8OWZhJLVHi9mb2Wm4Y"),
        ("user", "bob"),
        ("subject", "bob"),
    ];
    let form = [&page.form("allow")[..], &extra].concat();
    let answer = browser.post(&format!("{}?{}", page.action, encode(&extra)), &form).await;
    assert!(answer.location().unwrap().starts_with(&format!("{CALLBACK}?")), "{:?}", answer.location());
    assert_eq!(answer.redirect_parameter("state").as_deref(), Some("st/a te"));
    let code = answer.redirect_parameter("code").unwrap();
    world.exchange(&other, &code, &[]).await.assert_error(400, "invalid_grant");
    world.exchange(&client, &code, &[("resource", support::MCP)]).await.assert_error(400, "invalid_target");
    let token = world.exchange(&client, &code, &[]).await.json();
    assert_eq!(token["scope"], "projects:read");
    world.assert_nothing_granted(&["bob"]).await;
}

#[tokio::test]
async fn attack_43_a_field_that_is_sent_twice_decides_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let (prompt, other) = (page.prompt.as_str(), browser.prompt(&client.authorize()).await.prompt);
    for form in [
        &[("prompt", prompt), ("decision", "allow"), ("decision", "deny")][..],
        &[("prompt", prompt), ("decision", "deny"), ("decision", "allow")],
        &[("prompt", prompt), ("decision", "allow"), ("decision", "allow")],
        &[("prompt", prompt), ("prompt", &other), ("decision", "allow")],
        &[("prompt", prompt), ("decision", "Allow")],
        &[("prompt", prompt), ("decision", "allow ")],
        &[("prompt", prompt), ("decision", "")],
        &[("prompt", prompt), ("decision[]", "allow")],
        &[("prompt", prompt)],
        &[("prompt", ""), ("decision", "allow")],
        &[("decision", "allow")],
        &[],
    ] {
        browser.post(&page.action, form).await.assert_refused(400, &format!("{form:?}"));
    }
    world.assert_nothing_granted(&["alice"]).await;
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_43_a_changed_prompt_is_refused() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let sealed = &page.prompt;
    let swapped = |at: usize| {
        let letter = if sealed.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{letter}{}", &sealed[..at], &sealed[at + 1..])
    };
    let mut changed: Vec<_> = (0..sealed.len()).map(swapped).collect();
    changed.extend((1..sealed.len()).step_by(7).map(|length| sealed[..length].to_owned()));
    changed.extend([format!("{sealed}A"), format!("{sealed}="), format!("{sealed}{sealed}"), sealed.to_lowercase()]);
    for prompt in changed {
        let answer = browser.decide(&ConsentPage { prompt, ..page.clone() }, "allow").await;
        answer.assert_refused(400, "a changed prompt");
    }
    world.assert_nothing_granted(&["alice"]).await;
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_43_only_own_keys_seal_prompts_and_they_rotate() {
    use base64::Engine as _;
    let key = |byte: u8| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    let storage = MemoryStorage::new();
    let with_keys = |keys: &str| World::at(ISSUER, storage.clone(), |builder| builder.keys(Keys::parse(keys).unwrap()));
    let (old, both, new) = (with_keys(&key(1)), with_keys(&format!("{},{}", key(2), key(1))), with_keys(&key(2)));
    let client = old.public_client().await;
    let mut browser = old.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;

    let mut elsewhere = Browser { world: new.clone(), ..browser.clone() };
    elsewhere.decide(&page, "allow").await.assert_refused(400, "keys that never sealed it");
    old.assert_nothing_granted(&["alice"]).await;
    let mut rotated = Browser { world: both, ..browser };
    rotated.assert_open(&page).await;
    let page = rotated.prompt(&client.authorize()).await;
    elsewhere.assert_open(&page).await;
}
