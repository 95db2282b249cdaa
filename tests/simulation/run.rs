//! One run from its beginning to its end.

use std::sync::Arc;
use std::time::Duration;

use grantor::storage::{Row, Storage as _, Table, invariants};
use grantor::{ClientId, Keys, Lifetimes, MemoryStorage, Subject, Timestamp};

use crate::client::Installation;
use crate::executor::{Executor, Slot, Time};
use crate::model::{Intent, Known, Model, Oracle, REFRESH};
use crate::network::{Errand, Reply, Scene, USERS};
use crate::random::Random;
use crate::store::StormyStorage;
use crate::support::{CALLBACK, Client, ISSUER, START, World};
use crate::weather::{SeededEntropy, Tally, Weather};

const LENGTH: u64 = 3 * 24 * 3_600_000;

/// What has to be seen often, or nothing is proved by it.
pub(crate) const KINDS: [&str; 52] = [
    "answer: a client is blocked",
    "answer: a client is blocked, or is so no more",
    "answer: a grant is revoked",
    "answer: a grant is taken back",
    "answer: a token is revoked",
    "answer: come again later",
    "answer: that was decided",
    "attack: a code as an access token",
    "attack: a grant is revoked by another client",
    "attack: a guess",
    "attack: a refresh token as an access token",
    "attack: a refresh token that is changed a little",
    "attack: a stolen access token",
    "attack: a stolen code at another client",
    "attack: a stolen code with its verifier",
    "attack: a stolen code without verifier or secret",
    "attack: a stolen prompt is answered",
    "attack: a stolen refresh token",
    "attack: a stolen refresh token at another client",
    "attack: a stolen refresh token without the secret",
    "attack: a thief has tokens",
    "attack: a token is revoked by another client",
    "attack: a token that is changed a little",
    "attack: an access token as a refresh token",
    "attack: an access token at another resource",
    "client: a code is sent again",
    "client: a refresh token is sent again",
    "client: something is used at its very end",
    "client: two processes refresh at once",
    "ended: a refresh token came again",
    "ended: a thief had tokens of it",
    "ended: its client revoked it",
    "ended: its client was blocked",
    "ended: its code came again",
    "ended: its code came again, as its answer was lost",
    "ended: its user took it back",
    "fault: a call fails before it is done",
    "fault: a call is done and its answer is lost",
    "fault: a call of the store takes long",
    "fault: a call while the store is down",
    "fault: a request ends midway, its client has hung up",
    "fault: a request never arrives",
    "fault: an answer never arrives",
    "fault: the store is down for a while",
    "given: a grant",
    "given: a pair",
    "given: a pair once more",
    "given: a pair whose first answer was lost",
    "guard: a request passes",
    "guard: a token is over",
    "the store is looked through",
    "the store is tidied up",
];

/// A change of a client between the first look at it and the decision about it.
pub(crate) const RARE: &str = "answer: its client was changed meanwhile";

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) steps: u64,
    pub(crate) requests: usize,
    pub(crate) millis: u64,
    pub(crate) digest: u64,
    pub(crate) tally: Tally,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.requests += other.requests;
        self.millis += other.millis;
        self.digest ^= other.digest;
        for (what, times) in other.tally {
            *self.tally.entry(what).or_default() += times;
        }
    }
}

pub(crate) struct Run {
    executor: Executor,
    scene: Scene,
    clients: Vec<Client>,
}

impl Run {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut another = || Random::new(random.next());
        let time = Time::new(START);
        let weather = Weather::new(time.clone(), another());
        let oracle = Oracle::new(time.clone());
        let inner = MemoryStorage::new();
        let storage = Arc::new(StormyStorage { inner, weather: weather.clone(), oracle: oracle.clone() });
        let (clock, entropy) = (time.clone(), SeededEntropy::new(another()));
        let mut lifetimes = Lifetimes::default();
        lifetimes.refresh_token = Duration::from_millis(REFRESH);
        let world = World::at(ISSUER, storage, |builder| {
            let clocked = builder.clock(move || Timestamp::from_millis(clock.now()));
            clocked.entropy(entropy).lifetimes(lifetimes).keys(Keys::from_bytes([7; 32]))
        });
        let executor = Executor::new(time.clone(), another());
        let foreign = Client { id: String::new(), secret: None, redirect_uri: CALLBACK.to_owned() };
        let (spawner, horizon) = (executor.spawner.clone(), START + LENGTH);
        let scene = Scene { world, time, spawner, weather, oracle, foreign, horizon };
        Self { executor, scene, clients: Vec::new() }
    }

    pub(crate) fn oracle(&self) -> Oracle {
        self.scene.oracle.clone()
    }

    pub(crate) fn complete(&mut self) -> Seen {
        self.register();
        self.storm();
        let millis = self.scene.time.now() - START;
        self.scene.weather.clear_up();
        self.afterwards();
        let mut tally = self.scene.weather.tally();
        let model = self.scene.oracle.model();
        tally.extend(model.tally.clone());
        Seen { steps: self.executor.polls, requests: model.sent.len(), millis, digest: model.fingerprint(), tally }
    }

    /// Runs one task, and all that it starts, until everything is done.
    fn until_done<T: Send + 'static>(&mut self, task: impl Future<Output = T> + Send + 'static) -> T {
        let slot = Slot::new();
        let done = slot.clone();
        self.scene.spawner.spawn(async move { done.put(task.await) });
        self.executor.run();
        slot.now().expect("it is done")
    }

    /// Two clients without a secret and one with, and that of a thief.
    fn register(&mut self) {
        let world = self.scene.world.clone();
        let weather = self.scene.weather.clone();
        let mut clients = self.until_done(async move {
            let mut clients = Vec::new();
            for (number, method) in ["none", "none", "client_secret_post", "none"].into_iter().enumerate() {
                let metadata = serde_json::json!({
                    "client_name": "Helper", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method,
                    "grant_types": ["authorization_code", "refresh_token"],
                    "client_uri": format!("https://client.example/{number}"),
                });
                loop {
                    let answer = weather.for_request(0, world.register(&metadata)).await;
                    if answer.status() == 503 {
                        continue;
                    }
                    assert_eq!(answer.status(), 201, "{}", answer.body());
                    let json = answer.json();
                    let text = |name: &str| json[name].as_str().map(str::to_owned);
                    let (id, secret) = (text("client_id").unwrap(), text("client_secret"));
                    clients.push(Client { id, secret, redirect_uri: CALLBACK.to_owned() });
                    break;
                }
            }
            clients
        });
        let known = clients.iter().map(|client| Known { id: client.id.clone(), ..Known::default() });
        self.scene.oracle.model().clients.extend(known);
        self.scene.foreign = clients.pop().unwrap();
        self.clients = clients;
    }

    fn installations(&self) -> Vec<Installation> {
        let clients = self.clients.iter().enumerate();
        let pairs = clients.flat_map(|(known, client)| USERS[..2].iter().map(move |user| (known, client, *user)));
        pairs
            .enumerate()
            .map(|(number, (known, client, user))| Installation {
                scene: self.scene.clone(),
                client: client.clone(),
                known,
                user,
                number: number + 1,
            })
            .collect()
    }

    /// Everybody at once, while things go wrong.
    fn storm(&mut self) {
        let spawner = self.scene.spawner.clone();
        for installation in self.installations() {
            spawner.spawn(installation.live());
        }
        spawner.spawn(self.scene.clone().guess(self.clients[0].clone()));
        spawner.spawn(self.scene.clone().bring_the_store_down());
        spawner.spawn(self.scene.clone().take_grants_back());
        spawner.spawn(self.scene.clone().look_after());
        spawner.spawn(self.scene.clone().administer());
        self.executor.run();
        assert!(self.scene.is_over(), "the run went on to its horizon");
    }

    /// The store has recovered.
    fn afterwards(&mut self) {
        let scene = self.scene.clone();
        self.until_done(async move {
            for client in 0..3 {
                let done = scene.admit(client, true).await.expect("a store that answers");
                assert_eq!(done.status(), 200);
            }
        });
        for installation in self.installations() {
            self.until_done(installation.gets_through());
        }
        let scene = self.scene.clone();
        self.until_done(async move {
            scene.check_store().await;
            let live = scene.good_tokens(usize::MAX).await;
            assert!(live >= 12, "what clients were given is good: {live}");
            for user in USERS {
                scene.world.server.revoke_grants(&Subject::new(user)).await.unwrap();
            }
            let model = scene.oracle.clone();
            let all = model.model().grants.len();
            (0..all).for_each(|grant| model.model().end(grant, "ended: its user took everything back"));
            assert_eq!(scene.good_tokens(200).await, 0, "nothing is left of what was taken back");
            scene.time.sleep(30 * 24 * 3_600_000).await;
            while scene.world.server.purge(100).await.unwrap() >= 100 {}
            for table in [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens] {
                assert!(scene.world.storage.inner.scan(table, None, 10).await.unwrap().is_empty(), "{table:?}");
            }
        });
    }
}

impl Scene {
    /// Outages, of the store and of nobody else.
    async fn bring_the_store_down(self) {
        while !self.is_over() {
            self.time.sleep(self.weather.about(&[600_000, 7_200_000])).await;
            self.weather.go_down(500 + self.weather.about(&[2_000, 30_000, 300_000]));
        }
    }

    /// Users change their minds, at pages of the app.
    async fn take_grants_back(self) {
        while !self.is_over() {
            self.time.sleep(self.weather.about(&[60_000, 7_200_000, 36_000_000])).await;
            let Some((grant, id, user)) = self.some_grant() else { continue };
            for _ in 0..12 {
                let reply = self.send(Intent::Withdraw(grant), Errand::Withdraw(user, id)).await;
                if reply.as_ref().is_some_and(|reply| reply.status() == 200) {
                    break;
                }
                self.pause(reply.as_ref()).await;
            }
        }
    }

    /// Blocks a client now and then, and relents.
    async fn administer(self) {
        while !self.is_over() {
            self.time.sleep(self.weather.about(&[3_600_000, 36_000_000])).await;
            self.clone().block_for_a_while(self.weather.below(3)).await;
        }
    }

    /// Shuts a client out, at once or very soon.
    pub(crate) async fn block_for_a_while(self, client: usize) {
        self.time.sleep(self.weather.about(&[0, 30, 100])).await;
        for is_admitted in [false, true] {
            for _ in 0..12 {
                let reply = self.admit(client, is_admitted).await;
                if reply.as_ref().is_some_and(|reply| reply.status() == 200) {
                    break;
                }
                self.pause(reply.as_ref()).await;
            }
            self.time.sleep(self.weather.about(&[100, 2_000, 600_000])).await;
        }
    }

    async fn admit(&self, client: usize, is_admitted: bool) -> Option<Reply> {
        let id = self.oracle.model().clients[client].id.clone();
        let intent = if is_admitted { Intent::Unblock(client) } else { Intent::Block(client) };
        self.send(intent, Errand::Admit(ClientId::parse(&id).unwrap(), is_admitted)).await
    }

    fn some_grant(&self) -> Option<(usize, grantor::OrderedId, &'static str)> {
        let model = self.oracle.model();
        let live: Vec<_> = model.grants.iter().enumerate().filter(|(_, grant)| grant.ended.is_none()).collect();
        let back = 1 + self.weather.below(live.len().clamp(1, 8));
        let (at, grant) = live.len().checked_sub(back).and_then(|at| live.get(at))?;
        Some((*at, grant.id, grant.user))
    }

    /// Looks through the store every so often, and tidies up.
    async fn look_after(self) {
        while !self.is_over() {
            self.time.sleep(self.weather.about(&[7_200_000])).await;
            self.check_store().await;
            if self.weather.once_in(3) {
                self.weather.count("the store is tidied up");
                let _ = self.weather.for_request(0, self.world.server.purge(20)).await;
            }
        }
    }

    async fn check_store(&self) {
        let inner = &self.world.storage.inner;
        let report = invariants::check(inner).await.unwrap();
        assert!(report.is_clean(), "{report}");
        let tokens = inner.scan(Table::RefreshTokens, None, u32::MAX).await.unwrap();
        let open = tokens.iter().filter(|row| matches!(&row.row, Row::Refresh { rotation: None, .. }));
        let mut grants: Vec<_> = open.map(|row| row.grant.id).collect();
        let all = grants.len();
        grants.sort_unstable();
        grants.dedup();
        assert_eq!(grants.len(), all, "one live successor");
        self.weather.count("the store is looked through");
    }

    /// Shows the last tokens that anybody was given, and says how many are good.
    async fn good_tokens(&self, last: usize) -> usize {
        let shown: Vec<_> = {
            let model: &Model = &self.oracle.model();
            let all = model.accesses.iter().map(|access| access.text.clone()).enumerate();
            all.rev().take(last).collect()
        };
        let mut good = 0;
        for (at, text) in shown {
            let reply = self.knock(Some(at), &text).await.expect("a store that answers");
            good += usize::from(reply.status() == 200);
        }
        good
    }
}
