//! Tokens, codes and client secrets: an ordered id and a random secret of which only the hash is kept.

use std::fmt;
use std::ops::BitAnd;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};

use super::time::Timestamp;

/// The key of a row: 42 bits of milliseconds and 21 bits of randomness, so that rows lie in the order
/// in which they were made. It is no secret. Two of one millisecond may collide: a store then says so
/// and another is minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderedId(u64);

impl OrderedId {
    const RANDOM_BITS: u32 = 21;

    /// An id for something made `now`; the low bits of `random` are used.
    #[must_use]
    pub const fn new(now: Timestamp, random: u32) -> Self {
        let millis = now.as_millis() & ((1 << 42) - 1);
        Self(millis << Self::RANDOM_BITS | (random as u64 & ((1 << Self::RANDOM_BITS) - 1)))
    }

    /// The lowest id of something made at `time`.
    #[must_use]
    pub const fn first_at(time: Timestamp) -> Self {
        Self::new(time, 0)
    }

    /// The highest id of something made at `time` or before, however late that is.
    #[must_use]
    pub fn last_at(time: Timestamp) -> Self {
        let last = (1 << 42) - 1;
        Self::new(Timestamp::from_millis(time.as_millis().min(last)), u32::MAX)
    }

    /// From the 63 bits of a stored id; `None` if there is a 64th.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits >> 63 == 0 { Some(Self(bits)) } else { None }
    }

    /// The 63 bits of the id, which fit the signed integers of databases.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for OrderedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for OrderedId {
    type Err = std::num::ParseIntError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The top bit is cleared: an id that was never given out is merely unknown.
        u64::from_str_radix(text, 16).map(|bits| Self(bits & (u64::MAX >> 1)))
    }
}

/// The SHA-256 of a secret of 256 random bits. That is all a store ever sees of it.
///
/// A password hash would add nothing: there is no dictionary of 256-bit values.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// A hash as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash for storing.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of the text of a client secret.
    #[must_use]
    pub fn of_text(secret: &str) -> Self {
        Self::of(secret.as_bytes())
    }

    /// Whether both are the hash of one secret, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        // By words: a comparison of so many bytes, one by one, takes as long as the hash itself.
        let (ours, _) = self.0.as_chunks::<8>();
        let (theirs, _) = other.0.as_chunks::<8>();
        let same =
            ours.iter().zip(theirs).map(|(one, other)| u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other)));
        same.fold(Choice::from(1), BitAnd::bitand).into()
    }

    fn of(secret: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret).as_ref());
        Self(hash)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// What a bearer string is for. Each has its prefix, so that one never passes for another and a leaked
/// one is found by secret scanners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerKind {
    /// An authorization code.
    Code,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

impl BearerKind {
    /// The first characters of such a string.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "grc_",
            Self::Access => "gra_",
            Self::Refresh => "grr_",
        }
    }
}

/// What a presented code or token consists of: the key of its row and the hash of its secret.
#[derive(Debug, Clone, Copy)]
pub struct Bearer {
    /// The key of its row.
    pub id: OrderedId,
    /// The hash of the secret that was presented with it.
    pub hash: SecretHash,
}

/// The secret of a presented string. It is not kept.
pub struct Secret([u8; 32]);

impl Secret {
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Secret {
    /// Whether it was made with a mark: its last bit, which nobody can change without its losing its hash.
    pub(super) const fn has_mark(&self) -> bool {
        self.0[31] & 1 == 1
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Bytes of a bearer string behind its prefix, before encoding: 8 of id, 32 of secret.
const BEARER_BYTES: usize = 40;
/// The same after encoding.
const BEARER_CHARS: usize = 54;

impl Bearer {
    /// Reads a presented string; `None` if it was never one of ours.
    #[must_use]
    pub fn parse(kind: BearerKind, text: &str) -> Option<Self> {
        Self::parse_with_secret(kind, text).map(|(bearer, _)| bearer)
    }

    /// The same with the secret itself, for what only its owner may open.
    #[must_use]
    pub fn parse_with_secret(kind: BearerKind, text: &str) -> Option<(Self, Secret)> {
        let encoded = text.strip_prefix(kind.prefix()).filter(|encoded| encoded.len() == BEARER_CHARS)?;
        let mut bytes = [0; BEARER_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        let (id, secret) = bytes[..length].split_first_chunk::<8>()?;
        let bearer = Self { id: OrderedId::from_bits(u64::from_be_bytes(*id))?, hash: SecretHash::of(secret) };
        Some((bearer, Secret(secret.try_into().ok()?)))
    }

    /// Makes a new string and what is kept of it.
    #[must_use]
    pub fn mint(kind: BearerKind, now: Timestamp, random: &BearerSeed) -> (BearerText, Self) {
        let id = OrderedId::new(now, u32::from_be_bytes(random.id));
        let mut bytes = [0; BEARER_BYTES];
        bytes[..8].copy_from_slice(&id.to_bits().to_be_bytes());
        bytes[8..].copy_from_slice(&random.secret);
        let mut text = String::with_capacity(kind.prefix().len() + BEARER_CHARS);
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        (BearerText(text), Self { id, hash: SecretHash::of(&random.secret) })
    }
}

/// Fresh randomness for one code or token.
pub struct BearerSeed {
    id: [u8; 4],
    secret: [u8; 32],
}

impl BearerSeed {
    /// Randomness that a seed takes, in bytes.
    pub const LEN: usize = 36;

    /// Takes fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; Self::LEN]) -> Self {
        let (mut id, mut secret) = ([0; 4], [0; 32]);
        id.copy_from_slice(&bytes[..4]);
        secret.copy_from_slice(&bytes[4..]);
        Self { id, secret }
    }

    /// The same for a secret that has a mark, or has none; 255 random bits stay.
    pub(super) const fn with_mark(&self, mark: bool) -> Self {
        let Self { id, mut secret } = *self;
        secret[31] = if mark { secret[31] | 1 } else { secret[31] & 0xfe };
        Self { id, secret }
    }
}

impl fmt::Debug for BearerSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerSeed(..)")
    }
}

/// The text of a code, a token or a client secret: for its owner only.
#[derive(Clone)]
pub struct BearerText(String);

impl BearerText {
    /// A client secret from fresh random bytes.
    #[must_use]
    pub fn client_secret(random: &[u8; 32]) -> Self {
        Self(format!("grs_{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// A token by which a client manages its registration, from fresh random bytes.
    #[must_use]
    pub fn registration_token(random: &[u8; 32]) -> Self {
        Self(format!("grm_{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// A text that was sealed for its owner and opened by them.
    pub(super) const fn from_sealed(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, to be sent to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted(kind: BearerKind) -> (BearerText, Bearer) {
        Bearer::mint(kind, Timestamp::from_millis(1_800_000_000_000), &BearerSeed::from_random(&[7; 36]))
    }

    #[test]
    fn what_was_minted_is_read_back() {
        let (text, bearer) = minted(BearerKind::Access);
        let read = Bearer::parse(BearerKind::Access, text.expose()).unwrap();
        assert_eq!(read.id, bearer.id);
        assert!(read.hash.matches(&bearer.hash));
    }

    #[test]
    fn another_secret_does_not_match() {
        let (text, bearer) = minted(BearerKind::Access);
        let mut forged = text.expose().to_owned();
        forged.replace_range(20..21, if &forged[20..21] == "A" { "B" } else { "A" });
        let read = Bearer::parse(BearerKind::Access, &forged).unwrap();
        assert!(!read.hash.matches(&bearer.hash));
    }

    #[test]
    fn one_kind_never_passes_for_another() {
        let (code, _) = minted(BearerKind::Code);
        assert!(Bearer::parse(BearerKind::Access, code.expose()).is_none());
    }

    #[test]
    fn attack_21_what_was_never_minted_is_not_read() {
        let (text, _) = minted(BearerKind::Access);
        let text = text.expose();
        let top_bit = format!("gra_{}", URL_SAFE_NO_PAD.encode([0xff; 40]));
        for bad in [
            "",
            "gra_",
            &text[..57],
            &format!("{text}A"),
            &format!("{}é", &text[..56]),
            &format!(" {text}"),
            &text.to_uppercase(),
            &top_bit,
            &format!("{}=", &text[..57]),
        ] {
            assert!(Bearer::parse(BearerKind::Access, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ids_are_in_the_order_of_time() {
        let at = |millis, random| OrderedId::new(Timestamp::from_millis(millis), random);
        assert!(at(1, u32::MAX) < at(2, 0));
        assert!(OrderedId::first_at(Timestamp::from_millis(2)) <= at(2, 0));
        assert!(OrderedId::from_bits(at(u64::MAX, u32::MAX).to_bits()).is_some(), "63 bits");
        assert_eq!(at(5, 6).to_string().parse::<OrderedId>().unwrap(), at(5, 6));
    }

    #[test]
    fn the_highest_id_of_a_time_is_behind_all_that_were_made_until_then() {
        let time = Timestamp::from_millis(5);
        assert_eq!(OrderedId::last_at(time), OrderedId::new(time, u32::MAX));
        assert!(OrderedId::last_at(time) < OrderedId::first_at(Timestamp::from_millis(6)));
        // The milliseconds that an id has room for end with these.
        let last = (1 << 42) - 1;
        for millis in [last, last + 1, u64::MAX] {
            assert_eq!(OrderedId::last_at(Timestamp::from_millis(millis)).to_bits(), u64::MAX >> 1, "{millis}");
        }
        assert!(OrderedId::last_at(Timestamp::from_millis(last - 1)).to_bits() < u64::MAX >> 1);
    }

    #[test]
    fn a_mark_is_the_last_bit_of_a_secret_and_changes_no_other() {
        for (last, without, with) in [(0xa4, 0xa4, 0xa5), (0xa5, 0xa4, 0xa5)] {
            let mut bytes = [7; BearerSeed::LEN];
            bytes[35] = last;
            for (mark, expected) in [(false, without), (true, with)] {
                let seed = BearerSeed::from_random(&bytes).with_mark(mark);
                assert_eq!((seed.id, &seed.secret[..31], seed.secret[31]), ([7; 4], &[7; 31][..], expected));
                assert_eq!(Secret(seed.secret).has_mark(), mark);
            }
        }
    }

    #[test]
    fn attack_49_secrets_do_not_show_in_debug() {
        let (text, bearer) = minted(BearerKind::Access);
        let shown = format!("{text:?} {bearer:?} {:?}", BearerSeed::from_random(&[7; 36]));
        assert!(!shown.contains(&text.expose()[16..]), "{shown}");
        assert!(
            shown.contains("BearerText(..)") && shown.contains("SecretHash(..)") && shown.contains("BearerSeed(..)")
        );
    }

    #[test]
    fn the_secret_of_a_token_is_what_was_minted_and_its_hash_is_the_sha_256_of_that() {
        let (text, bearer) = minted(BearerKind::Refresh);
        let (read, secret) = Bearer::parse_with_secret(BearerKind::Refresh, text.expose()).unwrap();
        assert_eq!(secret.as_bytes(), &[7; 32]);
        assert_eq!(read.hash.as_bytes().as_slice(), digest(&SHA256, &[7; 32]).as_ref());
        assert!(read.hash.matches(&bearer.hash));
    }

    #[test]
    fn an_id_is_read_back_without_its_top_bit() {
        for (text, bits) in [("0", 0), ("7fffffffffffffff", u64::MAX >> 1), ("ffffffffffffffff", u64::MAX >> 1)] {
            assert_eq!(text.parse::<OrderedId>().unwrap().to_bits(), bits);
        }
    }
}
