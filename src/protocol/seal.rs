//! Sealing: what leaves the server in a form must come back unchanged and unread.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};

/// Texts that are not keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// There is no key at all.
    #[error("no key is given: put 32 random bytes in base64 there, for example from `openssl rand -base64 32`")]
    Empty,
    /// One of them is not base64 of exactly 32 bytes.
    #[error("a key is 32 random bytes in base64, for example from `openssl rand -base64 32`")]
    NotAKey,
}

/// The ring of keys that seals prompts. All instances of an app share it.
///
/// The first key seals, all of them open: to rotate, put a new key in front, and take the old one
/// away when the longest prompt has ended.
#[derive(Clone)]
pub struct Keys(Vec<[u8; 32]>);

/// What a sealed text is for. A text that was sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A pending authorization request in the consent form.
    Prompt,
    /// What a refresh token was rotated to, for the owner of the old one.
    Successor,
    /// An initial access token.
    InitialAccess,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Prompt => b"grantor prompt v1",
            Self::Successor => b"grantor successor v1",
            Self::InitialAccess => b"grantor initial access v1",
        }
    }
}

/// Fresh randomness for one sealed text.
pub type SealSalt = [u8; 32];

impl Keys {
    /// One key.
    #[must_use]
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(vec![key])
    }

    /// Keys of 32 bytes in base64, separated by commas, the newest first.
    ///
    /// # Errors
    /// If there is none, or one is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        if text.trim().is_empty() {
            return Err(InvalidKeys::Empty);
        }
        text.split(',')
            .map(|key| Self::parse_one(key.trim()).ok_or(InvalidKeys::NotAKey))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn parse_one(text: &str) -> Option<[u8; 32]> {
        let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))).ok()?;
        bytes.try_into().ok()
    }

    /// Encrypts and authenticates `plain`; `None` if it is far too long for a form.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, salt: &SealSalt, plain: Vec<u8>) -> Option<String> {
        Some(URL_SAFE_NO_PAD.encode(seal_under(self.0.first()?, purpose, &[], salt, plain)?))
    }

    /// The text that was sealed; `None` if `sealed` is not what [`Keys::seal`] made with one of these
    /// keys and for this purpose.
    #[must_use]
    pub fn open(&self, purpose: Purpose, sealed: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        self.0.iter().find_map(|key| open_under(key, purpose, &[], &sealed))
    }
}

/// Encrypts and authenticates `plain` under one key, and authenticates `context` with it.
///
/// Each text has a key of its own, derived from `key` and `salt`, so the nonce may be fixed.
pub(super) fn seal_under(
    key: &[u8; 32],
    purpose: Purpose,
    context: &[u8],
    salt: &SealSalt,
    mut plain: Vec<u8>,
) -> Option<Vec<u8>> {
    let key = derive(key, purpose, salt)?;
    key.seal_in_place_append_tag(nonce(), Aad::from(context), &mut plain).ok()?;
    let mut sealed = salt.to_vec();
    sealed.append(&mut plain);
    Some(sealed)
}

/// What [`seal_under`] was given; `None` if anything differs.
pub(super) fn open_under(key: &[u8; 32], purpose: Purpose, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (salt, encrypted) = sealed.split_first_chunk::<32>()?;
    let mut buffer = encrypted.to_vec();
    let plain = derive(key, purpose, salt)?.open_in_place(nonce(), Aad::from(context), &mut buffer).ok()?;
    Some(plain.to_vec())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} ..)", self.0.len())
    }
}

/// RFC 5869: one key a text, separated by purpose.
fn derive(key: &[u8; 32], purpose: Purpose, salt: &SealSalt) -> Option<LessSafeKey> {
    // RFC 5869 §3.3: what is a random key already need not be extracted. The salt has a length of its own, so that no
    // label runs into it.
    let secret = Prk::new_less_safe(HKDF_SHA256, key);
    let info = [salt.as_slice(), purpose.label()];
    let derived = secret.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(derived)))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: SealSalt = [3; 32];

    #[test]
    fn what_was_sealed_opens_again_and_cannot_be_read() {
        let keys = Keys::from_bytes([1; 32]);
        let sealed = keys.seal(Purpose::Prompt, &SALT, b"hello".to_vec()).unwrap();
        assert_eq!(keys.open(Purpose::Prompt, &sealed).unwrap(), b"hello");
        assert!(!URL_SAFE_NO_PAD.decode(&sealed).unwrap().windows(5).any(|window| window == b"hello"));
    }

    #[test]
    fn attack_43_a_changed_text_does_not_open() {
        let keys = Keys::from_bytes([1; 32]);
        let sealed = keys.seal(Purpose::Prompt, &SALT, b"hello".to_vec()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed.replace_range(at..=at, if &sealed[at..=at] == "A" { "B" } else { "A" });
            assert!(keys.open(Purpose::Prompt, &changed).is_none(), "{at}");
        }
        for bad in ["", "A", "!", &sealed[..40]] {
            assert!(keys.open(Purpose::Prompt, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_was_sealed_under_a_secret_opens_with_it_in_its_place_alone() {
        let sealed = seal_under(&[1; 32], Purpose::Successor, b"place", &SALT, b"hello".to_vec()).unwrap();
        let open = |key: u8, purpose, context: &[u8], sealed: &[u8]| open_under(&[key; 32], purpose, context, sealed);
        assert_eq!(open(1, Purpose::Successor, b"place", &sealed).unwrap(), b"hello");
        assert!(open(2, Purpose::Successor, b"place", &sealed).is_none());
        assert!(open(1, Purpose::Prompt, b"place", &sealed).is_none());
        assert!(open(1, Purpose::Successor, b"plac", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(1, Purpose::Successor, b"place", &changed).is_none(), "{at}");
            assert!(open(1, Purpose::Successor, b"place", &sealed[..at]).is_none(), "{at}");
        }
    }

    #[test]
    fn keys_rotate() {
        let (old, new) = (Keys::from_bytes([1; 32]), Keys::from_bytes([2; 32]));
        let both = Keys(vec![[2; 32], [1; 32]]);
        let sealed = old.seal(Purpose::Prompt, &SALT, b"x".to_vec()).unwrap();
        assert!(both.open(Purpose::Prompt, &sealed).is_some());
        assert!(new.open(Purpose::Prompt, &sealed).is_none());
        assert!(new.open(Purpose::Prompt, &both.seal(Purpose::Prompt, &SALT, vec![]).unwrap()).is_some());
    }

    #[test]
    fn keys_are_read_from_text() {
        let one = STANDARD.encode([1; 32]);
        assert_eq!(
            Keys::parse(&format!("{one}, {}", URL_SAFE_NO_PAD.encode([255; 32]))).unwrap().0,
            [[1; 32], [255; 32]]
        );
        assert_eq!(Keys::parse(" ").unwrap_err(), InvalidKeys::Empty);
        for bad in ["secret", &format!("{one},"), &STANDARD.encode([1; 31])] {
            assert_eq!(Keys::parse(bad).unwrap_err(), InvalidKeys::NotAKey, "{bad}");
        }
        assert_eq!(format!("{:?}", Keys::parse(&one).unwrap()), "Keys(1 ..)");
    }
}
