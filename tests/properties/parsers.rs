//! What must hold of every parser, whatever it is given: it does not panic, and what it takes is what it says.
//!
//! The fuzz targets use these as well.

#![allow(unreachable_pub, reason = "the fuzz targets are another crate")]

use grantor::host::ReturnTo;
use grantor::protocol::admission::Terms;
use grantor::protocol::assertion::{Audience, ClientAssertion};
use grantor::protocol::client::{Client, ClientId, ClientKeys, ClientMetadata, KeyPlace};
use grantor::protocol::client_auth::Presented;
use grantor::protocol::client_keys::FetchedKeys;
use grantor::protocol::document_url::DocumentUrl;
use grantor::protocol::introspected::{self, Told};
use grantor::protocol::jwk::KeySet;
use grantor::protocol::metadata_document::{Answered, MetadataDocument};
use grantor::protocol::params::Parameters;
use grantor::protocol::pkce::CodeChallenge;
use grantor::protocol::prompt::ReturnedPrompt;
use grantor::protocol::redirect::RedirectUri;
use grantor::protocol::resource::ResourceUri;
use grantor::protocol::secret::{Bearer, BearerKind};
use grantor::protocol::{authorize, bearer, issuer::Issuer, registration, token};
use grantor::storage::testkit::records;
use grantor::{Keys, OrderedId, ScopeSet, Timestamp};

/// A set of scopes is written down in one way, and that is read as the same set.
pub fn scope_set(text: &str) {
    let Ok(set) = ScopeSet::parse(text) else { return };
    let scopes: Vec<&str> = set.iter().collect();
    assert!(scopes.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once: {scopes:?}");
    assert!(scopes.iter().all(|scope| text.split(' ').any(|sent| sent == *scope)), "nothing that was not sent");
    assert!(text.split(' ').filter(|sent| !sent.is_empty()).all(|sent| set.contains(sent)), "all that was sent");
    assert_eq!(ScopeSet::parse(set.as_str()).expect("what was written is read"), set);
    assert_eq!(set.union(&set), set);
    assert_eq!(set.intersection(&ScopeSet::empty()), ScopeSet::empty());
    for scope in scopes {
        assert!(!set.without(scope).contains(scope));
        assert!(set.contains_all(&set.without(scope)));
    }
}

fn registering(uri: RedirectUri) -> Client {
    let mut client = records::client("client");
    client.metadata.redirect_uris = vec![uri];
    client
}

/// A redirect URI that may be registered is verified byte for byte, and nothing longer or shorter is, nor is
/// another host on loopback.
pub fn redirect_uri(text: &str) {
    let Ok(uri) = RedirectUri::parse(text) else { return };
    assert_eq!(uri.as_str(), text, "kept byte for byte");
    let registered = registering(uri);
    let lower = text.to_ascii_lowercase();
    for scheme in ["javascript:", "data:", "vbscript:", "file:", "blob:"] {
        assert!(!lower.starts_with(scheme), "{text}");
    }
    assert!(!text.contains('#') && text.is_ascii() && !text.contains(char::is_whitespace), "{text}");
    let verified = registered.verify_redirect(text).expect("the registered one is verified");
    assert_eq!(verified.as_str(), text);
    for other in [format!("{text}x"), text[..text.len() - 1].to_owned(), format!(" {text}"), format!("{text}#")] {
        // On loopback a digit more or less is another port.
        let is_port = |uri: &str| uri.trim_end_matches(|char: char| char.is_ascii_digit()).ends_with(':');
        let may_be = is_port(text) || is_port(&other) || text.ends_with(|char: char| char.is_ascii_digit());
        assert!(registered.verify_redirect(&other).is_none() || may_be, "{other} is not {text}");
    }
    let answer = verified.with_query(&[("code", "a&b"), ("state", "é #")]);
    assert!(answer.starts_with(text) && answer.is_ascii() && !answer.contains(' ') && !answer.contains('#'));
    let pairs: Vec<_> = url::form_urlencoded::parse(answer.split_once('?').expect("a query").1.as_bytes()).collect();
    let value =
        |wanted: &str| pairs.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &**value).collect::<Vec<_>>();
    assert_eq!((value("code"), value("state")), (vec!["a&b"], vec!["é #"]), "{answer}");
}

/// A presented URI is verified if it is the registered one, or that one with another port on loopback.
pub fn redirect_pair(registered: &str, presented: &str) {
    let Ok(uri) = RedirectUri::parse(registered) else { return };
    let Some(verified) = registering(uri).verify_redirect(presented) else { return };
    assert_eq!(verified.as_str(), presented);
    if registered == presented {
        return;
    }
    let [one, other] = [registered, presented].map(|text| url::Url::parse(text).expect("a URL"));
    assert_eq!((one.scheme(), one.host_str(), one.path()), (other.scheme(), other.host_str(), other.path()));
    assert_eq!((one.query(), other.username(), other.fragment()), (other.query(), "", None));
    assert!(matches!(one.host_str(), Some("127.0.0.1" | "[::1]" | "localhost")), "{registered} {presented}");
}

/// A resource is written down in one way, and its metadata lie on its own origin.
pub fn resource_uri(text: &str) {
    let Ok(uri) = ResourceUri::parse(text) else { return };
    assert_eq!(ResourceUri::parse(uri.as_str()).expect("what was written is read"), uri);
    assert!(uri.as_str().starts_with(uri.origin()) && uri.metadata_url().starts_with(uri.origin()));
    assert!(!uri.as_str().contains('#') && !uri.origin().contains('@'));
}

/// An issuer is kept byte for byte, and only one on loopback is plain http.
pub fn issuer(text: &str) {
    let Ok(issuer) = Issuer::parse(text) else { return };
    assert_eq!(issuer.as_str(), text);
    assert!(text.starts_with(issuer.origin()) && !text.contains(['?', '#']) && !issuer.origin().contains('@'));
    assert!(issuer.is_https() || issuer.is_loopback(), "{text}");
}

/// Each known parameter has one value or is repeated, and one that was not sent has none.
pub fn parameters(body: &[u8]) {
    let sent = Parameters::parse(body, &authorize::PARAMETERS);
    let all: Vec<_> = url::form_urlencoded::parse(body).into_owned().collect();
    for name in authorize::PARAMETERS {
        let values = all.iter().filter(|(sent, value)| sent == name && !value.is_empty()).count();
        match sent.one(name) {
            Ok(None) => {}
            Ok(Some(value)) => assert!(values <= 1 && !value.is_empty() || name == "resource", "{name}: {value}"),
            Err(_) => assert!(all.iter().filter(|(sent, _)| sent == name).count() > 1, "{name}"),
        }
    }
}

/// Credentials name one client, by an id that can be one.
pub fn credentials(authorization: &[u8], body: &[u8]) {
    let parameters = Parameters::parse(body, &token::PARAMETERS);
    if let Ok(presented) = Presented::read([authorization].into_iter(), &parameters) {
        assert!(ClientId::parse(presented.id().as_str()).is_ok());
        let now = grantor::Timestamp::from_millis(0);
        let issuer = Issuer::parse("https://app.example").expect("an issuer");
        let audience = Audience { issuer: &issuer, token_path: "/oauth/token" };
        assert!(presented.authenticate(None, None, &audience, now).is_err(), "nobody is believed whom nobody knows");
    }
}

/// An assertion, signed with a key of ours, is good for one client, one server and a bounded time, whatever is in it;
/// signed with any other key it is good for nothing.
pub fn assertion(header: &str, claims: &str) {
    use base64::Engine as _;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    const NOW: u64 = 1_800_000_000;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let pair = |seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed");
    let keys = |seed| {
        let x = encode(pair(seed).public_key().as_ref());
        let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        ClientKeys {
            place: KeyPlace::Set(KeySet::parse(&set).expect("keys")),
            token_endpoint_audience: true,
            optional: false,
        }
    };
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let text = format!("{signed}.{}", encode(pair(1).sign(signed.as_bytes()).as_ref()));
    let _ = ClientAssertion::read(header);
    let Ok(assertion) = ClientAssertion::read(&text) else { return };
    let issuer = Issuer::parse("https://app.example").expect("an issuer");
    let audience = Audience { issuer: &issuer, token_path: "/oauth/token" };
    let now = grantor::Timestamp::from_millis(NOW * 1000);
    assert!(assertion.check(Some(&keys(2)), None, &audience, now).is_err(), "another's key");
    assert!(assertion.check(None, None, &audience, now).is_err(), "nobody's key");
    let Ok(claim) = assertion.check(Some(&keys(1)), None, &audience, now) else { return };
    let json: serde_json::Value = serde_json::from_str(claims).expect("claims are JSON");
    assert_eq!((&json["iss"], &json["sub"]), (&json["sub"], &assertion.client().as_str().into()));
    let aud = json["aud"].as_str().or_else(|| json["aud"][0].as_str()).expect("an audience");
    assert!(["https://app.example", "https://app.example/", "https://app.example/oauth/token"].contains(&aud));
    let end = json["exp"].as_f64().expect("an end");
    assert!(end > (NOW - 61) as f64 && end < (NOW + 3661) as f64, "{end}");
    assert!(
        claim.keep_until.as_millis() as f64 >= (end + 60.0) * 1000.0 && !json["jti"].as_str().unwrap_or("").is_empty()
    );
}

/// Keys are few and public, written down in one way, and the same ones wherever they are read.
pub fn key_set(text: &str) {
    let parsed = KeySet::parse(text);
    let (content_type, body) = (Some("application/json"), text.as_bytes());
    let answered = Answered { status: 200, content_type, cache_control: None, age: None, body };
    let fetched = FetchedKeys::read(&answered, Timestamp::from_millis(1_800_000_000_000));
    let Ok(set) = parsed else {
        assert!(fetched.is_err(), "what will not do will not do elsewhere");
        return;
    };
    if let Ok(fetched) = fetched {
        assert_eq!(*fetched.set(), set);
    }
    let json = serde_json::to_value(&set).expect("keys have a JSON form");
    assert_eq!(KeySet::parse(&json.to_string()), Ok(set));
    let keys = json["keys"].as_array().expect("an array");
    assert!((1..=16).contains(&keys.len()));
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{key}");
        }
    }
}

/// What is registered has safe redirect URIs, and a name and links that are harmless on a page.
pub fn registration(body: &[u8]) {
    if let Ok(registration::Registration { metadata, .. }) = registration::read(body, true) {
        harmless(&metadata);
    }
}

/// What a metadata document says is as harmless as what is registered, it is that of its URL, and it is taken for true
/// for five minutes to a day. The input is a URL, a `Cache-Control` and a document, each but the last on a line.
pub fn metadata_document(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (url, cache_control, body) = (line(), line(), line());
    document_url(&url);
    let id = ClientId::parse("https://client.example/client.json").expect("an id");
    let url = DocumentUrl::parse(&id).expect("a URL");
    let (content_type, cache_control, body) = (Some("application/json"), Some(&*cache_control), body.as_bytes());
    let answered = Answered { status: 200, content_type, cache_control, age: Some("1"), body };
    let now = Timestamp::from_millis(1_800_000_000_000);
    let Ok(document) = MetadataDocument::read(&url, &answered, now) else { return };
    let sent: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(sent["client_id"], id.as_str());
    let client = document.renewed(&records::client("client"), &Terms::default());
    harmless(&client.metadata);
    assert!(!client.metadata.auth_method.has_secret());
    let record = client.registration.and_then(|registration| registration.document).expect("a record");
    let fresh = record.fresh_until.since(now).as_secs();
    assert!((300..=24 * 3600).contains(&fresh), "{fresh}");
}

/// A URL that is taken is fetched as it is written, from a host that has a name.
pub fn document_url(text: &str) {
    let Some(url) = ClientId::parse(text).ok().and_then(|id| DocumentUrl::parse(&id).ok()) else { return };
    let parsed = url::Url::parse(text).expect("a URL");
    assert_eq!((parsed.as_str(), parsed.host_str()), (text, Some(url.host())));
    assert!(text.starts_with(&format!("{}/", url.origin())) && parsed.path() != "/");
    assert!(matches!(parsed.host(), Some(url::Host::Domain(name)) if name.contains('.')));
    assert!(!text.contains(['#', '@', '\\']) || text.rfind(['@', '\\']) > Some(url.origin().len()), "{text}");
}

fn harmless(metadata: &ClientMetadata) {
    assert!(!metadata.redirect_uris.is_empty());
    for uri in &metadata.redirect_uris {
        redirect_uri(uri.as_str());
    }
    let name = metadata.name.as_deref().unwrap_or("a name");
    assert!(
        !name.is_empty() && !name.chars().any(|char| char.is_control() || ('\u{202a}'..='\u{202e}').contains(&char))
    );
    for link in [&metadata.home_page, &metadata.logo].into_iter().flatten() {
        assert!(link.starts_with("https:") || link.to_ascii_lowercase().starts_with("https:"), "{link}");
    }
}

/// Nothing is taken for a prompt that was not sealed with these keys.
pub fn sealed_prompt(text: &str) {
    assert!(ReturnedPrompt::open(&Keys::from_bytes([7; 32]), text).is_err());
}

/// A bearer string has one spelling.
pub fn bearer_string(text: &str) {
    for kind in [BearerKind::Code, BearerKind::Access, BearerKind::Refresh] {
        if let Some(bearer) = Bearer::parse(kind, text) {
            assert!(text.starts_with(kind.prefix()) && text.is_ascii() && text.len() == kind.prefix().len() + 54);
            assert_eq!(OrderedId::from_bits(bearer.id.to_bits()), Some(bearer.id));
        }
    }
    let header = [text.as_bytes()];
    let _ = bearer::presented(header.into_iter());
    let _ = bearer::presented([format!("Bearer {text}").as_bytes()].into_iter());
}

/// What passes by an answer to an introspection is a token for this resource, at this time, with scopes that have names.
pub fn introspected(answer: &str) {
    let issuer = Issuer::parse("https://app.example").expect("an issuer");
    let _ = introspected::endpoint(200, answer.as_bytes(), &issuer);
    let Ok(Told::Active(claims)) = introspected::read(200, Some("application/json"), answer.as_bytes()) else { return };
    let now = Timestamp::from_millis(1_800_000_000_000);
    let presented = Bearer::parse(BearerKind::Access, &format!("gra_{}", "A".repeat(54))).expect("a bearer string");
    let resource = ResourceUri::parse("https://app.example/api").expect("a resource");
    let Ok(access) = claims.check(&presented, &issuer, &resource, now) else { return };
    assert!(answer.contains("true") && answer.contains("aud"), "{answer}");
    assert_eq!(access.token.resource.url(), resource.as_str());
    assert!(access.token.expires_at > now && !access.revoked);
    assert!(ScopeSet::parse(access.token.scopes.as_str()).is_ok_and(|names| names == access.token.scopes));
    assert!(access.grant.holder.subject().is_none_or(|subject| !subject.as_str().is_empty()));
}

/// A challenge is met by the verifiers that hash to it, and no text is both.
pub fn challenge(text: &str) {
    if let Some(challenge) = CodeChallenge::parse(text) {
        assert_eq!(text.len(), 43);
        assert!(!challenge.is_met_by(text));
    }
}

/// A path to come back to lies on this origin.
pub fn return_to(text: &str) {
    let checked = ReturnTo::checked(text);
    let base = url::Url::parse("https://app.example/").expect("a URL");
    let there = base.join(checked.path()).expect("a path");
    assert_eq!(there.origin(), base.origin(), "{text}");
}

/// A stored client that is read is one that can be written and read again.
pub fn stored_client(json: &[u8]) {
    let Ok(client) = serde_json::from_slice::<Client>(json) else { return };
    let text = serde_json::to_string(&client).expect("a client has a JSON form");
    let again: Client = serde_json::from_str(&text).expect("what was written is read");
    assert_eq!(serde_json::to_string(&again).expect("a client has a JSON form"), text);
}

/// Texts of the environment and of paths.
pub fn configuration(text: &str) {
    let _ = Keys::parse(text);
    if let Ok(id) = text.parse::<OrderedId>() {
        assert_eq!(id.to_string().parse::<OrderedId>(), Ok(id));
    }
    if let Ok(id) = ClientId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
}
