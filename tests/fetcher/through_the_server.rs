//! The fetcher at its place: what a person sees of a document that it gets, and of one that it does not.

use grantor::MetadataDocuments;

use crate::site::Site;
use crate::support::{Client, World};

const URL: &str = "https://client.example/client.json";

#[tokio::test]
async fn a_document_makes_a_client_and_a_name_that_leads_inside_makes_a_page() {
    let document = format!(
        r#"{{"client_id":"{URL}","client_name":"Helper","redirect_uris":["https://client.example/cb"],
            "token_endpoint_auth_method":"none"}}"#
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: {}\r\n\r\n",
        document.len()
    );
    let site = Site::sending(head + &document).await;
    let fetcher = site.authority.fetcher(&site.net);
    let world = World::with(|builder| builder.client_metadata_documents(MetadataDocuments::new(fetcher)));
    let client = Client { id: URL.to_owned(), secret: None, redirect_uri: "https://client.example/cb".to_owned() };
    let answer = world.exchange(&client, &world.code(&client).await, &[]).await;
    assert_eq!(answer.status(), 200, "{}", answer.body());

    site.net.leads_to(&[&["169.254.169.254"]]);
    world.clock.advance(std::time::Duration::from_mins(5));
    world.browser_of("alice").get(&client.authorize()).await.assert_page(400);
    assert_eq!((site.requests().len(), site.net.questions()), (1, 2));
}
