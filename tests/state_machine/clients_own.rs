//! What clients do without a user: they get access of their own, introspect tokens and manage their registration.

use grantor::NewClient;
use grantor::storage::Storage as _;
use http::{Method, header};
use serde_json::{Value, json};

use crate::machine::{Machine, id_of};
use crate::model::{Access, Grant, KnownClient, Refresh, Scopes, scopes};
use crate::support::refreshing::Tokens;
use crate::support::{API, Answer, CALLBACK, Client, ISSUER, MCP, request};

/// What of a client is its own business.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// Whether it may act for itself, and whether it may do nothing else.
    pub(crate) acts: bool,
    pub(crate) only_acts: bool,
    pub(crate) introspects: Option<&'static [&'static str]>,
    /// The token by which it manages its registration.
    pub(crate) token: Option<String>,
    /// How often it changed its registration.
    pub(crate) changes: u32,
}

/// The token that a client asks about.
#[derive(Clone, Copy)]
enum Asked {
    Access(usize),
    Refresh(usize),
}

const INACTIVE: &str = r#"{"active":false}"#;

impl Machine {
    /// A client of the app's own people that does something without users.
    pub(crate) async fn create_machine(&mut self, name: &str) -> KnownClient {
        let choices: [Option<&'static [&'static str]>; 4] = [None, Some(&[]), Some(&[API]), Some(&[API, MCP])];
        let introspects = *self.random.pick(&choices);
        let acts = introspects.is_none() || self.random.once_in(2);
        let only_acts = self.random.once_in(3);
        let mut new = NewClient::confidential(name);
        new = if only_acts { new } else { new.redirect_uri(CALLBACK) };
        new = if acts { new.client_credentials() } else { new };
        new = introspects.map_or(new.clone(), |resources| new.introspects(resources.iter().copied()));
        let client = Client { redirect_uri: CALLBACK.to_owned(), ..self.world.created(new).await };
        let own = Own { acts, only_acts, introspects, ..Own::default() };
        KnownClient::new(client, !only_acts, own)
    }

    /// A client that registers itself, and may manage that.
    pub(crate) async fn register(&mut self, name: &str, is_public: bool) -> KnownClient {
        let redirect_uri = format!("https://client.example/cb/{}", self.model.clients.len());
        let metadata = metadata(name, &redirect_uri, is_public);
        let answer = self.world.register(&metadata).await;
        assert_eq!(answer.status(), 201, "{}", answer.body());
        let json = answer.json();
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        let client = Client { id: text("client_id").unwrap(), secret: text("client_secret"), redirect_uri };
        let token = text("registration_access_token");
        self.secrets.extend(token.clone());
        KnownClient::new(client, false, Own { token, ..Own::default() })
    }

    /// A client of which something holds.
    fn recent_client(&mut self, holds: impl Fn(&KnownClient) -> bool) -> Option<usize> {
        let all = &self.model.clients;
        let fitting: Vec<usize> = (0..all.len()).filter(|at| holds(&all[*at])).collect();
        self.random.recent(&fitting).map(|(_, at)| *at)
    }

    pub(crate) async fn act(&mut self) -> &'static str {
        let now = self.now();
        let rotates = |known: &KnownClient| known.old_secret.as_ref().is_some_and(|(_, until)| now < *until);
        let rotates =
            if self.random.once_in(3) { self.recent_client(|known| known.own.acts && rotates(known)) } else { None };
        let Some(machine) = rotates.or_else(|| self.recent_client(|known| known.own.acts)) else {
            return "there is no machine yet";
        };
        let who = self.credentials(machine).await;
        let wanted = *self.random.pick(&[
            None,
            Some("projects:read"),
            Some("projects:read projects:write"),
            Some("admin"),
            Some("projects:write"),
            Some("unknown"),
        ]);
        let resource = *self.random.pick(&[None, Some(API), Some(MCP), Some("https://app.example/none")]);
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(wanted.map(|wanted| ("scope", wanted)));
        form.extend(resource.map(|resource| ("resource", resource)));
        let answer = self.post(&who, "/oauth/token", &form).await;
        let known = self.model.clients[who.client].clone();
        if !who.good {
            answer.assert_error(401, "invalid_client");
            return who.refused(&known, "a machine is not believed");
        }
        if !known.own.acts {
            answer.assert_error(400, "unauthorized_client");
            return "a client that may not act for itself";
        }
        if resource == Some("https://app.example/none") {
            answer.assert_error(400, "invalid_target");
            return "a machine asks for an unknown resource";
        }
        let all = scopes("admin projects:read projects:write");
        let within = |scope: &String| all.contains(scope) && known.ceiling.as_ref().is_none_or(|c| c.contains(scope));
        let allowed: Scopes = scopes(wanted.unwrap_or("projects:read")).into_iter().filter(within).collect();
        if allowed.is_empty() {
            answer.assert_error(400, "invalid_scope");
            return if wanted == Some("unknown") {
                "a machine asks for nothing known"
            } else {
                "a ceiling stops a machine"
            };
        }
        let tokens = Tokens::of(&answer);
        assert_eq!(scopes(&tokens.scope), allowed);
        assert!(tokens.refresh.is_empty(), "a client needs no refresh token for itself");
        self.acted(&tokens, who.client, resource.unwrap_or(API)).await;
        match (who.is_old, wanted) {
            (true, _) => "a machine gets access by its old secret",
            (false, None) => "a machine gets access without naming a scope",
            (false, Some(_)) => "a machine gets access",
        }
    }

    async fn acted(&mut self, tokens: &Tokens, client: usize, resource: &str) {
        let stored = self.world.storage.access_token(id_of(&tokens.access)).await.unwrap().unwrap();
        self.model.grants.push(Grant {
            user: None,
            client,
            scopes: scopes(&tokens.scope),
            resources: vec![resource.to_owned()],
            revoked: false,
            ends_at: self.now(),
            id: stored.grant.id,
        });
        self.add_access(tokens, self.model.grants.len() - 1, resource);
    }

    /// A token to ask about, and which one it is.
    fn asked_about(&mut self) -> Option<(String, Asked)> {
        let (clients, grants, now) = (&self.model.clients, &self.model.grants, self.now());
        let (all, refreshes) = (&self.model.accesses, &self.model.refreshes);
        if self.random.once_in(4) {
            // Of a refresh token only its own client is told, if it may ask at all.
            let asks = |refresh: &Refresh| clients[grants[refresh.grant].client].own.introspects.is_some();
            let asked: Vec<usize> = (0..refreshes.len()).filter(|at| asks(&refreshes[*at])).collect();
            let at = self.random.recent(&asked).map(|(_, at)| *at);
            let at = at.or_else(|| self.random.recent(refreshes).map(|(at, _)| at))?;
            return Some((refreshes[at].text.clone(), Asked::Refresh(at)));
        }
        // Those whose client was shut out a moment ago are few.
        let is_shut_out = |access: &Access| {
            let client = &clients[grants[access.grant].client];
            (client.removed || client.blocked) && now < access.ends_at && !access.revoked
        };
        let few: Vec<usize> = (0..all.len()).filter(|at| is_shut_out(&all[*at])).collect();
        let few = if self.random.once_in(2) { self.random.recent(&few).map(|(_, at)| *at) } else { None };
        let at = few.or_else(|| self.random.recent(all).map(|(at, _)| at))?;
        Some((all[at].text.clone(), Asked::Access(at)))
    }

    pub(crate) async fn introspect(&mut self) -> &'static str {
        let Some((text, asked)) = self.asked_about() else { return "there is no token yet" };
        let owner = match asked {
            Asked::Access(at) => self.model.grants[self.model.accesses[at].grant].client,
            Asked::Refresh(at) => self.model.grants[self.model.refreshes[at].grant].client,
        };
        let asking = match self.random.below(6) {
            0 | 1 => Some(owner),
            2 => self.random.recent(&self.model.clients).map(|(at, _)| at),
            _ => self.recent_client(|known| known.own.introspects.is_some()),
        };
        let who = self.credentials(asking.unwrap_or(owner)).await;
        let answer = self.post(&who, "/oauth/introspect", &[("token", &text)]).await;
        let known = &self.model.clients[who.client];
        if !who.good || known.client.secret.is_none() {
            answer.assert_error(401, "invalid_client");
            return who.refused(known, "a client that asks about a token is not believed");
        }
        let Some(resources) = known.own.introspects else {
            answer.assert_error(403, "unauthorized_client");
            return "a client that may not introspect";
        };
        assert_eq!(answer.status(), 200, "{}", answer.body());
        match asked {
            Asked::Refresh(at) => {
                let refresh = &self.model.refreshes[at];
                let grant = &self.model.grants[refresh.grant];
                let is_good = !grant.revoked && refresh.rotation.is_none() && self.now() < refresh.ends_at;
                let is_active = is_good && grant.client == who.client;
                self.assert_told(&answer, is_active, refresh.grant, &grant.scopes, refresh.ends_at);
                if is_active { "a good refresh token is introspected" } else { "a refresh token tells nothing" }
            }
            Asked::Access(at) => {
                let access = &self.model.accesses[at];
                let may_know = owner == who.client || resources.contains(&access.resource.as_str());
                let is_active = may_know && self.model.is_live(access, self.now());
                self.assert_told(&answer, is_active, access.grant, &access.scopes, access.ends_at);
                self.what_was_told(access, may_know)
            }
        }
    }

    fn assert_told(&self, answer: &Answer, is_active: bool, grant: usize, told: &Scopes, ends_at: u64) {
        if !is_active {
            assert_eq!(answer.body(), INACTIVE);
            return;
        }
        let (json, grant) = (answer.json(), &self.model.grants[grant]);
        assert_eq!(json["active"], true, "{}", answer.body());
        assert_eq!(&scopes(json["scope"].as_str().unwrap()), told);
        assert_eq!(
            (json["client_id"].as_str().unwrap(), json["exp"].as_u64().unwrap()),
            (self.model.clients[grant.client].client.id.as_str(), ends_at / 1000)
        );
        assert_eq!((json["holder"] == "user", json.get("sub").is_some()), (grant.user.is_some(), grant.user.is_some()));
        assert_eq!(json["iss"], ISSUER);
    }

    fn what_was_told(&self, access: &Access, may_know: bool) -> &'static str {
        let grant = &self.model.grants[access.grant];
        let client = &self.model.clients[grant.client];
        match () {
            () if !may_know => "a token for another resource is introspected",
            () if access.revoked => "a revoked token is introspected",
            () if self.now() >= access.ends_at => "an expired token is introspected",
            () if grant.revoked && client.removed => "a removed client's token is introspected",
            () if grant.revoked && client.blocked => "a blocked client's token is introspected",
            () if grant.revoked => "a token of a revoked grant is introspected",
            () if grant.user.is_none() => "a machine's good token is introspected",
            () => "a user's good token is introspected",
        }
    }

    pub(crate) async fn manage(&mut self) -> &'static str {
        let Some(at) = self.recent_client(|known| known.own.token.is_some()) else {
            return "there is no client that manages itself yet";
        };
        let known = self.model.clients[at].clone();
        let stranger = self.random.once_in(6).then(|| self.recent_client(|other| other.own.token.is_some())).flatten();
        let sender = stranger.unwrap_or(at);
        let token = self.model.clients[sender].own.token.clone().unwrap();
        let method = self.random.pick(&[Method::GET, Method::PUT, Method::PUT, Method::PUT, Method::DELETE]).clone();
        let name = format!("Changed {}", known.own.changes + 1);
        let mut body = metadata(&name, &known.client.redirect_uri, known.client.secret.is_none());
        body["client_id"] = json!(known.client.id);
        let request = request(method.clone(), &format!("/oauth/register/{}", known.client.id))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        let is_known = self.knows(at).await;
        let answer = self.world.send(request.body(body.to_string().into()).unwrap()).await;
        if sender != at || !is_known {
            answer.assert_error(401, "invalid_token");
            return if sender == at { "a client manages itself no more" } else { "a client manages another" };
        }
        if known.blocked {
            answer.assert_error(403, "access_denied");
            return "a blocked client manages itself";
        }
        match method {
            Method::PUT => {
                assert_eq!(answer.status(), 200, "{}", answer.body());
                assert_eq!(answer.json()["client_name"], name);
                self.model.clients[at].own.changes += 1;
                "a client changes its registration"
            }
            Method::DELETE => {
                assert_eq!((answer.status().as_u16(), answer.body()), (204, ""));
                self.model.clients[at].removed = true;
                self.model.end_client(at);
                "a client removes itself"
            }
            _ => {
                assert_eq!(answer.json()["redirect_uris"], json!([known.client.redirect_uri]), "{}", answer.body());
                "a client reads its registration"
            }
        }
    }
}

fn metadata(name: &str, redirect_uri: &str, is_public: bool) -> Value {
    let method = if is_public { "none" } else { "client_secret_basic" };
    json!({ "client_name": name, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": method })
}
