//! Clients that the app's own people bring, in the builder and at run time.

use crate::support::{App, CALLBACK, Client, ISSUER, World};
use grantor::storage::Storage as _;
use grantor::{ClientId, MemoryStorage, NewClient, Registration, Server};
use http::StatusCode;

const SECRET: &str = "a-secret-of-the-host-that-has-enough-characters-for-256-bits";

fn as_client(id: &ClientId, secret: Option<&str>) -> Client {
    Client { id: id.to_string(), secret: secret.map(str::to_owned), redirect_uri: CALLBACK.to_owned() }
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

async fn connects(world: &World, client: &Client) -> StatusCode {
    let code = world.code(client).await;
    world.exchange(client, &code, &[]).await.status()
}

#[tokio::test]
async fn a_client_is_created_read_and_used() {
    let world = World::with(|builder| builder.registration(Registration::Off));
    let public = world.server.create_client(NewClient::public("Shop").redirect_uri(CALLBACK)).await.unwrap();
    assert!(public.secret.is_none());
    assert_eq!(connects(&world, &as_client(&public.client.id, None)).await, StatusCode::OK);

    let new = NewClient::confidential("Billing").redirect_uri(CALLBACK).scopes("projects:read");
    let created = world.server.create_client(new).await.unwrap();
    let secret = created.secret.as_ref().unwrap().expose();
    let client = as_client(&created.client.id, Some(secret));
    assert_eq!(connects(&world, &client).await, StatusCode::OK);
    let wrong = as_client(&created.client.id, Some("another"));
    assert_eq!(connects(&world, &wrong).await, StatusCode::UNAUTHORIZED);

    let read = world.server.client(&created.client.id).await.unwrap().unwrap();
    assert_eq!((read.name.as_deref(), read.scopes.as_str()), (Some("Billing"), "projects:read"));
    assert!(world.server.client(&id("nobody")).await.unwrap().is_none());
    let page = world.browser_of("alice").prompt(&client.authorize()).await;
    assert!(page.html.contains("Billing") && !page.html.contains("Not verified"), "{}", page.html);
    assert!(!page.html.contains("projects:write"), "its ceiling");
}

#[tokio::test]
async fn attack_47_no_list_or_json_view_has_a_secret() {
    let world = World::new();
    let new = NewClient::confidential("Billing").redirect_uri(CALLBACK);
    let created = world.server.create_client(new.clone()).await.unwrap();
    let given = world.server.create_client(new.secret(SECRET)).await.unwrap();
    assert!(given.secret.is_none(), "whoever gave it has it");
    let listed = world.server.clients(None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    let shown = format!("{listed:?} {} {created:?}", serde_json::to_string(&listed).unwrap());
    let stored = world.storage.client(&created.client.id).await.unwrap().unwrap();
    let shown = format!("{shown} {stored:?}");
    for secret in [SECRET, created.secret.as_ref().unwrap().expose(), "hash"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn clients_are_listed_in_pages() {
    let world = World::new();
    for number in 0..25 {
        let new = NewClient::public("Shop").id(&format!("shop-{number:02}")).redirect_uri(CALLBACK);
        let _ = world.server.create_client(new).await.unwrap();
    }
    let (mut seen, mut last) = (Vec::new(), None);
    loop {
        let page = world.server.clients(last.as_ref(), 10).await.unwrap();
        let Some(client) = page.last() else { break };
        assert!(page.len() <= 10);
        last = Some(client.id.clone());
        seen.extend(page.into_iter().map(|client| client.id.to_string()));
    }
    assert_eq!(seen, (0..25).map(|number| format!("shop-{number:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let world = World::new();
    let new = || NewClient::public("Shop").id("shop").redirect_uri(CALLBACK);
    let _ = world.server.create_client(new()).await.unwrap();
    let error = world.server.create_client(new().redirect_uri("https://evil.example/cb")).await.unwrap_err();
    assert_eq!(error.to_string(), "there is a client of that id");
    let kept = world.server.client(&id("shop")).await.unwrap().unwrap();
    assert_eq!(kept.redirect_uris.len(), 1);
}

#[tokio::test]
async fn a_client_of_the_builder_is_there_from_the_start() {
    let new = NewClient::confidential("Shop").id("shop").secret(SECRET).redirect_uri(CALLBACK);
    let world = World::with(|builder| builder.client(new));
    assert_eq!(connects(&world, &as_client(&id("shop"), Some(SECRET))).await, StatusCode::OK);
    assert_eq!(world.server.clients(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_of_the_builder_is_brought_up_to_date_and_older_prompts_end() {
    let storage = MemoryStorage::new();
    let world = |redirect_uri: &str| {
        let new = NewClient::public("Shop").id("shop").redirect_uri(redirect_uri);
        World::at(ISSUER, storage.clone(), |builder| builder.client(new).keys(grantor::Keys::from_bytes([7; 32])))
    };
    let before = world(CALLBACK);
    let mut browser = before.browser_of("alice");
    let page = browser.prompt(&as_client(&id("shop"), None).authorize()).await;

    let after = world("https://client.example/moved");
    let moved = Client { redirect_uri: "https://client.example/moved".to_owned(), ..as_client(&id("shop"), None) };
    assert_eq!(connects(&after, &moved).await, StatusCode::OK);
    browser.world = after;
    browser.get(&as_client(&id("shop"), None).authorize()).await.assert_page(400);
    browser.decide(&page, "allow").await.assert_page(403);
}

#[test]
fn what_is_no_client_is_refused_with_a_reason() {
    let build = |client: NewClient| {
        let builder = Server::builder(ISSUER).storage(MemoryStorage::new()).host(App);
        builder.scope("a", "A").resource("/api").client(client).build().unwrap_err().to_string()
    };
    let shop = || NewClient::public("Shop").id("shop");
    for (client, reason) in [
        (NewClient::public("Shop").redirect_uri(CALLBACK), "needs an id"),
        (shop(), "needs a redirect URI"),
        (shop().redirect_uri("http://shop.example/cb"), "plain http"),
        (shop().redirect_uri(CALLBACK).scopes("b"), "not in the catalogue"),
        (shop().redirect_uri(CALLBACK).logo("javascript:alert(1)"), "not an https URL"),
        (shop().redirect_uri(CALLBACK).secret("short"), "too short"),
        (NewClient::confidential("Shop").id("shop").redirect_uri(CALLBACK), "must be given"),
        (shop().id("").redirect_uri(CALLBACK), "client id"),
    ] {
        let error = build(client);
        assert!(error.contains(reason), "{reason}: {error}");
    }
}
