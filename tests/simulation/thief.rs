//! Those who use what is not theirs: as it was stolen, in another's place, changed a little, or guessed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::{Held, Tried, tried};
use crate::model::Intent;
use crate::network::{Reply, Scene, Window};
use crate::support::{Client, ConsentPage, MCP, VERIFIER};

pub(crate) enum Loot {
    Prompt(ConsentPage),
    /// With its verifier, or the code alone.
    Code {
        code: usize,
        text: String,
        client: Client,
        verifier: bool,
    },
    Access {
        access: usize,
        text: String,
    },
    Refresh {
        token: usize,
        text: String,
        client: Client,
    },
}

/// What the model calls a thief's own client.
const FOREIGN: usize = 3;
const WRONG: &str = "wrong-verifier-wrong-verifier-wrong-verifier-w";

/// Somebody gets hold of that, and uses it at once or later, while its owner does the same.
pub(crate) fn steal(scene: &Scene, loot: Loot) {
    let thief = scene.clone();
    scene.spawner.spawn(async move {
        thief.time.sleep(thief.weather.about(&[0, 60, 1_000, 5_000, 90_000, 5_400_000])).await;
        match loot {
            Loot::Prompt(page) => thief.use_prompt(&page).await,
            Loot::Code { code, text, client, verifier } => thief.use_code(code, &text, client, verifier).await,
            Loot::Access { access, text } => thief.use_access(access, &text).await,
            Loot::Refresh { token, text, client } => thief.use_refresh(token, &text, client).await,
        }
    });
}

/// A client whose secret nobody knows but itself.
fn without_secret(client: &Client) -> Client {
    Client { secret: None, ..client.clone() }
}

impl Scene {
    fn attack(&self, what: &'static str) {
        self.weather.count(what);
    }

    async fn use_prompt(&self, page: &ConsentPage) {
        let mut window = Window::new(self, FOREIGN, "mallory", 0);
        let _ = window.open(&self.foreign.authorize()).await;
        self.attack("attack: a stolen prompt is answered");
        let _ = window.press(Intent::Decide(None, true), &page.action, &page.form("allow")).await;
    }

    async fn use_code(&self, code: usize, text: &str, client: Client, verifier: bool) {
        if verifier && client.secret.is_none() {
            self.attack("attack: a stolen code with its verifier");
            let reply = self.exchange(Some(code), &client, text, VERIFIER).await;
            return self.go_on(reply, &client).await;
        }
        let reply = match self.weather.below(4) {
            0 => {
                self.attack("attack: a code as an access token");
                self.knock(None, text).await
            }
            1 => {
                self.attack("attack: a stolen code at another client");
                self.exchange(None, &self.foreign, text, VERIFIER).await
            }
            _ => {
                self.attack("attack: a stolen code without verifier or secret");
                let verifier = if client.secret.is_some() { VERIFIER } else { WRONG };
                self.exchange(None, &without_secret(&client), text, verifier).await
            }
        };
        self.go_on(reply, &client).await;
    }

    async fn use_access(&self, access: usize, text: &str) {
        match self.weather.below(8) {
            0 => {
                self.attack("attack: an access token at another resource");
                let _ = self.send(Intent::Knock(None), crate::network::Errand::Guarded(MCP, text.to_owned())).await;
            }
            1 => {
                self.attack("attack: an access token as a refresh token");
                let _ = self.refresh(None, &self.foreign, text).await;
            }
            2 => {
                self.attack("attack: a token is revoked by another client");
                let _ = self.revoke(Intent::RevokeAccess(None), &self.foreign, text).await;
            }
            3 => {
                self.attack("attack: a token that is changed a little");
                let _ = self.knock(None, &self.changed(text)).await;
            }
            _ => {
                for _ in 0..4 {
                    self.attack("attack: a stolen access token");
                    let _ = self.knock(Some(access), text).await;
                    self.time.sleep(self.weather.about(&[100, 30_000, 3_700_000])).await;
                }
            }
        }
    }

    async fn use_refresh(&self, token: usize, text: &str, client: Client) {
        let reply = match self.weather.below(8) {
            0 => {
                self.attack("attack: a refresh token as an access token");
                self.knock(None, text).await
            }
            1 => {
                self.attack("attack: a stolen refresh token at another client");
                self.refresh(None, &self.foreign, text).await
            }
            2 => {
                self.attack("attack: a refresh token that is changed a little");
                self.refresh(None, &client, &self.changed(text)).await
            }
            3 => {
                self.attack("attack: a grant is revoked by another client");
                self.revoke(Intent::RevokeRefresh(None), &self.foreign, text).await
            }
            _ if client.secret.is_some() => {
                self.attack("attack: a stolen refresh token without the secret");
                self.refresh(None, &without_secret(&client), text).await
            }
            _ => {
                self.attack("attack: a stolen refresh token");
                self.refresh(Some(token), &client, text).await
            }
        };
        self.go_on(reply, &client).await;
    }

    /// Lives on what a theft has given, for as long as it is good.
    async fn go_on(&self, first: Option<Reply>, client: &Client) {
        let Some(mut held) = first.as_ref().and_then(Held::of) else { return };
        self.attack("attack: a thief has tokens");
        {
            let mut model = self.oracle.model();
            let grant = model.accesses[held.access].grant;
            model.grants[grant].robbed = true;
        }
        for _ in 0..6 {
            self.time.sleep(self.weather.about(&[300, 20_000, 600_000, 3_000_000])).await;
            let _ = self.knock(Some(held.access), &held.access_text).await;
            let reply = self.refresh(Some(held.refresh), client, &held.refresh_text).await;
            match tried(reply.as_ref()) {
                Tried::Got(renewed) => held = renewed,
                Tried::Again => self.pause(reply.as_ref()).await,
                Tried::Over => return,
            }
        }
    }

    /// Another letter somewhere behind the prefix.
    fn changed(&self, text: &str) -> String {
        let at = 4 + self.weather.below(text.len() - 5);
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    }

    fn guessed(&self, prefix: &str, like: &str) -> String {
        let length = URL_SAFE_NO_PAD.decode(&like[4..]).map_or(40, |bytes| bytes.len());
        let bytes: Vec<u8> = (0..length).map(|_| self.weather.below(256) as u8).collect();
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Guesses, for as long as the run goes on.
    pub(crate) async fn guess(self, client: Client) {
        while !self.is_over() {
            self.time.sleep(self.weather.about(&[1_000, 3_600_000])).await;
            let like = self.oracle.model().refreshes.last().map(|refresh| refresh.text.clone());
            let Some(like) = like else { continue };
            self.attack("attack: a guess");
            let reply = match self.weather.below(3) {
                0 => self.knock(None, &self.guessed("gra_", &like)).await,
                1 => self.refresh(None, &client, &self.guessed("grr_", &like)).await,
                _ => self.exchange(None, &client, &self.guessed("grc_", &like), VERIFIER).await,
            };
            self.go_on(reply, &client).await;
        }
    }
}
