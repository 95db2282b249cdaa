//! An app with a login of its own, whatever framework serves it: who Ada is, what she sees, and who may come in.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use grantor::{Host, HostError, MemoryStorage, OrderedId, Registration, ReturnTo, Server, SignIn, Subject, User};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What `GET /api/notes` gives to whoever Ada let in.
pub(crate) const NOTES: [&str; 2] = ["Buy milk", "Feed the cat"];

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) oauth: Server,
    people: People,
    origin: String,
}

/// Everybody who is signed in is Ada.
#[derive(Clone)]
struct People {
    password_hash: String,
    /// The hashes of the session cookies.
    sessions: Arc<Mutex<HashSet<String>>>,
}

impl App {
    /// The app at a port of this computer, and says where and for whom.
    #[allow(clippy::disallowed_methods, reason = "an app reads its own environment")]
    pub(crate) fn new() -> Result<(Self, u16), Box<dyn Error>> {
        let port = std::env::var("PORT").map_or(Ok(4000), |port| port.parse())?;
        let origin = format!("http://127.0.0.1:{port}");
        let password = random().ok_or("no randomness is to be had")?;
        let people = People { password_hash: hash(&password), sessions: Arc::default() };
        let oauth = Server::builder(&origin)
            .storage(MemoryStorage::new())
            .host(people.clone())
            .app_name("Notes")
            .scope("notes:read", "Read your notes")
            .default_scopes("notes:read")
            .resource("/api")
            .registration(Registration::Open)
            .build()?;
        println!("{origin} is served by {}; Ada's password is {password}", env!("CARGO_BIN_NAME"));
        Ok((Self { oauth, people, origin }, port))
    }

    /// The pages that a person sees. A real app has these already.
    pub(crate) async fn page(&self, request: Request<String>) -> Response<String> {
        let (head, body) = request.into_parts();
        let ada = self.people.session(&head.headers).is_some();
        let is_from_here = head.headers.get(header::ORIGIN).is_some_and(|origin| *origin == *self.origin);
        match (head.method.as_str(), head.uri.path()) {
            ("GET", "/") => page("Notes", r#"<p><a href="/account">Apps that can read your notes</a></p>"#),
            ("GET", "/login") => login_page(&fields(head.uri.query().unwrap_or_default())),
            ("POST", "/login") if is_from_here => self.log_in(&fields(&body)),
            ("GET", "/account") if ada => self.connected_apps().await,
            ("POST", "/account") if ada && is_from_here => self.disconnect(&fields(&body)).await,
            ("GET", "/account") => see_other("/login?return_to=%2Faccount", None),
            ("POST", "/login" | "/account") => failed(StatusCode::FORBIDDEN),
            _ => failed(StatusCode::NOT_FOUND),
        }
    }

    fn log_in(&self, form: &HashMap<String, String>) -> Response<String> {
        if form.get("password").is_none_or(|password| hash(password) != self.people.password_hash) {
            return failed(StatusCode::FORBIDDEN);
        }
        let Some(id) = random() else { return failed(StatusCode::INTERNAL_SERVER_ERROR) };
        self.people.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(hash(&id));
        // The check never leads off this site, whatever came back with the form.
        let return_to = ReturnTo::checked(form.get("return_to").map_or("/", String::as_str));
        see_other(return_to.path(), Some(format!("session={id}; Path=/; HttpOnly; SameSite=Lax")))
    }

    async fn connected_apps(&self) -> Response<String> {
        let Ok(grants) = self.oauth.grants(&Subject::new("ada"), None, 50).await else {
            return failed(StatusCode::SERVICE_UNAVAILABLE);
        };
        let items = grants.iter().map(|grant| {
            let (name, id) = (escaped(&grant.client_name), grant.id);
            format!(
                r#"<li>{name} <form method="post"><input type="hidden" name="id" value="{id}">
                <button aria-label="Disconnect {name}">Disconnect</button></form></li>"#
            )
        });
        let items = items.collect::<String>();
        let nobody = if items.is_empty() { "<p>No app can read your notes.</p>" } else { "" };
        page("Apps that can read your notes", &format!("{nobody}<ul>{items}</ul>"))
    }

    async fn disconnect(&self, form: &HashMap<String, String>) -> Response<String> {
        let Some(Ok(id)) = form.get("id").map(|id| id.parse::<OrderedId>()) else {
            return failed(StatusCode::BAD_REQUEST);
        };
        match self.oauth.revoke_grant(&Subject::new("ada"), id).await {
            Ok(_) => see_other("/account", None),
            Err(_) => failed(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

impl Host for People {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        Ok(self.session(&request.headers).map(|session| User::new("ada", "Ada", session)))
    }

    async fn sign_in(&self, _: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}

impl People {
    fn session(&self, headers: &HeaderMap) -> Option<String> {
        let mut cookies = headers.get(header::COOKIE)?.to_str().ok()?.split("; ");
        let session = hash(cookies.find_map(|cookie| cookie.strip_prefix("session="))?);
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }
}

fn login_page(query: &HashMap<String, String>) -> Response<String> {
    let return_to = escaped(query.get("return_to").map_or("/", String::as_str));
    page(
        "Log in",
        &format!(
            r#"<form method="post"><input type="hidden" name="return_to" value="{return_to}">
            <p><label>Ada's password <input type="password" name="password" autofocus></label></p>
            <button>Log in</button></form>"#
        ),
    )
}

fn page(title: &str, main: &str) -> Response<String> {
    let html = format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark"><title>{title}</title><main><h1>{title}</h1>{main}</main></html>"#
    );
    let mut response = Response::new(html);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn failed(status: StatusCode) -> Response<String> {
    let mut response = page(status.canonical_reason().unwrap_or("Error"), "<p>Go back and try again.</p>");
    *response.status_mut() = status;
    response
}

fn see_other(path: &str, cookie: Option<String>) -> Response<String> {
    let builder = Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path);
    let builder = cookie.into_iter().fold(builder, |builder, cookie| builder.header(header::SET_COOKIE, cookie));
    builder.body(String::new()).unwrap_or_else(|_| failed(StatusCode::INTERNAL_SERVER_ERROR))
}

fn fields(form: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| BASE64.encode(bytes))
}

/// Good enough for a secret of 32 random bytes; a password that people choose needs more.
fn hash(secret: &str) -> String {
    BASE64.encode(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()))
}
