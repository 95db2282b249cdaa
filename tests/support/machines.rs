//! Clients that act for themselves or introspect tokens.

use grantor::storage::Storage;
use grantor::{ClientId, NewClient, Principal};
use http::{HeaderMap, Method, StatusCode};

use super::refreshing::Tokens;
use super::{Answer, Client, World, changed, pairs, request};

impl Client {
    pub fn client_id(&self) -> ClientId {
        ClientId::parse(&self.id).unwrap()
    }
}

impl Answer {
    /// What two answers must have in common so that they tell nothing apart: all but their own references.
    pub fn told(&self) -> (u16, String, HeaderMap) {
        let mut headers = self.0.headers().clone();
        headers.remove("grantor-reference");
        (self.status().as_u16(), self.body().to_owned(), headers)
    }
}

impl<S: Storage + Clone> World<S> {
    /// A client as an administrator makes it.
    pub async fn created(&self, new: NewClient) -> Client {
        let created = self.server.create_client(new).await.unwrap();
        Client {
            id: created.client.id.to_string(),
            secret: created.secret.map(|secret| secret.expose().to_owned()),
            redirect_uri: created.client.redirect_uris.first().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// A client that acts for itself.
    pub async fn machine(&self) -> Client {
        self.created(NewClient::confidential("Nightly report").client_credentials()).await
    }

    /// A resource server, which may introspect the tokens for these resources.
    pub async fn resource_server(&self, resources: &[&str]) -> Client {
        self.created(NewClient::confidential("Resource server").introspects(resources.iter().copied())).await
    }

    /// Asks for access of the client's own, with changes to the honest request.
    pub async fn own_access(&self, client: &Client, changes: &[(&str, &str)]) -> Answer {
        let mut honest = vec![("grant_type", "client_credentials"), ("client_id", client.id.as_str())];
        honest.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post("/oauth/token", &pairs(&changed(&honest, changes)), &[]).await
    }

    /// A token of the client's own, which it must get.
    pub async fn own_token(&self, client: &Client, changes: &[(&str, &str)]) -> Tokens {
        Tokens::of(&self.own_access(client, changes).await)
    }

    /// Who a token makes a request come from, at that resource.
    pub async fn principal(&self, resource: &str, token: &str) -> Principal {
        let guard = self.server.resource(resource).unwrap().require("").unwrap();
        let request = request(Method::GET, "/").header("authorization", format!("Bearer {token}"));
        guard.check(&request.body(()).unwrap().into_parts().0).await.unwrap()
    }

    /// Introspects a token, with changes to the honest request.
    pub async fn introspect(&self, client: &Client, token: &str, changes: &[(&str, &str)]) -> Answer {
        let mut honest = vec![("token", token), ("client_id", &client.id)];
        honest.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post("/oauth/introspect", &pairs(&changed(&honest, changes)), &[]).await
    }

    /// Fails unless the client is told nothing of a token but that it is worth nothing.
    pub async fn assert_inactive(&self, client: &Client, token: &str, why: &str) {
        let answer = self.introspect(client, token, &[]).await;
        assert_eq!((answer.status(), answer.body()), (StatusCode::OK, r#"{"active":false}"#), "{why}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}
