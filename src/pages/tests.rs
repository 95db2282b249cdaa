use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::*;
use crate::host::{
    AppView, ClientView, ConsentForm, CorrelationId, Identity, RedirectView, ResourceView, ScopeView, WayBack,
};
use crate::protocol::redirect::RedirectKind;

const MARKUP: &str = r#""><script>alert(1)</script><img src=x onerror='x'>{{7*7}}&amp;"#;
const TURNED: &str = "gpj.\u{202E}exe\u{2066}\u{200F}\u{7}\u{200B}";

fn app() -> AppView {
    AppView { name: "Planwise".into(), logo: Some("/logo.svg".into()) }
}

fn client() -> ClientView {
    ClientView {
        id: "client-4711".into(),
        name: "Helper".into(),
        home_page: Some("https://helper.example/about".into()),
        logo: Some("https://cdn.helper.example/logo.png?v=2".into()),
        document_host: None,
        identity: Identity::Claimed,
    }
}

fn consent_view() -> ConsentView {
    ConsentView {
        client: client(),
        app: app(),
        user: "mara@planwise.example".into(),
        scopes: vec![
            ScopeView { name: "projects:read".into(), description: "See your projects".into(), is_new: false },
            ScopeView { name: "projects:write".into(), description: "Change your projects".into(), is_new: true },
        ],
        offline: Some("Stay connected until you take it back".into()),
        resources: vec![ResourceView { name: "Planwise API".into(), uri: "https://planwise.example/api".into() }],
        redirect: RedirectView {
            host: "helper.example".into(),
            uri: "https://helper.example/callback".into(),
            kind: RedirectKind::Web,
        },
        form: ConsentForm {
            action: "/oauth/authorize/decision".into(),
            fields: vec![("prompt", "sealed-prompt".into()), ("token", "form-token".into())],
            decision_field: "decision",
            allow: "yes-value",
            deny: "no-value",
        },
    }
}

fn decided_view(approved: bool) -> DecidedView {
    DecidedView { app: app(), client: client(), approved }
}

fn error_view(way_back: Option<WayBack>) -> ErrorView {
    ErrorView {
        app: app(),
        status: 400,
        error: "invalid_request",
        description: "The address to return to is not registered.",
        detail: Some("redirect_uri is not registered."),
        advice: "Start again from the app.",
        way_back,
        reference: CorrelationId::from_bits(0xfeed),
    }
}

/// The pages never wait.
fn ready<T>(future: impl Future<Output = Result<T, HostError>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("a page waits"),
    }
}

fn consent(view: &ConsentView) -> String {
    ready(Pages::new().consent(view)).body
}

fn every_page() -> Vec<Page> {
    let pages = Pages::new().accent("#ffcc00").unwrap();
    let back = WayBack { url: "https://helper.example/cb?error=x".into(), target: "helper.example".into() };
    vec![
        ready(Pages::new().consent(&consent_view())),
        ready(pages.consent(&consent_view())),
        ready(pages.decided(&decided_view(true))),
        ready(pages.decided(&decided_view(false))),
        ready(pages.error(&error_view(Some(back)))),
        ready(pages.error(&error_view(None))),
    ]
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map(|(found, _)| found).unwrap()
}

/// What a reader sees: the body without its tags.
fn visible(page: &str) -> String {
    let mut seen = String::new();
    for part in between(page, "<main>", "</main>").split('<') {
        seen.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    seen
}

#[test]
fn the_consent_page_shows_everything_in_the_view() {
    let page = consent(&consent_view());
    let seen = visible(&page);
    for text in [
        "Helper wants access to Planwise",
        "Signed in as mara@planwise.example",
        "Not verified",
        "helper.example/about",
        "See your projects projects:read",
        "Change your projects New projects:write",
        "Stay connected until you take it back",
        "Planwise API https://planwise.example/api",
        "https://helper.example/callback",
        "client-4711",
    ] {
        assert!(seen.contains(text), "{text}\n{seen}");
    }
    for part in [
        r#"<title>Helper wants access to Planwise</title>"#,
        r#"<a href="https://helper.example/about" target="_blank" rel="noopener noreferrer nofollow">"#,
        r#"src="https://cdn.helper.example/logo.png?v=2""#,
        r#"src="/logo.svg""#,
        r#"<p class="host"><bdi dir="ltr"><b>helper.example</b></bdi></p>"#,
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn a_claimed_identity_is_never_called_verified() {
    let mut view = consent_view();
    let claimed = visible(&consent(&view));
    assert!(claimed.contains("The app says this about itself. Planwise has not verified"));
    assert!(!claimed.contains("Verified"));

    view.client.identity = Identity::Verified;
    let verified = visible(&consent(&view));
    assert!(verified.contains("Verified") && verified.contains("Planwise has verified this app’s name"));
    assert!(!verified.contains("Not verified") && !verified.contains("about itself"));
}

#[test]
fn the_site_of_a_document_is_named_and_verified_only_where_the_answer_goes_there() {
    let mut view = consent_view();
    view.client.document_host = Some("helper.example".to_owned());
    let claimed = visible(&consent(&view));
    assert!(claimed.contains("Not verified") && claimed.contains("it is the one described at helper.example."));
    assert!(!claimed.contains("Verified"));

    view.client.identity = Identity::Site;
    let site = visible(&consent(&view));
    assert!(site.contains("Verified site") && site.contains("This app belongs to helper.example:"));
    assert!(site.contains("Planwise has not verified what it is called."));
}

#[test]
fn the_form_comes_first_and_alone_with_its_hidden_fields_before_the_buttons() {
    let page = consent(&consent_view());
    assert_eq!(page.matches("<form").count(), 1);
    assert!(page.contains(r#"<form method="post" action="/oauth/authorize/decision">"#));
    let form = between(&page, "<form", "</form>");
    let at = |part: &str| form.find(part).unwrap();
    let prompt = at(r#"<input type="hidden" name="prompt" value="sealed-prompt">"#);
    let token = at(r#"<input type="hidden" name="token" value="form-token">"#);
    let deny = at(r#"<button type="submit" class="deny" name="decision" value="no-value">Deny</button>"#);
    let allow = at(r#"<button type="submit" class="allow" name="decision" value="yes-value">Allow</button>"#);
    assert!(prompt < token && token < deny && deny < allow, "{form}");
    assert_eq!(page.matches("<button").count(), 2);
}

#[test]
fn scripted_clients_find_the_button_that_allows_and_no_other() {
    assert!(ENGLISH.allow.to_lowercase().contains("allow"));
    let deny = ENGLISH.deny.to_lowercase();
    for word in ["approve", "allow", "accept", "authorize", "continue", "sign", "yes"] {
        assert!(!deny.contains(word), "{word}");
    }
}

#[test]
fn both_buttons_look_alike() {
    let sheet = include_str!("style.css");
    assert!(sheet.contains("form { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr));"));
    let rules: Vec<_> = sheet.lines().filter(|line| line.contains(".allow") || line.contains(".deny")).collect();
    assert!(!rules.is_empty() && rules.iter().all(|rule| rule.starts_with(".deny, .allow {")), "{rules:?}");
}

#[test]
fn the_loopback_warning_is_for_loopback_only() {
    let shows = |kind| {
        let mut view = consent_view();
        view.redirect.kind = kind;
        let page = consent(&view);
        (page.contains(ENGLISH.loopback_warning), page.contains(ENGLISH.installed_title))
    };
    assert_eq!(shows(RedirectKind::Web), (false, false));
    assert_eq!(shows(RedirectKind::Loopback), (true, false));
    assert_eq!(shows(RedirectKind::PrivateUse), (false, true));
}

#[test]
fn attack_32_markup_in_any_field_is_escaped() {
    let plain = consent(&consent_view());
    let fields: [fn(&mut ConsentView); 14] = [
        |view| view.client.name = MARKUP.into(),
        |view| view.client.id = MARKUP.into(),
        |view| view.client.home_page = Some(format!("https://c.example/{MARKUP}")),
        |view| view.client.logo = Some(format!("https://c.example/{MARKUP}")),
        |view| view.app.name = MARKUP.into(),
        |view| view.app.logo = Some(format!("/{MARKUP}")),
        |view| view.user = MARKUP.into(),
        |view| view.scopes[0].name = MARKUP.into(),
        |view| view.scopes[0].description = MARKUP.into(),
        |view| view.resources[0].name = MARKUP.into(),
        |view| view.resources[0].uri = MARKUP.into(),
        |view| view.redirect.host = MARKUP.into(),
        |view| view.redirect.uri = MARKUP.into(),
        |view| view.form.fields[0].1 = MARKUP.into(),
    ];
    for (index, set) in fields.into_iter().enumerate() {
        let mut view = consent_view();
        set(&mut view);
        let page = consent(&view);
        assert!(!page.contains("<script") && !page.contains("<img src=x"), "{index}: {page}");
        // An attribute that was left early would leave an odd quote behind.
        assert_eq!(page.matches('"').count() % 2, plain.matches('"').count() % 2, "{index}");
        assert!(page.matches('<').count() <= plain.matches('<').count(), "{index}");
    }
}

#[test]
fn attack_32_markup_on_the_other_pages_is_escaped() {
    let mut decided = decided_view(true);
    decided.client.name = MARKUP.into();
    decided.app.name = MARKUP.into();
    let mut error =
        error_view(Some(WayBack { url: format!("https://c.example/cb?state={MARKUP}"), target: MARKUP.into() }));
    error.app.name = MARKUP.into();
    for page in [ready(Pages::new().decided(&decided)), ready(Pages::new().error(&error))] {
        assert!(!page.body.contains("<script") && !page.body.contains("<img src=x"), "{}", page.body);
    }
}

#[test]
fn attack_32_bidirectional_and_control_characters_come_out_inert() {
    let mut view = consent_view();
    view.client.name = TURNED.into();
    view.client.id = TURNED.into();
    view.client.home_page = Some(format!("https://helper.example/{TURNED}"));
    view.user = TURNED.into();
    view.redirect.host = TURNED.into();
    view.redirect.uri = TURNED.into();
    let mut decided = decided_view(false);
    decided.client.name = TURNED.into();
    let error = error_view(Some(WayBack { url: "https://c.example/".into(), target: TURNED.into() }));
    let pages = Pages::new();
    for page in [ready(pages.consent(&view)), ready(pages.decided(&decided)), ready(pages.error(&error))] {
        for character in TURNED.chars().filter(|character| !character.is_ascii_graphic()) {
            assert!(!page.body.contains(character), "{character:?}");
        }
    }
    assert!(consent(&view).contains("<bdi>gpj.exe</bdi> wants access to"));
}

#[test]
fn attack_32_a_name_of_nothing_visible_is_replaced_by_the_id() {
    let mut view = consent_view();
    view.client.name = "\u{200B}\u{3164} \u{202E}".into();
    assert!(visible(&consent(&view)).contains("client-4711 wants access to Planwise"));
    view.client.id = "\u{200B}".into();
    assert!(visible(&consent(&view)).contains("An app without a name wants access to Planwise"));
}

#[test]
fn attack_32_a_client_cannot_write_the_apps_sentences() {
    let mut view = consent_view();
    view.client.name = "{app} {user} {{ title }}".into();
    assert!(visible(&consent(&view)).contains("{app} {user} {{ title }} wants access to Planwise"));
}

#[test]
fn attack_32_a_long_name_is_cut_in_the_title_and_whole_below() {
    let mut view = consent_view();
    view.client.name = "Long ".repeat(60).trim_end().to_owned();
    let page = consent(&view);
    assert!(between(&page, "<h1>", "</h1>").len() < 120);
    assert!(visible(&page).contains(&view.client.name));
}

#[test]
fn addresses_that_are_not_plain_https_are_left_out() {
    let mut view = consent_view();
    view.client.home_page = Some("javascript:alert(1)".into());
    view.client.logo = Some("data:image/png;base64,AA".into());
    let page = ready(Pages::new().consent(&view));
    assert!(!page.body.contains("<a ") && !page.body.contains("javascript:") && !page.body.contains("data:"));
    assert!(page.content_security_policy.ends_with("; img-src 'self'"));
}

#[test]
fn the_policy_names_the_hash_of_the_style_sheet_byte_for_byte() {
    for page in every_page() {
        let sheet = between(&page.body, "<style>", "</style>");
        let hash = STANDARD.encode(digest(&SHA256, sheet.as_bytes()));
        assert!(page.content_security_policy.starts_with(&format!("style-src 'sha256-{hash}'")));
    }
}

#[test]
fn the_policy_names_the_logos_that_are_shown_and_no_others() {
    let policy = |view: &ConsentView| ready(Pages::new().consent(view)).content_security_policy;
    let mut view = consent_view();
    assert!(policy(&view).ends_with("; img-src https://cdn.helper.example 'self'"));
    view.app.logo = Some("https://cdn.helper.example/app.png".into());
    assert!(policy(&view).ends_with("; img-src https://cdn.helper.example"));
    view.client.logo = None;
    view.app.logo = None;
    assert!(!policy(&view).contains("img-src"));
}

#[test]
fn attack_32_a_hosts_name_adds_no_directive() {
    let mut view = consent_view();
    view.client.logo = Some("https://evil.example;script-src/x.png".into());
    let page = ready(Pages::new().consent(&view));
    assert!(!page.content_security_policy.contains("script-src") && !page.body.contains("evil.example"));
}

#[test]
fn no_page_needs_what_its_policy_forbids() {
    for page in every_page() {
        let body = page.body.to_lowercase();
        for forbidden in ["<script", " style=", "<link ", "<iframe", "@import", "url(", "javascript:"] {
            assert!(!body.contains(forbidden), "{forbidden}");
        }
        let handlers = body
            .split('<')
            .filter_map(|tag| tag.split_once('>'))
            .filter(|(tag, _)| tag.split_whitespace().skip(1).any(|attribute| attribute.starts_with("on")));
        assert_eq!(handlers.count(), 0);
        assert!(!page.content_security_policy.contains("form-action"));
        assert_eq!(page.content_type, "text/html; charset=utf-8");
    }
}

#[test]
fn every_page_has_one_heading_one_landmark_a_language_and_a_title() {
    for page in every_page() {
        for part in [r#"<html lang="en" dir="ltr">"#, "<h1>", "<main>", "<title>", r#"name="viewport""#] {
            assert_eq!(page.body.matches(part).count(), 1, "{part}");
        }
        assert!(!between(&page.body, "<title>", "</title>").is_empty());
        assert!(!page.body.contains("user-scalable") && !page.body.contains("maximum-scale"));
    }
}

#[test]
fn a_repeated_decision_says_what_was_decided() {
    let allowed = visible(&ready(Pages::new().decided(&decided_view(true))).body);
    assert!(allowed.contains("You allowed Helper to access Planwise. That decision stands; nothing was sent twice."));
    assert!(allowed.contains(ENGLISH.after_allowing));
    let denied = visible(&ready(Pages::new().decided(&decided_view(false))).body);
    assert!(denied.contains("You denied Helper access to Planwise. That decision stands"));
    assert!(denied.contains(ENGLISH.after_denying));
}

#[test]
fn an_error_page_says_what_is_wrong_and_what_to_do() {
    let page = ready(Pages::new().error(&error_view(None)));
    let seen = visible(&page.body);
    for text in [
        "Planwise",
        "The address to return to is not registered.",
        "Start again from the app.",
        "invalid_request (400)",
        "redirect_uri is not registered.",
    ] {
        assert!(seen.contains(text), "{text}\n{seen}");
    }
    assert!(!page.body.contains("<a ") && !page.body.contains("<form"));
}

#[test]
fn an_error_page_links_to_the_way_back() {
    let url = "https://helper.example/cb?error=invalid_scope&state=a";
    let back = WayBack { url: url.into(), target: "helper.example".into() };
    let page = ready(Pages::new().error(&error_view(Some(back)))).body;
    assert!(
        page.contains(r#"href="https://helper.example/cb?error=invalid_scope&#38;state=a" rel="noreferrer">"#),
        "{page}"
    );
    assert!(visible(&page).contains("Go to helper.example"));
}

#[test]
fn a_way_back_to_the_start_of_the_request_says_so() {
    let back = WayBack { url: "/oauth/authorize?client_id=a".into(), target: "Planwise".into() };
    let page = ready(Pages::new().error(&error_view(Some(back)))).body;
    assert!(visible(&page).contains("Start again") && !visible(&page).contains("Go to"));
}

#[test]
fn attack_32_a_way_back_that_runs_something_is_left_out() {
    let back = WayBack { url: "javascript:alert(1)".into(), target: "helper.example".into() };
    assert!(!ready(Pages::new().error(&error_view(Some(back)))).body.contains("<a "));
}

#[test]
fn without_scopes_the_page_says_so() {
    let mut view = consent_view();
    view.scopes.clear();
    assert!(visible(&consent(&view)).contains("Reach Planwise in your name."));
}
