//! What logs show of the protocol's types: enough to tell one from another, and nothing that is its owner's alone.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::assertion::ClientAssertion;
use super::client::ClientId;
use super::client_auth::Identity;
use super::client_keys::KeysUrl;
use super::document_url::DocumentUrl;
use super::grant::Subject;
use super::issuer::Issuer;
use super::new_client::{NewClient, NewClientSeed};
use super::params::Parameters;
use super::pkce::CodeChallenge;
use super::policy::Policy;
use super::prompt::{PromptId, Viewer};
use super::redirect::{RedirectUri, VerifiedRedirectUri};
use super::resource::{ResourceId, ResourceUri};
use super::response::{AuthorizeResponse, ResponseMode, Target};
use super::scope::ScopeSet;
use super::secret::{Bearer, BearerKind, BearerSeed};
use super::time::Timestamp;
use super::token::{CodeExchange, PARAMETERS};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn policy() -> Policy {
    Policy {
        issuer: Issuer::parse("https://h.example").unwrap(),
        scopes: super::catalogue::ScopeCatalogue::new(Vec::new()),
        default_scopes: ScopeSet::empty(),
        resources: super::resource_registry::ResourceRegistry::default(),
        lifetimes: super::policy::Lifetimes::default(),
    }
}

fn shows(value: &dyn Debug, expected: &str) {
    assert_eq!(format!("{value:?}"), expected);
}

#[test]
fn names_and_addresses_are_shown_as_they_are() {
    let url = "https://c.example/a";
    let id = ClientId::parse(url).unwrap();
    let redirect_uri = RedirectUri::parse(url).unwrap();
    let (document, keys) = (DocumentUrl::parse(&id).unwrap(), KeysUrl::parse(url).unwrap());
    shows(&id, "ClientId(https://c.example/a)");
    shows(&redirect_uri, "RedirectUri(https://c.example/a)");
    shows(
        &VerifiedRedirectUri::verify(std::slice::from_ref(&redirect_uri), url).unwrap(),
        "VerifiedRedirectUri(https://c.example/a)",
    );
    shows(&document, "DocumentUrl(https://c.example/a)");
    shows(&keys, "KeysUrl(https://c.example/a)");
    shows(&ResourceUri::parse(url).unwrap(), "ResourceUri(https://c.example/a)");
    shows(&ResourceId::parse(url).unwrap(), "ResourceId(https://c.example/a)");
    for shown in [id.to_string(), redirect_uri.to_string(), document.to_string(), keys.to_string()] {
        assert_eq!(shown, url);
    }
    shows(&policy().issuer, "Issuer(https://h.example)");
    shows(&ScopeSet::parse("a b").unwrap(), "ScopeSet(a b)");
    shows(&Subject::new("alice"), "Subject(alice)");
    assert_eq!(Subject::new("alice").to_string(), "alice");
    shows(&PromptId::new(Timestamp::from_millis(0x12), [0xab; 10]), "PromptId(000000000012abababababababababab)");
    assert_eq!(CodeChallenge::from_bytes([0; 32]).to_string(), "A".repeat(43));
}

#[test]
fn of_a_request_its_names_are_shown_and_no_value() {
    let (code, bearer) = Bearer::mint(BearerKind::Code, NOW, &BearerSeed::from_random(&[7; 36]));
    let (_, secret) = Bearer::parse_with_secret(BearerKind::Code, code.expose()).unwrap();
    shows(&secret, "Secret(..)");
    let body = format!("code={}&code_verifier=hidden", code.expose());
    let parameters = Parameters::parse(body.as_bytes(), &PARAMETERS);
    shows(&parameters, r#"{"code", "code_verifier"}"#);
    let seed = NewClientSeed::from_random(&[1; NewClientSeed::LEN]);
    let client = NewClient::public("c").id("c").redirect_uri("https://c.example/").create(&policy(), &seed, NOW);
    let client = client.unwrap().0;
    let exchange = CodeExchange::read(&parameters, &client, Identity::Claimed).unwrap();
    shows(&exchange, &format!("CodeExchange({} by ClientId(c))", bearer.id));

    let viewer = Viewer { subject: &Subject::new("alice"), session: "hidden", browser: "hidden" };
    shows(&viewer, "Viewer { subject: Subject(alice), .. }");
    let target = Target {
        redirect_uri: client.verify_redirect("https://c.example/").unwrap(),
        state: None,
        mode: ResponseMode::Query,
    };
    shows(&AuthorizeResponse::code(&target, "hidden", &policy()), "AuthorizeResponse(..)");
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let claims = part(r#"{"iss":"c","sub":"c","aud":"https://h.example","jti":"hidden","exp":1800000000}"#);
    let assertion = format!("{}.{claims}.{}", part(r#"{"alg":"ES256"}"#), part("hidden"));
    shows(&ClientAssertion::read(&assertion).unwrap(), "ClientAssertion { client: ClientId(c), .. }");
}

#[test]
fn of_a_new_client_it_is_shown_how_it_proves_itself_and_not_by_what() {
    for (client, expected) in [
        (NewClient::public("c"), "secret: None"),
        (NewClient::confidential("c"), "secret: Generated"),
        (NewClient::confidential("c").secret("hidden"), "secret: Given(..)"),
        (NewClient::with_keys("c", "hidden"), "secret: Keys(..)"),
    ] {
        let shown = format!("{client:?}");
        assert!(shown.contains(expected) && !shown.contains("hidden"), "{shown}");
    }
    shows(&NewClientSeed::from_random(&[1; NewClientSeed::LEN]), "NewClientSeed(..)");
}
