//! The front page, and what the program says when it starts.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;

use crate::machine::Machine;
use crate::page::page;
use crate::{Address, App};

/// What to open and what to click, for the terminal.
pub(crate) fn guide(address: Address, database: &str, machine: &Machine) -> String {
    let (ours, theirs) = (address.origin(), address.third_party_origin());
    let Machine { id, secret, .. } = machine;
    format!(
        "
  Planwerk, a project app, runs on      {ours}
  Skyline, somebody else's app, runs on {theirs}

  1. Open {theirs} and press \"Connect\".
  2. Log in to Planwerk as alice, password alice (or bob, bob), and press \"Allow\".
     Skyline shows alice's projects and can add one.
  3. Open {ours}/account, disconnect Skyline there,
     and press \"Reload projects\" in Skyline: its access is gone.

  An MCP client can be pointed at {ours}/mcp.
  A machine gets access without a user, and may ask at {ours}/oauth/introspect what a token is worth:
     client id     {id}
     client secret {secret}
     curl -u '{id}:{secret}' -d grant_type=client_credentials -d resource={ours}/api {ours}/oauth/token
  An API in a process of its own asks as that client: set both for cargo run --example resource_server.
  DEMO_CLIENT_ID and DEMO_CLIENT_SECRET fix them; otherwise the secret is another one at each start.
  What was granted is kept in {database}, beyond a restart.
  Ctrl-C ends both apps. RUST_LOG=grantor=debug shows what happens inside; with ACCESS_TOKEN_SECONDS=20
  one can watch Skyline renew its access.
"
    )
}

/// `GET /`
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Html<String> {
    let user = app.sessions.of(&headers).map(|(_, session)| session.user);
    let (ours, theirs) = (app.address.origin(), app.address.third_party_origin());
    let main = format!(
        r#"<p>Planwerk keeps your projects. Other apps may see them if you agree. Try it:</p>
    <ol class="steps">
      <li>Open <a href="{theirs}">Skyline Roadmaps</a>, an app by somebody else, and press <b>Connect</b>.</li>
      <li>Log in here as <code>alice</code>, password <code>alice</code>, and press <b>Allow</b>.
        Skyline then shows your projects.</li>
      <li>Disconnect Skyline under <a href="/account">Connected apps</a>, and press <b>Reload projects</b> there:
        its access is gone.</li>
    </ol>
    <p class="hint">The API is at <code>{ours}/api/projects</code>, an MCP server at <code>{ours}/mcp</code>.</p>"#
    );
    page("Your projects, in your hands", user.as_deref(), &main)
}
