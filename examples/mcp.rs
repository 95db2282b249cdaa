//! An MCP server that AI tools connect to with their user's consent: `cargo run --example mcp`.
//!
//! Three tools behind three scopes. Clients ask for two of them at once, and for the third, which deletes, when they
//! call that tool for the first time. The login is the smallest that is honest; `examples/quickstart` has a fuller app.
use axum::body::{Body, to_bytes};
use axum::extract::{Form, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Router, routing::any_service, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use grantor::{
    Builder, GuardedFetcher, Host, HostError, MemoryStorage, MetadataDocuments, Principal, Refusal, Registration,
    Resource, ReturnTo, Server, SignIn, User,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rmcp::handler::server::{tool::Extension, wrapper::Parameters};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, schemars, tool, tool_router};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Fields = HashMap<String, String>;

// -- the tools

/// Everybody's projects, by the subject of their owner.
#[derive(Clone, Default)]
struct Projects(Arc<Mutex<HashMap<String, Vec<String>>>>);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Project {
    name: String,
}

#[tool_router(server_handler)]
impl Projects {
    #[tool(description = "Lists the user's projects", annotations(read_only_hint = true))]
    async fn list_projects(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let owner = user(&parts, "projects:read")?;
        Ok(self.all().get(&owner).map_or_else(|| "no projects".to_owned(), |projects| projects.join("\n")))
    }

    #[tool(description = "Creates a project")]
    async fn create_project(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(Project { name }): Parameters<Project>,
    ) -> Result<String, ErrorData> {
        let owner = user(&parts, "projects:write")?;
        let answer = format!("created {name}");
        self.all().entry(owner).or_default().push(name);
        Ok(answer)
    }

    #[tool(description = "Deletes a project for ever", annotations(destructive_hint = true))]
    async fn delete_project(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(Project { name }): Parameters<Project>,
    ) -> Result<String, ErrorData> {
        let owner = user(&parts, "projects:delete")?;
        let mut all = self.all();
        let Some(projects) = all.get_mut(&owner) else { return Ok(format!("there is no {name}")) };
        let before = projects.len();
        projects.retain(|project| *project != name);
        Ok(if projects.len() < before { format!("deleted {name}") } else { format!("there is no {name}") })
    }
}

impl Projects {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user whose token the request has, if it allows what the scope stands for.
fn user(parts: &Parts, scope: &str) -> Result<String, ErrorData> {
    let principal = parts.extensions.get::<Principal>().filter(|principal| principal.has(scope));
    let subject = principal.and_then(Principal::subject).map(ToString::to_string);
    subject.ok_or_else(|| ErrorData::invalid_request(format!("this needs {scope}"), None))
}

/// What each tool needs. The tools check that themselves; but a client asks its user for more only if it hears of it
/// from HTTP.
const NEEDS: [(&str, &str); 3] =
    [("list_projects", "projects:read"), ("create_project", "projects:write"), ("delete_project", "projects:delete")];

async fn step_up(principal: Principal, request: Request, next: Next) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1024 * 1024).await else { return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response()) };
    let message: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let tool = message["params"]["name"].as_str().filter(|_| message["method"] == "tools/call");
    if let Some((_, scope)) = NEEDS.iter().find(|(name, _)| tool == Some(name)) {
        principal.require(scope)?;
    }
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

// -- what lets AI tools in

pub(crate) fn routes(app: App, change: impl FnOnce(Builder) -> Builder) -> Result<Router, Box<dyn Error>> {
    let oauth = Server::builder(&app.origin)
        .storage(MemoryStorage::new()) // a real app keeps what it granted: SqliteStorage, PostgresStorage
        .host(app.clone())
        .app_name("Planwerk")
        .scope("projects:read", "See your projects")
        .scope("projects:write", "Create projects")
        .scope("projects:delete", "Delete projects for ever")
        .default_scopes("projects:read projects:write")
        .resource(Resource::new("/mcp").also_for_origin()) // ChatGPT asks for the origin
        .client_metadata_documents(MetadataDocuments::new(GuardedFetcher::new()?)) // Claude, VS Code and others have one
        .registration(Registration::Open); // Cursor, Gemini CLI and others register themselves
    let oauth = change(oauth).build()?;
    let projects = Projects::default();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let mcp: StreamableHttpService<Projects, NeverSessionManager> =
        StreamableHttpService::new(move || Ok(projects.clone()), Arc::default(), config);
    let guard = oauth.resource("/mcp")?.require("")?; // any token for it; without one the default scopes are suggested
    let mcp = any_service(mcp).layer::<_, Infallible>(from_fn(step_up)).layer(guard);
    let login = get(login_page).post(log_in);
    Ok(Router::new().route("/mcp", mcp).merge(grantor::axum::routes(&oauth)).route("/login", login).with_state(app))
}

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

// -- an app with a login

#[derive(Clone)]
pub(crate) struct App {
    origin: String,
    password_hash: String,
    /// The hashes of the session cookies; everybody who is signed in is Ada.
    sessions: Arc<Mutex<HashSet<String>>>,
}

impl App {
    pub(crate) fn new(origin: String, password: &str) -> Self {
        Self { origin, password_hash: hash(password), sessions: Arc::default() }
    }
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
    let is_from_here = headers.get(header::ORIGIN).is_some_and(|origin| *origin == app.origin);
    if !is_from_here || form.get("password").is_none_or(|password| hash(password) != app.password_hash) {
        return (StatusCode::FORBIDDEN, "That is not Ada's password. Go back and try again.").into_response();
    }
    let Some(id) = random() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    app.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(hash(&id));
    let cookie = format!("session={id}; Path=/; HttpOnly; SameSite=Lax");
    let way_back = ReturnTo::checked(form.get("return_to").map_or("/", String::as_str));
    ([(header::SET_COOKIE, cookie)], Redirect::to(way_back.path())).into_response()
}

fn from_env(name: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "an app reads its own environment")]
    std::env::var(name).ok()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = format!("127.0.0.1:{}", from_env("PORT").unwrap_or_else(|| "4100".to_owned()));
    let password = from_env("PASSWORD").or_else(random).ok_or("no randomness is to be had")?;
    let router = routes(App::new(format!("http://{address}"), &password), |oauth| oauth)?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("Add http://{address}/mcp to your AI tool; Ada's password is {password}");
    Ok(axum::serve(listener, router).await?)
}
