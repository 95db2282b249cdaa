//! Public keys of clients: JWK Sets (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::json::Unambiguous;
use super::jws::Algorithm;

/// The most keys of one set: enough for a rotation, and a bound to what one assertion costs.
const MAX_KEYS: usize = 16;
const MAX_ID_BYTES: usize = 256;
/// RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used"; the upper bound is that of the verifier.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// What a private or symmetric key has, and a public one has not (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a text is not the key set of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvalidKeys {
    /// It is not a JWK Set: an object with an array of keys, and no member twice.
    #[error("it is not a JWK Set: a JSON object with the array `keys`")]
    NotKeySet,
    /// It has more than 16 keys.
    #[error("it has more than 16 keys")]
    TooMany,
    /// One of its keys is a shared secret, which proves nothing about who signed.
    #[error("it has a symmetric key: only public keys may be here")]
    Symmetric,
    /// One of its keys is a private one, which nobody else may ever see.
    #[error("it has a private key: only public keys may be here; that one must not be used any more")]
    Private,
    /// A key has not what its kind must have, or is for an algorithm of another kind of keys.
    #[error("one of its keys is malformed")]
    Malformed,
    /// An RSA key is too small or too large.
    #[error("one of its RSA keys has not 2048 to 8192 bits")]
    Size,
    /// None of its keys is of a kind that is known here.
    #[error("it has no key for ES256, RS256, PS256 or EdDSA with Ed25519")]
    NoneUsable,
}

/// The public keys by which a client proves who it is: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Arc<[Key]>);

/// One public key, and what it may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    pub(super) material: Material,
}

/// The numbers of a public key. Whether a point lies on its curve is found out by each verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Material {
    /// Modulus and exponent, both as short as they can be.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point of P-256.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

impl KeySet {
    /// Reads a JWK Set. Keys of other kinds and for other uses than signatures are left out (RFC 7517 §5).
    ///
    /// # Errors
    /// See [`InvalidKeys`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let Unambiguous(value) = serde_json::from_str(text).map_err(|_| InvalidKeys::NotKeySet)?;
        Self::from_value(&value)
    }

    pub(super) fn from_value(value: &Value) -> Result<Self, InvalidKeys> {
        let keys = value.get("keys").and_then(Value::as_array).ok_or(InvalidKeys::NotKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(InvalidKeys::TooMany);
        }
        let read = |key: &Value| Key::read(key.as_object().ok_or(InvalidKeys::NotKeySet)?);
        let usable: Vec<_> = keys.iter().map(read).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        if usable.is_empty() { Err(InvalidKeys::NoneUsable) } else { Ok(Self(usable.into())) }
    }

    /// The keys that may have made a signature, as its header describes it. Keys without an id are tried whatever the
    /// header says: it is a hint (RFC 7515 §4.1.4), and all are keys of one client.
    pub(super) fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            let is_meant = match (id, key.id.as_deref()) {
                (Some(wanted), Some(own)) => wanted == own,
                (None, _) | (_, None) => true,
            };
            is_meant && key.is_for(algorithm)
        })
    }

    fn to_value(&self) -> Value {
        json!({ "keys": self.0.iter().map(Key::to_value).collect::<Vec<_>>() })
    }
}

impl Serialize for KeySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Unambiguous(value) = Unambiguous::deserialize(deserializer)?;
        Self::from_value(&value).map_err(serde::de::Error::custom)
    }
}

impl Key {
    /// Reads a key; `None` if it is not one that could verify a signature here.
    fn read(jwk: &Map<String, Value>) -> Result<Option<Self>, InvalidKeys> {
        let kind = text(jwk, "kty")?.ok_or(InvalidKeys::Malformed)?;
        if kind == "oct" || jwk.contains_key("k") {
            return Err(InvalidKeys::Symmetric);
        }
        if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
            return Err(InvalidKeys::Private);
        }
        // RFC 7517 §4.2, §4.3
        if text(jwk, "use")?.is_some_and(|usage| usage != "sig") || !may_verify(jwk)? {
            return Ok(None);
        }
        let material = match (kind, text(jwk, "crv")?) {
            ("RSA", _) => rsa(jwk)?,
            ("EC", Some("P-256")) => p256(jwk)?,
            ("OKP", Some("Ed25519")) => Material::Ed25519(number(jwk, "x")?),
            (_, _) => return Ok(None),
        };
        let algorithm = match text(jwk, "alg")?.map(Algorithm::named) {
            Some(None) => return Ok(None),
            Some(algorithm) => algorithm,
            None => None,
        };
        let id = text(jwk, "kid")?.map(str::to_owned);
        let key = Self { id, algorithm, material };
        let is_consistent = algorithm.is_none_or(|algorithm| key.is_for(algorithm))
            && key.id.as_ref().is_none_or(|id| id.len() <= MAX_ID_BYTES);
        if is_consistent { Ok(Some(key)) } else { Err(InvalidKeys::Malformed) }
    }

    /// Whether the key may verify a signature by that algorithm: it is of its kind, and for no other.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let is_of_kind = match (&self.material, algorithm) {
            (Material::Rsa { .. }, Algorithm::Rs256 | Algorithm::Ps256)
            | (Material::P256(_), Algorithm::Es256)
            | (Material::Ed25519(_), Algorithm::EdDsa) => true,
            (Material::Rsa { .. } | Material::P256(_) | Material::Ed25519(_), _) => false,
        };
        is_of_kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    fn to_value(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            Material::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
            Material::P256(point) => {
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Material::Ed25519(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
        };
        if let Some(id) = &self.id {
            jwk["kid"] = json!(id);
        }
        if let Some(algorithm) = self.algorithm {
            jwk["alg"] = json!(algorithm.name());
        }
        jwk
    }
}

/// A member that is a text, if it is there.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, InvalidKeys> {
    match jwk.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(InvalidKeys::Malformed),
    }
}

fn may_verify(jwk: &Map<String, Value>) -> Result<bool, InvalidKeys> {
    match jwk.get("key_ops") {
        None => Ok(true),
        Some(Value::Array(operations)) => Ok(operations.iter().any(|operation| operation == "verify")),
        Some(_) => Err(InvalidKeys::Malformed),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, InvalidKeys> {
    let encoded = text(jwk, name)?.ok_or(InvalidKeys::Malformed)?;
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidKeys::Malformed)
}

fn number<const LEN: usize>(jwk: &Map<String, Value>, name: &str) -> Result<[u8; LEN], InvalidKeys> {
    bytes(jwk, name)?.try_into().map_err(|_| InvalidKeys::Malformed)
}

fn p256(jwk: &Map<String, Value>) -> Result<Material, InvalidKeys> {
    let (x, y): ([u8; 32], [u8; 32]) = (number(jwk, "x")?, number(jwk, "y")?);
    let mut point = [4; 65];
    point[1..33].copy_from_slice(&x);
    point[33..].copy_from_slice(&y);
    Ok(Material::P256(point))
}

fn rsa(jwk: &Map<String, Value>) -> Result<Material, InvalidKeys> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    // RFC 7518 §2: "MUST utilize the minimum number of octets needed to represent the value"
    let (Some(first @ 1..), Some(1..)) = (n.first(), e.first()) else {
        return Err(InvalidKeys::Malformed);
    };
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) {
        return Err(InvalidKeys::Size);
    }
    // An exponent of 1 would make every text its own signature; one beyond 65537 makes a refusal expensive for us.
    let exponent = e.iter().take(8).fold(0_u64, |number, byte| number * 256 + u64::from(*byte));
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !(3..=65537).contains(&exponent) || e.len() > 3 || !is_odd(&e) || !is_odd(&n) {
        return Err(InvalidKeys::Malformed);
    }
    Ok(Material::Rsa { n, e })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn read(keys: &[Value]) -> Result<(), InvalidKeys> {
        KeySet::parse(&json!({ "keys": keys }).to_string()).map(drop)
    }

    fn rsa(last: u8, exponent: &str) -> Value {
        let mut modulus = [0x80; 256];
        modulus[255] = last;
        json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": exponent })
    }

    #[test]
    fn attack_25_whatever_has_a_trait_of_a_shared_secret_is_one() {
        for key in [json!({ "kty": "oct" }), json!({ "kty": "oct", "k": "AA" }), json!({ "kty": "RSA", "k": "AA" })] {
            assert_eq!(read(std::slice::from_ref(&key)), Err(InvalidKeys::Symmetric), "{key}");
        }
    }

    #[test]
    fn a_modulus_and_an_exponent_are_odd_and_of_a_size_that_is_worth_something() {
        for exponent in ["Aw", "AQAB"] {
            assert_eq!(read(&[rsa(1, exponent)]), Ok(()), "{exponent}");
            assert_eq!(read(&[rsa(2, exponent)]), Err(InvalidKeys::Malformed), "an even modulus");
        }
        for exponent in ["AQ", "BA", "AQAD", "AQAAAAM", "AAM"] {
            assert_eq!(read(&[rsa(1, exponent)]), Err(InvalidKeys::Malformed), "{exponent}");
        }
    }

    #[test]
    fn a_modulus_has_at_least_2048_bits_whatever_its_first_ones_are() {
        let of = |first: u8, length| {
            let mut modulus = vec![0x81; length];
            modulus[0] = first;
            read(&[json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" })])
        };
        assert_eq!((of(0x80, 256), of(1, 257), of(0x80, 1024)), (Ok(()), Ok(()), Ok(())));
        assert_eq!((of(0x7f, 256), of(1, 1025)), (Err(InvalidKeys::Size), Err(InvalidKeys::Size)));
    }

    #[test]
    fn a_set_is_written_as_it_was_read() {
        let mut keys = Vec::new();
        for algorithm in ["RS256", "PS256"] {
            let mut key = rsa(1, "AQAB");
            (key["alg"], key["kid"]) = (json!(algorithm), json!("k"));
            keys.push(key);
        }
        keys.push(
            json!({ "kty": "EC", "crv": "P-256", "x": "Aw".repeat(21) + "A", "y": "A".repeat(43), "alg": "ES256" }),
        );
        keys.push(json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43), "alg": "EdDSA" }));
        keys.push(rsa(1, "Aw"));
        let set = json!({ "keys": keys });
        let read: KeySet = serde_json::from_value(set.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), set);
    }

    #[test]
    fn the_id_of_a_key_has_at_most_256_bytes() {
        let mut key = rsa(1, "AQAB");
        key["kid"] = json!("i".repeat(MAX_ID_BYTES));
        assert_eq!(read(std::slice::from_ref(&key)), Ok(()));
        key["kid"] = json!("i".repeat(MAX_ID_BYTES + 1));
        assert_eq!(read(&[key]), Err(InvalidKeys::Malformed));
    }

    #[test]
    fn keys_of_another_algorithm_or_with_another_id_made_no_signature() {
        let key = |id: Option<&str>, algorithm: Option<&str>| {
            let mut key = rsa(1, "AQAB");
            key["kid"] = json!(id.unwrap_or_default());
            if id.is_none() {
                key.as_object_mut().unwrap().remove("kid");
            }
            if let Some(algorithm) = algorithm {
                key["alg"] = json!(algorithm);
            }
            key
        };
        let keys = [key(Some("a"), None), key(Some("b"), None), key(None, None), key(Some("a"), Some("PS256"))];
        let set = KeySet::from_value(&json!({ "keys": keys })).unwrap();
        let count = |algorithm, id| set.candidates(algorithm, id).count();
        assert_eq!([count(Algorithm::Rs256, None), count(Algorithm::Ps256, None)], [3, 4]);
        assert_eq!([count(Algorithm::Rs256, Some("a")), count(Algorithm::Ps256, Some("a"))], [2, 3]);
        assert_eq!([count(Algorithm::Rs256, Some("c")), count(Algorithm::Es256, None)], [1, 0]);
    }

    #[test]
    fn a_set_has_so_many_keys_and_no_more() {
        let keys = vec![rsa(1, "AQAB"); MAX_KEYS + 1];
        assert_eq!((read(&keys[1..]), read(&keys)), (Ok(()), Err(InvalidKeys::TooMany)));
    }
}
