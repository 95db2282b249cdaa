//! `oxide-auth` 0.6.1: the primitives and flows of its documentation, without HTTP, PKCE or resources, which is less
//! work than that of the others. Clients are public, so that no password hash is in it.

use std::collections::HashMap;

use chrono::{Duration, Utc};
use oxide_auth::endpoint::{Issuer as _, Scope};
use oxide_auth::frontends::simple::endpoint::{access_token_flow, resource_flow};
use oxide_auth::frontends::simple::request::{Body, Request, Response, Status};
use oxide_auth::primitives::authorizer::{AuthMap, Authorizer as _};
use oxide_auth::primitives::generator::RandomGenerator;
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::TokenMap;
use oxide_auth::primitives::registrar::{Client, ClientMap, RegisteredUrl};

use grantor_benches::ours::CALLBACK;

const SCOPES: &str = "projects:read projects:write";

pub(crate) struct Oxide {
    registrar: ClientMap,
    authorizer: AuthMap<RandomGenerator>,
    issuer: TokenMap<RandomGenerator>,
    needs: [Scope; 1],
}

impl Oxide {
    pub(crate) fn new() -> Self {
        let mut registrar = ClientMap::new();
        let callback = RegisteredUrl::Semantic(CALLBACK.parse().unwrap());
        registrar.register_client(Client::public("app", callback, SCOPES.parse().unwrap()));
        Self {
            registrar,
            authorizer: AuthMap::new(RandomGenerator::new(32)),
            issuer: TokenMap::new(RandomGenerator::new(32)),
            needs: ["projects:read".parse().unwrap()],
        }
    }

    fn grant() -> Grant {
        Grant {
            owner_id: "alice".to_owned(),
            client_id: "app".to_owned(),
            scope: SCOPES.parse().unwrap(),
            redirect_uri: CALLBACK.parse().unwrap(),
            until: Utc::now() + Duration::minutes(10),
            extensions: Extensions::new(),
        }
    }

    /// The request that redeems a fresh code.
    pub(crate) fn redeems(&mut self) -> Request {
        let code = self.authorizer.authorize(Self::grant()).unwrap();
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("redirect_uri", CALLBACK),
            ("code", code.as_str()),
        ];
        let urlbody: HashMap<_, _> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Request { query: HashMap::new(), urlbody, auth: None }
    }

    pub(crate) fn exchanges(&mut self, request: Request) -> Response {
        let flow = access_token_flow(&mut self.registrar, &mut self.authorizer, &mut self.issuer);
        let mut flow = flow;
        flow.allow_credentials_in_body(true);
        let answer = flow.execute(request).unwrap();
        assert!(matches!((&answer.status, &answer.body), (Status::Ok, Some(Body::Json(_)))));
        answer
    }

    /// A request to a guarded route with a fresh token.
    pub(crate) fn shows(&mut self) -> Request {
        let token = self.issuer.issue(Self::grant()).unwrap().token;
        Request { query: HashMap::new(), urlbody: HashMap::new(), auth: Some(format!("Bearer {token}")) }
    }

    pub(crate) fn guards(&mut self, request: Request) {
        assert!(resource_flow(&mut self.issuer, &self.needs).execute(request).is_ok());
    }
}
