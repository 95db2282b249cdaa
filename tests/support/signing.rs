//! Clients with keys of their own, and what they sign with them.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::protocol::assertion::ASSERTION_TYPE;
use grantor::storage::Storage;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::{Answer, World, pairs};

/// Of tests, and for nothing else: made with `openssl genpkey -algorithm RSA`.
const RSA: &[u8] = include_bytes!("rsa.p8");

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A key pair, and the algorithm that it signs by.
pub struct Key {
    pub algorithm: &'static str,
    pub id: &'static str,
    pair: Pair,
}

impl Key {
    pub fn new(algorithm: &'static str, id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pair = match algorithm {
            "ES256" => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random);
                Pair::P256(pair.unwrap())
            }
            "ES384" => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, made.as_ref(), &random);
                Pair::P384(pair.unwrap())
            }
            "EdDSA" | "Ed25519" => {
                let made = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
            }
            "RS256" | "PS256" => Pair::Rsa(RsaKeyPair::from_pkcs8(RSA).unwrap()),
            _ => panic!("{algorithm}"),
        };
        Self { algorithm, id, pair }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
            }
            Pair::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key()) }),
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kty": "RSA", "n": encoded(n), "e": encoded(e) })
            }
        };
        jwk["kid"] = json!(self.id);
        jwk
    }

    pub fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(signed).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &dyn ring::signature::RsaEncoding =
                    if self.algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, signed, &mut signature).unwrap();
                signature
            }
        }
    }

    /// Signs these very texts.
    pub fn sign_texts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        format!("{signed}.{}", encoded(self.signature(signed.as_bytes())))
    }

    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_texts(&header.to_string(), &claims.to_string())
    }

    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "kid": self.id, "typ": "JWT" })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }
}

/// A JWK Set as text.
pub fn jwks(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// The claims of an honest assertion, each with a `jti` of its own.
pub fn claims<S>(world: &World<S>, client: &str) -> Value {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let now = world.clock.now().as_secs();
    json!({ "iss": client, "sub": client, "aud": world.issuer, "iat": now, "exp": now + 60,
            "jti": format!("number {}", NUMBER.fetch_add(1, Ordering::SeqCst)) })
}

/// The same with changes: `null` takes a claim out.
pub fn changed(mut claims: Value, changes: &Value) -> Value {
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// Posts a form with an assertion.
pub async fn post<S: Storage + Clone>(world: &World<S>, path: &str, assertion: &str, form: &[(&str, &str)]) -> Answer {
    let with = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    world.post(path, &[form, &with].concat(), &[]).await
}

/// Asks for access of the client's own.
pub async fn own_access<S: Storage + Clone>(world: &World<S>, assertion: &str) -> Answer {
    post(world, "/oauth/token", assertion, &[("grant_type", "client_credentials")]).await
}

/// The same with changes to the form: an empty value takes a parameter out.
pub async fn own_access_with<S: Storage + Clone>(
    world: &World<S>,
    assertion: &str,
    changes: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Answer {
    let honest = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    let form = crate::support::changed(&honest, changes);
    world.post("/oauth/token", &pairs(&form), headers).await
}
