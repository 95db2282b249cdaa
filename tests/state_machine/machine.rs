//! One run: a world, what is known of it, and steps that anybody might take next.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::storage::Storage as _;
use grantor::{Builder, ClientChange, ClientId, NewClient, OrderedId, Subject};

use crate::clients_own::Own;
use crate::model::{CODE, Code, GRACE, Grant, KnownClient, Model, PROMPT, Prompt, millis, scopes};
use crate::oracle::ScanHas as _;
use crate::random::Random;
use crate::support::{API, Browser, CALLBACK, Client, MCP, World};

pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];

pub(crate) struct Machine {
    pub(crate) world: World,
    pub(crate) browsers: Vec<Browser>,
    pub(crate) model: Model,
    pub(crate) random: Random,
    /// Everything that nobody but its owner may ever see.
    pub(crate) secrets: Vec<String>,
}

pub(crate) fn id_of(text: &str) -> OrderedId {
    let bytes = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
    OrderedId::from_bits(u64::from_be_bytes(bytes[..8].try_into().unwrap())).unwrap()
}

pub(crate) fn client_id(client: &Client) -> ClientId {
    ClientId::parse(&client.id).unwrap()
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::with(Builder::registration_management);
        // The last one is the first user once more, at another machine.
        let browsers = USERS.iter().chain(&USERS[..1]).map(|name| world.browser_of(name)).collect();
        Self { world, browsers, model: Model::default(), random: Random::new(seed), secrets: Vec::new() }
    }

    pub(crate) fn now(&self) -> u64 {
        self.world.clock.now().as_millis()
    }

    pub(crate) const fn user_of(browser: usize) -> usize {
        browser % USERS.len()
    }

    pub(crate) async fn step(&mut self) -> &'static str {
        match self.random.below(128) {
            0..4 => self.create_client().await,
            4..24 => self.ask().await,
            24..42 => self.decide().await,
            42..56 => self.exchange().await,
            56..70 => self.refresh().await,
            70..80 => self.knock().await,
            80..83 => self.revoke_token().await,
            83..85 => self.take_back_one().await,
            85 => self.take_back_all().await,
            86..89 => self.administer().await,
            89..98 => self.wait().await,
            98..100 => self.tidy().await,
            100..111 => self.act().await,
            111..124 => self.introspect().await,
            _ => self.manage().await,
        }
    }

    async fn create_client(&mut self) -> &'static str {
        let number = self.model.clients.len();
        let (is_public, name) = (self.random.once_in(2), format!("Client {number}"));
        let known = match self.random.below(6) {
            0 | 1 => self.register(&name, is_public).await,
            2 | 3 => self.create_machine(&name).await,
            _ => {
                let new = if is_public { NewClient::public(&name) } else { NewClient::confidential(&name) };
                KnownClient::new(self.world.created(new.redirect_uri(CALLBACK)).await, true, Own::default())
            }
        };
        self.secrets.extend(known.client.secret.clone());
        self.model.clients.push(known);
        "a client is created"
    }

    /// Whether the server knows a client: one that registered itself ends by itself.
    pub(crate) async fn knows(&self, client: usize) -> bool {
        let KnownClient { client, removed, .. } = &self.model.clients[client];
        let found = self.world.server.client(&client_id(client)).await.unwrap();
        assert!(!(*removed && found.is_some()), "a removed client is there");
        found.is_some()
    }

    async fn ask(&mut self) -> &'static str {
        let Some((at, known)) = self.random.recent(&self.model.clients) else { return self.create_nothing() };
        let known = known.clone();
        let browser = self.random.below(self.browsers.len());
        let wanted = *self.random.pick(&["projects:read", "projects:write", "projects:read projects:write", "admin"]);
        let choices: [&[&str]; 3] = [&[API], &[MCP], &[API, MCP]];
        let resources = *self.random.pick(&choices);
        let mut path = known.client.authorize_with(&[("scope", wanted), ("resource", "")]);
        for resource in resources {
            path.push_str(&format!("&resource={}", crate::support::encode(&[("", resource)]).trim_start_matches('=')));
        }
        let answer = self.browsers[browser].get(&path).await;
        let is_known = self.knows(at).await;
        if !is_known || known.blocked {
            answer.assert_page(if is_known { 403 } else { 400 });
            return "a client that may not ask asks";
        }
        if known.own.only_acts {
            answer.assert_page(400);
            return "a client that only acts for itself asks";
        }
        let given = self.offered(at, wanted);
        if given.is_empty() {
            assert_ne!(answer.status(), 200, "there is nothing to ask: {wanted}");
            return "a client asks for nothing that it can have";
        }
        assert_eq!(answer.status(), 200, "{:?} {}", answer.location(), answer.body());
        self.model.prompts.push(Prompt {
            page: crate::support::ConsentPage::read(answer.body()),
            browser,
            client: at,
            looks: known.looks(),
            scopes: given,
            resources: resources.iter().map(|&resource| resource.to_owned()).collect(),
            made_at: self.now(),
            decided: None,
        });
        "a person is asked"
    }

    fn create_nothing(&self) -> &'static str {
        assert!(self.model.clients.is_empty());
        "there is no client yet"
    }

    /// What of a request is put to the person. Administrators' clients may have the reserved scope.
    fn offered(&self, client: usize, wanted: &str) -> crate::model::Scopes {
        let known = &self.model.clients[client];
        let may_have = |scope: &String| {
            (known.own.token.is_none() || scope != "admin")
                && known.ceiling.as_ref().is_none_or(|all| all.contains(scope))
        };
        scopes(wanted).into_iter().filter(may_have).collect()
    }

    async fn decide(&mut self) -> &'static str {
        let Some((at, prompt)) = self.random.recent(&self.model.prompts) else { return "nobody was asked yet" };
        let prompt = prompt.clone();
        let browser = if self.random.once_in(8) { self.random.below(self.browsers.len()) } else { prompt.browser };
        let allows = !self.random.once_in(4);
        let answer = self.browsers[browser].decide(&prompt.page, if allows { "allow" } else { "deny" }).await;
        let now = self.now();
        let is_same = self.model.clients[prompt.client].looks() == prompt.looks && self.knows(prompt.client).await;
        if browser != prompt.browser {
            answer.assert_page(403);
            return "somebody else decides";
        }
        if now >= prompt.made_at + PROMPT {
            answer.assert_page(400);
            return "a decision comes too late";
        }
        if !is_same {
            answer.assert_page(403);
            return "a decision about a client that is not what it was";
        }
        if prompt.decided.is_some() {
            answer.assert_page(409);
            return "a decision is made again";
        }
        self.model.prompts[at].decided = Some(allows);
        let Some(text) = answer.redirect_parameter("code") else {
            assert!(!allows, "no code: {:?} {}", answer.location(), answer.body());
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
            return "a person denies";
        };
        assert!(allows, "a denial gave a code");
        self.approved(&prompt, text).await;
        "a person allows"
    }

    async fn approved(&mut self, prompt: &Prompt, text: String) {
        let stored = self.world.storage.code(id_of(&text)).await.unwrap().unwrap();
        let ends_at = self.now() + CODE;
        self.model.grants.push(Grant {
            user: Some(Self::user_of(prompt.browser)),
            client: prompt.client,
            scopes: prompt.scopes.clone(),
            resources: prompt.resources.clone(),
            revoked: false,
            ends_at,
            id: stored.grant.id,
        });
        self.secrets.push(text.clone());
        self.model.codes.push(Code { text, grant: self.model.grants.len() - 1, ends_at, redeemed: false });
    }

    async fn take_back_one(&mut self) -> &'static str {
        let Some((at, grant)) = self.random.recent(&self.model.grants) else { return "there is no grant yet" };
        let (id, owner) = (grant.id, grant.user);
        let user = owner.filter(|_| !self.random.once_in(4)).unwrap_or_else(|| self.random.below(USERS.len()));
        let is_there = !grant.revoked && self.world.storage.scan_has(id).await;
        let took = self.world.server.revoke_grant(&Subject::new(USERS[user]), id).await.unwrap();
        assert_eq!(took, Some(user) == owner && is_there, "who takes back a grant of {owner:?}: {user}");
        if Some(user) == owner {
            self.model.grants[at].revoked = true;
        }
        "a user takes a grant back"
    }

    async fn take_back_all(&mut self) -> &'static str {
        let user = self.random.below(USERS.len());
        self.world.server.revoke_grants(&Subject::new(USERS[user])).await.unwrap();
        self.model.grants.iter_mut().filter(|grant| grant.user == Some(user)).for_each(|grant| grant.revoked = true);
        "a user takes everything back"
    }

    async fn administer(&mut self) -> &'static str {
        let Some((at, known)) = self.random.recent(&self.model.clients) else { return "there is no client yet" };
        let known = known.clone();
        let id = client_id(&known.client);
        if !self.knows(at).await {
            assert!(self.world.server.block_client(&id).await.is_err());
            return "nobody is administered";
        }
        match self.random.below(7) {
            0 => {
                self.world.server.block_client(&id).await.unwrap();
                self.model.clients[at].blocked = true;
                self.model.end_client(at);
                "a client is blocked"
            }
            1 | 2 => {
                self.world.server.unblock_client(&id).await.unwrap();
                self.model.clients[at].blocked = false;
                "a client is unblocked"
            }
            3 if self.random.once_in(3) => {
                assert!(self.world.server.remove_client(&id).await.unwrap());
                self.model.clients[at].removed = true;
                self.model.end_client(at);
                "a client is removed"
            }
            4 => {
                self.world.server.revoke_grants_of_client(&id).await.unwrap();
                self.model.end_client(at);
                "all of a client is revoked"
            }
            5 => self.rotate_secret(at, &id).await,
            _ => {
                let ceiling = if known.ceiling.is_none() { Some("projects:read") } else { None };
                let change = ClientChange::new().scopes(ceiling);
                let _ = self.world.server.change_client(&id, change).await.unwrap();
                self.model.clients[at].ceiling = ceiling.map(scopes);
                "a ceiling is moved"
            }
        }
    }

    async fn rotate_secret(&mut self, at: usize, id: &ClientId) -> &'static str {
        let overlap = if self.random.once_in(3) { 0 } else { 3_600_000 };
        let rotated = self.world.server.rotate_client_secret(id, Duration::from_millis(overlap)).await;
        let now = self.now();
        let known = &mut self.model.clients[at];
        let Some(old) = known.client.secret.take() else {
            assert!(rotated.is_err(), "a public client has no secret");
            return "a public client gets no secret";
        };
        let new = rotated.unwrap().expose().to_owned();
        known.old_secret = (overlap > 0).then_some((old, now + overlap));
        known.client.secret = Some(new.clone());
        self.secrets.push(new);
        "a secret is rotated"
    }

    async fn wait(&mut self) -> &'static str {
        let mut longest = *self.random.pick(&[50, 500, 5_000, 5_000, GRACE, CODE]);
        if self.random.once_in(6) {
            longest = *self.random.pick(&[PROMPT, PROMPT, 4_000_000, 20 * 24 * 3_600_000]);
        }
        let time = Duration::from_millis(self.random.next() % longest + 1);
        self.world.clock.advance(time);
        if millis(time) > PROMPT { "a long time passes" } else { "time passes" }
    }

    async fn tidy(&mut self) -> &'static str {
        self.world.server.purge(1000).await.unwrap();
        "everything is tidied up"
    }
}
