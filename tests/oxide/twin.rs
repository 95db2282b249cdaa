//! The types for `oxide-auth-async`.

use std::borrow::Cow;

use bytes::Bytes;
use grantor::oxide_async::{Consent, Registrar};
use grantor::pages::Pages;
use oxide_auth::primitives::registrar::ClientUrl;
use oxide_auth_async::primitives::Registrar as _;

use crate::before::Ada;
use crate::consent::{ask, ask_with, server};
use crate::support::Answer;
use crate::{CALLBACK, Scene, pressed};

#[tokio::test]
async fn it_asks_and_decides_as_well() {
    let (consent, decisions) = Consent::new(Ada, Pages::new());
    let oauth = server(consent).await;
    let page = ask(&oauth).await;
    let cookies = format!("session=ada; {}", page.header("set-cookie").unwrap().split(';').next().unwrap());
    for (button, parameter) in [("Deny", "error"), ("Allow", "code")] {
        let page = ask_with(&oauth, &cookies).await;
        let post = http::Request::post(pressed(&page, button))
            .header("cookie", &cookies)
            .header("origin", "https://notes.example");
        let answer = Answer(decisions.take(&oauth, post.body(Bytes::new()).unwrap()).await);
        assert!(answer.redirect_parameter(parameter).is_some(), "{button}: {:?}", answer.location());
    }
}

#[tokio::test]
async fn it_reads_our_clients_as_well() {
    let scene = Scene::new().await;
    let registrar = Registrar::new(&scene.app.oauth);
    let asked = ClientUrl { client_id: Cow::Borrowed("helper"), redirect_uri: None };
    let bound = registrar.bound_redirect(asked).await.unwrap();
    assert_eq!(bound.redirect_uri.as_str(), CALLBACK);
    let given = registrar.negotiate(bound, Some("notes:write unknown".parse().unwrap())).await.unwrap();
    assert_eq!(given.scope.to_string(), "notes:write");
    assert!(registrar.check("helper", None).await.is_ok());
    assert!(registrar.check("helper", Some(b"x")).await.is_err());
}
