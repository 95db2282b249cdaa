//! Which apps a person let in, and a button for each to end that.

use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use grantor::host::SystemClock;
use grantor::{Clock as _, OrderedId, Subject};
use serde::Deserialize;

use crate::App;
use crate::page::{Text, page};

#[derive(Deserialize)]
pub(crate) struct Connection {
    grant: String,
}

/// `GET /account`
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some((_, session)) = app.sessions.of(&headers) else { return to_login() };
    let grants = match app.oauth.grants(&Subject::new(&session.user), None, 50).await {
        Ok(grants) => grants,
        Err(error) => return failed(&error),
    };
    let now = SystemClock.now();
    let items: String = grants
        .iter()
        .map(|grant| {
            let scopes = grant.scope_entries.iter().map(|scope| format!("<li>{}</li>", Text(&scope.description)));
            format!(
                r#"
      <li class="card">
        <h2>{name}</h2>
        <ul>{scopes}</ul>
        <p class="hint">Connected {since}</p>
        <form method="post" action="/account/disconnect">
          <input type="hidden" name="grant" value="{id}">
          <button aria-label="Disconnect {name}">Disconnect</button>
        </form>
      </li>"#,
                name = Text(&grant.client_name),
                scopes = scopes.collect::<String>(),
                since = ago(now.since(grant.created_at)),
                id = grant.id,
            )
        })
        .collect();
    let main = if items.is_empty() {
        "<p>No app has access to your projects.</p>".to_owned()
    } else {
        format!(r#"<p>These apps have access to your projects.</p><ul class="cards">{items}</ul>"#)
    };
    page("Connected apps", Some(&session.user), &main).into_response()
}

/// `POST /account/disconnect`. A person can only end what is theirs: the server looks at the subject too.
pub(crate) async fn disconnect(
    State(app): State<App>,
    headers: HeaderMap,
    Form(connection): Form<Connection>,
) -> Response {
    let Some((_, session)) = app.sessions.of(&headers) else { return to_login() };
    let Ok(grant) = connection.grant.parse::<OrderedId>() else { return StatusCode::BAD_REQUEST.into_response() };
    match app.oauth.revoke_grant(&Subject::new(&session.user), grant).await {
        Ok(_) => Redirect::to("/account").into_response(),
        Err(error) => failed(&error),
    }
}

fn to_login() -> Response {
    Redirect::to("/login?return_to=%2Faccount").into_response()
}

fn failed(error: &impl std::error::Error) -> Response {
    tracing::error!(%error, "the connected apps are out of reach");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn ago(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (count, unit) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}
