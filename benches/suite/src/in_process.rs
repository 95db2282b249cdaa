//! grantor without HTTP: what the token endpoint decides and commits, from a form to the tokens, by the public types of
//! the protocol and a store, with new ids where one is taken.

use std::sync::Arc;

use grantor::host::{Clock as _, SystemClock, SystemEntropy};
use grantor::protocol::assertion::Audience;
use grantor::protocol::authorize::{self, ValidRequest};
use grantor::protocol::catalogue::ScopeCatalogue;
use grantor::protocol::client::Client;
use grantor::protocol::client_auth::{Identity, Presented, Proven};
use grantor::protocol::client_credentials::{ClientGrantSeed, ClientRequest, NotGranted};
use grantor::protocol::grant::Subject;
use grantor::protocol::interaction::Question;
use grantor::protocol::issuer::Issuer;
use grantor::protocol::params::Parameters;
use grantor::protocol::policy::Policy;
use grantor::protocol::policy_records::ResourceRecord;
use grantor::protocol::prompt::{ApprovalSeed, ConsentPrompt, NotDecided, PromptId, Viewer};
use grantor::protocol::refresh::{NotRotated, RefreshRequest, RefreshSeed};
use grantor::protocol::resource::{ResourceId, ResourceUri};
use grantor::protocol::resource_registry::{KnownResource, ResourceRegistry};
use grantor::protocol::scope_records::ScopeRecord;
use grantor::protocol::token::{CodeExchange, ExchangeSeed, NotRedeemed, PARAMETERS, TokenResponse};
use grantor::storage::Storage as _;
use grantor::{Entropy as _, Lifetimes, MemoryStorage, ScopeSet, Timestamp};

use crate::now;
use crate::ours::{ISSUER, Ours, RESOURCE};

/// The rules of a server, and its store.
pub struct InProcess {
    policy: Policy,
    storage: MemoryStorage,
}

impl InProcess {
    /// With the store, the clients and the rules of a server.
    pub fn of(ours: &Ours) -> Self {
        let scopes = ScopeCatalogue::new(["projects:read", "projects:write"].map(scope).into());
        let mut resources = ResourceRegistry::default();
        assert!(resources.add(KnownResource::new(resource(), &scopes)));
        let policy = Policy {
            issuer: Issuer::parse(ISSUER).unwrap(),
            scopes,
            default_scopes: ScopeSet::default(),
            resources,
            lifetimes: Lifetimes::default(),
        };
        Self { policy, storage: ours.storage().clone() }
    }

    /// Gives a code to a client whose users are not asked.
    pub fn authorize(&self, query: &str, user: &Subject) -> String {
        let parameters = Parameters::parse(query.as_bytes(), &authorize::PARAMETERS);
        let id = authorize::client_id(&parameters).unwrap();
        let client = now(self.storage.client(&id)).unwrap();
        let valid = ValidRequest::check(&parameters, client, &self.policy).unwrap();
        let given = now(self.storage.consents(user, &id)).unwrap();
        assert!(matches!(valid.question(user, &given, &self.policy), Question::Skip));
        let (viewer, at) = (Viewer { subject: user, session: "session", browser: "" }, time());
        let mut prompt =
            ConsentPrompt::new(valid, &viewer, PromptId::new(at, random()), at.after(self.policy.lifetimes.prompt));
        loop {
            let minted = prompt.approve(&ApprovalSeed::from_random(&random()), time(), &self.policy);
            let outcome = now(self.storage.decide(minted.op())).unwrap();
            prompt = match minted.committed(outcome, &self.policy) {
                Ok(answer) => return answer.parameters()[0].1.clone(),
                Err(NotDecided::Collision(prompt)) => *prompt,
                Err(refused) => panic!("{refused:?}"),
            };
        }
    }

    /// Redeems a code.
    pub fn exchange(&self, form: &str) -> TokenResponse {
        let parameters = Parameters::parse(form.as_bytes(), &PARAMETERS);
        let (client, identity) = self.authenticate(&parameters, None);
        let exchange = CodeExchange::read(&parameters, &client, identity).unwrap();
        let stored = now(self.storage.code(exchange.code())).unwrap();
        let mut checked = exchange.check(stored, &self.policy, time()).unwrap();
        loop {
            let minted = checked.mint(&ExchangeSeed::from_random(&random()), time());
            let outcome = now(self.storage.redeem_code(minted.op())).unwrap();
            checked = match minted.committed(outcome) {
                Ok(tokens) => return tokens,
                Err(NotRedeemed::Collision(checked)) => *checked,
                Err(refused) => panic!("{refused:?}"),
            };
        }
    }

    /// Uses a refresh token.
    pub fn refresh(&self, form: &str) -> TokenResponse {
        let parameters = Parameters::parse(form.as_bytes(), &PARAMETERS);
        let (client, identity) = self.authenticate(&parameters, None);
        let request = RefreshRequest::read(&parameters, &client, identity).unwrap();
        let stored = now(self.storage.refresh_token(request.token())).unwrap();
        let mut checked = request.check(stored, &self.policy, time()).unwrap();
        loop {
            let minted = checked.mint(&RefreshSeed::from_random(&random()), time()).unwrap();
            let outcome = now(self.storage.rotate_refresh(minted.op())).unwrap();
            checked = match minted.committed(outcome) {
                Ok(tokens) => return tokens,
                Err(NotRotated::Collision(checked)) => *checked,
                Err(refused) => panic!("{refused:?}"),
            };
        }
    }

    /// Gives a client access of its own, by the header that proves who it is.
    pub fn client_credentials(&self, form: &str, header: &str) -> TokenResponse {
        let parameters = Parameters::parse(form.as_bytes(), &PARAMETERS);
        let (client, _) = self.authenticate(&parameters, Some(header));
        let mut checked = ClientRequest::read(&parameters, &client).unwrap().check(&self.policy).unwrap();
        loop {
            let minted = checked.mint(&ClientGrantSeed::from_random(&random()), time());
            let outcome = now(self.storage.grant_client(minted.op())).unwrap();
            checked = match minted.committed(outcome) {
                Ok(tokens) => return tokens,
                Err(NotGranted::Collision(checked)) => *checked,
                Err(refused @ NotGranted::ClientChanged) => panic!("{refused:?}"),
            };
        }
    }

    fn authenticate(&self, parameters: &Parameters<'_>, header: Option<&str>) -> (Arc<Client>, Identity) {
        let presented = Presented::read(header.map(str::as_bytes).into_iter(), parameters).unwrap();
        let client = now(self.storage.client(presented.id())).unwrap().unwrap();
        let audience = Audience { issuer: &self.policy.issuer, token_path: "/oauth/token" };
        let proven = presented.authenticate(Some(&client), None, &audience, time()).unwrap();
        assert!(matches!(proven, Proven::Wholly));
        (client, presented.identity())
    }
}

fn time() -> Timestamp {
    SystemClock.now()
}

fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    SystemEntropy.fill(&mut bytes).unwrap();
    bytes
}

fn scope(name: &str) -> ScopeRecord {
    ScopeRecord {
        id: name.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        reserved: false,
        advertised: true,
        needs_consent: true,
        implies: Vec::new(),
        retired: None,
        of_code: true,
    }
}

fn resource() -> ResourceRecord {
    ResourceRecord {
        id: ResourceId::numbered(&ResourceUri::parse(RESOURCE).unwrap(), 1),
        name: None,
        scopes: None,
        documentation: None,
        access_token: None,
        is_origin: false,
        advertised: true,
        retired: false,
        of_code: true,
    }
}
