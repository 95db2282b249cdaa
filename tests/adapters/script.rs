//! What is asked, and what was answered.

use bytes::Bytes;
use grantor::web::MAX_BODY;
use http::{HeaderValue, Request, Response, header};

use crate::front::Front;
use crate::support::{Answer, CALLBACK, CHALLENGE, Client, ConsentPage, VERIFIER, encode};

/// Requests and their answers, `None` for those that the server alone is not asked.
pub(crate) struct Transcript {
    front: &'static str,
    entries: Vec<(String, Option<String>)>,
}

impl Transcript {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn assert_same(&self, other: &Self) {
        assert_eq!(self.len(), other.len());
        let mut differences = Vec::new();
        for ((request, own), (same, theirs)) in self.entries.iter().zip(&other.entries) {
            assert_eq!(request, same, "{} and {} were asked different things", self.front, other.front);
            if let (Some(own), Some(theirs)) = (own, theirs)
                && own != theirs
            {
                differences.push(format!("{request}\n{}: {own}\n{}: {theirs}", self.front, other.front));
            }
        }
        assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n\n"));
    }
}

pub(crate) type Headers<'a> = &'a [(&'a str, &'a [u8])];

pub(crate) const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");
pub(crate) const JSON: (&str, &[u8]) = ("content-type", b"application/json");
pub(crate) const ALICE: (&str, &[u8]) = ("cookie", b"theme=dark; session=alice");
pub(crate) const ELSEWHERE: (&str, &[u8]) = ("origin", b"https://page.example");
pub(crate) const ASKS_TO_POST: (&str, &[u8]) = ("access-control-request-method", b"POST");

pub(crate) struct Script<'a> {
    front: &'a Front,
    /// Whether the last request came to the app as it was sent.
    pub(crate) was_handed_on: bool,
    transcript: Transcript,
}

impl<'a> Script<'a> {
    pub(crate) fn new(front: &'a Front) -> Self {
        Self { front, was_handed_on: true, transcript: Transcript { front: front.name, entries: Vec::new() } }
    }

    pub(crate) fn front(&self) -> &Front {
        self.front
    }

    pub(crate) fn done(self) -> Transcript {
        self.transcript
    }

    /// A request that the server itself answers, also without a framework.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = body.into();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let label = label(method, path, headers, &body);
        let request = request.body(body).unwrap();
        let heard = self.front.hears(&request);
        self.was_handed_on = heard.as_ref().is_some_and(|heard| heard.headers() == request.headers());
        let answer = self.front.send(request).await;
        self.transcript.entries.push((label, heard.map(|_| shown_answer(&answer, method == "HEAD"))));
        Answer(answer)
    }

    /// A request that the rest of the app answers, with this status and a body that has this text.
    pub(crate) async fn ask_app(&mut self, method: &str, path: &str, headers: Headers<'_>, status: u16, text: &str) {
        if !self.front.is_app {
            self.transcript.entries.push((label(method, path, headers, b""), None));
            return;
        }
        let answer = self.ask(method, path, headers, "").await;
        // RFC 9110 §8.6: the length of what a GET would have brought may be left out.
        if let (true, Some((_, Some(shown)))) = (method == "HEAD" && status == 200, self.transcript.entries.last_mut())
        {
            *shown = shown.split('\n').filter(|line| !line.starts_with("content-length: ")).collect();
        }
        if !self.was_handed_on {
            return;
        }
        let what = format!("{}: {}: {}", self.front.name, label(method, path, headers, b""), answer.body());
        assert_eq!(answer.status().as_u16(), status, "{what}");
        assert!(answer.body().contains(text), "{what}");
    }

    pub(crate) async fn every_method_of_every_path(&mut self) {
        const METHODS: [&str; 11] =
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "options", "get"];
        for pattern in self.front.world.server.routes() {
            let path = if pattern.below { format!("{}/deep/er%2Fx", pattern.path) } else { pattern.path };
            for method in METHODS {
                let answer = self.ask(method, &path, &[], "").await;
                assert!(answer.body() != "the start page" && !answer.status().is_server_error(), "{method} {path}");
            }
            self.ask("OPTIONS", &path, &[ELSEWHERE, ASKS_TO_POST], "").await;
            self.ask("GET", &format!("{path}?a=b&a=%ff"), &[ELSEWHERE], "").await;
            self.ask("POST", &path, &[ELSEWHERE, FORM], "a=b&a=%ff").await;
            self.ask("POST", &path, &[JSON], "{}").await;
        }
        let metadata = self.ask("GET", "/.well-known/oauth-protected-resource/api", &[], "").await;
        assert_eq!(metadata.json()["resource"], "https://app.example/api");
        let absent = self.ask("GET", "/.well-known/oauth-protected-resource/none", &[], "").await;
        assert_eq!(absent.status(), 404, "not the start page");
        self.a_resource_that_comes_and_goes().await;
    }

    /// No route is mounted for it.
    async fn a_resource_that_comes_and_goes(&mut self) {
        let (path, resources) =
            ("/.well-known/oauth-protected-resource/t/acme/mcp", self.front.world.server.resources());
        assert_eq!(self.ask("GET", path, &[ELSEWHERE], "").await.status(), 404);
        resources.add("/t/acme/mcp").await.unwrap();
        let metadata = self.ask("GET", path, &[ELSEWHERE], "").await;
        assert_eq!(metadata.json()["resource"], "https://app.example/t/acme/mcp");
        self.ask("HEAD", path, &[], "").await;
        self.ask("POST", path, &[], "").await;
        resources.retire("/t/acme/mcp").await.unwrap();
        assert_eq!(self.ask("GET", path, &[ELSEWHERE], "").await.status(), 404);
    }

    pub(crate) async fn what_is_no_endpoint(&mut self) {
        for path in [
            "/",
            "/nothing/here",
            "/oauth",
            "/oauth/",
            "/oauth/token/",
            "/oauth/%74oken",
            "/oauth/Token",
            "/oauth/tokens",
            "/oauth/token;x=y",
            "//oauth/token",
            "/x/oauth/token",
            "/.well-known",
            "/.well-known/oauth-authorization-serverx",
            "/.well-known/oauth%2Dauthorization-server",
            "/%2Ewell-known/oauth-authorization-server/x",
            "/.well-known/OAuth-authorization-server/x",
        ] {
            for method in ["GET", "POST"] {
                self.ask_app(method, path, &[], 200, "the start page").await;
            }
        }
    }

    pub(crate) async fn too_much(&mut self) {
        for path in [
            "/oauth/token",
            "/oauth/register",
            "/oauth/revoke",
            "/oauth/introspect",
            "/oauth/consent",
            "/oauth/authorize",
        ] {
            for (length, is_too_large) in [(MAX_BODY, false), (MAX_BODY + 1, true), (2 * MAX_BODY + 1, true)] {
                let answer = self.ask("POST", path, &[FORM], vec![b'a'; length]).await;
                assert!(answer.status() == 413 || !is_too_large, "{path}: {length} {}", answer.status());
            }
        }
        for length in [16_000, 17_000] {
            self.ask("GET", &format!("/oauth/authorize?state={}", "a".repeat(length)), &[], "").await;
        }
    }

    pub(crate) async fn bytes_that_are_no_text(&mut self) {
        for value in [b"\xff".as_slice(), b"session=\xe9", b"Basic \xff\xfe", b"Bearer \x80", b"a\tb", b"\xc3\xa9", b""]
        {
            for name in ["authorization", "cookie", "origin", "content-type", "x-odd"] {
                self.ask("GET", "/oauth/authorize?client_id=x", &[(name, value)], "").await;
                self.ask("POST", "/oauth/token", &[(name, value), ELSEWHERE], "grant_type=x").await;
                self.ask("POST", "/oauth/consent", &[(name, value), FORM], "prompt=x&decision=allow").await;
            }
        }
    }

    /// From registration to a token that may read, and not write.
    pub(crate) async fn the_whole_flow(&mut self) -> String {
        let metadata = serde_json::json!({ "client_name": "Helper", "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "client_secret_basic" });
        let registered = self.ask("POST", "/oauth/register", &[JSON], metadata.to_string()).await;
        assert_eq!(registered.status(), 201, "{}", registered.body());
        let text = |name: &str| registered.json()[name].as_str().unwrap().to_owned();
        let client =
            Client { id: text("client_id"), secret: Some(text("client_secret")), redirect_uri: CALLBACK.to_owned() };
        let authorize = client.authorize_with(&[("scope", "projects:read"), ("code_challenge", CHALLENGE)]);

        let sent_away = self.ask("GET", &authorize, &[], "").await;
        assert!(sent_away.location().unwrap().starts_with("/login?by=GET&return_to="), "{:?}", sent_away.location());
        self.ask("HEAD", &authorize, &[ALICE], "").await;
        let odd = ("x-odd", b"\xe9\xff a".as_slice());
        let page = self.ask("GET", &authorize, &[ALICE, odd, ("x-odd", b"second")], "").await;
        let shown = if self.was_handed_on { r"alice \xe9\xff a+second" } else { "alice second" };
        assert!(page.body().contains(shown), "{}: {}", self.front.name, page.body());
        let cookie = page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let form = ConsentPage::read(page.body());

        let cookies = format!("session=alice; {cookie}");
        let (both, body) = (("cookie", cookies.as_bytes()), encode(&form.form("allow")));
        let own = ("origin", b"https://app.example".as_slice());
        for headers in [&[FORM, ALICE, own][..], &[FORM, both, ELSEWHERE], &[FORM, ("cookie", cookie.as_bytes()), own]]
        {
            let answer = self.ask("POST", &form.action, headers, body.clone()).await;
            assert!(!answer.location().unwrap_or_default().contains("code="), "{headers:?}");
        }
        let in_two = [FORM, ("cookie", b"session=alice".as_slice()), ("cookie", cookie.as_bytes()), own];
        let allowed = self.ask("POST", &form.action, &in_two, body.clone()).await;
        let code = allowed.redirect_parameter("code").unwrap();
        self.ask("POST", &form.action, &[FORM, both, own], body).await;

        let request = |verifier: &str| {
            encode(&[("grant_type", "authorization_code"), ("code", &code), ("code_verifier", verifier)])
        };
        let (basic, wrong) = (client.basic(), ("authorization", b"Basic eDp5".as_slice()));
        let basic = ("authorization", basic.as_bytes());
        assert_eq!(self.ask("POST", "/oauth/token", &[FORM, wrong], request(VERIFIER)).await.status(), 401);
        assert_eq!(self.ask("POST", "/oauth/token", &[FORM, basic], request("wrong")).await.status(), 400);
        let token = self.ask("POST", "/oauth/token", &[FORM, basic, ELSEWHERE], request(VERIFIER)).await;
        assert_eq!(token.status(), 200, "{}", token.body());
        token.json()["access_token"].as_str().unwrap().to_owned()
    }
}

fn label(method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> String {
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect();
    let shown = body.get(..200).unwrap_or(body).escape_ascii();
    format!("{method} {path:.200} {headers:?} {} bytes: {shown}", body.len())
}

/// Status, headers and body, without what only a connection has. Of an error in the app, which the framework tells in
/// words of its own, the status and what pages of other origins may see.
fn shown_answer(answer: &Response<Bytes>, is_head: bool) -> String {
    let is_of_framework = answer.status() == http::StatusCode::INTERNAL_SERVER_ERROR;
    let counts = |name: &header::HeaderName| match *name {
        _ if is_of_framework => name.as_str().starts_with("access-control-"),
        header::DATE | header::CONNECTION | header::TRANSFER_ENCODING => false,
        header::CONTENT_LENGTH => is_head,
        _ => true,
    };
    let headers = answer.headers().iter().filter(|(name, _)| counts(name));
    // Each refusal has a number of its own.
    let shown = |name: &header::HeaderName, value: &header::HeaderValue| match name.as_str() {
        "grantor-reference" => "16 digits".to_owned(),
        _ => value.as_bytes().escape_ascii().to_string(),
    };
    let mut headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {}\n", shown(name, value))).collect();
    headers.sort();
    let body = if is_of_framework { &[] } else { answer.body().as_ref() };
    format!("{}\n{}\n{}", answer.status(), headers.concat(), body.escape_ascii())
}
