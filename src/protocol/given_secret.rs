//! Client secrets that the app brings: a text that stands for at least 32 random bytes.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// What a secret must stand for, so that its hash alone protects it.
const MIN_BYTES: usize = 32;
/// The fewest characters that can stand for so many bytes.
const MIN_CHARS: usize = 43;
/// Fewer different bytes come by chance less than once in 10¹⁴ secrets.
const MIN_DIFFERENT_BYTES: usize = 16;

/// Why a text is no secret for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakSecret {
    /// It stands for less than 32 bytes.
    #[error("it is too short: use 32 random bytes, for example from `openssl rand -base64 32`")]
    Short,
    /// It is not encoded, so that nobody can tell for how many bytes it stands.
    #[error(
        "it is neither base64 nor hexadecimal: use 32 random bytes in either, for example from `openssl rand -base64 32`"
    )]
    NotEncoded,
    /// It repeats itself.
    #[error("it repeats a few bytes: use 32 random ones, for example from `openssl rand -base64 32`")]
    Repetitive,
}

/// Finds that a secret is an encoded value of at least 32 bytes: base64 or base64url, padded or not, or
/// hexadecimal. Its text as a whole is the secret, and it is never kept decoded.
///
/// # Errors
/// See [`WeakSecret`].
pub fn check(secret: &str) -> Result<(), WeakSecret> {
    if secret.len() < MIN_CHARS {
        return Err(WeakSecret::Short);
    }
    let bytes = decoded(secret).ok_or(WeakSecret::NotEncoded)?;
    if bytes.len() < MIN_BYTES {
        return Err(WeakSecret::Short);
    }
    let different: BTreeSet<_> = bytes.iter().collect();
    if different.len() < MIN_DIFFERENT_BYTES { Err(WeakSecret::Repetitive) } else { Ok(()) }
}

/// What hexadecimal digits alone stand for is never judged as base64, where they would stand for more.
fn decoded(text: &str) -> Option<Vec<u8>> {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digits = text.as_bytes().chunks_exact(2);
        return digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|alphabet| alphabet.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::super::secret::BearerText;
    use super::*;

    const BYTES: [u8; 32] = [
        0x01, 0xfb, 0xff, 0x22, 0x93, 0x84, 0xe5, 0x36, 0x47, 0xd8, 0x29, 0x1a, 0xbb, 0x6c, 0x0d, 0xfe, 0x5f, 0x70,
        0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09, 0x10, 0x21, 0x32, 0x43, 0x54,
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_usual_encoding_of_32_bytes_is_taken() {
        for text in [
            STANDARD.encode(BYTES),
            STANDARD_NO_PAD.encode(BYTES),
            URL_SAFE.encode(BYTES),
            URL_SAFE_NO_PAD.encode(BYTES),
            hex(&BYTES),
            hex(&BYTES).to_uppercase(),
            STANDARD.encode([BYTES, BYTES].concat()),
            BearerText::client_secret(&BYTES).expose().to_owned(),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_stands_for_less_is_refused() {
        for text in [
            "",
            "short",
            &STANDARD.encode(&BYTES[1..]),
            &URL_SAFE_NO_PAD.encode(&BYTES[1..]),
            &hex(&BYTES[1..]),
            &hex(&BYTES)[..48],
            &hex(&BYTES)[..63],
            // As hexadecimal digits, which it may be, it stands for 21 bytes.
            &"A".repeat(43),
        ] {
            assert_eq!(check(text), Err(WeakSecret::Short), "{text}");
        }
    }

    #[test]
    fn sixteen_different_bytes_are_enough_and_fifteen_are_not() {
        let of = |different: u8| STANDARD.encode((0..32).map(|byte| byte % different).collect::<Vec<_>>());
        assert_eq!((check(&of(16)), check(&of(15))), (Ok(()), Err(WeakSecret::Repetitive)));
    }

    #[test]
    fn what_is_not_encoded_is_refused() {
        let encoded = STANDARD.encode(BYTES);
        for text in [
            "correct horse battery staple, and then one more horse",
            "Ein Kennwort, das lang ist, aber nicht zufällig gewählt!",
            &format!("{encoded}\n"),
            &format!(" {encoded}"),
            &format!("{encoded}="),
            &format!("{}-/{}", &encoded[..20], &encoded[22..]),
            &encoded[..43].replace('=', "").replacen(char::is_alphanumeric, "ü", 1),
        ] {
            assert_eq!(check(text), Err(WeakSecret::NotEncoded), "{text:?}");
        }
    }

    #[test]
    fn what_repeats_itself_is_refused() {
        for text in [
            "0".repeat(64),
            "a".repeat(64),
            "changeme".repeat(8),
            "0123456789abcdef".repeat(4),
            STANDARD.encode([0xff; 32]),
        ] {
            assert_eq!(check(&text), Err(WeakSecret::Repetitive), "{text}");
        }
    }
}
