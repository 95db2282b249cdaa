//! Clients that refresh and revoke, and an app that disables people.

use std::sync::{Arc, Mutex};

use grantor::storage::Storage;
use grantor::{Host, HostError, SignIn, Subject, User};
use http::StatusCode;
use http::request::Parts;

use super::{Answer, App, CALLBACK, Client, TestClock, World, changed, pairs};

impl TestClock {
    /// Jumps, in whichever direction.
    pub fn jump_to(&self, millis: u64) {
        self.set(grantor::Timestamp::from_millis(millis));
    }
}

/// What the token endpoint gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    /// Empty if there is none.
    pub refresh: String,
    pub scope: String,
    pub expires_in: u64,
}

impl Tokens {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            scope: text("scope"),
            expires_in: json["expires_in"].as_u64().unwrap(),
        }
    }

    /// The two tokens alone.
    pub fn pair(&self) -> (&str, &str) {
        (&self.access, &self.refresh)
    }
}

impl<S: Storage + Clone> World<S> {
    /// A client that registered itself for refresh tokens.
    pub async fn refreshing_client(&self, auth_method: &str) -> Client {
        let metadata = serde_json::json!({
            "client_name": "Helper", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": auth_method,
            "grant_types": ["authorization_code", "refresh_token"], "client_uri": super::another_home_page(),
        });
        let answer = self.register(&metadata).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
        let json = answer.json();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        Client { id: text("client_id").unwrap(), secret: text("client_secret"), redirect_uri: CALLBACK.to_owned() }
    }

    /// Tokens of a new grant of alice.
    pub async fn tokens(&self, client: &Client) -> Tokens {
        self.tokens_of("alice", client, &[]).await
    }

    /// Tokens of a new grant of that person, with changes to the authorization request.
    pub async fn tokens_of(&self, name: &str, client: &Client, changes: &[(&str, &str)]) -> Tokens {
        let answer = self.browser_of(name).allow(&client.authorize_with(changes)).await;
        let code = answer.redirect_parameter("code").unwrap();
        Tokens::of(&self.exchange(client, &code, &[]).await)
    }

    /// Uses a refresh token, with changes to the honest request: an empty value takes a parameter out.
    pub async fn refresh(&self, client: &Client, token: &str, changes: &[(&str, &str)]) -> Answer {
        let mut honest = vec![("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &client.id)];
        honest.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post("/oauth/token", &pairs(&changed(&honest, changes)), &[]).await
    }

    /// Uses a refresh token that must be good.
    pub async fn refreshed(&self, client: &Client, token: &str, changes: &[(&str, &str)]) -> Tokens {
        Tokens::of(&self.refresh(client, token, changes).await)
    }

    /// Revokes a token, with changes to the honest request.
    pub async fn revoke(&self, client: &Client, token: &str, changes: &[(&str, &str)]) -> Answer {
        let mut honest = vec![("token", token), ("client_id", &client.id)];
        honest.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post("/oauth/revoke", &pairs(&changed(&honest, changes)), &[]).await
    }

    /// Revokes a token that may be revoked.
    pub async fn revoked(&self, client: &Client, token: &str) {
        let answer = self.revoke(client, token, &[]).await;
        assert_eq!((answer.status(), answer.body()), (StatusCode::OK, ""));
    }
}

/// What the app says when it is asked whether somebody may still use it.
#[derive(Clone, Default)]
pub struct Standing(Arc<Mutex<Verdict>>);

#[derive(Clone, Copy, Default)]
pub enum Verdict {
    #[default]
    AllMay,
    AliceMayNot,
    CannotTell,
}

impl Standing {
    pub fn set(&self, verdict: Verdict) {
        *self.0.lock().unwrap() = verdict;
    }
}

/// The app, with people who can be disabled.
pub struct StrictApp(pub Standing);

impl Host for StrictApp {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        App.signed_in(request).await
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }

    async fn is_allowed(&self, subject: &Subject) -> Result<bool, HostError> {
        let verdict = *self.0.0.lock().unwrap();
        match verdict {
            Verdict::AllMay => Ok(true),
            Verdict::AliceMayNot => Ok(subject.as_str() != "alice"),
            Verdict::CannotTell => Err(std::io::Error::other("the app's database is gone").into()),
        }
    }
}
