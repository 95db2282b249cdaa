//! Every page in every state that a person can meet.

use grantor::ConsentUi as _;
use grantor::host::{
    AppView, ClientView, ConsentForm, ConsentView, CorrelationId, DecidedView, ErrorView, Identity, Page, RedirectView,
    ResourceView, ScopeView, WayBack,
};
use grantor::pages::Pages;
use grantor::protocol::error::{AuthorizeReason, PageReason};
use grantor::protocol::redirect::RedirectKind;

use crate::support::World;

/// A page, its name for pictures, and what Tab reaches on it, in order.
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) page: Page,
    pub(crate) stops: Vec<&'static str>,
}

const DETAILS: &str = "Full address and app ID";
const LOGO: &str = "https://skyline.example/logo.png";
const HOME: &str = "skyline.example/about (opens in a new tab)";

pub(crate) async fn all() -> Vec<State> {
    let mut states = Vec::new();
    for (name, view) in consents() {
        let mut stops = vec![DETAILS, "Deny", "Allow"];
        if view.client.home_page.is_some() {
            stops.insert(0, HOME);
        }
        let page = Pages::new().consent(&view).await.unwrap();
        states.push(State { name: format!("consent-{name}"), page, stops });
    }
    states.push(with_logo(&states));
    let branded = Pages::new().accent("#0f766e").unwrap().consent(&consent()).await.unwrap();
    states.push(State { name: "consent-accent".into(), page: branded, stops: vec![HOME, DETAILS, "Deny", "Allow"] });
    for (name, approved) in [("allowed", true), ("denied", false)] {
        let view = DecidedView { app: app(), client: client(), approved };
        let page = Pages::new().decided(&view).await.unwrap();
        states.push(State { name: format!("decided-{name}"), page, stops: Vec::new() });
    }
    for (name, view) in errors() {
        let label = |back: &WayBack| if back.url.starts_with('/') { "Start again" } else { "Go to skyline.example" };
        let stops = view.way_back.as_ref().map(label).into_iter().collect();
        let page = Pages::new().error(&view).await.unwrap();
        states.push(State { name: format!("error-{name}"), page, stops });
    }
    states.push(State { name: "form-post".into(), page: form_post().await, stops: vec!["Continue to client.example"] });
    states
}

/// The same page where the client's logo can be loaded: from the site of the test.
fn with_logo(states: &[State]) -> State {
    let missing = states.iter().find(|state| state.name == "consent-logo-missing").unwrap();
    let mut page = missing.page.clone();
    page.body = page.body.replace(LOGO, "/client.svg");
    State { name: "consent-logo".into(), page, stops: missing.stops.clone() }
}

fn app() -> AppView {
    AppView { name: "Planwerk".into(), logo: Some("/logo.svg".into()) }
}

fn client() -> ClientView {
    ClientView {
        id: "0v3kq9z1f7a8".into(),
        name: "Skyline Roadmaps".into(),
        home_page: Some("https://skyline.example/about".into()),
        logo: None,
        document_host: None,
        identity: Identity::Claimed,
    }
}

fn scope(name: &str, description: &str) -> ScopeView {
    ScopeView { name: name.into(), description: description.into(), is_new: false }
}

fn consent() -> ConsentView {
    ConsentView {
        client: client(),
        app: app(),
        user: "mara@planwerk.example".into(),
        scopes: vec![
            scope("projects:read", "See your projects"),
            scope("projects:write", "Create and change your projects"),
        ],
        offline: None,
        resources: vec![ResourceView { name: "Planwerk".into(), uri: "https://planwerk.example/api".into() }],
        redirect: RedirectView {
            host: "skyline.example".into(),
            uri: "https://skyline.example/callback".into(),
            kind: RedirectKind::Web,
        },
        form: ConsentForm {
            action: "/oauth/consent".into(),
            fields: vec![("prompt", "sealed".into())],
            decision_field: "decision",
            allow: "allow",
            deny: "deny",
        },
    }
}

fn consents() -> Vec<(&'static str, ConsentView)> {
    let offline = "Stay connected until you take the access back";
    let with = |change: fn(&mut ConsentView)| {
        let mut view = consent();
        change(&mut view);
        view
    };
    let mut new_scope = with(|view| view.scopes[1].is_new = true);
    new_scope.offline = Some(offline.into());
    vec![
        ("web", with(|_| {})),
        ("offline", ConsentView { offline: Some(offline.into()), ..consent() }),
        ("new-scope", new_scope),
        ("loopback", with(loopback)),
        ("installed", with(installed)),
        ("verified", with(|view| view.client.identity = Identity::Verified)),
        ("logo-missing", with(|view| view.client.logo = Some(LOGO.into()))),
        ("hostile", with(hostile)),
        ("no-scopes", with(|view| view.scopes.clear())),
    ]
}

fn loopback(view: &mut ConsentView) {
    view.client.home_page = None;
    view.client.name = "roadmap-cli".into();
    view.redirect = RedirectView {
        host: "127.0.0.1:43817".into(),
        uri: "http://127.0.0.1:43817/callback".into(),
        kind: RedirectKind::Loopback,
    };
}

fn installed(view: &mut ConsentView) {
    view.redirect = RedirectView {
        host: "com.skyline.roadmaps".into(),
        uri: "com.skyline.roadmaps:/callback".into(),
        kind: RedirectKind::PrivateUse,
    };
}

/// As much as the protocol lets through, and all of it meant badly.
fn hostile(view: &mut ConsentView) {
    view.client.name = format!("Planwerk Security Team (verified) \u{202E}{}", "PLEASE-PRESS-ALLOW".repeat(12));
    view.client.home_page = None;
    view.client.id = "x".repeat(200);
    view.user = "a-very-long-address-of-somebody-with-a-long-name@department.planwerk.example".into();
    view.scopes = (1..=14)
        .map(|number| ScopeView {
            name: format!("area{number}:{}", "write.".repeat(number)),
            description: format!("Do the thing number {number} {}", "with many words ".repeat(number % 5)),
            is_new: number % 3 == 0,
        })
        .collect();
    view.offline = Some("Stay connected until you take the access back".into());
    let host = format!("accounts.planwerk.example.{}evil.example", "login.".repeat(20));
    let uri = format!("https://{host}/{}", "callback/".repeat(60));
    view.redirect = RedirectView { host, uri, kind: RedirectKind::Web };
}

/// What the server tells its error page for every reason.
fn errors() -> Vec<(String, ErrorView)> {
    let refused = [
        ("refused", AuthorizeReason::ChallengeMissing),
        ("refused-scope", AuthorizeReason::ScopeEmpty),
        ("refused-resource", AuthorizeReason::ResourceUnknown),
        ("refused-grant", AuthorizeReason::GrantNotAllowed),
        ("refused-login", AuthorizeReason::LoginRequired),
        ("refused-consent", AuthorizeReason::ConsentRequired),
    ];
    let to_client = |reason| Some(format!("https://skyline.example/callback?error={}", PageReason::wire(reason).code));
    let refused = refused.map(|(name, reason)| {
        let reason = PageReason::RequestRefused(reason);
        (name.to_owned(), error(reason, to_client(reason)))
    });
    let again = [
        ("prompt-expired", PageReason::PromptExpired),
        ("client-changed", PageReason::ClientChanged),
        ("scope-retired", PageReason::ScopeRetired),
        ("resource-retired", PageReason::ResourceRetired),
        ("other-user", PageReason::OtherUser),
        ("nobody-signed-in", PageReason::NobodySignedIn),
    ];
    let start = || Some("/oauth/authorize?client_id=0v3kq9z1f7a8".to_owned());
    let started = again.map(|(name, reason)| (format!("{name}-again"), error(reason, start())));
    let reasons = [
        ("client-missing", PageReason::ClientMissing),
        ("client-unknown", PageReason::ClientUnknown),
        ("redirect-missing", PageReason::RedirectUriMissing),
        ("redirect-not-registered", PageReason::RedirectUriNotRegistered),
        ("prompt-forged", PageReason::PromptForged),
        ("other-browser", PageReason::OtherBrowser),
        ("cross-site", PageReason::CrossSite),
        ("decision-missing", PageReason::DecisionMissing),
        ("too-large", PageReason::TooLarge),
        ("server-error", PageReason::ServerError),
        ("unavailable", PageReason::Unavailable),
    ];
    let others = reasons.into_iter().chain(again).map(|(name, reason)| (name.to_owned(), error(reason, None)));
    refused.into_iter().chain(started).chain(others).collect()
}

fn error(reason: PageReason, way_back: Option<String>) -> ErrorView {
    let wire = reason.wire();
    ErrorView {
        app: app(),
        status: wire.status,
        error: wire.code,
        description: reason.description(),
        detail: matches!(reason, PageReason::RequestRefused(_)).then_some(wire.description),
        advice: reason.advice(way_back.is_some()),
        way_back: way_back.map(|url| {
            let target = if url.starts_with('/') { "Planwerk" } else { "skyline.example" };
            WayBack { url, target: target.into() }
        }),
        reference: CorrelationId::from_bits(0x5eed_0123_4567_89ab),
    }
}

/// The server's own, as a person without JavaScript sees it: with it, the page is gone at once.
async fn form_post() -> Page {
    let world = World::new();
    let client = world.public_client().await;
    let answer = world.browser_of("alice").allow(&client.authorize_with(&[("response_mode", "form_post")])).await;
    let policy = answer.header("content-security-policy").unwrap().to_owned();
    let (before, rest) = answer.body().split_once("<script>").unwrap();
    let (_, after) = rest.split_once("</script>").unwrap();
    Page::html(format!("{before}{after}"), policy)
}
