//! An installation of a client that keeps to the rules, and comes again when it has to.

use crate::judge::Gave;
use crate::model::{ACCESS, CODE, Intent, PROMPT, REFRESH};
use crate::network::{Reply, Scene, Window};
use crate::support::refreshing::Tokens;
use crate::support::{Client, ConsentPage, VERIFIER};
use crate::thief::{Loot, steal};

/// Tokens that an installation has, with what the model calls them.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) access: usize,
    pub(crate) access_text: String,
    pub(crate) refresh: usize,
    pub(crate) refresh_text: String,
}

impl Held {
    pub(crate) fn of(reply: &Reply) -> Option<Self> {
        let Gave::Tokens { access, refresh } = reply.gave else { return None };
        let Tokens { access: access_text, refresh: refresh_text, .. } = Tokens::of(&reply.answer);
        Some(Self { access, access_text, refresh, refresh_text })
    }
}

/// What became of an attempt.
pub(crate) enum Tried<T> {
    Got(T),
    /// Nobody can tell; or the store could not answer.
    Again,
    Over,
}

pub(crate) struct Installation {
    pub(crate) scene: Scene,
    pub(crate) client: Client,
    /// What the model calls it.
    pub(crate) known: usize,
    pub(crate) user: &'static str,
    pub(crate) number: usize,
}

impl Installation {
    /// Uses the app for as long as the run goes on.
    pub(crate) async fn live(self) {
        let mut flows = 0;
        while !self.scene.is_over() {
            if let Some(held) = self.flow().await {
                flows += 1;
                self.use_up(held).await;
            }
            self.scene.time.sleep(self.scene.weather.about(&[1_000, 60_000])).await;
        }
        assert!(flows > 0, "sooner or later a client gets through");
    }

    /// From the consent page to the first tokens; `None` if one has to start anew.
    async fn flow(&self) -> Option<Held> {
        let mut window = Window::new(&self.scene, self.known, self.user, self.number);
        let (prompt, page) = self.ask(&mut window).await?;
        if self.scene.weather.once_in(4) {
            steal(&self.scene, Loot::Prompt(page.clone()));
        }
        self.scene.time.sleep(self.scene.weather.about(&[100, 8_000, 400_000])).await;
        self.scene.until_about(PROMPT, 12).await;
        let (code, text) = self.decide(&window, prompt, &page).await?;
        if self.scene.weather.once_in(3) {
            let verifier = self.scene.weather.once_in(2);
            steal(&self.scene, Loot::Code { code, text: text.clone(), client: self.client.clone(), verifier });
        }
        self.scene.time.sleep(self.scene.weather.about(&[10, 500, 500])).await;
        self.scene.until_about(CODE, 8).await;
        self.exchange(code, &text).await
    }

    async fn ask(&self, window: &mut Window) -> Option<(usize, ConsentPage)> {
        for _ in 0..12 {
            let reply = window.open(&self.client.authorize()).await;
            if let Some(Reply { answer, gave: Gave::Prompt(prompt) }) = &reply {
                return Some((*prompt, ConsentPage::read(answer.body())));
            }
            if reply.as_ref().is_some_and(|reply| reply.status() == 403) {
                self.scene.time.sleep(self.scene.weather.about(&[900_000])).await;
                return None;
            }
            self.scene.pause(reply.as_ref()).await;
        }
        None
    }

    /// Whose answer is lost presses the button once more.
    async fn decide(&self, window: &Window, prompt: usize, page: &ConsentPage) -> Option<(usize, String)> {
        let allows = !self.scene.weather.once_in(8);
        let form = page.form(if allows { "allow" } else { "deny" });
        if self.scene.weather.once_in(5) {
            self.scene.spawner.spawn(self.scene.clone().block_for_a_while(self.known));
        }
        for _ in 0..12 {
            let reply = window.press(Intent::Decide(Some(prompt), allows), &page.action, &form).await;
            match &reply {
                Some(Reply { answer, gave: Gave::Code(code) }) => {
                    return Some((*code, answer.redirect_parameter("code").unwrap()));
                }
                Some(reply) if reply.status() != 503 => return None,
                _ => self.scene.pause(reply.as_ref()).await,
            }
        }
        None
    }

    async fn exchange(&self, code: usize, text: &str) -> Option<Held> {
        for attempt in 0..12 {
            let reply = self.scene.exchange(Some(code), &self.client, text, VERIFIER).await;
            if attempt > 0 {
                self.scene.weather.count("client: a code is sent again");
            }
            match tried(reply.as_ref()) {
                Tried::Got(held) => return Some(held),
                Tried::Over => return None,
                Tried::Again => self.scene.pause(reply.as_ref()).await,
            }
        }
        None
    }

    /// Works with tokens until they are over or the run is.
    async fn use_up(&self, mut held: Held) {
        let weather = &self.scene.weather;
        while !self.scene.is_over() {
            self.lose_something(&held);
            match weather.below(32) {
                0 => return self.log_out(held).await,
                1 => {
                    self.revoke(Intent::RevokeAccess(Some(held.access)), &held.access_text).await;
                    let _ = self.scene.knock(Some(held.access), &held.access_text).await;
                }
                2..12 => match self.renew(held.clone()).await {
                    Some(renewed) => {
                        held = renewed;
                        self.scene.until_about(ACCESS, 20).await;
                        if self.scene.until_about(REFRESH, 30).await {
                            // Of what has ended a store may soon know nothing any more.
                            let _ = self.scene.refresh(Some(held.refresh), &self.client, &held.refresh_text).await;
                        }
                    }
                    None => return,
                },
                _ => {
                    let reply = self.scene.knock(Some(held.access), &held.access_text).await;
                    if reply.is_some_and(|reply| reply.status() == 401) {
                        match self.renew(held.clone()).await {
                            Some(renewed) => held = renewed,
                            None => return,
                        }
                    }
                }
            }
            self.idle().await;
        }
    }

    async fn idle(&self) {
        let often = [500, 500, 20_000, 60_000, 120_000, 1_800_000, 7_200_000];
        let longest = if self.scene.weather.once_in(60) { 2 * REFRESH } else { self.scene.weather.pick(&often) };
        self.scene.time.sleep(self.scene.weather.about(&[longest])).await;
    }

    /// A thief sees what is in a log, in a backup, on a screen.
    fn lose_something(&self, held: &Held) {
        let weather = &self.scene.weather;
        if weather.once_in(10) {
            steal(&self.scene, Loot::Access { access: held.access, text: held.access_text.clone() });
        }
        if weather.once_in(14) {
            let text = held.refresh_text.clone();
            steal(&self.scene, Loot::Refresh { token: held.refresh, text, client: self.client.clone() });
        }
    }

    /// Refreshes, with the same token for as long as there is no answer.
    async fn renew(&self, held: Held) -> Option<Held> {
        // Two processes of one installation do not know of each other.
        if self.scene.weather.once_in(6) {
            let twin = (self.scene.clone(), self.client.clone(), held.clone());
            self.scene.weather.count("client: two processes refresh at once");
            self.scene.spawner.spawn(async move {
                let (scene, client, held) = twin;
                let _ = scene.refresh(Some(held.refresh), &client, &held.refresh_text).await;
            });
        }
        for attempt in 0..12 {
            let reply = self.scene.refresh(Some(held.refresh), &self.client, &held.refresh_text).await;
            if attempt > 0 {
                self.scene.weather.count("client: a refresh token is sent again");
            }
            match tried(reply.as_ref()) {
                Tried::Got(held) => return Some(held),
                Tried::Over => return None,
                Tried::Again => self.scene.pause(reply.as_ref()).await,
            }
        }
        None
    }

    async fn log_out(&self, held: Held) {
        self.revoke(Intent::RevokeRefresh(Some(held.refresh)), &held.refresh_text).await;
        for _ in 0..2 {
            let _ = self.scene.knock(Some(held.access), &held.access_text).await;
            let _ = self.scene.refresh(Some(held.refresh), &self.client, &held.refresh_text).await;
        }
    }

    async fn revoke(&self, intent: Intent, text: &str) {
        for _ in 0..12 {
            let reply = self.scene.revoke(intent, &self.client, text).await;
            if reply.as_ref().is_some_and(|reply| reply.status() == 200) {
                return;
            }
            self.scene.pause(reply.as_ref()).await;
        }
    }

    /// With a store that answers, everything goes well at the first attempt.
    pub(crate) async fn gets_through(self) {
        let what = "a client that starts anew gets through";
        let mut window = Window::new(&self.scene, self.known, self.user, self.number);
        let opened = window.open(&self.client.authorize()).await.expect(what);
        let Gave::Prompt(prompt) = opened.gave else { panic!("{what}") };
        let page = ConsentPage::read(opened.answer.body());
        let form = page.form("allow");
        let decided = window.press(Intent::Decide(Some(prompt), true), &page.action, &form).await.expect(what);
        let Gave::Code(code) = decided.gave else { panic!("{what}: {}", decided.answer.body()) };
        let text = decided.answer.redirect_parameter("code").unwrap();
        let reply = self.scene.exchange(Some(code), &self.client, &text, VERIFIER).await.expect(what);
        let first = Held::of(&reply).expect(what);
        let reply = self.scene.refresh(Some(first.refresh), &self.client, &first.refresh_text).await.expect(what);
        let second = Held::of(&reply).expect(what);
        for Held { access, access_text, .. } in [first, second] {
            assert_eq!(self.scene.knock(Some(access), &access_text).await.expect(what).status(), 200, "{what}");
        }
    }
}

pub(crate) fn tried(reply: Option<&Reply>) -> Tried<Held> {
    match reply {
        None => Tried::Again,
        Some(reply) if reply.status() == 503 => Tried::Again,
        Some(reply) => Held::of(reply).map_or(Tried::Over, Tried::Got),
    }
}
