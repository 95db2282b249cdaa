//! What an `OwnerSolicitor` cannot do.

use bytes::Bytes;
use grantor::oxide::{Consent, Request};
use grantor::pages::Pages;
use grantor::{ConsentUi, MemoryStorage, NewClient, Registration, Server};
use oxide_auth::endpoint::{OwnerConsent, OwnerSolicitor, Solicitation};
use oxide_auth::frontends::simple::request::{Response, Status};

use crate::engines::honest;
use crate::support::{Answer, encode};
use crate::{CALLBACK, People, Scene, pressed};

#[tokio::test]
async fn a_form_from_elsewhere_or_of_somebody_else_decides_nothing() {
    let scene = Scene::new().await;
    let (page, cookies) = scene.asked(&[]).await;
    let allow = pressed(&page, "Allow");
    for others in ["", "session=ada", "session=mallory", &cookies.replace("session=ada", "session=mallory")] {
        let answer = scene.send("POST", &allow, others, "").await;
        assert!(answer.location().is_none_or(|to| !to.contains("code=")), "{others}: {:?}", answer.location());
    }
    let other_site = http::Request::post(&allow)
        .header("cookie", &cookies)
        .header("origin", "https://evil.example")
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = Answer(scene.app.handle(other_site.body(Bytes::new()).unwrap()).await);
    assert_eq!(answer.status(), 403, "{}", answer.body());
    let (start, _) = allow.split_once("state=").unwrap();
    let forged = scene.send("POST", &format!("{start}state=x&decision=allow"), &cookies, "").await;
    assert!(forged.status().is_client_error() && forged.location().is_none(), "{}", forged.status());
    // None of that used the question up.
    let allowed = scene.send("POST", &allow, &cookies, "").await;
    assert!(allowed.redirect_parameter("code").is_some(), "{}", allowed.body());
}

#[tokio::test]
async fn what_a_form_asks_for_is_not_what_is_given() {
    let scene = Scene::new().await;
    let (page, cookies) = scene.asked(&[("scope", "notes:read")]).await;
    let changed =
        pressed(&page, "Allow").replace("notes%3Aread", "notes%3Awrite").replace("client.example", "evil.example");
    let allowed = scene.send("POST", &changed, &cookies, "").await;
    assert!(allowed.location().unwrap().starts_with(CALLBACK), "{:?}", allowed.location());
    let grants = scene.app.oauth.grants(&grantor::Subject::new("ada"), None, 10).await.unwrap();
    assert_eq!(grants.iter().map(|grant| grant.scopes.as_str()).collect::<Vec<_>>(), ["notes:read"]);
}

/// Decides by itself, or names somebody else.
struct Odd(&'static str);

impl OwnerSolicitor<Request> for Odd {
    fn check_consent(&mut self, request: &mut Request, asked: Solicitation<'_>) -> OwnerConsent<Response> {
        match (self.0, request.head().uri.query()) {
            ("hasty", _) => OwnerConsent::Authorized("ada".to_owned()),
            ("denying", _) => OwnerConsent::Denied,
            ("leading away", _) => {
                let location = Some("https://notes.example/login".parse().unwrap());
                OwnerConsent::InProgress(Response { status: Status::Redirect, location, ..Response::default() })
            }
            (name, Some(_)) => OwnerConsent::Authorized(name.to_owned()),
            (_, None) => {
                let body = asked.state().unwrap_or_default().to_owned();
                let body = Some(oxide_auth::frontends::simple::request::Body::Text(body));
                OwnerConsent::InProgress(Response { body, ..Response::default() })
            }
        }
    }
}

pub(crate) async fn server(consent: impl ConsentUi) -> Server {
    let oauth = Server::builder("https://notes.example")
        .storage(MemoryStorage::new())
        .host(People)
        .scope("notes:read", "Read your notes")
        .default_scopes("notes:read")
        .resource("/api")
        .consent_ui(consent)
        .registration(Registration::Open)
        .build()
        .unwrap();
    oauth.create_client(NewClient::public("Helper").id("helper").redirect_uri(CALLBACK)).await.unwrap();
    oauth
}

pub(crate) async fn ask(oauth: &Server) -> Answer {
    ask_with(oauth, "session=ada").await
}

pub(crate) async fn ask_with(oauth: &Server, cookies: &str) -> Answer {
    let query = encode(&honest("helper"));
    let get = http::Request::get(format!("/oauth/authorize?{query}")).header("cookie", cookies);
    Answer(oauth.handle(get.body(Bytes::new()).unwrap()).await)
}

#[tokio::test]
async fn a_solicitor_that_does_not_ask_or_names_somebody_else_lets_nobody_in() {
    for (name, is_let_in) in
        [("hasty", false), ("denying", false), ("leading away", false), ("mallory", false), ("ada", true)]
    {
        let (consent, decisions) = Consent::new(Odd(name), Pages::new());
        let oauth = server(consent).await;
        let page = ask(&oauth).await;
        if ["hasty", "denying", "leading away"].contains(&name) {
            assert!(page.status().is_server_error() && page.location().is_none(), "{}", page.status());
            continue;
        }
        let cookies = format!("session=ada; {}", page.header("set-cookie").unwrap().split(';').next().unwrap());
        let post = http::Request::post(format!("/authorize?{}", encode(&[("state", page.body())])))
            .header("cookie", cookies)
            .header("origin", "https://notes.example");
        let answer = Answer(decisions.take(&oauth, post.body(Bytes::new()).unwrap()).await);
        assert_eq!(answer.redirect_parameter("code").is_some(), is_let_in, "{name}: {}", answer.status());
        let grants = oauth.grants(&grantor::Subject::new("ada"), None, 10).await.unwrap();
        assert_eq!(!grants.is_empty(), is_let_in, "{name}");
    }
}
