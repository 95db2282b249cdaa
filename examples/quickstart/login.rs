//! Logging in and out. A real app has this already.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use grantor::ReturnTo;
use serde::Deserialize;

use crate::App;
use crate::page::{Text, page};

#[derive(Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    return_to: String,
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    username: String,
    password: String,
    #[serde(flatten)]
    back: Back,
}

/// `GET /login`: always the form, whoever is logged in.
pub(crate) async fn show(Query(back): Query<Back>) -> Html<String> {
    form(&ReturnTo::checked(&back.return_to), "", "")
}

/// `POST /login`: a new session at every login, and back to where the person was going.
pub(crate) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Response {
    let Credentials { username, password, back } = credentials;
    let return_to = ReturnTo::checked(&back.return_to);
    let Some(user) = app.people.check(&username, password).await else {
        // The same words whether it was the name or the password: nobody learns who is registered.
        let wrong = r#"<p class="alert" role="alert">The user name or the password is wrong.</p>"#;
        return (StatusCode::UNPROCESSABLE_ENTITY, form(&return_to, &username, wrong)).into_response();
    };
    app.sessions.close(&headers);
    match app.sessions.open(user) {
        Ok(cookie) => see_other(return_to.path(), cookie),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// `POST /logout`
pub(crate) async fn logout(State(app): State<App>, headers: HeaderMap) -> Response {
    see_other("/", app.sessions.close(&headers))
}

fn see_other(path: &str, cookie: String) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path.to_owned()), (SET_COOKIE, cookie)]).into_response()
}

fn form(return_to: &ReturnTo, username: &str, alert: &str) -> Html<String> {
    let (return_to, username) = (Text(return_to.path()), Text(username));
    page(
        "Log in",
        None,
        &format!(
            r#"{alert}
    <form method="post" action="/login" class="card">
      <input type="hidden" name="return_to" value="{return_to}">
      <label for="username">User name</label>
      <input id="username" name="username" value="{username}" autocomplete="username" autocapitalize="none" required autofocus>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required>
      <button class="primary">Log in</button>
      <p class="hint">There are <code>alice</code> and <code>bob</code>; each one's name is the password.</p>
    </form>"#
        ),
    )
}
