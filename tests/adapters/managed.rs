//! Clients that manage their own registration (RFC 7592), and whoever tries to.

use serde_json::{Value, json};

use crate::script::{ELSEWHERE, FORM, Headers, JSON, Script};
use crate::support::CALLBACK;

const PUT: (&str, &[u8]) = ("access-control-request-method", b"PUT");
const WITH_TOKEN: (&str, &[u8]) = ("access-control-request-headers", b"authorization, content-type");

/// A client's registration: its path and its token.
struct Registered {
    id: String,
    path: String,
    bearer: String,
}

impl Registered {
    fn change(&self, field: &str, value: Value) -> String {
        let mut body = json!({ "client_id": self.id, "client_name": "Helper", "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none" });
        body[field] = value;
        body.to_string()
    }
}

impl Script<'_> {
    pub(crate) async fn clients_that_manage_themselves(&mut self) {
        let (one, other) = (self.registered("One").await, self.registered("Other").await);
        let bearer = [("authorization", one.bearer.as_bytes()), JSON];
        self.expect("GET", &one.path, &bearer, "", 200).await;
        self.expect("HEAD", &one.path, &bearer, "", 200).await;
        self.expect("GET", &one.path, &[bearer[0], ELSEWHERE], "", 200).await;
        self.expect("PUT", &one.path, &bearer, &one.change("client_name", json!("Renamed")), 200).await;
        let read = self.ask("GET", &one.path, &bearer, "").await;
        assert_eq!(read.json()["client_name"], "Renamed", "{}", self.front().name);
        for body in [
            one.change("redirect_uris", json!(["javascript:x"])),
            one.change("client_id", json!(other.id)),
            one.change("client_secret", json!("another")),
            "{".to_owned(),
            String::new(),
        ] {
            self.expect("PUT", &one.path, &bearer, &body, 400).await;
        }
        self.expect("PUT", &one.path, &[bearer[0], FORM], "client_id=x", 400).await;
        self.wrong_tokens(&one, &other).await;
        self.other_methods(&one.path, &bearer).await;
        self.odd_ids(&one).await;
        self.expect("DELETE", &one.path, &bearer, "", 204).await;
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            self.expect(method, &one.path, &bearer, "", 401).await;
        }
        self.expect("GET", &other.path, &[("authorization", other.bearer.as_bytes())], "", 200).await;
    }

    async fn registered(&mut self, name: &str) -> Registered {
        let metadata =
            json!({ "client_name": name, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
        let answer = self.ask("POST", "/oauth/register", &[JSON], metadata.to_string()).await.json();
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Registered {
            id: text("client_id"),
            path: text("registration_client_uri").strip_prefix("https://app.example").unwrap().to_owned(),
            bearer: format!("Bearer {}", text("registration_access_token")),
        }
    }

    async fn expect(&mut self, method: &str, path: &str, headers: Headers<'_>, body: &str, status: u16) {
        let answer = self.ask(method, path, headers, body.to_owned()).await;
        let (name, status) = (self.front().name, if self.was_handed_on { status } else { answer.status().as_u16() });
        assert_eq!(answer.status().as_u16(), status, "{name}: {method} {path} {headers:?} {body}: {}", answer.body());
    }

    async fn wrong_tokens(&mut self, one: &Registered, other: &Registered) {
        let own = one.bearer.as_bytes();
        let cut = &own[..own.len() - 1];
        let odd = [own, b"\xff"].concat();
        let wrong: [&[u8]; 9] =
            [other.bearer.as_bytes(), cut, &odd, b"", b"Bearer", b"Bearer ", b"Bearer grm_", b"Basic eDp5", &own[7..]];
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let body = one.change("client_name", json!("Stolen"));
            self.expect(method, &one.path, &[JSON], &body, 401).await;
            self.expect(method, &one.path, &[JSON, ("authorization", own), ("authorization", own)], &body, 401).await;
            self.expect(method, &one.path, &[JSON, ("cookie", own), ("x-authorization", own)], &body, 401).await;
            for value in wrong {
                self.expect(method, &one.path, &[JSON, ("authorization", value), ELSEWHERE], &body, 401).await;
            }
        }
        let in_query = format!("{}?access_token={}", one.path, &one.bearer[7..]);
        self.expect("GET", &in_query, &[], "", 401).await;
    }

    async fn other_methods(&mut self, path: &str, bearer: Headers<'_>) {
        for method in ["POST", "PATCH", "TRACE", "PROPFIND", "put", "delete"] {
            self.expect(method, path, bearer, "{}", 405).await;
        }
        self.expect("OPTIONS", path, &[], "", 204).await;
        for asked in [PUT, ("access-control-request-method", b"DELETE"), ("access-control-request-method", b"PATCH")] {
            self.expect("OPTIONS", path, &[ELSEWHERE, asked, WITH_TOKEN], "", 204).await;
        }
        let preflight = self.ask("OPTIONS", path, &[ELSEWHERE, PUT, WITH_TOKEN], "").await;
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT, DELETE"));
    }

    async fn odd_ids(&mut self, one: &Registered) {
        let bearer = [("authorization", one.bearer.as_bytes()), JSON];
        let (path, long) = (&one.path, "x".repeat(8_000));
        let odd =
            ["", "x", "%ff%fe", "%", "%0", "%00", "a/b", "/", "a//", "%2F", "{id}", "{rest:.*}", "*", "a;b", &long];
        let odd = odd.iter().map(|id| format!("/oauth/register/{id}"));
        for path in odd.chain([format!("{path}/"), format!("{path}/x"), format!("{path}%20"), format!("{path};x")]) {
            for method in ["GET", "PUT", "DELETE"] {
                self.expect(method, &path, &bearer, "{}", 401).await;
            }
            self.expect("POST", &path, &bearer, "{}", 405).await;
        }
        let encoded = format!("/oauth/register/%{:02x}{}", one.id.as_bytes()[0], &one.id[1..]);
        for path in [&encoded, &format!("{path}?x=y&x=%ff"), &format!("{path}?")] {
            self.expect("GET", path, &bearer, "", 200).await;
        }
        for path in ["/oauth/registerx", "/oauth/Register/x", "/oauth/%72egister/x", "//oauth/register/x"] {
            self.ask_app("GET", path, &bearer, 200, "the start page").await;
        }
    }
}
