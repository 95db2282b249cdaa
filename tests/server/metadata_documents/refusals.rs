//! Every reason for which a document makes no client: a page, and never a redirect.

use grantor::host::{Admission, DocumentApplicant};
use grantor::protocol::admission::Terms;
use grantor::server::InvalidConfiguration;
use grantor::{Host, HostError, MetadataDocuments, ScopeSet, Server, SignIn, User};
use http::request::Parts;
use serde_json::json;

use super::honest;
use super::site::{Answer, URL, Web, client, document, json_answer};
use crate::support::{App, CALLBACK, World};

async fn assert_refused(web: &Web, world: &World, url: &str, status: u16, reason: &str) {
    let answer = world.browser_of("alice").get(&client(url, CALLBACK).authorize()).await;
    answer.assert_page(status);
    assert_eq!(web.last_event(), ("refused".to_owned(), reason.to_owned()), "{url}");
}

#[tokio::test]
async fn attack_34_each_wrong_document_gets_a_page_with_its_reason_in_the_log() {
    let web = Web::new();
    let world = web.world();
    let changed = |field: &str, value: serde_json::Value| {
        let mut document = document(URL);
        document[field] = value;
        Answer::Is(json_answer(&document.to_string()))
    };
    let twice = document(URL).to_string().replacen('{', &format!(r#"{{"client_id":"{URL}","#), 1);
    let honest_answer = json_answer(&document(URL).to_string());
    for (answer, reason) in [
        (changed("client_id", json!("https://client.example/other")), "other_document"),
        (changed("client_id", json!(null)), "other_document"),
        (changed("client_secret", json!("s3cret")), "secret_in_document"),
        (changed("client_secret_expires_at", json!(0)), "secret_in_document"),
        (changed("token_endpoint_auth_method", json!("client_secret_post")), "auth_method"),
        (changed("redirect_uris", json!([])), "redirect_uris_missing"),
        (changed("redirect_uris", json!(["javascript:alert(1)"])), "redirect_uri"),
        (changed("client_name", json!("x".repeat(300))), "name_too_long"),
        (changed("grant_types", json!(["implicit"])), "no_grant_type"),
        (Answer::Is(json_answer(&twice)), "not_metadata"),
        (Answer::Is(json_answer("<html>")), "not_metadata"),
        (Answer::Is(honest_answer.clone().content_type("text/html")), "content_type"),
        (Answer::Is(honest_answer.clone().with_status(301)), "status"),
        (Answer::Is(honest_answer.clone().with_status(404)), "status"),
        (Answer::Is(honest_answer.clone().with_status(500)), "site_fails"),
        (changed("x", json!("x".repeat(64 * 1024))), "document_too_large"),
        (Answer::TooLarge, "document_too_large"),
        (Answer::TimedOut, "timed_out"),
        (Answer::NotPublic, "address_not_public"),
        (Answer::Unreachable, "unreachable"),
    ] {
        world.clock.advance(std::time::Duration::from_mins(1));
        web.answer(URL, answer);
        assert_refused(&web, &world, URL, 400, reason).await;
    }
    assert!(world.server.clients(None, 10).await.unwrap().is_empty(), "nothing of it is kept");
}

#[tokio::test]
async fn attack_33_a_client_id_that_leads_elsewhere_is_never_fetched() {
    let web = Web::new();
    let world = web.world();
    for (url, reason) in [
        ("https://client.example", "no_path"),
        ("https://127.0.0.1/c", "host"),
        ("https://2130706433/c", "host"),
        ("https://[::1]/c", "host"),
        ("https://localhost/c", "host"),
        ("https://good.example@evil.example/c", "user_info"),
        ("https://client.example/a/../c", "not_normal"),
        ("https://client.example/c#x", "fragment"),
        ("HTTPS://client.example/c", "not_normal"),
        ("http://client.example/c", "client_unknown"),
        ("file:///etc/passwd", "client_unknown"),
    ] {
        assert_refused(&web, &world, url, 400, reason).await;
        // Whoever is not signed in gets no further either.
        world.browser().get(&client(url, CALLBACK).authorize()).await.assert_page(400);
    }
    assert_eq!(web.fetches(), 0);
}

#[tokio::test]
async fn a_redirect_uri_that_the_document_does_not_have_gets_a_page() {
    let web = Web::new();
    let world = web.world();
    let answer = world.browser_of("alice").get(&client(URL, "https://evil.example/cb").authorize()).await;
    answer.assert_page(400);
    assert_eq!(web.last_event().1, "redirect_uri_not_registered");
    // Whatever else is wrong is said on a page as well: the client is a stranger.
    let answer = world.browser_of("alice").get(&honest().authorize_with(&[("code_challenge", "")])).await;
    answer.assert_page(400);
}

#[tokio::test]
async fn attack_33_the_lists_of_hosts_hold_before_anything_is_fetched() {
    let web = Web::empty();
    let hosts =
        ["https://good.example/c", "https://a.wild.example/c", "https://bad.wild.example/c", "https://x.example/c"];
    for url in hosts {
        web.put(url, &document(url));
    }
    let world =
        web.world_with(|rules| rules.allow_hosts(["good.example", "*.wild.example"]).deny_hosts(["bad.wild.example"]));
    let mut browser = world.browser_of("alice");
    for url in &hosts[..2] {
        let _ = browser.prompt(&client(url, CALLBACK).authorize()).await;
    }
    assert_eq!(web.fetches(), 2);
    for url in &hosts[2..] {
        assert_refused(&web, &world, url, 403, "host_not_allowed").await;
    }
    assert_eq!(web.fetches(), 2);
    let wrong = Server::builder("https://app.example")
        .storage(grantor::MemoryStorage::new())
        .host(App)
        .scope("a", "A")
        .resource("/api")
        .client_metadata_documents(MetadataDocuments::new(web).allow_hosts(["https://claude.ai"]))
        .build();
    assert!(matches!(wrong.unwrap_err(), InvalidConfiguration::DocumentHost(_)));
}

/// Takes in what it likes, from whom it likes.
struct Choosy;

impl Host for Choosy {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        App.signed_in(request).await
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }

    async fn admit_document(&self, applicant: DocumentApplicant<'_>, _: &Parts) -> Result<Admission, HostError> {
        match (applicant.host, applicant.user.subject.as_str()) {
            ("client.example", "alice") => {
                let mut terms = Terms::default();
                terms.scopes = Some(ScopeSet::parse("projects:read").unwrap());
                Ok(Admission::Admit(terms))
            }
            ("client.example", _) => Err(HostError::new("no answer")),
            _ => Ok(Admission::Refuse),
        }
    }
}

#[tokio::test]
async fn the_app_takes_clients_in_on_its_terms() {
    let web = Web::new();
    let world = World::with(|builder| web.configure(builder.host(Choosy), |rules| rules));
    assert_refused(&web, &world, "https://other.example/c", 403, "not_admitted").await;
    world.browser_of("bob").get(&honest().authorize()).await.assert_page(500);
    assert_eq!(web.fetches(), 0);
    let code = world.code(&honest()).await;
    assert_eq!(world.exchange(&honest(), &code, &[]).await.json()["scope"], "projects:read");
}

#[tokio::test]
async fn attack_32_names_and_links_of_a_document_are_inert() {
    let web = Web::new();
    let mut hostile = document(URL);
    hostile["client_name"] = "<img src=x onerror=alert(1)>\u{202e}live".into();
    hostile["client_uri"] = "javascript:alert(1)".into();
    hostile["logo_uri"] = "https://client.example/\"><script>alert(1)</script>".into();
    web.put(URL, &hostile);
    let page = web.world().browser_of("alice").prompt(&honest().authorize()).await.html;
    assert!(!page.contains("<script") && !page.contains("<img src=x") && !page.contains("javascript:"), "{page}");
    assert!(!page.contains('\u{202e}'));
}
