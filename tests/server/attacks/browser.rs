//! Attacks that other sites make through a person's browser: forged forms, forged logins, frames.

use std::sync::Arc;

use crate::support::{self, Answer, Browser, Client, ConsentPage, ISSUER, World, encode, request};
use bytes::Bytes;
use grantor::host::{ConsentView, DecidedView, ErrorView, Page};
use grantor::storage::MemoryStorage;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{ConsentUi, HostError};
use http::{Method, StatusCode, header};

/// Posts the honest form with such headers, and fails unless it is refused.
async fn assert_cross_site(browser: &mut Browser, page: &ConsentPage, headers: &[(&str, &str)]) {
    for decision in ["allow", "deny"] {
        let answer = browser.post_with(&page.action, &page.form(decision), headers).await;
        answer.assert_refused(403, &format!("{headers:?}"));
    }
}

#[tokio::test]
async fn attack_39_a_form_of_another_site_decides_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    for origin in [
        "https://evil.example",
        "null",
        "",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example:443",
        "https://app.example/",
        "https://app.example.evil.example",
        "https://sub.app.example",
        "https://app.example, https://evil.example",
    ] {
        assert_cross_site(&mut browser, &page, &[("origin", origin)]).await;
        assert_cross_site(&mut browser, &page, &[("origin", origin), ("sec-fetch-site", "same-origin")]).await;
        assert_cross_site(&mut browser, &page, &[("origin", origin), ("referer", "https://app.example/oauth")]).await;
    }
    for site in ["cross-site", "same-site", "none", "", "same-origin, cross-site"] {
        assert_cross_site(&mut browser, &page, &[("sec-fetch-site", site)]).await;
    }
    for origins in [[ISSUER, "https://evil.example"], ["https://evil.example", ISSUER], ["null", ISSUER]] {
        assert_cross_site(&mut browser, &page, &[("origin", origins[0]), ("origin", origins[1])]).await;
    }
    world.assert_nothing_granted(&["alice"]).await;
    let answer = browser.post_with(&page.action, &page.form("allow"), &[("sec-fetch-site", "same-origin")]).await;
    assert!(answer.redirect_parameter("code").is_some(), "an honest form counts");
}

#[tokio::test]
async fn attack_39_another_port_of_the_same_machine_is_another_site() {
    let world = World::at("http://localhost:3000", MemoryStorage::new(), |builder| builder);
    let client = world.client("none", &["http://localhost:8000/cb"]).await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    for origin in ["http://localhost:3001", "http://localhost", "https://localhost:3000", "http://127.0.0.1:3000"] {
        assert_cross_site(&mut browser, &page, &[("origin", origin)]).await;
    }
    world.assert_nothing_granted(&["alice"]).await;
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_39_only_a_posted_form_decides() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let body = encode(&page.form("allow"));
    browser.get(&format!("{}?{body}", page.action)).await.assert_refused(405, "a link or an image");
    let answer = browser.post(&format!("{}?{body}", page.action), &[]).await;
    answer.assert_refused(400, "the query of a form");
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for media_type in ["text/plain", "multipart/form-data; boundary=x", "application/json", ""] {
        let post = request(Method::POST, &page.action).header("origin", ISSUER).header("cookie", cookies.join("; "));
        let post = post.header(header::CONTENT_TYPE, media_type).body(Bytes::from(body.clone())).unwrap();
        world.send(post).await.assert_refused(400, media_type);
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
        let answer = world.call(method.clone(), &page.action, &[("origin", ISSUER)]).await;
        answer.assert_refused(405, method.as_str());
    }
    world.assert_nothing_granted(&["alice"]).await;
    browser.assert_open(&page).await;
}

#[tokio::test]
async fn attack_39_a_login_by_force_binds_nothing_to_the_attacker() {
    let world = World::new();
    let client = world.public_client().await;
    let mut attacker = world.browser_of("mallory");
    let attackers_page = attacker.prompt(&client.authorize()).await;
    let mut victim = world.browser_of("alice");
    let victims_page = victim.prompt(&client.authorize()).await;

    // A forged login form leaves the victim signed in as mallory, in a session of mallory's.
    victim.sign_in("mallory");
    victim.decide(&victims_page, "allow").await.assert_refused(403, "the page was shown to alice");
    victim.decide(&attackers_page, "allow").await.assert_refused(403, "the page was shown to another browser");
    victim.cookies.insert("session".to_owned(), attacker.cookies["session"].clone());
    victim.decide(&victims_page, "allow").await.assert_refused(403, "even in mallory's very session");
    victim.decide(&attackers_page, "allow").await.assert_refused(403, "even in mallory's very session");
    victim.cookies.clone_from(&attacker.cookies);
    victim.sign_in("mallory");
    victim.decide(&attackers_page, "allow").await.assert_refused(403, "even with mallory's cookie of ours");
    world.assert_nothing_granted(&["alice", "mallory"]).await;
}

#[tokio::test]
async fn attack_39_a_posted_authorization_request_only_becomes_a_get() {
    let world = World::new();
    let client = world.public_client().await;
    let path = client.authorize();
    let query = path.split_once('?').unwrap().1;
    let form: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut browser = world.browser_of("alice");
    for headers in [&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..], &[("origin", ISSUER)]]
    {
        let answer = browser.post_with("/oauth/authorize", &support::pairs(&form), headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert!(answer.body().is_empty() && answer.header("set-cookie").is_none());
        let (target, sent_on) = answer.location().unwrap().split_once('?').unwrap();
        assert_eq!(target, "/oauth/authorize");
        assert_eq!(url::form_urlencoded::parse(sent_on.as_bytes()).into_owned().collect::<Vec<_>>(), form);
    }
    for hostile in ["//evil.example", "https://evil.example", "x\r\nset-cookie: a=b", "@evil.example", "/../x#y"] {
        let post = request(Method::POST, "/oauth/authorize");
        let post = post.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(post.body(Bytes::from(hostile.to_owned())).unwrap()).await;
        let stays = answer.location().is_none_or(|location| location.starts_with("/oauth/authorize?"));
        assert!(stays && answer.header("set-cookie").is_none(), "{hostile:?}: {:?}", answer.location());
    }
    world.assert_nothing_granted(&["alice"]).await;
}

#[tokio::test]
async fn a_planted_cookie_that_is_no_text_keeps_nobody_from_deciding() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let (session, own) = (&browser.cookies["session"], &browser.cookies["__Host-grantor"]);
    let planted = [b"planted=\xff\xfe; __Host-grantor=", own.as_bytes()].concat();
    let post = request(Method::POST, &page.action)
        .header("origin", ISSUER)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("session={session}"))
        .header("cookie", header::HeaderValue::from_bytes(&planted).unwrap());
    let answer = world.send(post.body(Bytes::from(encode(&page.form("allow")))).unwrap()).await;
    assert!(answer.redirect_parameter("code").is_some(), "{}", answer.body());
}

fn assert_unframed(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{what}");
    let policies: Vec<_> = answer.0.headers().get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
    assert_eq!(policies.len(), 1, "{what}");
    let policy = policies[0].to_str().unwrap();
    // CSP 3 §6.1: of a directive that is there twice, the first counts.
    let framing = policy.split(';').map(str::trim).find(|directive| directive.starts_with("frame-ancestors"));
    assert_eq!(framing, Some("frame-ancestors 'none'"), "{what}: {policy}");
    assert!(!policy.contains("form-action"), "{what}: a browser would stop the redirect to the client");
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{what}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}

/// Every page that there is, with what it is.
async fn every_page(world: &World<Arc<Faulty<MemoryStorage>>>, client: &Client) -> Vec<(String, Answer)> {
    let mut browser = world.browser_of("alice");
    let mut pages = Vec::new();
    for (what, path) in [
        ("consent", client.authorize()),
        ("client missing", "/oauth/authorize".to_owned()),
        ("client unknown", client.authorize_with(&[("client_id", "nobody")])),
        ("redirect foreign", client.authorize_with(&[("redirect_uri", "https://evil.example/")])),
        ("refused", client.authorize_with(&[("response_type", "token")])),
        ("too long", format!("{}&x={}", client.authorize(), "x".repeat(17_000))),
    ] {
        pages.push((what.to_owned(), browser.get(&path).await));
    }
    let page = ConsentPage::read(pages[0].1.body());
    pages.push(("forged".to_owned(), browser.post(&page.action, &[("prompt", "x"), ("decision", "allow")]).await));
    pages.push(("no decision".to_owned(), browser.post(&page.action, &[("prompt", &page.prompt)]).await));
    let foreign = [("origin", "https://evil.example")];
    pages.push(("cross-site".to_owned(), browser.post_with(&page.action, &page.form("allow"), &foreign).await));
    pages.push(("other browser".to_owned(), world.browser_of("alice").decide(&page, "allow").await));
    let large = "x".repeat(70_000);
    pages.push(("too large".to_owned(), browser.post(&page.action, &[("prompt", &large)]).await));
    for lost in [Call::Client, Call::Decide] {
        world.storage.lose(Lost::Request, lost, 1);
        pages.push((format!("{lost:?} lost"), browser.decide(&page, "allow").await));
    }
    assert_eq!(browser.decide(&page, "deny").await.status(), StatusCode::SEE_OTHER);
    pages.push(("decided".to_owned(), browser.decide(&page, "allow").await));
    let late = browser.prompt(&client.authorize()).await;
    browser.sign_out();
    pages.push(("signed out".to_owned(), browser.decide(&late, "allow").await));
    browser.sign_in("bob");
    pages.push(("other user".to_owned(), browser.decide(&late, "allow").await));
    pages
}

#[tokio::test]
async fn attack_40_no_page_can_be_framed() {
    let world = World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder);
    let client = world.public_client().await;
    let mut statuses = std::collections::BTreeSet::new();
    for (what, answer) in every_page(&world, &client).await {
        assert_unframed(&answer, &what);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{what}");
        statuses.insert(answer.status().as_u16());
    }
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 400, 403, 409, 413, 503]);
}

/// Pages of an app that would like to be framed, and whose error page fails.
struct Careless;

const FRAMEABLE: &str = "frame-ancestors *; script-src 'self'";

impl ConsentUi for Careless {
    async fn consent(&self, view: &ConsentView) -> Result<Page, HostError> {
        Ok(Page::html(
            format!("<form action=\"x\"><input name=\"prompt\" value=\"{}\">", view.form.fields[0].1),
            FRAMEABLE,
        ))
    }

    async fn decided(&self, _: &DecidedView) -> Result<Page, HostError> {
        Ok(Page::html("", "x\r\nset-cookie: a=b"))
    }

    async fn error(&self, _: &ErrorView) -> Result<Page, HostError> {
        Err(HostError::new("no template"))
    }
}

#[tokio::test]
async fn attack_40_pages_of_the_app_cannot_weaken_it() {
    let world = World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder.consent_ui(Careless));
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let answer = browser.get(&client.authorize()).await;
    assert_unframed(&answer, "consent");
    let page = ConsentPage { action: "/oauth/consent".to_owned(), ..ConsentPage::read(answer.body()) };
    assert!(browser.decide(&page, "allow").await.redirect_parameter("code").is_some());
    let decided = browser.decide(&page, "allow").await;
    assert_unframed(&decided, "decided");
    assert!(decided.header("set-cookie").is_none());
    assert_unframed(&browser.get("/oauth/authorize").await, "error");
}
