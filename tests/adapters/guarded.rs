//! What is asked of guarded routes.

use crate::script::{ALICE, ASKS_TO_POST, ELSEWHERE, FORM, Headers, Script};

const GUARDED: [&str; 3] = ["/api", "/nested/x", "/api/token-for-either"];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"];
const FOR_NOBODY: [(u16, &[u8]); 6] = [
    (400, b"Bearer"),
    (400, b"Bearer\tx"),
    (401, b"Bearer x"),
    (401, b"Bearer \xff"),
    (401, b"bearer gra_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    (401, b"BEARER session=alice"),
];

fn bearer(token: &str) -> Vec<u8> {
    format!("Bearer {token}").into_bytes()
}

impl Script<'_> {
    pub(crate) async fn the_guard(&mut self, token: &str) {
        let bearer = bearer(token);
        let live = ("authorization", bearer.as_slice());
        for path in GUARDED {
            for method in METHODS {
                self.ask_app(method, path, &[], 401, "unauthorized").await;
                self.ask_app(method, path, &[ALICE, FORM], 401, "unauthorized").await;
                self.ask_app(method, path, &[live], 200, &format!("{method} by alice for https://app.example/api"))
                    .await;
                for (status, bad) in FOR_NOBODY {
                    self.ask_app(method, path, &[("authorization", bad), ALICE], status, "error").await;
                }
                self.ask_app(method, path, &[live, live], 400, "invalid_request").await;
            }
            self.ask_app("HEAD", path, &[], 401, "").await;
            self.ask_app("HEAD", path, &[live], 200, "").await;
            self.ask_app("OPTIONS", path, &[ELSEWHERE, ASKS_TO_POST], 204, "").await;
            self.ask_app("OPTIONS", path, &[ELSEWHERE, ASKS_TO_POST, live], 204, "").await;
            for plain in [&[][..], &[ELSEWHERE], &[ASKS_TO_POST], &[ALICE]] {
                self.ask_app("OPTIONS", path, plain, 401, "unauthorized").await;
            }
            self.ask_app("OPTIONS", path, &[live], 200, "OPTIONS by alice").await;
            self.ask_app("GET", path, &[live, ("x-odd", b"\xff"), ("x-odd", b"")], 200, "GET by alice").await;
        }
        self.ask_app("GET", "/api/write", &[live, ALICE], 403, "insufficient_scope").await;
        self.ask_app("GET", "/mcp", &[live, ALICE], 401, "invalid_token").await;
        self.ask_app("GET", "/api/own-cors", &[live], 200, "mine").await;
        self.ask_app("GET", "/api/own-cors", &[], 401, "").await;
        for headers in [&[][..], &[live], &[live, ALICE]] {
            self.ask_app("GET", "/open", headers, 500, "").await;
            self.ask_app("HEAD", "/open", headers, 500, "").await;
        }
    }

    pub(crate) async fn a_session_or_a_token(&mut self, token: &str) {
        let bearer = bearer(token);
        let live = ("authorization", bearer.as_slice());
        let path = "/api/either";
        for method in METHODS {
            self.ask_app(method, path, &[], 200, &format!("{method} by nobody")).await;
            self.ask_app(method, path, &[ALICE], 200, &format!("{method} by the session of alice")).await;
            for headers in [&[live][..], &[live, ALICE]] {
                self.ask_app(method, path, headers, 200, &format!("{method} by alice for https://app")).await;
            }
            for (status, bad) in FOR_NOBODY {
                self.ask_app(method, path, &[ALICE, ("authorization", bad)], status, "error").await;
            }
        }
        for other in [b"Basic YTpi".as_slice(), b"Digest x", b"Bearerx y", b""] {
            self.ask_app("GET", path, &[("authorization", other), ALICE], 200, "by the session of alice").await;
        }
        for headers in [&[live, ALICE][..], &[live]] {
            self.ask_app("GET", "/mcp/either", headers, 401, "invalid_token").await;
        }
        self.ask_app("GET", "/mcp/either", &[ALICE], 200, "by the session of alice").await;
        self.ask_app("HEAD", path, &[ALICE], 200, "").await;
        self.ask_app("OPTIONS", path, &[ELSEWHERE, ASKS_TO_POST, ALICE], 204, "").await;
        self.ask_app("OPTIONS", path, &[ELSEWHERE, ALICE], 200, "by the session").await;
        self.ask_app("GET", "/api/either-for-token", &[live, ALICE], 200, "by alice").await;
        self.ask_app("GET", "/api/either-for-token", &[ALICE], 500, "").await;
    }

    pub(crate) async fn the_end_of_the_token(&mut self, token: &str) {
        let bearer = bearer(token);
        let both: Headers<'_> = &[("authorization", bearer.as_slice()), ALICE];
        self.front().world.clock.advance(std::time::Duration::from_hours(2));
        for path in ["/api", "/api/either", "/nested/x"] {
            self.ask_app("GET", path, both, 401, "invalid_token").await;
        }
    }

    /// For an app at a loopback address.
    pub(crate) async fn a_rebound_name(&mut self) {
        for (host, is_own) in
            [("localhost:3000", true), ("127.0.0.1", true), ("evil.example:3000", false), ("localhost.evil", false)]
        {
            let named = ("host", host.as_bytes());
            let metadata = self.ask("GET", "/.well-known/oauth-authorization-server", &[named], "").await;
            assert_eq!(metadata.status().as_u16(), if is_own { 200 } else { 421 }, "{host}");
            self.ask("POST", "/oauth/token", &[named, FORM], "grant_type=x").await;
            self.ask_app("GET", "/api", &[named], if is_own { 401 } else { 421 }, "").await;
            self.ask_app("GET", "/api/either", &[named, ALICE], if is_own { 200 } else { 421 }, "").await;
            self.ask_app("OPTIONS", "/api", &[named, ELSEWHERE, ASKS_TO_POST], if is_own { 204 } else { 421 }, "")
                .await;
        }
    }
}
