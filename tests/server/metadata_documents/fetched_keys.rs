//! Clients whose keys are at a URL of their own (`jwks_uri`): how they authenticate, and when their keys are fetched.

use std::time::Duration;

use grantor::{ClientId, MetadataDocuments};
use http::StatusCode;
use serde_json::{Value, json};

use super::site::{Answer, URL, Web, client, document, json_answer};
use crate::support::refreshing::Tokens;
use crate::support::signing::{Key, changed, claims, jwks, post};
use crate::support::{self, CALLBACK, Client, World, pairs};

pub(crate) const JWKS: &str = "https://client.example/jwks.json";

/// A client with a document that sends us to its keys, in a world of its own.
pub(crate) struct Scene {
    pub(crate) web: Web,
    pub(crate) world: World,
    pub(crate) key: Key,
    pub(crate) client: Client,
}

impl Scene {
    /// Its users let it in already, unless the test wants to see that.
    pub(crate) async fn new(methods: &Value) -> Self {
        let scene = Self::of_stranger(methods, |rules| rules);
        let _ = scene.world.code(&scene.client).await;
        scene
    }

    pub(crate) fn of_stranger(methods: &Value, change: impl FnOnce(MetadataDocuments) -> MetadataDocuments) -> Self {
        let (web, key) = (Web::empty(), Key::new("RS256", "one"));
        let keys = json!({ "token_endpoint_auth_method": methods, "jwks_uri": JWKS,
            "token_endpoint_auth_signing_alg": "RS256" });
        web.put(URL, &changed(document(URL), &keys));
        web.answer(JWKS, Answer::Is(json_answer(&jwks(&[&key]))));
        Self { world: web.world_with(change), web, key, client: client(URL, CALLBACK) }
    }

    pub(crate) fn assertion(&self) -> String {
        self.key.sign(&claims(&self.world, URL))
    }

    /// What the token endpoint says to an assertion that comes with no code that there is: `invalid_grant` if it is
    /// believed.
    pub(crate) async fn shows(&self, assertion: &str) -> support::Answer {
        post(
            &self.world,
            "/oauth/token",
            assertion,
            &[("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "x")],
        )
        .await
    }

    pub(crate) async fn accepts(&self, assertion: &str, why: &str) {
        let answer = self.shows(assertion).await;
        assert_eq!(answer.error(), "invalid_grant", "{why}: {} {:?}", answer.body(), self.web.last_event());
    }

    pub(crate) async fn refuses(&self, assertion: &str, reason: &str, why: &str) {
        let answer = self.shows(assertion).await;
        assert_eq!(self.web.last_event(), ("refused".to_owned(), reason.to_owned()), "{why}: {}", answer.body());
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.json()["error_description"], json!("Client authentication failed."), "{why}");
    }

    /// The tokens for a code of alice, by an assertion or without.
    async fn tokens(&self, by_key: bool) -> Tokens {
        let code = self.world.code(&self.client).await;
        let form = self.client.token_request(&code, &[]);
        Tokens::of(&self.send(&pairs(&form), by_key).await)
    }

    async fn send(&self, form: &[(&str, &str)], by_key: bool) -> support::Answer {
        match by_key {
            true => post(&self.world, "/oauth/token", &self.assertion(), form).await,
            false => self.world.post("/oauth/token", form, &[]).await,
        }
    }

    async fn refresh(&self, token: &str, by_key: bool) -> support::Answer {
        self.send(&[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", URL)], by_key).await
    }

    fn puts(&self, keys: &[&Key], cache_control: &str) {
        self.web.answer(JWKS, Answer::Is(json_answer(&jwks(keys)).cache_control(cache_control)));
    }

    pub(crate) fn fetches(&self) -> usize {
        self.web.fetches_of(JWKS)
    }
}

#[tokio::test]
async fn a_client_proves_who_it_is_by_keys_that_its_document_only_points_to() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    assert_eq!(scene.fetches(), 0, "nothing is fetched before it is needed");
    let tokens = scene.tokens(true).await;
    assert!(scene.world.is_live(&tokens.access).await);
    let tokens = Tokens::of(&scene.refresh(&tokens.refresh, true).await);
    assert!(scene.world.is_live(&tokens.access).await);
    assert_eq!(scene.fetches(), 1);
    let summary = scene.world.server.client(&ClientId::parse(URL).unwrap()).await.unwrap().unwrap();
    let shown = serde_json::to_value(summary).unwrap();
    assert_eq!((&shown["keys_at"], &shown["auth_method"]), (&json!(JWKS), &json!("private_key_jwt")));
    let metadata = super::metadata(&scene.world).await;
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&json!("private_key_jwt")), "{methods:?}");
    assert!(metadata["token_endpoint_auth_signing_alg_values_supported"].as_array().unwrap().contains(&json!("RS256")));
}

#[tokio::test]
async fn a_client_that_names_both_methods_comes_either_way() {
    for methods in [json!(["none", "private_key_jwt"]), json!(["private_key_jwt", "none"])] {
        let scene = Scene::new(&methods).await;
        for by_key in [false, true] {
            let tokens = scene.tokens(by_key).await;
            let tokens = Tokens::of(&scene.refresh(&tokens.refresh, by_key).await);
            Tokens::of(&scene.refresh(&tokens.refresh, by_key).await);
        }
        // What it got without a proof is worth no more if there is one for once.
        let public = scene.tokens(false).await;
        let public = Tokens::of(&scene.refresh(&public.refresh, true).await);
        Tokens::of(&scene.refresh(&public.refresh, false).await);
    }
}

#[tokio::test]
async fn attack_28_what_a_client_got_by_its_key_is_never_refreshed_without_it() {
    let scene = Scene::new(&json!(["none", "private_key_jwt"])).await;
    let mut tokens = scene.tokens(true).await;
    for _ in 0..3 {
        scene.refresh(&tokens.refresh, false).await.assert_error(401, "invalid_client");
        assert_eq!(scene.web.last_event().1, "proof_missing");
        assert!(scene.world.is_live(&tokens.access).await, "nobody is logged out by that");
        tokens = Tokens::of(&scene.refresh(&tokens.refresh, true).await);
    }
    // Nor once the document has no keys any more, and its client is a public one.
    scene.web.put(URL, &document(URL));
    scene.world.clock.advance(Duration::from_hours(2));
    let _ = scene.world.code(&scene.client).await;
    assert_eq!(scene.web.last_event(), ("document_fetched".to_owned(), "changed".to_owned()));
    scene.refresh(&tokens.refresh, false).await.assert_error(401, "invalid_client");
    Tokens::of(&scene.refresh(&scene.tokens(false).await.refresh, false).await);
}

#[tokio::test]
async fn attack_28_a_client_that_names_keys_alone_is_nobody_without_them() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    let code = scene.world.code(&scene.client).await;
    let form = scene.client.token_request(&code, &[]);
    scene.send(&pairs(&form), false).await.assert_error(401, "invalid_client");
    let tokens = Tokens::of(&scene.send(&pairs(&form), true).await);
    // As its document says that it may come without, what it got by its keys ends.
    scene.web.put(URL, &changed(document(URL), &json!({ "token_endpoint_auth_method": "none" })));
    scene.world.clock.advance(Duration::from_hours(2));
    let _ = scene.world.code(&scene.client).await;
    scene.refresh(&tokens.refresh, false).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn keys_are_good_for_as_long_as_their_site_says_within_bounds() {
    for (says, minutes) in [("max-age=1", 5), ("no-store", 5), ("", 60), ("max-age=99999999", 24 * 60)] {
        let scene = Scene::new(&json!("private_key_jwt")).await;
        scene.puts(&[&scene.key], says);
        scene.accepts(&scene.assertion(), "first").await;
        scene.world.clock.advance(Duration::from_mins(minutes) - Duration::from_millis(1));
        scene.accepts(&scene.assertion(), "kept").await;
        assert_eq!(scene.fetches(), 1, "{says}");
        scene.world.clock.advance(Duration::from_millis(1));
        scene.accepts(&scene.assertion(), "read anew").await;
        assert_eq!(scene.fetches(), 2, "{says}");
    }
}

#[tokio::test]
async fn a_signature_by_none_of_the_keys_leads_to_one_more_look_a_minute() {
    let scene = Scene::new(&json!("private_key_jwt")).await;
    scene.puts(&[&scene.key], "max-age=86400");
    scene.accepts(&scene.assertion(), "first").await;
    let new = Key::new("ES256", "two");
    let by_new = || new.sign(&claims(&scene.world, URL));
    scene.puts(&[&scene.key, &new], "max-age=86400");
    for _ in 0..3 {
        scene.refuses(&by_new(), "assertion_signature", "it was looked at just now").await;
    }
    assert_eq!(scene.fetches(), 1);
    scene.world.clock.advance(Duration::from_mins(1));
    scene.accepts(&by_new(), "rotated").await;
    scene.accepts(&scene.assertion(), "both are there").await;
    assert_eq!(scene.fetches(), 2);
    // A thief gets no more looks than one a minute either, be the site there or not.
    let thief = Key::new("ES256", "three");
    for answer in [Answer::Is(json_answer(&jwks(&[&scene.key]))), Answer::Unreachable] {
        let before = scene.fetches();
        scene.web.answer(JWKS, answer);
        scene.world.clock.advance(Duration::from_mins(1));
        for _ in 0..10 {
            scene.refuses(&thief.sign(&claims(&scene.world, URL)), "assertion_signature", "a thief").await;
        }
        assert_eq!(scene.fetches(), before + 1);
        scene.accepts(&scene.assertion(), "the client itself").await;
    }
    scene.refuses(&by_new(), "assertion_signature", "what was taken away is good no more").await;
}

#[tokio::test]
async fn the_last_keys_are_used_for_a_day_at_most_while_their_site_fails() {
    for failure in [Answer::Unreachable, Answer::TimedOut, Answer::Is(json_answer("{}").with_status(503))] {
        let scene = Scene::new(&json!("private_key_jwt")).await;
        scene.accepts(&scene.assertion(), "first").await;
        scene.web.answer(JWKS, failure);
        scene.world.clock.advance(Duration::from_hours(25) - Duration::from_millis(1));
        scene.accepts(&scene.assertion(), "kept").await;
        scene.world.clock.advance(Duration::from_millis(1));
        scene.refuses(&scene.assertion(), "assertion_keys_not_read", "over").await;
        scene.puts(&[&scene.key], "");
        scene.accepts(&scene.assertion(), "and good again when the site is there again").await;
    }
}

#[tokio::test]
async fn keys_that_were_taken_away_are_not_used_any_more() {
    for gone in [
        Answer::Is(json_answer("").with_status(404)),
        Answer::Is(json_answer("").with_status(302)),
        Answer::Is(json_answer("{}")),
        Answer::NotPublic,
        Answer::TooLarge,
    ] {
        let scene = Scene::new(&json!("private_key_jwt")).await;
        scene.accepts(&scene.assertion(), "first").await;
        scene.web.answer(JWKS, gone);
        scene.world.clock.advance(Duration::from_hours(1));
        scene.refuses(&scene.assertion(), "assertion_keys_not_read", "gone").await;
    }
}

#[tokio::test]
async fn a_client_that_registers_says_where_its_keys_are() {
    let (web, key) = (Web::empty(), Key::new("ES256", "k"));
    web.answer(JWKS, Answer::Is(json_answer(&jwks(&[&key]))));
    let world = web.world();
    let metadata = json!({ "client_name": "Helper", "redirect_uris": [CALLBACK], "jwks_uri": JWKS,
        "token_endpoint_auth_method": ["tls_client_auth", "private_key_jwt"],
        "grant_types": ["authorization_code", "refresh_token"] });
    let answer = world.register(&metadata).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
    let registered = answer.json();
    assert_eq!((&registered["jwks_uri"], registered.get("jwks")), (&json!(JWKS), None), "RFC 7591 §3.2.1");
    assert_eq!(registered["token_endpoint_auth_method"], json!("private_key_jwt"));
    let client = Client { id: registered["client_id"].as_str().unwrap().to_owned(), ..client(URL, CALLBACK) };
    let code = world.code(&client).await;
    let form = client.token_request(&code, &[]);
    let tokens = Tokens::of(&post(&world, "/oauth/token", &key.sign(&claims(&world, &client.id)), &pairs(&form)).await);
    assert!(world.is_live(&tokens.access).await);
    for bad in ["http://client.example/jwks", "https://127.1/jwks", "https://intranet/jwks", "https://a@b.example/k"] {
        let refused = world.register(&changed(metadata.clone(), &json!({ "jwks_uri": bad }))).await;
        refused.assert_error(400, "invalid_client_metadata");
        assert_eq!(web.last_event().0, "refused");
    }
    let both = changed(metadata.clone(), &json!({ "jwks": { "keys": [key.jwk()] } }));
    world.register(&both).await.assert_error(400, "invalid_client_metadata");
    // One that could come without is told that it does, or that it does not.
    for (methods, method) in
        [(json!(["none", "private_key_jwt"]), "none"), (json!(["private_key_jwt", "none"]), "private_key_jwt")]
    {
        let told =
            world.register(&changed(metadata.clone(), &json!({ "token_endpoint_auth_method": methods }))).await.json();
        assert_eq!(told["token_endpoint_auth_method"], json!(method));
        assert_eq!(told.get("jwks_uri").is_some(), method == "private_key_jwt");
    }
}
