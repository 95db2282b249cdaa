//! Signed texts in compact form (RFC 7515 §7.1), by algorithms that are on a list, each with keys of its own kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

use super::error::AssertionReason;
use super::json::object;
use super::jwk::{KeySet, Material};

/// A signature algorithm of RFC 7518 §3.1 or RFC 8037 §3.1. There is no `none` here, and none with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// Ed25519.
    EdDsa,
}

/// The names of the algorithms, as the server metadata list them. RFC 9864 calls `EdDSA` with this curve `Ed25519`.
pub(super) const ALGORITHMS: [&str; 5] = ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"];

impl Algorithm {
    /// The algorithm of that name, which is case-sensitive (RFC 7515 §4.1.1).
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// A key that is no client's, and takes as long to verify with as one that is.
    fn nobodys_key(self) -> Material {
        match self {
            Self::Rs256 | Self::Ps256 => Material::Rsa { n: vec![0xff; 256], e: vec![1, 0, 1] },
            Self::Es256 => Material::P256(NOBODYS_POINT),
            Self::EdDsa => Material::Ed25519(NOBODYS_ED25519),
        }
    }
}

/// A signed text. Nothing of it is to be believed before [`is_by`](Self::is_by) says so.
pub(super) struct Jws {
    /// Header and payload as they were signed.
    signed: String,
    algorithm: Algorithm,
    key_id: Option<String>,
    signature: Vec<u8>,
}

impl Jws {
    /// Reads a text that may be signed, and its payload, which is an object.
    pub(super) fn read(text: &str) -> Result<(Self, Map<String, Value>), AssertionReason> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AssertionReason::Malformed);
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| AssertionReason::Malformed);
        let parsed = |part: &str| object(&decoded(part)?).ok_or(AssertionReason::Malformed);
        let (algorithm, key_id) = read_header(&parsed(header)?)?;
        let signed = text[..header.len() + 1 + payload.len()].to_owned();
        Ok((Self { signed, algorithm, key_id, signature: decoded(signature)? }, parsed(payload)?))
    }

    /// Whether one of these keys, if there are any, made the signature.
    ///
    /// Where none could have, nobody's key is tried and whatever comes of it is not looked at: how long a refusal took
    /// must not tell which clients there are, nor which keys they have (attack 29).
    pub(super) fn is_by(&self, keys: Option<&KeySet>) -> bool {
        let of = |keys| KeySet::candidates(keys, self.algorithm, self.key_id.as_deref());
        let mut candidates = keys.into_iter().flat_map(of).peekable();
        if candidates.peek().is_none() {
            let _ = self.is_made_with(&self.algorithm.nobodys_key());
            return false;
        }
        candidates.any(|key| self.is_made_with(&key.material))
    }

    /// The algorithm is that of the header and the key one of its kind, which [`KeySet::candidates`] saw to; here any
    /// other pair is a signature that does not hold.
    fn is_made_with(&self, key: &Material) -> bool {
        let (signed, signature) = (self.signed.as_bytes(), self.signature.as_slice());
        match (self.algorithm, key) {
            (Algorithm::Es256, Material::P256(point)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            (Algorithm::EdDsa, Material::Ed25519(x)) => {
                UnparsedPublicKey::new(&ED25519, x).verify(signed, signature).is_ok()
            }
            (Algorithm::Rs256, Material::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Algorithm::Ps256, Material::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Rs256 | Algorithm::Ps256, _) => false,
        }
    }
}

/// The algorithm and the id of the key. Keys and their addresses in a header (`jwk`, `jku`, `x5c`, `x5u`) are the
/// sender's own words, and never looked at.
fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), AssertionReason> {
    // RFC 7515 §4.1.11: what is listed there must be understood, and there is nothing that we would
    if header.contains_key("crit") {
        return Err(AssertionReason::Critical);
    }
    let text = |name| match header.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(AssertionReason::Malformed),
    };
    let algorithm = text("alg")?.and_then(Algorithm::named).ok_or(AssertionReason::AlgorithmNotAllowed)?;
    // RFC 8725 §3.11: a JWT that says that it is of another type was made for something else
    let is_of_type = text("typ")?.is_none_or(|typ| {
        let name =
            typ.get(..12).filter(|prefix| prefix.eq_ignore_ascii_case("application/")).map_or(typ, |_| &typ[12..]);
        ["JWT", "client-authentication+jwt"].iter().any(|known| known.eq_ignore_ascii_case(name))
    });
    if !is_of_type {
        return Err(AssertionReason::OtherType);
    }
    Ok((algorithm, text("kid")?.map(str::to_owned)))
}

/// The base point of P-256 (SEC 2 §2.4.2), whose private key is 1.
const NOBODYS_POINT: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// The base point of Ed25519 (RFC 8032 §5.1).
const NOBODYS_ED25519: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed with the private key of what is nobody's: it is 1, and everybody knows it.
    const BY_NOBODY: &str = "eyJhbGciOiJFUzI1NiJ9.e30.\
                             axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpaZyYZbPxYKluqxMLPS0PO60bfQdCoXargByo2truSm2w";

    #[test]
    fn nobodys_key_opens_nothing_though_its_signature_holds() {
        let jws = Jws::read(BY_NOBODY).unwrap().0;
        assert!(jws.is_made_with(&Algorithm::Es256.nobodys_key()), "it is a key, and takes as long as one");
        assert!(!jws.is_by(None));
        let others = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
        assert!(!jws.is_by(Some(&KeySet::parse(others).unwrap())));
    }

    #[test]
    fn nobodys_key_is_of_the_kind_that_the_algorithm_needs() {
        for (algorithm, key) in ALGORITHMS.map(|name| {
            let algorithm = Algorithm::named(name).unwrap();
            (algorithm, algorithm.nobodys_key())
        }) {
            match (algorithm, key) {
                (Algorithm::Rs256 | Algorithm::Ps256, Material::Rsa { n, .. }) => assert_eq!(n.len(), 256),
                (Algorithm::Es256, Material::P256(_)) | (Algorithm::EdDsa, Material::Ed25519(_)) => {}
                (algorithm, _) => panic!("{algorithm:?} has a key of another kind"),
            }
        }
    }
}
