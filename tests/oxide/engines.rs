//! oxide-auth's own engine and ours, asked the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use grantor::{MemoryStorage, NewClient, Registration, Server};
use http::{Request as HttpRequest, header};
use oxide_auth::endpoint::{NormalizedParameter, QueryParameter, WebRequest};
use oxide_auth::frontends::simple::endpoint::{
    Error, access_token_flow, authorization_flow, refresh_flow, resource_flow,
};
use oxide_auth::frontends::simple::request::{NoError, Response, Status};
use oxide_auth::primitives::prelude::{AuthMap, Client, ClientMap, RandomGenerator, Scope, TokenMap};
use oxide_auth::primitives::registrar::{ExactUrl, PasswordPolicy, RegistrarError};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::before::Ada;
use crate::support::{Answer, CHALLENGE, encode};
use crate::{CALLBACK, People};

pub(crate) const SECRET: &str = "fPq3kZ0uXh8YtB2mWcV7nLr5sJd1oEaG9xIiTQyKRUw";
pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// An engine with the public clients `helper` and `other`, the confidential client `office`, and the scopes `notes:read`,
/// which is the default, and `notes:write`.
pub(crate) trait Engine {
    /// A request that a browser brings.
    fn authorize(&mut self, query: Pairs<'_>) -> String;

    /// The code that the person gives to a client.
    fn code(&mut self, client: &str) -> String;

    /// A token request: what is said, and the tokens.
    fn token(&mut self, form: Pairs<'_>, authorization: Option<&str>) -> (String, Value);

    /// What the guard of a route that needs `notes:read` says.
    fn knock(&mut self, authorization: Option<&str>) -> String;
}

pub(crate) fn honest(client: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", "notes:read"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

fn sent_back(location: &str) -> String {
    let url = url::Url::parse(location).unwrap();
    let parameters: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    parameters.get("error").map_or_else(|| "sends a code".to_owned(), |error| format!("sends back `{error}`"))
}

fn given(status: u16, body: &Value) -> String {
    match body["error"].as_str() {
        _ if status == 200 => "gives tokens".to_owned(),
        Some(error) => format!("{status} `{error}`"),
        None => status.to_string(),
    }
}

fn told(status: u16, challenge: &str) -> String {
    let error = challenge.split("error=\"").nth(1).and_then(|rest| rest.split('"').next());
    error.map_or_else(|| format!("{status} without an error"), |error| format!("{status} `{error}`"))
}

pub(crate) struct Theirs {
    clients: ClientMap,
    codes: AuthMap<RandomGenerator>,
    tokens: TokenMap<RandomGenerator>,
    reading: Vec<Scope>,
}

/// A request with parameters that may be there twice.
#[derive(Debug)]
struct Asked {
    query: NormalizedParameter,
    body: NormalizedParameter,
    authorization: Option<String>,
}

impl Asked {
    fn new(query: Pairs<'_>, body: Pairs<'_>, authorization: Option<&str>) -> Self {
        let read =
            |pairs: Pairs<'_>| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { query: read(query), body: read(body), authorization: authorization.map(str::to_owned) }
    }
}

impl WebRequest for Asked {
    type Error = NoError;
    type Response = Response;

    fn query(&mut self) -> Result<Cow<'_, dyn QueryParameter + 'static>, NoError> {
        Ok(Cow::Borrowed(&self.query))
    }

    fn urlbody(&mut self) -> Result<Cow<'_, dyn QueryParameter + 'static>, NoError> {
        Ok(Cow::Borrowed(&self.body))
    }

    fn authheader(&mut self) -> Result<Option<Cow<'_, str>>, NoError> {
        Ok(self.authorization.as_deref().map(Cow::Borrowed))
    }
}

struct Plain;

impl PasswordPolicy for Plain {
    fn store(&self, _: &str, passphrase: &[u8]) -> Vec<u8> {
        passphrase.to_vec()
    }

    fn check(&self, _: &str, passphrase: &[u8], stored: &[u8]) -> Result<(), RegistrarError> {
        if passphrase == stored { Ok(()) } else { Err(RegistrarError::Unspecified) }
    }
}

impl Theirs {
    pub(crate) fn new() -> Self {
        let mut clients = ClientMap::new();
        clients.set_password_policy(Plain);
        let uri = || ExactUrl::new(CALLBACK.to_owned()).unwrap().into();
        let scope = || "notes:read".parse::<Scope>().unwrap();
        for id in ["helper", "other"] {
            clients.register_client(Client::public(id, uri(), scope()));
        }
        clients.register_client(Client::confidential("office", uri(), scope(), SECRET.as_bytes()));
        let (codes, tokens) = (AuthMap::new(RandomGenerator::new(16)), TokenMap::new(RandomGenerator::new(16)));
        Self { clients, codes, tokens, reading: vec![scope()] }
    }
}

fn failed(error: &Error<Asked>) -> String {
    match error {
        Error::OAuth(error) => format!("fails with `{error:?}`"),
        Error::Web(never) => match *never {},
    }
}

fn status(response: &Response) -> u16 {
    match response.status {
        Status::Ok => 200,
        Status::Redirect => 302,
        Status::BadRequest => 400,
        Status::Unauthorized => 401,
    }
}

impl Engine for Theirs {
    fn authorize(&mut self, query: Pairs<'_>) -> String {
        let answer: Result<Response, Error<Asked>> =
            authorization_flow(&self.clients, &mut self.codes, &mut Ada).execute(Asked::new(query, &[], None));
        match answer {
            Ok(response) => match response.location {
                Some(location) => sent_back(location.as_str()),
                None if response.status == Status::Ok => "asks the person".to_owned(),
                None => "stops".to_owned(),
            },
            Err(_) => "stops".to_owned(),
        }
    }

    fn code(&mut self, client: &str) -> String {
        let mut query = honest(client);
        query.push(("decision", "allow"));
        let flow = authorization_flow(&self.clients, &mut self.codes, &mut Ada).execute(Asked::new(&query, &[], None));
        let location = flow.unwrap().location.unwrap();
        location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    fn token(&mut self, form: Pairs<'_>, authorization: Option<&str>) -> (String, Value) {
        let asked = Asked::new(&[], form, authorization);
        let answer: Result<Response, Error<Asked>> = if form.contains(&("grant_type", "refresh_token")) {
            refresh_flow(&self.clients, &mut self.tokens).execute(asked)
        } else {
            access_token_flow(&self.clients, &mut self.codes, &mut self.tokens).execute(asked)
        };
        match answer {
            Ok(response) => {
                let body = response.body.as_ref().map_or("", |body| body.as_str());
                let body = serde_json::from_str(body).unwrap_or_default();
                (given(status(&response), &body), body)
            }
            Err(error) => (failed(&error), Value::Null),
        }
    }

    fn knock(&mut self, authorization: Option<&str>) -> String {
        match resource_flow(&mut self.tokens, &self.reading).execute(Asked::new(&[], &[], authorization)) {
            Ok(_) => "lets in".to_owned(),
            Err(Ok(refused)) => told(status(&refused), refused.www_authenticate.as_deref().unwrap_or_default()),
            Err(Err(error)) => failed(&error),
        }
    }
}

pub(crate) struct Ours {
    server: Server,
    runtime: Runtime,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Server::builder("https://notes.example")
            .storage(MemoryStorage::new())
            .host(People)
            .scope("notes:read", "Read your notes")
            .scope("notes:write", "Change your notes")
            .default_scopes("notes:read")
            .resource("/api")
            .registration(Registration::Open)
            .build()
            .unwrap();
        let office = NewClient::confidential("office").id("office").secret(SECRET);
        for client in [NewClient::public("helper").id("helper"), NewClient::public("other").id("other"), office] {
            // Like theirs: no more than the default.
            let created = server.create_client(client.scopes("notes:read").redirect_uri(CALLBACK));
            runtime.block_on(created).unwrap();
        }
        Self { server, runtime }
    }

    fn send(&self, method: &str, path: &str, headers: Pairs<'_>, body: &str) -> Answer {
        let request =
            headers.iter().fold(HttpRequest::builder(), |request, (name, value)| request.header(*name, *value));
        let request = request.method(method).uri(path).body(Bytes::from(body.to_owned())).unwrap();
        Answer(self.runtime.block_on(self.server.handle(request)))
    }

    fn ask(&self, query: Pairs<'_>) -> Answer {
        self.send("GET", &format!("/oauth/authorize?{}", encode(query)), &[("cookie", "session=ada")], "")
    }
}

impl Engine for Ours {
    fn authorize(&mut self, query: Pairs<'_>) -> String {
        let answer = self.ask(query);
        match answer.location() {
            Some(location) => sent_back(location),
            None if answer.status() == 200 => "asks the person".to_owned(),
            None => "stops".to_owned(),
        }
    }

    fn code(&mut self, client: &str) -> String {
        let page = self.ask(&honest(client));
        let browser = page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let form = crate::support::ConsentPage::read(page.body());
        let headers = [
            ("cookie", format!("session=ada; {browser}")),
            ("origin", "https://notes.example".to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let allowed = self.send("POST", &form.action, &headers, &encode(&form.form("allow")));
        allowed.redirect_parameter("code").unwrap()
    }

    fn token(&mut self, form: Pairs<'_>, authorization: Option<&str>) -> (String, Value) {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let answer = self.send("POST", "/oauth/token", &headers, &encode(form));
        (given(answer.status().as_u16(), &answer.json()), answer.json())
    }

    fn knock(&mut self, authorization: Option<&str>) -> String {
        let guard = self.server.resource("/api").unwrap().require("notes:read").unwrap();
        let request = HttpRequest::get("/api/notes");
        let request =
            authorization.into_iter().fold(request, |request, value| request.header(header::AUTHORIZATION, value));
        let (request, ()) = request.body(()).unwrap().into_parts();
        match self.runtime.block_on(guard.check(&request)) {
            Ok(_) => "lets in".to_owned(),
            Err(refusal) => {
                let answer = Answer(refusal.response());
                told(answer.status().as_u16(), answer.header("www-authenticate").unwrap_or_default())
            }
        }
    }
}
