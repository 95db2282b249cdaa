//! What the pages say.

/// All words of the pages in one language. `{client}`, `{app}`, `{user}`, `{site}`, `{scheme}` and `{target}`
/// are filled in where a text has them.
#[derive(Debug)]
pub(super) struct Texts {
    /// The language, as in HTML's `lang`.
    pub(super) language: &'static str,
    /// `ltr` or `rtl`.
    pub(super) direction: &'static str,
    /// Stands for a client whose name and id have nothing to show.
    pub(super) unnamed: &'static str,

    pub(super) consent_title: &'static str,
    pub(super) signed_in_as: &'static str,
    pub(super) claimed: &'static str,
    pub(super) claimed_note: &'static str,
    /// The same for a client that is known by a document on a site.
    pub(super) claimed_at_site_note: &'static str,
    pub(super) site: &'static str,
    pub(super) site_note: &'static str,
    pub(super) verified: &'static str,
    pub(super) verified_note: &'static str,
    pub(super) new_tab: &'static str,
    pub(super) scopes: &'static str,
    pub(super) no_scopes: &'static str,
    /// Marks a scope that comes on top of what was given before.
    pub(super) new_scope: &'static str,
    pub(super) resources: &'static str,
    pub(super) goes_to_site: &'static str,
    pub(super) goes_to_loopback: &'static str,
    pub(super) goes_to_installed: &'static str,
    pub(super) loopback_title: &'static str,
    pub(super) loopback_warning: &'static str,
    pub(super) installed_title: &'static str,
    pub(super) installed_note: &'static str,
    pub(super) details: &'static str,
    pub(super) full_address: &'static str,
    pub(super) client_id: &'static str,
    /// Scripts look for it: it has to match `/allow/i`.
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,

    pub(super) decided_title: &'static str,
    pub(super) decided_allowed: &'static str,
    pub(super) decided_denied: &'static str,
    pub(super) decided_stands: &'static str,
    pub(super) after_allowing: &'static str,
    pub(super) after_denying: &'static str,

    pub(super) error_title: &'static str,
    pub(super) error_code: &'static str,
    /// Stands before the number that finds this request again.
    pub(super) reference: &'static str,
    pub(super) way_back: &'static str,
    /// For a way back that leads to the start of the request.
    pub(super) start_again: &'static str,
}

/// The default.
pub(super) const ENGLISH: Texts = Texts {
    language: "en",
    direction: "ltr",
    unnamed: "An app without a name",

    consent_title: "{client} wants access to {app}",
    signed_in_as: "Signed in as {user}",
    claimed: "Not verified",
    claimed_note: "The app says this about itself. {app} has not verified it: anyone can use any name, logo and home page.",
    claimed_at_site_note: "The app says that it is the one described at {site}. {app} has not verified that: anyone can say so, and use that name, logo and home page.",
    site: "Verified site",
    site_note: "This app belongs to {site}: it is described there, and the answer goes there. {app} has not verified what it is called.",
    verified: "Verified",
    verified_note: "{app} has verified this app’s name, logo and home page.",
    new_tab: "opens in a new tab",
    scopes: "If you allow it, this app can",
    no_scopes: "Reach {app} in your name. It asks for no particular permission.",
    new_scope: "New",
    resources: "Access is for",
    goes_to_site: "Either way, your browser then goes to",
    goes_to_loopback: "Either way, your browser then goes to this computer",
    goes_to_installed: "Either way, your browser then opens an installed app",
    loopback_title: "This app runs on this computer",
    loopback_warning: "Any program on this computer could pose as it. Continue only if you have just started it yourself.",
    installed_title: "An app on this device will be opened",
    installed_note: "It is the one that your device uses for {scheme} links. Continue only if you have just come from it.",
    details: "Full address and app ID",
    full_address: "Full address",
    client_id: "App ID",
    allow: "Allow",
    deny: "Deny",

    decided_title: "You have already decided",
    decided_allowed: "You allowed {client} to access {app}.",
    decided_denied: "You denied {client} access to {app}.",
    decided_stands: "That decision stands; nothing was sent twice.",
    after_allowing: "You can close this page and go back to the app. If it is still waiting, start again from there.",
    after_denying: "You can close this page. If you have changed your mind, start again from the app.",

    error_title: "This request can’t be completed",
    error_code: "Error",
    reference: "Reference",
    way_back: "Go to {target}",
    start_again: "Start again",
};
