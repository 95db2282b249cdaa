//! An app that knows when people logged in, clients of its own people, and pages that go on by themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use grantor::protocol::client::{
    AuthMethod, Client as Stored, ClientAuthentication, ClientId, ClientMetadata, ClientOrigin, ConsentPolicy,
    GrantType,
};
use grantor::protocol::redirect::RedirectUri;
use grantor::storage::{Inserted, Storage};
use grantor::{Host, HostError, SignIn, Timestamp, User};
use http::StatusCode;
use http::request::Parts;

use super::{Answer, App, Browser, Client, ISSUER, World};

/// The app, which knows when a session began if its cookie says so: `session=alice.1.1800000000000`.
#[derive(Clone, Default)]
pub struct KnowingApp(Arc<Mutex<Vec<SignIn>>>);

impl KnowingApp {
    /// A world with this app in it.
    pub fn world(&self) -> World {
        World::with(|builder| builder.host(self.clone()))
    }

    /// What the login page was asked for, since the last call.
    pub fn asked(&self) -> Vec<SignIn> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Host for KnowingApp {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        let user = App.signed_in(request).await?;
        Ok(user.map(|user| match user.session.split('.').nth(2).map(|millis| millis.parse().unwrap()) {
            Some(millis) => user.authenticated_at(Timestamp::from_millis(millis)),
            None => user,
        }))
    }

    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        self.0.lock().unwrap().push(ask.clone());
        App.sign_in(request, ask).await
    }
}

impl<S: Storage + Clone> Browser<S> {
    /// A new session of that person, whose beginning the app remembers.
    pub fn log_in(&mut self, name: &str) {
        self.sign_in(name);
        let now = self.world.clock.now().as_millis();
        self.cookies.insert("session".to_owned(), format!("{}.{now}", self.cookies["session"]));
    }
}

impl<S: Storage + Clone> World<S> {
    /// A public client of the app's own people, with that policy, which may refresh.
    pub async fn house_client(&self, id: &str, consent_policy: ConsentPolicy, redirect_uris: &[&str]) -> Client {
        let client = Stored {
            id: ClientId::parse(id).unwrap(),
            origin: ClientOrigin::Administrator,
            authentication: ClientAuthentication::None,
            metadata: ClientMetadata {
                redirect_uris: redirect_uris.iter().map(|uri| RedirectUri::parse(uri).unwrap()).collect(),
                name: Some("House client".to_owned()),
                home_page: None,
                logo: None,
                auth_method: AuthMethod::None,
                grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            },
            scope_ceiling: None,
            consent_policy,
            blocked: false,
            lifetimes: Default::default(),
            introspects: None,
            registration: None,
            tenure: None,
            created_at: self.clock.now(),
            revision: 0,
        };
        self.insert(client).await
    }

    /// The same, though it says that it registered itself.
    pub async fn stranger_with(&self, id: &str, consent_policy: ConsentPolicy, redirect_uris: &[&str]) -> Client {
        let house = self.house_client(&format!("{id} of the house"), consent_policy, redirect_uris).await;
        let stored = self.storage.client(&ClientId::parse(&house.id).unwrap()).await.unwrap().unwrap();
        let id = ClientId::parse(id).unwrap();
        self.insert(Stored { id, origin: ClientOrigin::Dynamic, ..(*stored).clone() }).await
    }

    async fn insert(&self, client: Stored) -> Client {
        let redirect_uri = client.metadata.redirect_uris[0].as_str().to_owned();
        let id = client.id.to_string();
        assert_eq!(
            self.storage.insert_client(grantor::storage::testkit::records::insert(client)).await.unwrap(),
            Inserted::New
        );
        Client { id, secret: None, redirect_uri }
    }
}

impl Answer {
    /// The code of an answer that came without a page in between.
    pub fn silent_code(&self) -> String {
        assert_eq!(self.status(), StatusCode::SEE_OTHER, "{}", self.body());
        self.redirect_parameter("code").unwrap_or_else(|| panic!("no code: {:?}", self.location()))
    }

    /// Fails unless this is the consent page.
    pub fn assert_asks(&self, why: &str) {
        assert_eq!(self.status(), StatusCode::OK, "{why}: {:?} {}", self.location(), self.body());
        assert!(self.body().contains(r#"name="prompt""#) && !self.shows_a_code(), "{why}: {}", self.body());
    }

    /// Fails unless the client is told of that error, at its redirect URI, with its state and the issuer.
    pub fn assert_told(&self, client: &Client, error: &str) {
        assert_eq!(self.status(), StatusCode::SEE_OTHER, "{}", self.body());
        assert!(self.location().unwrap().starts_with(&format!("{}?", client.redirect_uri)), "{:?}", self.location());
        let parameter = |name| self.redirect_parameter(name);
        assert_eq!(parameter("error").as_deref(), Some(error), "{:?}", self.location());
        assert_eq!(parameter("state").as_deref(), Some("st/a te"));
        assert_eq!(parameter("iss").as_deref(), Some(ISSUER));
        assert!(parameter("code").is_none());
    }

    /// Fails unless this is a page with that error, and nobody was sent anywhere.
    pub fn assert_page_says(&self, status: u16, error: &str) {
        self.assert_page(status);
        assert!(self.body().contains(&format!("<code>{error}</code>")), "{}", self.body());
        assert!(!self.shows_a_code(), "{}", self.body());
    }

    /// The path that the app's login page was told to come back to.
    pub fn return_to(&self) -> String {
        assert_eq!(self.status(), StatusCode::SEE_OTHER, "{}", self.body());
        let location = self.location().unwrap();
        assert!(location.starts_with("/login?"), "{location}");
        let url = url::Url::parse(ISSUER).unwrap().join(location).unwrap();
        let (_, path) = url.query_pairs().find(|(name, _)| name == "return_to").unwrap();
        path.into_owned()
    }
}

/// A page that posts itself.
#[derive(Debug)]
pub struct SelfPosting {
    pub action: String,
    pub fields: BTreeMap<String, String>,
}

impl SelfPosting {
    /// Reads the page as a browser would: what is not an attribute of its form does not count.
    pub fn read(html: &str) -> Self {
        assert_eq!(html.matches("<form").count(), 1, "{html}");
        let action = attribute(tags(html, "<form")[0], "action").unwrap();
        let mut fields = BTreeMap::new();
        for tag in tags(html, "<input") {
            assert_eq!(attribute(tag, "type").as_deref(), Some("hidden"), "{tag}");
            let earlier = fields.insert(attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap());
            assert!(earlier.is_none(), "{tag} is there twice");
        }
        Self { action, fields }
    }
}

/// The opening tags of that name, up to their `>` outside of quotes.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let tag = |start: usize| {
        let mut quoted = false;
        let end = html[start..].find(|letter| {
            quoted ^= letter == '"';
            letter == '>' && !quoted
        });
        &html[start..start + end.unwrap()]
    };
    html.match_indices(name).map(|(start, _)| tag(start)).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    let value = value.split('"').next()?;
    let decoded = [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    Some(decoded.iter().fold(value.to_owned(), |text, (entity, letter)| text.replace(entity, letter)))
}
