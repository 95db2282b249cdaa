//! The fetcher at its place: what a person sees of a document that it gets, and of one that it does not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use grantor::MetadataDocuments;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::site::{LIMIT, PUBLIC, Site};
use crate::support::signing::{Key, claims, jwks, post};
use crate::support::{CALLBACK, Client, World};

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
    world.clock.advance(Duration::from_mins(5));
    world.browser_of("alice").get(&client.authorize()).await.assert_page(400);
    assert_eq!((site.requests().len(), site.net.questions()), (1, 2));
}

const JWKS: &str = "https://client.example/jwks.json";

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// A site that sends what was put there last, or nothing but a byte now and then if that is empty.
async fn site(sends: &Arc<Mutex<String>>) -> Site {
    let sends = Arc::clone(sends);
    let behaviour = move |mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>| {
        let bytes = sends.lock().unwrap().clone();
        async move {
            if bytes.is_empty() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await;
                while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    };
    Site::with(|_| {}, behaviour).await
}

#[tokio::test]
async fn attack_33_keys_are_read_from_nowhere_but_where_the_client_has_them_on_the_public_internet() {
    const JSON: &str = "content-type: application/json\r\n";
    let key = Key::new("ES256", "k");
    let document = json!({ "client_id": URL, "client_name": "Helper", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": JWKS });
    let sends = Arc::new(Mutex::new(answer("200 OK", JSON, &document.to_string())));
    let site = site(&sends).await;
    let documents = MetadataDocuments::new(site.authority.fetcher(&site.net));
    let world = World::with(|builder| builder.client_metadata_documents(documents));
    let client = Client { id: URL.to_owned(), secret: None, redirect_uri: CALLBACK.to_owned() };
    let _ = world.code(&client).await;
    let shows = async || {
        // What is asked for too often in a minute is not asked for.
        world.clock.advance(Duration::from_mins(1));
        let form = [("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "x")];
        let answer = post(&world, "/oauth/token", &key.sign(&claims(&world, URL)), &form).await;
        answer.error()
    };
    let put = |text: String| *sends.lock().unwrap() = text;
    let set = jwks(&[&key]);

    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"] {
        for addresses in [&[inside][..], &[PUBLIC, inside]] {
            site.net.leads_to(&[addresses]);
            assert_eq!(shows().await, "invalid_client", "{addresses:?}");
        }
    }
    assert_eq!(site.requests().len(), 1, "nobody was asked but for the document");
    site.net.leads_to(&[&[PUBLIC]]);

    let padded = |bytes: usize| {
        let mut set: Value = serde_json::from_str(&set).unwrap();
        set["x"] = "x".repeat(bytes).into();
        set.to_string()
    };
    let elsewhere = format!("{JSON}location: https://client.example/other\r\n");
    for (status, headers, body) in [
        ("302 Found", &*elsewhere, &*set),
        ("307 Temporary", &elsewhere, &set),
        ("200 OK", "content-type: text/html\r\n", &set),
        ("404 Not Found", JSON, &set),
        ("200 OK", JSON, &padded(LIMIT)),
    ] {
        let before = site.requests().len();
        put(answer(status, headers, body));
        assert_eq!(shows().await, "invalid_client", "{status} {headers}");
        assert_eq!(site.requests().len(), before + 1, "{status} {headers}");
    }
    put(String::new());
    assert_eq!(shows().await, "invalid_client", "drop by drop");
    put(answer("200 OK", JSON, &padded(LIMIT / 2)));
    assert_eq!(shows().await, "invalid_grant", "the client is believed, and its code is none");
}
