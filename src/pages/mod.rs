//! The built-in pages: HTML without scripts, for phones and desktops, light and dark.

mod address;
mod inert;
mod sentence;
mod style;
mod texts;
mod view;

#[cfg(test)]
mod tests;

use askama::Template;

use crate::host::{ConsentUi, ConsentView, DecidedView, ErrorView, HostError, Page};

pub use style::InvalidAccent;
use style::Style;
use texts::{ENGLISH, Texts};
use view::{Consent, Decided, Failure, Shell};

/// The built-in [`ConsentUi`].
///
/// Texts from strangers are escaped and rid of controls and invisible characters; what a client says
/// about itself is marked as its own word. The pages carry no script, and their policy lets them load
/// nothing but their one style sheet and the logos that they show. A client's logo comes from where
/// the client has it, without a referrer.
///
/// ```
/// # use grantor::pages::Pages;
/// let pages = Pages::new().accent("#0f766e")?;
/// # Ok::<_, grantor::pages::InvalidAccent>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pages {
    style: Style,
    texts: &'static Texts,
}

impl Pages {
    /// English pages in their own colours.
    #[must_use]
    pub fn new() -> Self {
        Self { style: Style::new(None), texts: &ENGLISH }
    }

    /// The same pages with the app's colour on their main buttons, as `#rrggbb`. The writing on it
    /// becomes black or white, whichever is easier to read.
    ///
    /// # Errors
    /// If it is not a `#` and six hexadecimal digits.
    pub fn accent(mut self, colour: &str) -> Result<Self, InvalidAccent> {
        self.style = Style::new(Some(style::Accent::parse(colour)?));
        Ok(self)
    }

    fn shell(&self) -> Shell<'_> {
        Shell { style: self.style.sheet(), texts: self.texts }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

impl ConsentUi for Pages {
    async fn consent(&self, view: &ConsentView) -> Result<Page, HostError> {
        let names = view::Names::new(&view.client, &view.app, self.texts);
        let page = Consent::new(self.shell(), view, &names);
        Ok(Page::html(page.render()?, self.style.policy(page.brands.sources())))
    }

    async fn decided(&self, view: &DecidedView) -> Result<Page, HostError> {
        let names = view::Names::new(&view.client, &view.app, self.texts);
        let page = Decided::new(self.shell(), view, &names);
        Ok(Page::html(page.render()?, self.style.policy(page.brands.sources())))
    }

    async fn error(&self, view: &ErrorView) -> Result<Page, HostError> {
        let page = Failure::new(self.shell(), view);
        Ok(Page::html(page.render()?, self.style.policy(page.app.source())))
    }
}
