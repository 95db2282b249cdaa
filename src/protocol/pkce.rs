//! Proof key for code exchange, S256 alone (RFC 7636).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

/// The challenge of an authorization request: the SHA-256 of the verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge([u8; 32]);

impl CodeChallenge {
    /// Reads a `code_challenge`; `None` if it is not the base64url of 32 bytes without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // RFC 7636 §4.2: code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))
        let mut bytes = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// A challenge as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The challenge for storing.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `verifier` is the one that this challenge was made from, in constant time.
    #[must_use]
    pub fn is_met_by(&self, verifier: &str) -> bool {
        // RFC 7636 §4.1: code-verifier = 43*128unreserved
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let hash = digest(&SHA256, verifier.as_bytes());
        well_formed && bool::from(hash.as_ref().ct_eq(&self.0))
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_is_met() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        assert!(!challenge.is_met_by(CHALLENGE));
        assert!(!challenge.is_met_by(""));
        assert!(!challenge.is_met_by(&VERIFIER.to_lowercase()));
    }

    #[test]
    fn a_verifier_outside_the_grammar_is_not_met_even_if_it_hashes_right() {
        for verifier in
            ["short".to_owned(), "a".repeat(42), "a".repeat(129), format!("{}!", "a".repeat(43)), "é".repeat(30)]
        {
            let challenge = CodeChallenge(digest(&SHA256, verifier.as_bytes()).as_ref().try_into().unwrap());
            assert!(!challenge.is_met_by(&verifier), "{verifier}");
        }
        for verifier in ["a".repeat(43), "a".repeat(128)] {
            let challenge = CodeChallenge(digest(&SHA256, verifier.as_bytes()).as_ref().try_into().unwrap());
            assert!(challenge.is_met_by(&verifier), "{verifier}");
        }
    }

    #[test]
    fn a_challenge_is_exactly_32_bytes_of_canonical_base64url() {
        let longer = format!("{CHALLENGE}AA");
        for bad in [
            "",
            "abc",
            &CHALLENGE[..42],
            &longer,
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN",
            &format!("{CHALLENGE}="),
        ] {
            assert!(CodeChallenge::parse(bad).is_none(), "{bad}");
        }
    }
}
