//! `oauth-as` 1.0.1, by the calls that its documentation has for a host without HTTP, and by its HTTP service.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use oauth_as::http::{AuthorizationService, ServiceBuilder};
use oauth_as::server::{AuthorizationServer, ServerConfig, SystemClock, UserApproval};
use oauth_as::store::MemoryStorage;
use oauth_as::{
    AuthorizationRequest, Client, ClientAuth, ClientId, GrantType, ScopeSet, SecretHash, TokenRequest, TokenResponse,
};

use crate::now;
use crate::ours::{CALLBACK, CHALLENGE, SECRET, VERIFIER};

const ISSUER: &str = "https://app.example";

type Server = AuthorizationServer<MemoryStorage>;

pub struct OauthAs {
    server: Arc<Server>,
    service: AuthorizationService<MemoryStorage, SystemClock>,
}

fn client(id: &str, auth: ClientAuth, grant_types: Vec<GrantType>) -> Client {
    Client {
        client_id: ClientId::new(id),
        auth,
        grant_types,
        redirect_uris: vec![CALLBACK.to_owned()],
        allowed_scopes: ScopeSet::parse("projects:read projects:write").unwrap(),
        default_scopes: ScopeSet::parse("projects:read").unwrap(),
        name: None,
        registration: None,
    }
}

impl OauthAs {
    pub fn new() -> Self {
        let server =
            Arc::new(Server::new(ServerConfig::new(ISSUER, "https://app.example/device"), MemoryStorage::new()));
        let with_codes = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
        now(server.register_client(client("app", ClientAuth::Public, with_codes))).unwrap();
        // As a host keeps secrets that it cares for, and as grantor does.
        let hash = ClientAuth::ConfidentialSecretHash { hash: SecretHash::sha256(SECRET) };
        now(server.register_client(client("job", hash, vec![GrantType::ClientCredentials]))).unwrap();
        let service = ServiceBuilder::new(Arc::clone(&server)).build().unwrap();
        Self { server, service }
    }

    pub fn service(&self) -> AuthorizationService<MemoryStorage, SystemClock> {
        self.service.clone()
    }

    pub fn asks(&self) -> AuthorizationRequest<'static> {
        AuthorizationRequest::from_pairs([
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", CALLBACK),
            ("scope", "projects:read projects:write"),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", "https://app.example/api"),
        ])
    }

    pub fn code(&self, asks: &AuthorizationRequest<'_>) -> String {
        let valid = now(self.server.validate_authorization_request(asks)).unwrap();
        now(self.server.issue_authorization_code(UserApproval::granted(&valid, "alice"))).unwrap().code
    }

    pub fn redeems(&self) -> TokenRequest {
        Self::redeems_code(self.code(&self.asks()))
    }

    fn redeems_code(code: String) -> TokenRequest {
        TokenRequest::AuthorizationCode {
            client_id: ClientId::new("app"),
            client_secret: None,
            code,
            redirect_uri: Some(CALLBACK.to_owned()),
            code_verifier: Some(VERIFIER.to_owned()),
        }
    }

    pub fn token(&self, request: TokenRequest) -> TokenResponse {
        now(self.server.token(request)).unwrap()
    }

    pub fn goes_the_whole_way(&self, asks: &AuthorizationRequest<'_>) -> TokenResponse {
        self.token(Self::redeems_code(self.code(asks)))
    }

    pub fn refreshes(&self) -> TokenRequest {
        TokenRequest::RefreshToken {
            client_id: ClientId::new("app"),
            client_secret: None,
            refresh_token: self.token(self.redeems()).refresh_token.unwrap().to_string(),
            scope: None,
        }
    }

    pub fn client_credentials(&self) -> TokenRequest {
        TokenRequest::ClientCredentials {
            client_id: ClientId::new("job"),
            client_secret: Some(SECRET.to_owned()),
            scope: None,
        }
    }

    /// The request over HTTP that redeems a fresh code.
    pub fn redeems_over_http(&self) -> Request<Full<Bytes>> {
        let code = self.code(&self.asks());
        let form = format!(
            "grant_type=authorization_code&client_id=app&code={code}&code_verifier={VERIFIER}\
             &redirect_uri=https%3A%2F%2Fclient.example%2Fcb&resource=https%3A%2F%2Fapp.example%2Fapi"
        );
        let request = Request::post("/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(Full::new(form.into())).unwrap()
    }

    pub fn handle(&self, request: Request<Full<Bytes>>) -> oauth_as::http::Response {
        let answer = now(self.service.handle(request));
        assert_eq!(answer.status(), 200);
        answer
    }

    /// What a host does at its own routes.
    pub fn guards(&self, token: &str) {
        let found = now(self.server.introspect(token)).unwrap().unwrap();
        assert!(found.scope.contains("projects:read"));
    }
}
