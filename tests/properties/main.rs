//! Properties of every parser, over what honest and dishonest people send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod parsers;

use proptest::prelude::*;

/// Anything, or something that looks like it.
fn like(pattern: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        1 => ".{0,60}",
        4 => pattern,
        // The same with a character changed.
        2 => (pattern, any::<prop::sample::Index>(), any::<char>()).prop_map(|(text, at, char)| {
            let mut chars: Vec<char> = text.chars().collect();
            if !chars.is_empty() {
                let at = at.index(chars.len());
                chars[at] = char;
            }
            chars.into_iter().collect()
        }),
    ]
}

const URI: &str = r"(https?|HTTP|com\.example\.app|javascript|data)://?(a@|localhost|127\.0\.0\.1|\[::1\]|evil\.example|A\.example)?(:[0-9]{0,5})?(/[a-z%.0-9]{0,6}){0,3}(\?[a-z=&%0-9]{0,9})?(#x)?";
const LOOPBACK: &str =
    r"http://(localhost|127\.0\.0\.1|\[::1\]|127\.0\.0\.1\.evil|u@localhost)(:[0-9]{0,6})?(/cb|/|/a/b)?(\?x=1)?";
const FORM: &str =
    r"((client_id|client_secret|scope|state|resource|prompt|max_age|redirect_uri|x)=[a-z%+0-9:/]{0,12}&?){0,8}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scope_sets(text in like(r"([a-z:!#\[\]~]{1,5} {0,3}){0,6}")) { parsers::scope_set(&text); }

    #[test]
    fn redirect_uris(text in like(URI)) { parsers::redirect_uri(&text); }

    #[test]
    fn redirect_uris_of_loopback(text in like(LOOPBACK)) { parsers::redirect_uri(&text); }

    #[test]
    fn redirect_pairs(registered in like(LOOPBACK), presented in like(LOOPBACK)) {
        parsers::redirect_pair(&registered, &presented);
    }

    #[test]
    fn resource_uris(text in like(URI)) { parsers::resource_uri(&text); }

    #[test]
    fn issuers(text in like(URI)) { parsers::issuer(&text); }

    #[test]
    fn parameters(text in like(FORM), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        parsers::parameters(text.as_bytes());
        parsers::parameters(&bytes);
    }

    #[test]
    fn credentials(user in like("[a-z%:+é]{0,12}:[a-z%:+]{0,12}"), raw in like("Basic [A-Za-z0-9+/=]{0,40}"), form in like(FORM)) {
        use base64::Engine as _;
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user));
        parsers::credentials(basic.as_bytes(), form.as_bytes());
        parsers::credentials(raw.as_bytes(), form.as_bytes());
    }

    #[test]
    fn registrations(uri in like(URI), name in ".{0,40}", link in like(URI), extra in like(r"[\[\]{}:,0-9a-z]{0,20}")) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let [uri, name, link] = [uri, name, link].map(|value| text(&value));
        let body = format!(r#"{{"redirect_uris":[{uri}],"client_name":{name},"client_uri":{link},"logo_uri":{link}}}"#);
        parsers::registration(body.as_bytes());
        parsers::registration(format!(r#"{{"redirect_uris":[{uri}],{extra}}}"#).as_bytes());
        parsers::registration(extra.as_bytes());
    }

    #[test]
    fn assertions(
        alg in like("EdDSA|Ed25519|ES256|none"),
        header in like(r#"("(kid|typ|crit|alg)":("JWT"|"x"|\[\]|null),){0,2}"#),
        id in like("[a-z]{1,3}"), other in like("[a-z]{0,3}"),
        aud in like(r#""https://app\.example(/|/oauth/token|\.evil)?"|\["https://app\.example"(,"x")?\]"#),
        exp in prop_oneof![1_799_999_900_u64..1_800_003_700, any::<u64>()],
        extra in like(r#"(,"(nbf|iat|jti|aud|exp)":(1800000000|1800000090|"x"|-1|1e400|\{\})){0,2}"#),
    ) {
        let header = format!(r#"{{{header}"alg":"{alg}"}}"#);
        for (iss, sub) in [(&id, &id), (&id, &other)] {
            let claims = format!(r#"{{"iss":"{iss}","sub":"{sub}","aud":{aud},"exp":{exp},"jti":"{other}"{extra}}}"#);
            parsers::assertion(&header, &claims);
        }
        parsers::assertion(&extra, &header);
    }

    #[test]
    fn key_sets(
        kty in like("OKP|EC|RSA|oct"), crv in like("Ed25519|P-256|P-384"),
        x in like("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"), n in like("[A-Za-z0-9_-]{0,9}"), e in like("AQAB|Aw|AQ|"),
        extra in like(r#"(,"(kid|alg|use|key_ops|d|k|x)":("sig"|"EdDSA"|"ES256"|"enc"|\["verify"\]|7)){0,3}"#),
    ) {
        let key = format!(r#"{{"kty":"{kty}","crv":"{crv}","x":"{x}","y":"{x}","n":"{n}","e":"{e}"{extra}}}"#);
        parsers::key_set(&format!(r#"{{"keys":[{key},{key}]}}"#));
        parsers::key_set(&format!(r#"{{"keys":[{key}]}}"#));
        parsers::key_set(&key);
    }

    #[test]
    fn introspection_answers(
        aud in like(r#""https://app.example/(api|mcp)"|\[("https://app\.example/api",?){0,2}\]|7"#),
        holder in like(r#""holder":"(user|client)"(,"sub":"[a-z]{0,2}")?"#),
        exp in prop_oneof![1_799_999_990_u64..1_800_000_010, any::<u64>()], scope in like("[a-z:]{0,5} ?[a-z]{0,3}"),
        extra in like(r#"(,"(active|nbf|iat|iss|aud|token_type)":(true|1800000000|"https://app\.example"|"x"|-1|1e400)){0,2}"#),
    ) {
        let answer = format!(
            r#"{{"active":true,"token_type":"Bearer","client_id":"c","grant_id":"00000000000000ff","aud":{aud},
            "exp":{exp},"scope":"{scope}",{holder}{extra}}}"#
        );
        parsers::introspected(&answer);
        parsers::introspected(&extra);
    }

    #[test]
    fn metadata_documents(uri in like(URI), name in ".{0,40}", cache in like(r"(max-age|s-maxage|no-store|,|=| ){0,4}[0-9]{0,22}"), extra in like(r#"(,"[a-z_]{0,12}":[\[\]{}a-z0-9"]{0,9}){0,2}"#)) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (uri_text, name) = (text(&uri), text(&name));
        let id = "https://client.example/client.json";
        let body = format!(r#"{{"client_id":"{id}","redirect_uris":[{uri_text}],"client_name":{name}{extra}}}"#);
        parsers::metadata_document(format!("{uri}\n{cache}\n{body}").as_bytes());
        parsers::document_url(&uri.replacen("http:", "https:", 1));
    }

    #[test]
    fn sealed_prompts(text in like("[A-Za-z0-9_-]{0,400}")) { parsers::sealed_prompt(&text); }

    #[test]
    fn bearer_strings(text in like("gr[acr]_[A-Za-z0-9_-]{52,56}")) { parsers::bearer_string(&text); }

    #[test]
    fn challenges(text in like("[A-Za-z0-9_-]{42,44}")) { parsers::challenge(&text); }

    #[test]
    fn ways_back(text in like(r"[/\\]{0,3}[a-z.:@?#]{0,12}")) { parsers::return_to(&text); }

    #[test]
    fn stored_clients(json in like(r#"\{("id"|"origin"|"revision"):("[a-z]{0,3}"|[0-9]{1,3})\}"#)) {
        parsers::stored_client(json.as_bytes());
    }

    #[test]
    fn configuration(text in like("[A-Za-z0-9+/=,]{0,90}")) { parsers::configuration(&text); }
}
