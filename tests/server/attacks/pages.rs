//! Attacks on the pages by what a client says of itself when it registers.

use std::time::Duration;

use crate::support::{Answer, Client, World};
use serde_json::{Value, json};

const WEB: &str = "https://client.example/cb?x='onmouseover='alert(1)'&y=%22%3E%3Cscript%3E";
const NATIVE: &str = "com.example.app:/cb?x='%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
const NAMES: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "</title></style></p><form action=\"https://evil.example/\"><input name=\"decision\" value=\"allow\">",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{7*7}}${7*7}<%= 7*7 %>{% raw %}",
    "\u{202e}nalP\u{202c}\u{2066}x\u{2069}\u{200f}\u{200b}\u{feff}\u{ad}\u{e0041} Helper",
    "javascript:alert(1)//\u{0}\u{8}\u{1b}[2J\r\nSet-Cookie: x=1",
];
const ADDRESSES: [&str; 10] = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//https://client.example",
    "\tjavascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://client.example/logo.png",
    "//evil.example/x",
    "https://a;script-src/x",
    "https://*/x",
    "https://app.example@evil.example/",
    "https://client.example/\"><script>alert(1)</script>\u{202e}gpj.",
];

/// An opening tag as a browser reads it.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

/// The opening tags of a page. What is in quotes, or between them, is no tag.
fn tags(html: &str) -> Vec<Tag> {
    let (mut found, mut rest) = (Vec::new(), html);
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest.find(|letter: char| letter.is_ascii_whitespace() || letter == '>' || letter == '/').unwrap();
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '/');
            if let Some(behind) = rest.strip_prefix('>') {
                rest = behind;
                break;
            }
            let end = rest.find(|letter: char| letter.is_ascii_whitespace() || "=>/".contains(letter)).unwrap();
            let attribute = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let mut value = "";
            if let Some(behind) = rest.strip_prefix('=') {
                let quote = behind.chars().next().unwrap();
                assert!(quote == '"', "an attribute without quotes: {attribute}={behind:.40}");
                (value, rest) = behind[1..].split_once('"').unwrap();
            }
            attributes.push((attribute, value.to_owned()));
        }
        if name == "style" {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
        found.push(Tag { name, attributes });
    }
    found
}

const KNOWN_TAGS: [&str; 33] = [
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "h1", "h2", "p", "span", "b",
    "bdi", "strong", "code", "a", "img", "svg", "path", "ul", "li", "details", "summary", "dl", "dt", "dd", "form",
    "input", "button", "em",
];

/// Fails unless the page runs nothing, leads nowhere that it should not, and reads as it is written.
fn assert_inert(answer: &Answer, why: &str) {
    let html = answer.body();
    assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{why}");
    for tag in tags(html) {
        assert!(KNOWN_TAGS.contains(&tag.name.as_str()), "{why}: <{}> in {html}", tag.name);
        for (name, value) in &tag.attributes {
            assert!(!name.starts_with("on") && name != "autofocus" && name != "srcdoc", "{why}: {name}={value}");
            let leads = ["href", "src", "action", "formaction", "xlink:href"].contains(&name.as_str());
            let own = value.starts_with('/') && !value.starts_with("//");
            let native = value.starts_with("com.example.app:/cb?") && name == "href";
            assert!(!leads || own || native || value.starts_with("https://client.example/"), "{why}: {name}={value}");
            assert!(!leads || value.chars().all(|letter| letter.is_ascii_graphic()), "{why}: {name}={value}");
            assert!(name != "src" || value.starts_with("https://"), "{why}: {name}={value}");
            assert!(name != "action" || value == "/oauth/consent", "{why}: {name}={value}");
        }
    }
    let controls = |letter: char| letter.is_control() && letter != '\n';
    let turning =
        |letter| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let hidden = |letter| matches!(letter, '\u{ad}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    let odd = html.chars().find(|letter| controls(*letter) || turning(*letter) || hidden(*letter));
    assert_eq!(odd, None, "{why}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"), "{policy}");
    for directive in policy.split(';').map(str::trim).skip(3) {
        let (name, sources) = directive.split_once(' ').unwrap();
        let is_known = match name {
            "style-src" => sources.starts_with("'sha256-") && !sources.contains(' '),
            "img-src" => sources == "https://client.example",
            _ => false,
        };
        assert!(is_known, "{why}: {policy}");
    }
}

/// The pages that people see of a client: consent, decided, and errors.
async fn pages(world: &World, client: &Client) -> Vec<Answer> {
    let mut browser = world.browser_of("alice");
    let mut pages = vec![browser.get(&client.authorize()).await];
    let (page, late) = (browser.prompt(&client.authorize()).await, browser.prompt(&client.authorize()).await);
    for _ in 0..2 {
        pages.push(browser.decide(&page, "deny").await);
    }
    pages.remove(1);
    world.clock.advance(Duration::from_secs(601));
    pages.push(browser.decide(&late, "allow").await);
    for (name, value) in [("scope", "nothing:known"), ("state", NAMES[1]), ("redirect_uri", "javascript:alert(1)")] {
        pages.push(browser.get(&client.authorize_with(&[("prompt", "none"), (name, value)])).await);
    }
    let expected = [200, 409, 400, 400, 400, 400];
    assert_eq!(pages.iter().map(|page| page.status().as_u16()).collect::<Vec<_>>(), expected);
    pages
}

async fn registered(world: &World, metadata: Value) -> Client {
    let answer = world.register(&metadata).await;
    assert_eq!(answer.status().as_u16(), 201, "{metadata} {}", answer.body());
    assert_eq!(answer.header("content-type"), Some("application/json"), "and never a page");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let text = |name: &str| answer.json()[name].as_str().map(str::to_owned);
    let redirect_uri = metadata["redirect_uris"][0].as_str().unwrap().to_owned();
    Client { id: text("client_id").unwrap(), secret: None, redirect_uri }
}

#[tokio::test]
async fn attack_32_a_hostile_name_is_inert_on_every_page() {
    let world = World::new();
    for name in NAMES {
        for redirect_uri in [WEB, NATIVE, "http://localhost:1/cb?'%22%3E%3Cb%3E"] {
            let metadata = json!({
                "client_name": name, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none",
                "client_uri": "https://client.example/'%22", "logo_uri": "https://client.example/logo.png",
            });
            let client = registered(&world, metadata).await;
            for (at, page) in pages(&world, &client).await.iter().enumerate() {
                assert_inert_or_loopback(page, redirect_uri, &format!("page {at} of {name:?}"));
            }
        }
    }
    world.assert_nothing_granted(&["alice"]).await;
}

/// The link back to a program on this machine is one that [`assert_inert`] does not know.
fn assert_inert_or_loopback(page: &Answer, redirect_uri: &str, why: &str) {
    if redirect_uri.starts_with("http:") {
        let (parts, body) = page.0.clone().into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let body = body.replace("href=\"http://localhost:1/cb?", "href=\"https://client.example/cb?");
        assert_inert(&Answer(http::Response::from_parts(parts, body.into())), why);
    } else {
        assert_inert(page, why);
    }
}

#[tokio::test]
async fn attack_32_a_hostile_address_becomes_no_link_and_no_image() {
    let world = World::new();
    for address in ADDRESSES {
        let metadata = json!({
            "client_name": "Helper", "redirect_uris": [WEB], "token_endpoint_auth_method": "none",
            "client_uri": address, "logo_uri": address, "policy_uri": address, "tos_uri": address,
        });
        let answer = world.register(&metadata).await;
        if answer.status() != 201 {
            answer.assert_error(400, "invalid_client_metadata");
            continue;
        }
        let client = registered(&world, metadata).await;
        for (at, page) in pages(&world, &client).await.iter().enumerate() {
            assert_inert(page, &format!("page {at} of {address:?}"));
            assert!(!page.body().to_lowercase().contains("javascript:"), "{}", page.body());
            assert!(!page.body().contains("evil.example"), "{}", page.body());
        }
    }
}

#[tokio::test]
async fn attack_32_a_redirect_uri_that_runs_something_cannot_be_registered() {
    let world = World::new();
    for uri in [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://client.example/x",
        "https://client.example/\"><script>",
        "https://client.example/\u{202e}gpj",
        "https://client.example/<b>",
        " javascript:alert(1)",
        "https://app.example@evil.example/cb",
        "view-source:https://client.example/",
    ] {
        for uris in [json!([uri]), json!([WEB, uri])] {
            let answer = world.register(&json!({ "client_name": "Helper", "redirect_uris": uris })).await;
            answer.assert_error(400, "invalid_redirect_uri");
        }
    }
}

#[test]
fn the_reader_of_pages_finds_what_a_browser_would() {
    let found = |html: &str| tags(html).iter().map(|tag| tag.name.clone()).collect::<Vec<_>>();
    assert_eq!(found("<p title=\"<b>\">a &lt;i&gt; <br/></p><SCRIPT>x"), ["p", "br", "script"]);
    let tag = &tags("<img alt=\"a>\" src=\"x\" hidden ONERROR=\"y\">")[0];
    let names: Vec<_> = tag.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["alt", "src", "hidden", "onerror"]);
}
