//! Metadata documents of clients
//! ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)
//! §4): what one has to be, and the client that comes of it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::admission::Terms;
use super::client::{
    AuthMethod, Client, ClientAuthentication, ClientMetadata, ClientOrigin, ConsentPolicy, SelfRegistration, Tenure,
};
use super::client_keys::{ClientKeys, KeyPlace, SentKeys};
use super::document_caching::{DocumentRecord, freshness};
use super::document_url::DocumentUrl;
use super::error::{DocumentReason, RegistrationReason};
use super::json::Unambiguous;
use super::policy::Policy;
use super::registration::{self, OneOrMany};
use super::time::Timestamp;

/// The largest document, in bytes. The draft (§6.6) suggests 5 KB for what it has to hold.
pub const MAX_BYTES: usize = 64 * 1024;

/// What a site answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`
    pub content_type: Option<&'a str>,
    /// `Cache-Control`
    pub cache_control: Option<&'a str>,
    /// `Age`
    pub age: Option<&'a str>,
    /// The content.
    pub body: &'a [u8],
}

/// A document that is one.
#[derive(Debug, Clone)]
pub struct MetadataDocument {
    metadata: ClientMetadata,
    proof: Option<KeyProof>,
    record: DocumentRecord,
}

/// By which keys the client proves who it is.
#[derive(Debug, Clone)]
struct KeyProof {
    place: KeyPlace,
    /// Whether it may come without as well.
    optional: bool,
}

impl KeyProof {
    fn authentication(proof: Option<Self>, token_endpoint_audience: bool) -> ClientAuthentication {
        proof.map_or(ClientAuthentication::None, |Self { place, optional }| {
            ClientAuthentication::Keys(ClientKeys { place, token_endpoint_audience, optional })
        })
    }
}

impl Answered<'_> {
    /// Finds that it is an answer with JSON that may be read.
    pub(super) fn check(&self) -> Result<(), DocumentReason> {
        match self.status {
            200 => {}
            429 | 500..=599 => return Err(DocumentReason::SiteFails),
            // Draft §4: "MUST NOT automatically follow HTTP redirects", and any other status than 200 is an error
            _ => return Err(DocumentReason::Status),
        }
        if !self.content_type.is_some_and(is_json) {
            return Err(DocumentReason::ContentType);
        }
        if self.body.len() > MAX_BYTES {
            return Err(DocumentReason::DocumentTooLarge);
        }
        Ok(registration::check_depth(self.body)?)
    }
}

/// The fields that this server looks at. All others are ignored, and so nothing that only an administrator decides
/// can be set by one (attack 30); a field that is there twice makes it no document.
#[derive(Deserialize)]
struct Fields {
    client_id: Option<String>,
    client_secret: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
    redirect_uris: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    token_endpoint_auth_method: Option<OneOrMany>,
    grant_types: Option<Vec<String>>,
    jwks: Option<Unambiguous>,
    jwks_uri: Option<String>,
}

impl MetadataDocument {
    /// Reads what the site of a document answered at `now`.
    ///
    /// Grant and response types that are not known are ignored, as at registration.
    ///
    /// # Errors
    /// See [`DocumentReason`].
    pub fn read(url: &DocumentUrl, answered: &Answered<'_>, now: Timestamp) -> Result<Self, DocumentReason> {
        answered.check()?;
        let no_metadata = |_| DocumentReason::Metadata(RegistrationReason::NotMetadata);
        let fields: Fields = serde_json::from_slice(answered.body).map_err(no_metadata)?;
        // Draft §4.1: it "MUST match the URL of the document using simple string comparison"
        if fields.client_id.as_deref() != Some(url.as_str()) {
            return Err(DocumentReason::OtherDocument);
        }
        // Draft §4.1: the properties "MUST NOT be used"
        if fields.client_secret.is_some() || fields.client_secret_expires_at.is_some() {
            return Err(DocumentReason::SecretInDocument);
        }
        let proof = key_proof(fields.token_endpoint_auth_method, fields.jwks, fields.jwks_uri)?;
        let metadata = ClientMetadata {
            redirect_uris: registration::redirect_uris(&fields.redirect_uris.unwrap_or_default())?,
            name: registration::name(fields.client_name)?,
            home_page: fields.client_uri.filter(|url| registration::is_web_page(url)),
            logo: fields.logo_uri.filter(|url| registration::is_web_page(url)),
            auth_method: if proof.is_some() { AuthMethod::PrivateKeyJwt } else { AuthMethod::None },
            grant_types: registration::grant_types(&fields.grant_types.unwrap_or_default())?,
        };
        let record =
            DocumentRecord { fetched_at: now, fresh_until: now.after(freshness(answered.cache_control, answered.age)) };
        Ok(Self { metadata, proof, record })
    }

    /// The client of a document that was never seen, on the terms of the app. What takes a secret is no part of them:
    /// it has none.
    #[must_use]
    pub fn client(self, url: &DocumentUrl, terms: &Terms, now: Timestamp, policy: &Policy) -> Client {
        let terms = &terms.by_id(policy);
        Client {
            id: url.id().clone(),
            origin: ClientOrigin::Document,
            authentication: KeyProof::authentication(self.proof, terms.token_endpoint_audience),
            metadata: self.metadata,
            scope_ceiling: terms.scopes.clone(),
            consent_policy: ConsentPolicy::Ask,
            blocked: false,
            lifetimes: terms.lifetimes,
            introspects: None,
            registration: Some(SelfRegistration { document: Some(self.record), ..SelfRegistration::default() }),
            tenure: Some(Tenure { until: now.after(policy.lifetimes.registration), granted: false }),
            created_at: now,
            revision: 0,
        }
    }

    /// The client of a document that was read before, as it says now. What the app's own people have said of it
    /// stays.
    #[must_use]
    pub fn renewed(self, stored: &Client, terms: &Terms) -> Client {
        let present = stored.authentication.keys().map(|keys| keys.token_endpoint_audience);
        let registration = SelfRegistration { document: Some(self.record), ..SelfRegistration::default() };
        Client {
            authentication: KeyProof::authentication(self.proof, present.unwrap_or(terms.token_endpoint_audience)),
            metadata: self.metadata,
            registration: Some(registration),
            ..stored.clone()
        }
    }
}

/// How a document's client will authenticate, of the method or the list of them that is in the document: by its keys if
/// they are there, without a proof otherwise. Clients that name both, and they do not learn which one counts, may
/// come either way.
fn key_proof(
    sent: Option<OneOrMany>,
    jwks: Option<Unambiguous>,
    jwks_uri: Option<String>,
) -> Result<Option<KeyProof>, DocumentReason> {
    let sent = match sent {
        // The default of RFC 7591 §2 is a shared secret, and there is none.
        None => return Ok(None),
        Some(OneOrMany::One(method)) => vec![method],
        Some(OneOrMany::Many(methods)) => methods,
    };
    // Draft §4.1: no method that is "based around a shared symmetric secret"
    let has = |name: &str| sent.iter().any(|method| method == name);
    match (has("private_key_jwt"), has("none")) {
        (false, false) => Err(DocumentReason::AuthMethod),
        (false, true) => Ok(None),
        (true, optional) => {
            let keys = SentKeys::read(jwks, jwks_uri)?;
            if optional && !keys.are_anywhere(true) {
                return Ok(None);
            }
            Ok(Some(KeyProof { place: keys.place(true)?, optional }))
        }
    }
}

/// `application/json`, or another type that is JSON by its suffix (RFC 6839 §3.1).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix("application/") else { return false };
    subtype == "json" || subtype.strip_suffix("+json").is_some_and(|prefix| !prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::client::{ClientId, GrantType};
    use super::super::error::RegistrationReason;
    use super::*;

    const URL: &str = "https://client.example/client.json";
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn url() -> DocumentUrl {
        DocumentUrl::parse(&ClientId::parse(URL).unwrap()).unwrap()
    }

    fn answered(body: &str) -> Answered<'_> {
        let content_type = Some("application/json");
        Answered { status: 200, content_type, cache_control: None, age: None, body: body.as_bytes() }
    }

    /// The honest document with these members added.
    fn with(members: &str) -> String {
        format!(r#"{{"client_id":"{URL}","redirect_uris":["https://client.example/cb"]{members}}}"#)
    }

    fn read(body: &str) -> Result<MetadataDocument, DocumentReason> {
        MetadataDocument::read(&url(), &answered(body), NOW)
    }

    #[test]
    fn attack_34_what_is_no_document_of_that_url_is_refused() {
        use DocumentReason::*;
        for (body, reason) in [
            (String::new(), Metadata(RegistrationReason::NotMetadata)),
            ("[]".to_owned(), Metadata(RegistrationReason::NotMetadata)),
            ("null".to_owned(), Metadata(RegistrationReason::NotMetadata)),
            (format!("{} x", with("")), Metadata(RegistrationReason::NotMetadata)),
            ("[".repeat(60_000), Metadata(RegistrationReason::NotMetadata)),
            (format!("{{\"x\":{}", "[".repeat(60_000)), Metadata(RegistrationReason::NotMetadata)),
            (with(&format!(r#","client_id":"{URL}""#)), Metadata(RegistrationReason::NotMetadata)),
            (with(r#","client_name":7"#), Metadata(RegistrationReason::NotMetadata)),
            ("{}".to_owned(), OtherDocument),
            (with("").replace(URL, "https://client.example/client.json/"), OtherDocument),
            (with("").replace(URL, "https://CLIENT.example/client.json"), OtherDocument),
            (with("").replace(URL, "https://other.example/client.json"), OtherDocument),
            (with(r#","client_secret":"s3cret""#), SecretInDocument),
            (with(r#","client_secret":"""#), SecretInDocument),
            (with(r#","client_secret_expires_at":0"#), SecretInDocument),
            (with(r#","token_endpoint_auth_method":"client_secret_basic""#), AuthMethod),
            (with(r#","token_endpoint_auth_method":"client_secret_jwt""#), AuthMethod),
            (with(r#","token_endpoint_auth_method":["client_secret_post"]"#), AuthMethod),
            (with(r#","token_endpoint_auth_method":[]"#), AuthMethod),
            (format!(r#"{{"client_id":"{URL}"}}"#), Metadata(RegistrationReason::RedirectUrisMissing)),
            (with(r#","grant_types":["implicit"]"#), Metadata(RegistrationReason::NoGrantType)),
            (with(&format!(r#","x":"{}""#, "x".repeat(MAX_BYTES))), DocumentTooLarge),
        ] {
            assert_eq!(read(&body).unwrap_err(), reason, "{}", &body[..body.len().min(200)]);
        }
        for uri in ["javascript:alert(1)", "http://client.example/cb", "https://client.example/cb#f"] {
            let body = with("").replace("https://client.example/cb", uri);
            let refused = read(&body).unwrap_err();
            assert!(matches!(refused, Metadata(RegistrationReason::RedirectUri(_))), "{uri}: {refused:?}");
        }
    }

    #[test]
    fn attack_33_only_a_plain_answer_with_json_is_read() {
        let body = with("");
        for (status, reason) in [
            (301, DocumentReason::Status),
            (302, DocumentReason::Status),
            (201, DocumentReason::Status),
            (204, DocumentReason::Status),
            (304, DocumentReason::Status),
            (404, DocumentReason::Status),
            (429, DocumentReason::SiteFails),
            (500, DocumentReason::SiteFails),
            (503, DocumentReason::SiteFails),
        ] {
            let answered = Answered { status, ..answered(&body) };
            assert_eq!(MetadataDocument::read(&url(), &answered, NOW).unwrap_err(), reason, "{status}");
        }
        for content_type in [None, Some(""), Some("text/html"), Some("text/json"), Some("application/+json")] {
            let answered = Answered { content_type, ..answered(&body) };
            let refused = MetadataDocument::read(&url(), &answered, NOW).unwrap_err();
            assert_eq!(refused, DocumentReason::ContentType, "{content_type:?}");
        }
        for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/oauth-client+json"] {
            let answered = Answered { content_type: Some(content_type), ..answered(&body) };
            assert!(MetadataDocument::read(&url(), &answered, NOW).is_ok(), "{content_type}");
        }
    }

    #[test]
    fn attack_30_a_document_sets_nothing_that_only_an_administrator_decides() {
        let body = with(
            r#","first_party":true,"consent_policy":"skip","origin":"administrator","scope":"admin","scope_ceiling":["admin"],
               "introspects":[],"grant_types":["client_credentials","authorization_code","refresh_token","urn:x"],
               "response_types":["code","token"],"blocked":false,"tenure":null,"revision":7"#,
        );
        let document = read(&body).unwrap();
        assert_eq!(document.metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    }

    #[test]
    fn a_document_has_at_most_so_many_bytes() {
        let of = |length: usize| {
            let mut body = with("");
            body.push_str(&" ".repeat(length - body.len()));
            read(&body).map(drop)
        };
        assert_eq!((of(65_536), of(65_537)), (Ok(()), Err(DocumentReason::DocumentTooLarge)));
    }

    #[test]
    fn a_client_is_what_its_document_says_by_now_and_what_the_apps_people_said() {
        use super::super::{catalogue::ScopeCatalogue, issuer::Issuer, scope::ScopeSet};
        let policy = Policy {
            issuer: Issuer::parse("https://h.example").unwrap(),
            scopes: ScopeCatalogue::new(Vec::new()),
            default_scopes: ScopeSet::empty(),
            resources: Default::default(),
            lifetimes: Default::default(),
        };
        let terms = Terms { token_endpoint_audience: true, ..Terms::default() };
        let first = read(&with(r#","client_name":"First""#)).unwrap().client(&url(), &terms, NOW, &policy);
        assert_eq!(first.document().unwrap().fetched_at, NOW);
        assert_eq!(first.tenure.unwrap().until, NOW.after(policy.lifetimes.registration));
        let stored = Client { blocked: true, revision: 4, ..first };
        let keys = r#","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://client.example/jwks""#;
        let later = NOW.after(std::time::Duration::from_secs(9));
        let renewed = |body: &str, terms: &Terms, stored: &Client| {
            MetadataDocument::read(&url(), &answered(body), later).unwrap().renewed(stored, terms)
        };
        let client = renewed(&with(&format!(r#","client_name":"Second"{keys}"#)), &terms, &stored);
        assert_eq!(client.metadata.name.as_deref(), Some("Second"));
        assert!(client.authentication.keys().unwrap().token_endpoint_audience, "as the terms have it");
        assert_eq!((client.document().unwrap().fetched_at, client.blocked, client.revision), (later, true, 4));
        let again = renewed(&with(keys), &Terms::default(), &client);
        assert!(again.authentication.keys().unwrap().token_endpoint_audience, "as it was");
        assert!(renewed(&with(""), &terms, &client).authentication.keys().is_none());
    }

    #[test]
    fn of_the_methods_of_a_document_those_count_for_which_it_has_keys() {
        let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let (here, elsewhere) =
            (format!(r#","jwks":{jwks}"#), r#","jwks_uri":"https://client.example/jwks""#.to_owned());
        let read_with =
            |methods: &str, keys: &str| read(&with(&format!(r#","token_endpoint_auth_method":{methods}{keys}"#)));
        for (methods, keys, optional) in [
            (r#""none""#, "", None),
            (r#""none""#, &*elsewhere, None),
            (r#"["none","private_key_jwt"]"#, "", None),
            (r#"["none","private_key_jwt"]"#, &elsewhere, Some(true)),
            (r#"["private_key_jwt","none","tls_client_auth"]"#, &here, Some(true)),
            (r#"["private_key_jwt","client_secret_basic"]"#, &here, Some(false)),
            (r#""private_key_jwt""#, &elsewhere, Some(false)),
        ] {
            let document = read_with(methods, keys).unwrap();
            assert_eq!(document.proof.map(|proof| proof.optional), optional, "{methods} {keys}");
            let named = if optional.is_some() { AuthMethod::PrivateKeyJwt } else { AuthMethod::None };
            assert_eq!(document.metadata.auth_method, named, "{methods} {keys}");
        }
        let inert = with(r#","jwks_uri":"http://127.0.0.1/","logo_uri":"javascript:alert(1)","client_uri":"x""#);
        let MetadataDocument { metadata, proof, .. } = read(&inert).unwrap();
        assert!(proof.is_none() && metadata.logo.is_none() && metadata.home_page.is_none());
    }

    #[test]
    fn attack_25_keys_of_a_document_that_will_not_do_make_no_client() {
        let one = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for method in [r#""private_key_jwt""#, r#"["none","private_key_jwt"]"#] {
            for keys in [
                r#","jwks":{"keys":[]}"#.to_owned(),
                r#","jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned(),
                r#","jwks":[]"#.to_owned(),
                format!(r#","jwks":{{"keys":[{one}]}},"jwks_uri":"https://client.example/jwks""#),
                format!(r#","jwks":{{"keys":[{one}],"keys":[{one}]}}"#),
                r#","jwks_uri":"http://client.example/jwks""#.to_owned(),
                r#","jwks_uri":"https://127.0.0.1/jwks""#.to_owned(),
                r#","jwks_uri":"https://localhost/jwks""#.to_owned(),
                r#","jwks_uri":"https://a@client.example/jwks""#.to_owned(),
                r#","jwks_uri":"file:///etc/passwd""#.to_owned(),
            ] {
                let refused = read(&with(&format!(r#","token_endpoint_auth_method":{method}{keys}"#))).unwrap_err();
                assert!(matches!(refused, DocumentReason::Metadata(_)), "{method} {keys}: {refused:?}");
            }
        }
        let none = with(r#","token_endpoint_auth_method":"private_key_jwt""#);
        assert_eq!(read(&none).unwrap_err(), DocumentReason::Metadata(RegistrationReason::KeysMissing));
    }
}
