//! A person's browser, as far as it is needed: cookies, redirects, and a press of the right button.

use std::collections::BTreeMap;

use oauth2::reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use oauth2::reqwest::redirect::Policy;
use oauth2::reqwest::{Client, Request, Response};
use url::Url;
use url::form_urlencoded::Serializer;

/// A browser that visits one origin.
pub(crate) struct Visitor {
    http: Client,
    cookies: BTreeMap<String, String>,
    /// The name of a field, and what is typed into it.
    types: Option<(&'static str, &'static str)>,
}

impl Visitor {
    pub(crate) fn new() -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new(), types: None }
    }

    /// A person who types that into the field of that name, wherever there is one.
    #[allow(dead_code, reason = "not every app has a field to fill in")]
    pub(crate) fn typing(field: &'static str, text: &'static str) -> Self {
        Self { types: Some((field, text)), ..Self::new() }
    }

    /// Follows redirects and sends forms by the first of `buttons` that is there, until it is led to
    /// an address that starts with `end`.
    pub(crate) async fn go(&mut self, start: Url, end: &str, buttons: &[&str]) -> Url {
        let mut request = self.http.get(start).build().unwrap();
        for _ in 0..10 {
            let here = request.url().clone();
            let response = self.send(request).await;
            request = match response.headers().get(LOCATION) {
                Some(location) => {
                    let next = here.join(location.to_str().unwrap()).unwrap();
                    if next.as_str().starts_with(end) {
                        return next;
                    }
                    self.http.get(next).build().unwrap()
                }
                None => {
                    let page = response.text().await.unwrap();
                    self.press(&here, &page, buttons)
                }
            };
        }
        panic!("the way to {end} has no end");
    }

    async fn send(&mut self, mut request: Request) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(COOKIE, cookies.join("; ").parse().unwrap());
        let response = self.http.execute(request).await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// The request that a page's form sends.
    fn press(&self, here: &Url, page: &str, buttons: &[&str]) -> Request {
        let form = elements(page, "form").next().unwrap_or_else(|| panic!("no form at {here}: {page}"));
        let mut fields = Serializer::new(String::new());
        let pressed = elements(form, "button").find(|button| buttons.iter().any(|label| button.contains(label)));
        let pressed = pressed.unwrap_or_else(|| panic!("none of {buttons:?} at {here}: {page}"));
        for element in form.split('<').filter(|tag| tag.starts_with("input")).chain([pressed]) {
            if let Some(name) = attribute(element, "name") {
                let typed = self.types.filter(|(field, _)| *field == name).map(|(_, text)| text.to_owned());
                fields.append_pair(&name, &typed.or_else(|| attribute(element, "value")).unwrap_or_default());
            }
        }
        let action = attribute(form, "action").map_or_else(|| here.clone(), |action| here.join(&action).unwrap());
        let post = self.http.post(action).header(ORIGIN, here.origin().ascii_serialization());
        post.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(fields.finish()).build().unwrap()
    }
}

/// The text of each such element, from its name to its end.
fn elements<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let end = format!("</{name}>");
    let starts = html.match_indices('<').map(|(at, _)| &html[at + 1..]).filter(move |rest| rest.starts_with(name));
    starts.map(move |rest| rest.split(&end).next().unwrap_or(rest))
}

/// An attribute of the tag that a text starts with.
fn attribute(element: &str, name: &str) -> Option<String> {
    let tag = element.split('>').next()?;
    let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
    Some(value.replace("&#x2F;", "/").replace("&#47;", "/").replace("&amp;", "&"))
}
