//! Clients that are known by a metadata document, over HTTP, with a web of sites that the test makes up.

mod caching;
mod fetched_keys;
mod key_attacks;
mod refusals;
pub(crate) mod site;
mod stores;

use crate::support::{CALLBACK, Client, ConsentPage, World};
use grantor::protocol::client::ClientOrigin;
use grantor::{ClientChange, ClientId};
use site::{URL, Web, client, document};

fn honest() -> Client {
    client(URL, CALLBACK)
}

fn id() -> ClientId {
    ClientId::parse(URL).unwrap()
}

async fn metadata(world: &World) -> serde_json::Value {
    world.get("/.well-known/oauth-authorization-server").await.json()
}

#[tokio::test]
async fn it_is_off_unless_asked_for_and_then_advertised() {
    let world = World::new();
    assert!(metadata(&world).await.get("client_id_metadata_document_supported").is_none());
    world.browser_of("alice").get(&honest().authorize()).await.assert_page(400);

    let metadata = metadata(&Web::new().world()).await;
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&"none".into()), "Claude looks for it");
}

#[tokio::test]
async fn the_client_of_a_document_gets_tokens_and_the_document_is_fetched_once() {
    let web = Web::new();
    let world = web.world();
    let code = world.code(&honest()).await;
    let answer = world.exchange(&honest(), &code, &[]).await;
    assert_eq!(answer.status(), 200, "{}", answer.body());
    let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    assert!(world.is_live(answer.json()["access_token"].as_str().unwrap()).await);
    // The site may be gone: the token endpoint asks nobody.
    web.answer(URL, site::Answer::Unreachable);
    world.clock.advance(std::time::Duration::from_hours(20 * 24));
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("client_id", URL)];
    assert_eq!(world.post("/oauth/token", &form, &[]).await.status(), 200);
    assert_eq!(web.fetches(), 1);
    assert_eq!(web.events(), [("document_fetched".to_owned(), "new".to_owned())]);
}

#[tokio::test]
async fn attack_33_nothing_is_fetched_for_whoever_is_not_signed_in() {
    let web = Web::new();
    let world = web.world();
    let mut browser = world.browser();
    let answer = browser.get(&honest().authorize()).await;
    let location = answer.location().unwrap().to_owned();
    assert!(location.starts_with("/login?return_to="), "{location}");
    assert_eq!(web.fetches(), 0);

    let return_to = url::Url::parse(&format!("https://app.example{location}")).unwrap();
    let return_to = return_to.query_pairs().find(|(name, _)| name == "return_to").unwrap().1.into_owned();
    browser.sign_in("alice");
    assert!(browser.allow(&return_to).await.redirect_parameter("code").is_some());
    assert_eq!(web.fetches(), 1);

    let token =
        world.post("/oauth/token", &[("grant_type", "refresh_token"), ("client_id", "https://x.example/c")], &[]);
    assert_eq!(token.await.status(), 401);
    assert_eq!(web.fetches(), 1, "nor for a request of a client");
}

#[tokio::test]
async fn the_wishes_of_a_request_count_before_its_client_is_known() {
    let web = Web::new();
    let world = web.world();
    let mut browser = world.browser();
    let silent = honest().authorize_with(&[("prompt", "none")]);
    browser.get(&silent).await.assert_page(400);
    browser.get(&honest().authorize_with(&[("prompt", "none login")])).await.assert_page(400);
    let fresh = browser.get(&honest().authorize_with(&[("prompt", "login")])).await;
    let location = fresh.location().unwrap();
    assert!(location.contains("login_after%3D1800000000000"), "one login is enough: {location}");
    browser.sign_in("alice");
    browser.get(&silent).await.assert_page(400);
    assert_eq!(web.events().pop().unwrap(), ("refused".to_owned(), "consent_required".to_owned()));
}

#[tokio::test]
async fn consent_is_asked_every_time_and_names_the_site() {
    let web = Web::new();
    let world = web.world();
    let mut browser = world.browser_of("alice");
    for _ in 0..2 {
        let answer = browser.allow(&honest().authorize()).await;
        assert!(answer.redirect_parameter("code").is_some());
    }
    let page = browser.prompt(&honest().authorize()).await.html;
    assert!(page.contains("Verified site") && page.contains("<bdi>client.example</bdi>"), "{page}");
    // Any program on this computer can come with this document.
    for redirect_uri in ["http://127.0.0.1:4711/callback", "com.example.client:/callback"] {
        let page = browser.prompt(&client(URL, redirect_uri).authorize()).await.html;
        assert!(page.contains("Not verified") && page.contains("<bdi>client.example</bdi>"), "{page}");
        assert!(!page.contains("Verified site"), "{page}");
    }
    let elsewhere = "https://elsewhere.example/client.json";
    web.put(elsewhere, &document(elsewhere));
    let page = browser.prompt(&client(elsewhere, CALLBACK).authorize()).await.html;
    assert!(page.contains("Not verified") && page.contains("<bdi>elsewhere.example</bdi>"), "{page}");
}

#[tokio::test]
async fn nobody_is_spared_the_question_by_what_an_administrator_says() {
    use grantor::ConsentPolicy;
    let world = Web::new().world();
    let _ = world.code(&honest()).await;
    for policy in [ConsentPolicy::Remember, ConsentPolicy::Skip] {
        world.server.change_client(&id(), ClientChange::new().consent(policy)).await.unwrap();
        let _: ConsentPage = world.browser_of("alice").prompt(&honest().authorize()).await;
    }
}

#[tokio::test]
async fn an_administrator_sees_blocks_and_removes_the_client() {
    let web = Web::new();
    let world = web.world();
    let token = world.access_token(&honest()).await;
    let listed = world.server.client(&id()).await.unwrap().unwrap();
    assert_eq!((listed.origin, listed.name.as_deref()), (ClientOrigin::Document, Some("Helper")));

    world.server.block_client(&id()).await.unwrap();
    assert!(!world.is_live(&token).await);
    let mut browser = world.browser_of("alice");
    browser.get(&honest().authorize()).await.assert_page(403);
    // It holds however long it is, and whatever the document says by then.
    web.put(URL, &{
        let mut changed = document(URL);
        changed["client_name"] = "Quite another".into();
        changed
    });
    world.clock.advance(std::time::Duration::from_hours(400 * 24));
    world.server.purge(1000).await.unwrap();
    browser.get(&honest().authorize()).await.assert_page(403);
    assert_eq!(web.fetches(), 1);

    world.server.unblock_client(&id()).await.unwrap();
    assert!(browser.prompt(&honest().authorize()).await.html.contains("Quite another"));
    assert!(world.server.remove_client(&id()).await.unwrap());
    assert!(world.server.client(&id()).await.unwrap().is_none());
    assert!(browser.allow(&honest().authorize()).await.redirect_parameter("code").is_some(), "it comes anew");
}

#[tokio::test]
async fn what_an_administrator_says_of_the_client_outlasts_the_next_fetch() {
    let web = Web::new();
    let world = web.world();
    let _ = world.code(&honest()).await;
    world.server.change_client(&id(), ClientChange::new().scopes(Some("projects:read"))).await.unwrap();
    world.clock.advance(std::time::Duration::from_hours(25));
    let answer = world.exchange(&honest(), &world.code(&honest()).await, &[]).await;
    assert_eq!((web.fetches(), answer.json()["scope"].as_str()), (2, Some("projects:read")));
}

#[tokio::test]
async fn attack_30_a_client_of_a_document_gets_nothing_reserved() {
    let web = Web::new();
    let mut greedy = document(URL);
    greedy["scope"] = "admin".into();
    greedy["grant_types"] = serde_json::json!(["client_credentials", "authorization_code"]);
    greedy["consent_policy"] = "skip".into();
    web.put(URL, &greedy);
    let world = web.world();
    let code = world.code_for(&honest(), &[("scope", "admin projects:read")]).await;
    assert_eq!(world.exchange(&honest(), &code, &[]).await.json()["scope"], "projects:read");
    let own = [("grant_type", "client_credentials"), ("client_id", URL)];
    world.post("/oauth/token", &own, &[]).await.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn clients_that_never_got_a_grant_end_and_come_again() {
    let web = Web::new();
    let world = web.world();
    let mut browser = world.browser_of("alice");
    let _ = browser.prompt(&honest().authorize()).await;
    world.clock.advance(std::time::Duration::from_hours(8 * 24));
    assert!(world.server.client(&id()).await.unwrap().is_none());
    // Whether it was tidied up meanwhile or not.
    let _ = browser.prompt(&honest().authorize()).await;
    world.clock.advance(std::time::Duration::from_hours(8 * 24));
    world.server.purge(1000).await.unwrap();
    assert!(browser.allow(&honest().authorize()).await.redirect_parameter("code").is_some());
    assert_eq!(web.fetches(), 3);
}

#[tokio::test]
async fn strangers_documents_keep_to_the_budget_of_registrations() {
    let web = Web::empty();
    let world = World::with(|builder| web.configure(builder, |rules| rules).registration_budget(5));
    let mut browser = world.browser_of("mallory");
    for number in 0..12 {
        let url = format!("https://client.example/{number}");
        web.put(&url, &document(&url));
        let _ = browser.prompt(&client(&url, CALLBACK).authorize()).await;
    }
    assert_eq!(world.server.clients(None, 100).await.unwrap().len(), 5);
}
