//! `response_mode=form_post`: the answer is a page that posts itself to the client.

use std::collections::BTreeSet;

use crate::support::logins::SelfPosting;
use crate::support::{Answer, CALLBACK, Client, ISSUER, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantor::protocol::client::ConsentPolicy;
use http::StatusCode;

const FORM_POST: (&str, &str) = ("response_mode", "form_post");

/// Fails unless this page posts itself with exactly these fields, and can do nothing else.
fn assert_posts(answer: &Answer, redirect_uri: &str, names: &[&str]) -> SelfPosting {
    answer.assert_page(200);
    let html = answer.body();
    let page = SelfPosting::read(html);
    assert_eq!(page.action, redirect_uri);
    let found: BTreeSet<_> = page.fields.keys().map(String::as_str).collect();
    assert_eq!(found, names.iter().copied().collect(), "{html}");
    assert_eq!(page.fields["iss"], ISSUER);
    assert!(html.contains(r#"<form method="post""#) && html.matches("<button>").count() == 1, "without script: {html}");

    assert_eq!(html.matches("<script").count(), 1, "{html}");
    let script = html.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    assert_eq!(script, "document.forms[0].submit()");
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = |text: &str| STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()));
    let policy = answer.header("content-security-policy").unwrap();
    let directives: BTreeSet<_> = policy.split(';').map(str::trim).collect();
    let script_src = format!("script-src 'sha256-{}'", hash(script));
    let style_src = format!("style-src 'sha256-{}'", hash(style));
    let expected = ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", &script_src, &style_src];
    assert_eq!(directives, BTreeSet::from(expected), "and no form-action, which would stop the form");
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "the client gets no referrer");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    page
}

/// Fails unless this is a page that does nothing by itself.
fn assert_still(answer: &Answer) {
    assert!(!answer.body().contains("<script") && !answer.body().contains("<form"), "{}", answer.body());
    assert!(!answer.header("content-security-policy").unwrap().contains("script-src"));
}

async fn opens(world: &World, client: &Client, code: &str) -> bool {
    let tokens = world.exchange(client, code, &[]).await.json();
    world.is_live(tokens["access_token"].as_str().unwrap_or_default()).await
}

#[tokio::test]
async fn a_code_is_posted_with_state_and_issuer() {
    let world = World::new();
    let loopback = "http://127.0.0.1:8123/cb?a=1&b=2";
    let clients = [
        world.public_client().await,
        world.client("client_secret_basic", &["https://client.example/cb?a=1&amp;=2"]).await,
        world.client("none", &[loopback]).await,
        world.administrators_client("house", None, &[CALLBACK]).await,
    ];
    for client in &clients {
        let answer = world.browser_of("alice").allow(&client.authorize_with(&[FORM_POST])).await;
        let page = assert_posts(&answer, &client.redirect_uri, &["code", "state", "iss"]);
        assert_eq!(page.fields["state"], "st/a te");
        assert!(opens(&world, client, &page.fields["code"]).await);
        let answer = world.browser_of("alice").allow(&client.authorize_with(&[FORM_POST, ("state", "")])).await;
        assert_posts(&answer, &client.redirect_uri, &["code", "iss"]);
    }
}

#[tokio::test]
async fn a_code_without_a_question_is_posted_too() {
    let world = World::new();
    for (id, policy) in [("skip", ConsentPolicy::Skip), ("remember", ConsentPolicy::Remember)] {
        let client = world.house_client(id, policy, &[CALLBACK]).await;
        let mut browser = world.browser_of("alice");
        browser.allow(&client.authorize_with(&[("prompt", "consent")])).await;
        for prompt in ["", "none"] {
            let answer = browser.get(&client.authorize_with(&[FORM_POST, ("prompt", prompt)])).await;
            let page = assert_posts(&answer, CALLBACK, &["code", "state", "iss"]);
            assert!(opens(&world, &client, &page.fields["code"]).await);
        }
    }
}

#[tokio::test]
async fn a_denial_is_posted() {
    let world = World::new();
    let house = world.administrators_client("house", None, &[CALLBACK]).await;
    for client in [world.public_client().await, house] {
        let answer = world.browser_of("alice").deny(&client.authorize_with(&[FORM_POST])).await;
        let page = assert_posts(&answer, CALLBACK, &["error", "error_description", "state", "iss"]);
        assert_eq!((&*page.fields["error"], &*page.fields["state"]), ("access_denied", "st/a te"));
    }
    world.assert_nothing_granted(&["alice"]).await;
}

#[tokio::test]
async fn an_error_is_posted_to_who_is_trusted_and_shown_for_who_registered_itself() {
    let world = World::new();
    let house = world.administrators_client("house", None, &[CALLBACK]).await;
    let stranger = world.public_client().await;
    for (name, value, error) in [
        ("scope", "nothing:known", "invalid_scope"),
        ("response_type", "token", "unsupported_response_type"),
        ("resource", "https://else.example/", "invalid_target"),
        ("prompt", "none", "consent_required"),
    ] {
        let mut browser = world.browser_of("alice");
        let answer = browser.get(&house.authorize_with(&[FORM_POST, (name, value)])).await;
        let page = assert_posts(&answer, CALLBACK, &["error", "error_description", "state", "iss"]);
        assert_eq!((&*page.fields["error"], &*page.fields["state"]), (error, "st/a te"));
        let shown = browser.get(&stranger.authorize_with(&[FORM_POST, (name, value)])).await;
        shown.assert_page_says(400, error);
        assert_still(&shown);
    }
    for broken in [("redirect_uri", "https://evil.example/cb"), ("client_id", "nobody")] {
        let shown = world.browser_of("alice").get(&house.authorize_with(&[FORM_POST, broken])).await;
        shown.assert_page(400);
        assert_still(&shown);
        assert!(!shown.body().contains("evil.example"));
    }
}

#[tokio::test]
async fn attack_32_markup_in_the_state_is_posted_as_it_came_and_does_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    for state in [
        r#""><script>alert(1)</script>"#,
        r#"'><img src=x onerror="alert(1)">"#,
        r#"" autofocus onfocus=alert(1) x=""#,
        r#"</form><form action="https://evil.example/">"#,
        r#""><input type="hidden" name="code" value="evil"><x y=""#,
        "&quot;&lt;b&gt;&amp;amp;&#39;",
        "]]><!-- --><svg/onload=alert(1)>",
        "\u{202e}\u{2066}é\u{0}\u{1}\u{7f}",
    ] {
        for decision in ["allow", "deny"] {
            let mut browser = world.browser_of("alice");
            let page = browser.prompt(&client.authorize_with(&[FORM_POST, ("state", state)])).await;
            assert!(!page.html.contains(state), "the consent page does not show it");
            let answer = browser.decide(&page, decision).await;
            let names = match decision {
                "allow" => &["code", "state", "iss"][..],
                _ => &["error", "error_description", "state", "iss"],
            };
            assert_eq!(assert_posts(&answer, CALLBACK, names).fields["state"], state);
        }
    }
}

#[tokio::test]
async fn no_other_response_mode_is_taken_for_a_known_one() {
    let world = World::new();
    let house = world.house_client("house", ConsentPolicy::Skip, &[CALLBACK]).await;
    let stranger = world.public_client().await;
    for mode in ["fragment", "query.jwt", "form_post.jwt", "web_message", "FORM_POST", "form_post ", "query form_post"]
    {
        let mut browser = world.browser_of("alice");
        let request = |client: &Client| client.authorize_with(&[("response_mode", mode)]);
        browser.get(&request(&house)).await.assert_told(&house, "invalid_request");
        let shown = browser.get(&request(&stranger)).await;
        shown.assert_page_says(400, "invalid_request");
        assert_still(&shown);
    }
    let twice = format!("{}&response_mode=query&response_mode=form_post", house.authorize());
    world.browser_of("alice").get(&twice).await.assert_told(&house, "invalid_request");
    world.assert_nothing_granted(&["alice"]).await;
    let query = world.browser_of("alice").get(&house.authorize_with(&[("response_mode", "query")])).await;
    assert_eq!(query.status(), StatusCode::SEE_OTHER);
    query.silent_code();
}

#[tokio::test]
async fn the_mode_of_the_request_holds_whatever_the_form_says() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let form = [&page.form("allow")[..], &[FORM_POST]].concat();
    browser.post(&format!("{}?response_mode=form_post", page.action), &form).await.silent_code();
    let page = browser.prompt(&client.authorize_with(&[FORM_POST])).await;
    let form = [&page.form("allow")[..], &[("response_mode", "query")]].concat();
    let answer = browser.post(&page.action, &form).await;
    assert_posts(&answer, CALLBACK, &["code", "state", "iss"]);
    let again = browser.decide(&page, "allow").await;
    assert_eq!(again.status(), StatusCode::CONFLICT, "the page cannot be made to post a second code");
    assert_still(&again);
}
