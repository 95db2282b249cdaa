//! An app with a login of its own, and between the markers the lines that let other apps in.
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use grantor::{Host, HostError, MemoryStorage, Principal, Registration, ReturnTo, Server, SignIn, User};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

const ORIGIN: &str = "http://127.0.0.1:4000";
type Fields = HashMap<String, String>;

#[derive(Clone)]
struct App {
    password_hash: String,
    /// The hashes of the session cookies; everybody who is signed in is Ada.
    sessions: Arc<Mutex<HashSet<String>>>,
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| BASE64.encode(bytes))
}

/// Good enough for a secret of 32 random bytes; a password that people choose needs more.
fn hash(secret: &str) -> String {
    BASE64.encode(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()))
}

async fn login_page(Query(query): Query<Fields>) -> Html<String> {
    let return_to = query.get("return_to").map_or("/", String::as_str);
    let return_to = return_to.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    Html(format!(
        r#"<!doctype html><title>Log in</title><form method="post"><input type="hidden" name="return_to" value="{return_to}">
        <label>Ada's password <input type="password" name="password"></label> <button>Log in</button></form>"#
    ))
}

async fn log_in(State(app): State<App>, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    let is_from_here = headers.get(header::ORIGIN).is_some_and(|origin| origin == ORIGIN);
    if !is_from_here || form.get("password").is_none_or(|password| hash(password) != app.password_hash) {
        return (StatusCode::FORBIDDEN, "That is not Ada's password. Go back and try again.").into_response();
    }
    let Some(id) = random() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    app.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(hash(&id));
    let cookie = format!("session={id}; Path=/; HttpOnly; SameSite=Lax");
    ([(header::SET_COOKIE, cookie)], Redirect::to(&way_back(form.get("return_to")))).into_response()
}

// -- grantor: begin
impl Host for App {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let mut cookies = request.headers.get(header::COOKIE).map_or(Ok(""), |value| value.to_str())?.split("; ");
        let session = cookies.find_map(|cookie| cookie.strip_prefix("session=")).map(hash);
        let known = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(session.filter(|session| known.contains(session)).map(|session| User::new("ada", "Ada", session)))
    }
    async fn sign_in(&self, _: &Parts, ask: SignIn) -> Result<String, HostError> {
        Ok(format!("/login?return_to={}", ask.return_to))
    }
}
fn way_back(return_to: Option<&String>) -> String {
    ReturnTo::checked(return_to.map_or("/", String::as_str)).path().to_owned()
}
fn open_to_others(app: &App) -> Result<Router<App>, Box<dyn Error>> {
    let oauth = Server::builder(ORIGIN)
        .storage(MemoryStorage::new())
        .host(app.clone())
        .scope("notes:read", "Read your notes")
        .default_scopes("notes:read")
        .resource("/api")
        .registration(Registration::Open)
        .build()?;
    let notes = async |_: Principal| Json(["Buy milk", "Feed the cat"]);
    let api = get(notes).layer(oauth.resource("/api")?.require("notes:read")?);
    Ok(Router::new().route("/api/notes", api).merge(grantor::axum::routes(&oauth)))
}
// -- grantor: end

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let password = random().ok_or("no randomness is to be had")?;
    let app = App { password_hash: hash(&password), sessions: Arc::default() };
    let router = open_to_others(&app)?.route("/login", get(login_page).post(log_in)).with_state(app);
    println!("{ORIGIN} is up; Ada's password is {password}");
    Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:4000").await?, router).await?)
}
