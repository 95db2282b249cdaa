//! Dynamic client registration (RFC 7591).

use serde::Deserialize;

use super::client::{AuthMethod, ClientMetadata, GrantType};
use super::client_keys::{KeyPlace, SentKeys};
use super::error::RegistrationReason;
use super::json::Unambiguous;
use super::redirect::RedirectUri;
use super::secret::SecretHash;

const MAX_REDIRECT_URIS: usize = 32;
const MAX_NAME_CHARS: usize = 256;
const MAX_URL_BYTES: usize = 2048;
/// A key set, the deepest field of the RFC, takes four levels.
const MAX_JSON_DEPTH: usize = 32;

/// The fields of a registration request that this server looks at. All others are ignored, and so
/// nothing that only an administrator decides can be set by one (attack 30).
#[derive(Deserialize)]
struct Request {
    redirect_uris: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    token_endpoint_auth_method: Option<OneOrMany>,
    grant_types: Option<Vec<String>>,
    client_id: Option<String>,
    client_secret: Option<String>,
    jwks: Option<Unambiguous>,
    jwks_uri: Option<String>,
}

/// What a client asks for when it registers.
#[derive(Debug, Clone)]
pub struct Registration {
    /// What it says of itself, checked.
    pub metadata: ClientMetadata,
    /// Whether it asks to act for itself (RFC 6749 §4.4).
    pub wants_client_credentials: bool,
    /// The keys of a client that authenticates by them.
    pub(super) keys: Option<KeyPlace>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<SecretHash>,
}

/// Some clients send a list of methods where the RFC has one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Reads a registration request (RFC 7591 §3.1).
///
/// Unknown grant and response types are dropped, not refused (RFC 7591 §2: the server "MAY replace" values), and
/// `application_type` is no reason to refuse. So is `scope`: clients send what they know of at that time and ask for
/// more later, so each may get what the app allows, and the answer says what that is.
///
/// A server that fetches no keys takes none that are elsewhere (`jwks_uri`).
///
/// # Errors
/// See [`RegistrationReason`].
pub fn read(body: &[u8], fetches_keys: bool) -> Result<Registration, RegistrationReason> {
    check_depth(body)?;
    let request: Request = serde_json::from_slice(body).map_err(|_| RegistrationReason::NotMetadata)?;
    let sent = request.grant_types.as_deref().unwrap_or_default();
    let keys = SentKeys::read(request.jwks, request.jwks_uri)?;
    let auth_method = auth_method(request.token_endpoint_auth_method, keys.are_anywhere(fetches_keys))?;
    Ok(Registration {
        wants_client_credentials: sent.iter().any(|name| name == "client_credentials"),
        metadata: ClientMetadata {
            redirect_uris: redirect_uris(&request.redirect_uris.unwrap_or_default())?,
            name: name(request.client_name)?,
            home_page: request.client_uri.filter(|url| is_web_page(url)),
            logo: request.logo_uri.filter(|url| is_web_page(url)),
            auth_method,
            grant_types: grant_types(sent)?,
        },
        keys: if auth_method == AuthMethod::PrivateKeyJwt { Some(keys.place(fetches_keys)?) } else { None },
        client_id: request.client_id,
        client_secret: request.client_secret.as_deref().map(SecretHash::of_text),
    })
}

/// Refuses what is nested deeper than any honest metadata.
pub(super) fn check_depth(body: &[u8]) -> Result<(), RegistrationReason> {
    // RFC 8259 §9: a parser "may set limits on the maximum depth of nesting". That of serde_json has none
    // for fields that it skips.
    if json_depth(body) > MAX_JSON_DEPTH { Err(RegistrationReason::NotMetadata) } else { Ok(()) }
}

/// How deep arrays and objects are nested, if `body` is JSON.
fn json_depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

pub(super) fn redirect_uris(texts: &[String]) -> Result<Vec<RedirectUri>, RegistrationReason> {
    if texts.is_empty() || texts.len() > MAX_REDIRECT_URIS {
        return Err(RegistrationReason::RedirectUrisMissing);
    }
    texts.iter().map(|text| RedirectUri::parse(text).map_err(RegistrationReason::RedirectUri)).collect()
}

/// The name without what could make it look like another text than it is.
pub(super) fn name(name: Option<String>) -> Result<Option<String>, RegistrationReason> {
    let name: String =
        name.unwrap_or_default().chars().filter(|char| !char.is_control() && !is_invisible(*char)).collect();
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(RegistrationReason::NameTooLong);
    }
    let name = name.trim();
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// Characters that change the direction of a text or take no room (Unicode TR 36 §2.10).
const fn is_invisible(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A link that a page may show: `https`, and nothing that a browser would run. Others are dropped.
pub fn is_web_page(text: &str) -> bool {
    text.len() <= MAX_URL_BYTES
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host() && url.username().is_empty())
}

fn auth_method(sent: Option<OneOrMany>, has_keys: bool) -> Result<AuthMethod, RegistrationReason> {
    let sent = match sent {
        // RFC 7591 §2: "If unspecified or omitted, the default is "client_secret_basic""
        None => return Ok(AuthMethod::ClientSecretBasic),
        Some(OneOrMany::One(method)) if method.is_empty() => return Ok(AuthMethod::ClientSecretBasic),
        Some(OneOrMany::One(method)) => vec![method],
        Some(OneOrMany::Many(methods)) => methods,
    };
    let known = |method: &String| match method.as_str() {
        "none" => Some(AuthMethod::None),
        "client_secret_basic" => Some(AuthMethod::ClientSecretBasic),
        "client_secret_post" => Some(AuthMethod::ClientSecretPost),
        "private_key_jwt" => Some(AuthMethod::PrivateKeyJwt),
        _ => None,
    };
    // Of a list the first that the client can use with what it sent.
    let is_usable = |method: &AuthMethod| *method != AuthMethod::PrivateKeyJwt || has_keys;
    let usable = sent.iter().filter_map(known).find(is_usable);
    usable.or_else(|| sent.iter().find_map(known)).ok_or(RegistrationReason::AuthMethodUnsupported)
}

pub(super) fn grant_types(sent: &[String]) -> Result<Vec<GrantType>, RegistrationReason> {
    // RFC 7591 §2: "If omitted, the default behavior is that the client will use only the
    // "authorization_code" Grant Type."
    let has = |name: &str| sent.iter().any(|known| known == name);
    match (sent.is_empty() || has("authorization_code"), has("refresh_token")) {
        (true, true) => Ok(vec![GrantType::AuthorizationCode, GrantType::RefreshToken]),
        (true, false) => Ok(vec![GrantType::AuthorizationCode]),
        (false, _) => Err(RegistrationReason::NoGrantType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_30_privileged_fields_are_ignored() {
        let asked = read(
            br#"{"redirect_uris":["https://a.example/cb"],"first_party":true,"consent":"skip","origin":"administrator",
                "scope_ceiling":"admin","scope":"admin","grant_types":["client_credentials","authorization_code"],
                "introspection":true,"client_id":"mine","client_secret":"mine","revision":7}"#,
            false,
        )
        .unwrap();
        assert_eq!(asked.metadata.grant_types, [GrantType::AuthorizationCode]);
        assert!(asked.wants_client_credentials, "it is known, for the app to say");
        assert_eq!(
            read(br#"{"redirect_uris":["https://a.example/cb"],"grant_types":["client_credentials"]}"#, false)
                .unwrap_err(),
            RegistrationReason::NoGrantType
        );
    }

    #[test]
    fn a_client_wants_to_act_alone_only_if_it_says_so() {
        for (grant_types, wants) in [
            ("", false),
            (r#","grant_types":["authorization_code"]"#, false),
            (r#","grant_types":["authorization_code","client_credentials"]"#, true),
        ] {
            let body = format!(r#"{{"redirect_uris":["https://a.example/cb"]{grant_types}}}"#);
            assert_eq!(read(body.as_bytes(), false).unwrap().wants_client_credentials, wants, "{grant_types}");
        }
    }

    #[test]
    fn names_and_links_are_made_inert() {
        let metadata = read(
            "{\"redirect_uris\":[\"https://a.example/cb\"],\"client_name\":\"a\u{202e}b\u{0}\u{200b} c\\n\",
              \"client_uri\":\"javascript:alert(1)\",\"logo_uri\":\"http://a.example/l.png\"}"
                .replace('\u{0}', "\\u0000")
                .as_bytes(),
            false,
        )
        .unwrap()
        .metadata;
        assert_eq!(metadata.name.as_deref(), Some("ab c"));
        assert_eq!((metadata.home_page, metadata.logo), (None, None));
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        for (body, reason) in [
            ("", RegistrationReason::NotMetadata),
            ("[]", RegistrationReason::NotMetadata),
            ("null", RegistrationReason::NotMetadata),
            (r#"{"redirect_uris":"https://a.example"}"#, RegistrationReason::NotMetadata),
            (
                r#"{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}"#,
                RegistrationReason::NotMetadata,
            ),
            ("{}", RegistrationReason::RedirectUrisMissing),
            (r#"{"redirect_uris":[]}"#, RegistrationReason::RedirectUrisMissing),
            (
                r#"{"redirect_uris":["javascript:alert(1)"]}"#,
                RegistrationReason::RedirectUri(super::super::redirect::InvalidRedirectUri::Scheme),
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"client_secret_jwt"}"#,
                RegistrationReason::AuthMethodUnsupported,
            ),
            (
                r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt"}"#,
                RegistrationReason::KeysMissing,
            ),
        ] {
            assert_eq!(read(body.as_bytes(), false).unwrap_err(), reason, "{body}");
        }
        let long = format!(r#"{{"redirect_uris":["https://a.example/"],"client_name":"{}"}}"#, "x".repeat(257));
        assert_eq!(read(long.as_bytes(), false).unwrap_err(), RegistrationReason::NameTooLong);
        assert_eq!(
            read("[".repeat(60_000).as_bytes(), false).unwrap_err(),
            RegistrationReason::NotMetadata,
            "depth is bounded"
        );
    }

    #[test]
    fn what_is_counted_may_be_as_much_as_its_limit() {
        let with = |uris: usize, name: usize, text: &str| {
            let uris: Vec<_> = (0..uris).map(|number| format!("https://a.example/{number}")).collect();
            let body = serde_json::json!({ "redirect_uris": uris, "client_name": "n".repeat(name), "x": text });
            read(body.to_string().as_bytes(), false).err()
        };
        assert_eq!(with(MAX_REDIRECT_URIS, MAX_NAME_CHARS, ""), None);
        assert_eq!(with(MAX_REDIRECT_URIS + 1, 1, ""), Some(RegistrationReason::RedirectUrisMissing));
        assert_eq!(with(1, MAX_NAME_CHARS + 1, ""), Some(RegistrationReason::NameTooLong));
        // Brackets in a text nest nothing, wherever that ends.
        for text in ["[", "]", r#"\"["#, r#"""#] {
            assert_eq!(with(1, 1, &text.repeat(100)), None, "{text}");
        }
    }

    #[test]
    fn attack_36_depth_is_counted_outside_of_texts() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!((check_depth(nested(MAX_JSON_DEPTH).as_bytes()), json_depth(b"[{}][]")), (Ok(()), 2));
        assert!(check_depth(nested(MAX_JSON_DEPTH + 1).as_bytes()).is_err());
        for (body, depth) in [(r#"["]]"[["#, 3), (r#""\"[""#, 0), (r#""\\"["#, 1), (r#"{"a":"[{"}"#, 1)] {
            assert_eq!(json_depth(body.as_bytes()), depth, "{body}");
        }
    }
}
