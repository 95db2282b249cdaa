//! What the templates are given: every text of a stranger has been made inert on its way in here.

use askama::Template;

use super::address::{HomePage, Logo, emphasised, way_back};
use super::inert::{inert, initial, shortened};
use super::sentence::{Piece, Sentence};
use super::texts::Texts;
use crate::host::{
    AppView, ClientView, ConsentForm, ConsentView, DecidedView, ErrorView, Identity, ResourceView, ScopeView,
};
use crate::protocol::redirect::RedirectKind;

/// How much of a client's name stands in sentences. Where it is introduced, it is shown whole.
const NAME_SHOWN: usize = 60;

/// What every page has.
#[derive(Debug)]
pub(super) struct Shell<'a> {
    pub(super) style: &'a str,
    pub(super) texts: &'static Texts,
}

/// The names in a page's sentences.
#[derive(Debug)]
pub(super) struct Names {
    client: String,
    client_whole: String,
    app: String,
    site: String,
}

impl Names {
    pub(super) fn new(client: &ClientView, app: &AppView, texts: &Texts) -> Self {
        let client_whole = [inert(&client.name), inert(&client.id)]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| texts.unnamed.to_owned());
        let site = client.document_host.as_deref().map(inert).unwrap_or_default();
        Self { client: shortened(&client_whole, NAME_SHOWN).into_owned(), client_whole, app: app.name.clone(), site }
    }

    fn sentence(&self, pattern: &'static str) -> Sentence<'_> {
        Sentence::new(pattern, &[("client", &self.client), ("app", &self.app), ("site", &self.site)])
    }
}

/// A logo, or the letter in its place.
#[derive(Debug)]
pub(super) struct Brand {
    logo: Option<Logo>,
    initial: String,
}

impl Brand {
    fn of_app(app: &AppView) -> Self {
        Self { logo: app.logo.as_deref().and_then(Logo::of_app), initial: initial(&app.name) }
    }

    pub(super) fn source(&self) -> Option<&str> {
        self.logo.as_ref().map(|logo| logo.source.as_str())
    }
}

/// The two parties of a request.
#[derive(Debug)]
pub(super) struct Brands {
    client: Brand,
    app: Brand,
}

impl Brands {
    fn new(client: &ClientView, app: &AppView, names: &Names) -> Self {
        let logo = client.logo.as_deref().and_then(Logo::of_client);
        Self { client: Brand { logo, initial: initial(&names.client) }, app: Brand::of_app(app) }
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.client.source().into_iter().chain(self.app.source())
    }
}

/// Where the browser goes.
#[derive(Debug)]
struct Destination {
    heading: &'static str,
    front: String,
    back: String,
    uri: String,
    kind: RedirectKind,
}

/// The page that asks.
#[derive(Template)]
#[template(path = "consent.html", config = "src/pages/askama.toml")]
pub(super) struct Consent<'a> {
    shell: Shell<'a>,
    pub(super) brands: Brands,
    title: Sentence<'a>,
    client_name: &'a str,
    client_id: String,
    home_page: Option<HomePage>,
    identity: Identity,
    identity_note: Sentence<'a>,
    user: String,
    scopes: &'a [ScopeView],
    offline: Option<&'a str>,
    no_scopes: Sentence<'a>,
    resources: &'a [ResourceView],
    destination: Destination,
    form: &'a ConsentForm,
}

impl<'a> Consent<'a> {
    pub(super) fn new(shell: Shell<'a>, view: &'a ConsentView, names: &'a Names) -> Self {
        let texts = shell.texts;
        let host = inert(&view.redirect.host);
        let (front, back) = emphasised(&host, view.redirect.kind);
        Self {
            brands: Brands::new(&view.client, &view.app, names),
            title: names.sentence(texts.consent_title),
            client_name: &names.client_whole,
            client_id: inert(&view.client.id),
            home_page: view.client.home_page.as_deref().and_then(HomePage::new),
            identity: view.client.identity,
            identity_note: names.sentence(match view.client.identity {
                Identity::Claimed if names.site.is_empty() => texts.claimed_note,
                Identity::Claimed => texts.claimed_at_site_note,
                Identity::Site => texts.site_note,
                Identity::Verified => texts.verified_note,
            }),
            user: inert(&view.user),
            scopes: &view.scopes,
            offline: view.offline.as_deref(),
            no_scopes: names.sentence(texts.no_scopes),
            resources: &view.resources,
            destination: Destination {
                heading: match view.redirect.kind {
                    RedirectKind::Web => texts.goes_to_site,
                    RedirectKind::Loopback => texts.goes_to_loopback,
                    RedirectKind::PrivateUse => texts.goes_to_installed,
                },
                front: front.to_owned(),
                back: back.to_owned(),
                uri: inert(&view.redirect.uri),
                kind: view.redirect.kind,
            },
            form: &view.form,
            shell,
        }
    }

    fn signed_in_as(&self) -> Sentence<'_> {
        Sentence::new(self.shell.texts.signed_in_as, &[("user", &self.user)])
    }

    fn installed_note(&self) -> Sentence<'_> {
        Sentence::new(self.shell.texts.installed_note, &[("scheme", &self.destination.back)])
    }
}

/// The page for a decision that was sent again.
#[derive(Template)]
#[template(path = "decided.html", config = "src/pages/askama.toml")]
pub(super) struct Decided<'a> {
    shell: Shell<'a>,
    pub(super) brands: Brands,
    decision: Sentence<'a>,
    next: &'static str,
}

impl<'a> Decided<'a> {
    pub(super) fn new(shell: Shell<'a>, view: &DecidedView, names: &'a Names) -> Self {
        let texts = shell.texts;
        let (decision, next) = if view.approved {
            (texts.decided_allowed, texts.after_allowing)
        } else {
            (texts.decided_denied, texts.after_denying)
        };
        Self { brands: Brands::new(&view.client, &view.app, names), decision: names.sentence(decision), next, shell }
    }
}

/// The page for a request that cannot go on.
#[derive(Template)]
#[template(path = "error.html", config = "src/pages/askama.toml")]
pub(super) struct Failure<'a> {
    shell: Shell<'a>,
    pub(super) app: Brand,
    view: &'a ErrorView,
    /// The address and the name of a way on.
    way_back: Option<(&'a str, String)>,
}

impl<'a> Failure<'a> {
    pub(super) fn new(shell: Shell<'a>, view: &'a ErrorView) -> Self {
        let way_back = view.way_back.as_ref().and_then(|back| Some((way_back(&back.url)?, inert(&back.target))));
        Self { app: Brand::of_app(&view.app), way_back, view, shell }
    }

    fn way_back_label<'b>(&self, url: &str, target: &'b str) -> Sentence<'b> {
        let texts = self.shell.texts;
        let pattern = if url.starts_with('/') { texts.start_again } else { texts.way_back };
        Sentence::new(pattern, &[("target", target)])
    }
}
