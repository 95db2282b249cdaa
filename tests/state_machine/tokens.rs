//! What clients and thieves do with codes and tokens.

use grantor::storage::Storage as _;

use crate::machine::{Machine, id_of};
use crate::model::{ACCESS, Access, GRACE, KnownClient, REFRESH, Refresh, Rotation, scopes};
use crate::support::refreshing::Tokens;
use crate::support::{API, Answer, Client, MCP, pairs};

/// How a request to the token endpoint says which client it comes from.
pub(crate) struct Credentials {
    pub(crate) client: usize,
    secret: Option<String>,
    /// Whether the secret is the right one, or was until lately.
    is_right: bool,
    pub(crate) is_old: bool,
    /// Whether that must be believed.
    pub(crate) good: bool,
}

impl Credentials {
    /// Why they are not believed.
    pub(crate) fn refused(&self, known: &KnownClient, otherwise: &'static str) -> &'static str {
        match (known.own.acts, self.is_right) {
            (true, false) => "a machine sends a wrong secret",
            (true, true) if known.removed => "a removed machine is not believed",
            (true, true) if known.blocked => "a blocked machine is not believed",
            (true | false, _) => otherwise,
        }
    }
}

impl Machine {
    /// The client itself most of the time.
    pub(crate) async fn credentials(&mut self, honest: usize) -> Credentials {
        let client = if self.random.once_in(12) { self.random.below(self.model.clients.len()) } else { honest };
        let KnownClient { client: known, old_secret, blocked, .. } = self.model.clients[client].clone();
        let mut is_old = false;
        let (secret, is_right) = match self.random.below(12) {
            0 => (Some("not the secret at all, but long enough".to_owned()), false),
            1..=4 if old_secret.is_some() => {
                let (old, until) = old_secret.unwrap();
                is_old = true;
                (Some(old), self.now() < until)
            }
            _ => (known.secret.clone(), true),
        };
        let good = is_right && !blocked && self.knows(client).await;
        Credentials { client, secret, is_right, is_old, good }
    }

    pub(crate) async fn post(&self, who: &Credentials, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        form.push(("client_id", &self.model.clients[who.client].client.id));
        form.extend(who.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.world.post(path, &form, &[]).await
    }

    pub(crate) async fn exchange(&mut self) -> &'static str {
        let Some((at, code)) = self.random.recent(&self.model.codes) else { return "there is no code yet" };
        let code = code.clone();
        let grant = self.model.grants[code.grant].clone();
        let who = self.credentials(grant.client).await;
        let verifier_is_right = !self.random.once_in(10);
        let known = &self.model.clients[who.client];
        let as_sent = Client { secret: None, redirect_uri: self.redirect_uri(grant.client), ..known.client.clone() };
        let changes: &[_] = if verifier_is_right { &[] } else { &[("code_verifier", WRONG_VERIFIER)] };
        let form: Vec<_> =
            as_sent.token_request(&code.text, changes).into_iter().filter(|(name, _)| name != "client_id").collect();
        // A code is forgotten at some time after its end, and then its replay goes unnoticed.
        let is_kept = self.world.storage.code(id_of(&code.text)).await.unwrap().is_some();
        let answer = self.post(&who, "/oauth/token", &pairs(&form)).await;
        if !who.good {
            answer.assert_error(401, "invalid_client");
            return "a client is not believed";
        }
        if self.model.clients[who.client].own.only_acts {
            answer.assert_error(400, "unauthorized_client");
            return "a client that only acts for itself has a code";
        }
        let is_honest = who.client == grant.client && verifier_is_right && is_kept && !grant.revoked;
        if is_honest && code.redeemed {
            answer.assert_error(400, "invalid_grant");
            self.model.grants[code.grant].revoked = true;
            return "a code is replayed";
        }
        let now = self.now();
        if !is_honest || now >= code.ends_at {
            answer.assert_error(400, "invalid_grant");
            return "a code is no good";
        }
        let allowed = self.model.allowed(&grant);
        if allowed.is_empty() {
            answer.assert_error(400, "invalid_scope");
            return "a code is good for nothing any more";
        }
        let tokens = Tokens::of(&answer);
        assert_eq!(scopes(&tokens.scope), allowed, "exactly what was agreed to");
        self.model.codes[at].redeemed = true;
        let refreshes = self.model.clients[grant.client].refreshes;
        assert_eq!(!tokens.refresh.is_empty(), refreshes, "a refresh token for whom it is for");
        self.add_access(&tokens, code.grant, &grant.resources[0]);
        if refreshes {
            self.add_refresh(&tokens, code.grant);
        }
        "a code is exchanged"
    }

    fn redirect_uri(&self, client: usize) -> String {
        self.model.clients[client].client.redirect_uri.clone()
    }

    pub(crate) fn add_access(&mut self, tokens: &Tokens, grant: usize, resource: &str) {
        let ends_at = self.now() + ACCESS;
        assert_eq!(tokens.expires_in * 1000, ACCESS);
        self.secrets.push(tokens.access.clone());
        self.model.accesses.push(Access {
            text: tokens.access.clone(),
            grant,
            scopes: scopes(&tokens.scope),
            resource: resource.to_owned(),
            ends_at,
            revoked: false,
        });
        self.lengthen(grant, ends_at);
    }

    fn add_refresh(&mut self, tokens: &Tokens, grant: usize) -> usize {
        let ends_at = self.now() + REFRESH;
        self.secrets.push(tokens.refresh.clone());
        self.model.refreshes.push(Refresh { text: tokens.refresh.clone(), grant, ends_at, rotation: None });
        self.lengthen(grant, ends_at);
        self.model.refreshes.len() - 1
    }

    fn lengthen(&mut self, grant: usize, ends_at: u64) {
        let grant = &mut self.model.grants[grant];
        grant.ends_at = grant.ends_at.max(ends_at);
    }

    pub(crate) async fn refresh(&mut self) -> &'static str {
        let Some((at, refresh)) = self.random.recent(&self.model.refreshes) else {
            return "there is no refresh token yet";
        };
        let refresh = refresh.clone();
        let grant = self.model.grants[refresh.grant].clone();
        let who = self.credentials(grant.client).await;
        let narrower = self.random.once_in(4).then_some("projects:read offline_access");
        let resource = self.random.pick(&[None, None, Some(API), Some(MCP)]).map(str::to_owned);
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", &refresh.text)];
        form.extend(narrower.map(|narrower| ("scope", narrower)));
        form.extend(resource.as_deref().map(|resource| ("resource", resource)));
        let answer = self.post(&who, "/oauth/token", &form).await;
        if !who.good {
            answer.assert_error(401, "invalid_client");
            return "a client is not believed";
        }
        if !self.model.clients[who.client].refreshes {
            answer.assert_error(400, "unauthorized_client");
            return "a client that may not refresh";
        }
        let now = self.now();
        if who.client != grant.client || grant.revoked || now >= refresh.ends_at {
            answer.assert_error(400, "invalid_grant");
            return "a refresh token is no good";
        }
        if let Some(rotation) = &refresh.rotation
            && !self.model.is_in_grace(rotation, now)
        {
            answer.assert_error(400, "invalid_grant");
            self.model.grants[refresh.grant].revoked = true;
            return "a refresh token is reused";
        }
        let resource = resource.unwrap_or_else(|| grant.resources[0].clone());
        if !grant.resources.contains(&resource) {
            answer.assert_error(400, "invalid_target");
            return "a refresh for something that was not granted";
        }
        let mut allowed = self.model.allowed(&grant);
        if narrower.is_some() {
            allowed.retain(|scope| scope == "projects:read");
        }
        if allowed.is_empty() {
            answer.assert_error(400, "invalid_scope");
            return "a refresh to nothing";
        }
        match refresh.rotation {
            None => {
                let tokens = Tokens::of(&answer);
                assert_eq!(scopes(&tokens.scope), allowed);
                let successor = self.add_refresh(&tokens, refresh.grant);
                self.add_access(&tokens, refresh.grant, &resource);
                let (access, until) = (tokens.access, now + GRACE);
                let rotation = Rotation { access, scopes: allowed, resource, successor, until };
                self.model.refreshes[at].rotation = Some(rotation);
                "a token is refreshed"
            }
            Some(rotation) => {
                let tokens = Tokens::of(&answer);
                assert_eq!(tokens.refresh, self.model.refreshes[rotation.successor].text, "one live successor");
                if (&rotation.scopes, &rotation.resource) == (&allowed, &resource) {
                    assert_eq!(tokens.access, rotation.access, "the same pair");
                    return "an answer is given again";
                }
                assert_eq!(scopes(&tokens.scope), allowed);
                assert_ne!(tokens.access, rotation.access);
                self.add_access(&tokens, refresh.grant, &resource);
                "another access token beside the same successor"
            }
        }
    }

    pub(crate) async fn knock(&mut self) -> &'static str {
        let Some((_, access)) = self.random.recent(&self.model.accesses) else { return "there is no token yet" };
        let access = access.clone();
        let resource = *self.random.pick(&[API, MCP]);
        let scope = *self.random.pick(&["", "projects:read", "projects:write", "admin"]);
        let status = self.world.guard(resource, scope, &access.text).await;
        let is_good = self.model.is_live(&access, self.now()) && access.resource == resource;
        let expected = match (is_good, scope.is_empty() || access.scopes.contains(scope)) {
            (false, _) => 401,
            (true, false) => 403,
            (true, true) => 200,
        };
        assert_eq!(status, expected, "{scope:?} at {resource} with {access:?}");
        match status {
            200 => "a request passes",
            403 => "a token is too weak",
            _ => "a token is no good",
        }
    }

    pub(crate) async fn revoke_token(&mut self) -> &'static str {
        let with_refresh = self.random.once_in(2);
        let (text, grant, at) = if with_refresh {
            let Some((at, refresh)) = self.random.recent(&self.model.refreshes) else {
                return "there is no refresh token yet";
            };
            (refresh.text.clone(), refresh.grant, at)
        } else {
            let Some((at, access)) = self.random.recent(&self.model.accesses) else { return "there is no token yet" };
            (access.text.clone(), access.grant, at)
        };
        let owner = self.model.grants[grant].client;
        let who = self.credentials(owner).await;
        let is_kept = if with_refresh {
            self.world.storage.refresh_token(id_of(&text)).await.unwrap().is_some()
        } else {
            self.world.storage.access_token(id_of(&text)).await.unwrap().is_some()
        };
        let answer = self.post(&who, "/oauth/revoke", &[("token", &text)]).await;
        if !who.good {
            answer.assert_error(401, "invalid_client");
            return "a client is not believed";
        }
        if who.client != owner {
            // Of what is over nothing is told.
            assert!(answer.status() == 200 || answer.status() == 400, "{}", answer.body());
            return "a client revokes another's token";
        }
        assert_eq!(answer.status(), 200, "{}", answer.body());
        if with_refresh && is_kept {
            self.model.grants[grant].revoked |= self.now() < self.model.refreshes[at].ends_at;
            return "a client ends its grant";
        }
        if !with_refresh {
            self.model.accesses[at].revoked = true;
        }
        if self.model.grants[grant].user.is_none() {
            return "a machine revokes its token";
        }
        "a client revokes a token"
    }
}

const WRONG_VERIFIER: &str = "wrong-verifier-wrong-verifier-wrong-verifier-w";
