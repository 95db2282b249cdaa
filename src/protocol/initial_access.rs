//! Initial access tokens (RFC 7591 §3): who has one may register a client.
//!
//! They are sealed and not stored, so that any instance that shares the keys knows them.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::commit::ClaimOnce;
use super::error::RegistrationReason;
use super::seal::{Keys, Purpose, SealSalt};
use super::secret::BearerText;
use super::time::Timestamp;

/// The first characters of such a token.
const PREFIX: &str = "gri_";

/// What is sealed into a token.
#[derive(Serialize, Deserialize)]
struct Sealed {
    id: [u8; 16],
    expires_at: Timestamp,
    once: bool,
}

/// Makes a token that is good until `expires_at`, `once` or any number of times. `None` if it cannot be sealed.
#[must_use]
pub fn issue(keys: &Keys, id: [u8; 16], expires_at: Timestamp, once: bool, salt: &SealSalt) -> Option<BearerText> {
    let plain = serde_json::to_vec(&Sealed { id, expires_at, once }).ok()?;
    let sealed = keys.seal(Purpose::InitialAccess, salt, plain)?;
    Some(BearerText::from_sealed(format!("{PREFIX}{sealed}")))
}

/// Finds that a presented token is good now. What is good once has to be claimed before it counts.
///
/// # Errors
/// If it is not one of ours, or over.
pub fn check(keys: &Keys, presented: &str, now: Timestamp) -> Result<Option<ClaimOnce>, RegistrationReason> {
    let sealed = presented.strip_prefix(PREFIX).ok_or(RegistrationReason::TokenInvalid)?;
    let plain = keys.open(Purpose::InitialAccess, sealed).ok_or(RegistrationReason::TokenInvalid)?;
    let Sealed { id, expires_at, once } =
        serde_json::from_slice(&plain).map_err(|_| RegistrationReason::TokenInvalid)?;
    if now >= expires_at {
        return Err(RegistrationReason::TokenInvalid);
    }
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, &[b"grantor initial access".as_slice(), &id].concat()).as_ref());
    Ok(once.then_some(ClaimOnce { key, keep_until: expires_at, now }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_token_is_good_until_its_end_and_where_it_was_sealed() {
        let keys = Keys::from_bytes([1; 32]);
        let token = issue(&keys, [2; 16], at(100), false, &[3; 32]).unwrap();
        assert!(check(&keys, token.expose(), at(99)).unwrap().is_none());
        for (keys, text, now) in [
            (&keys, token.expose(), 100),
            (&Keys::from_bytes([2; 32]), token.expose(), 1),
            (&keys, &token.expose()[4..], 1),
            (&keys, &token.expose()[..40], 1),
            (&keys, "", 1),
        ] {
            assert_eq!(check(keys, text, at(now)).unwrap_err(), RegistrationReason::TokenInvalid);
        }
    }

    #[test]
    fn a_token_for_one_use_is_claimed_under_a_name_of_its_own() {
        let keys = Keys::from_bytes([1; 32]);
        let claim = |id| {
            let token = issue(&keys, id, at(100), true, &[3; 32]).unwrap();
            check(&keys, token.expose(), at(7)).unwrap().unwrap()
        };
        let (one, other) = (claim([2; 16]), claim([3; 16]));
        assert_ne!(one.key, other.key);
        assert_eq!((one.key, one.keep_until, one.now), (claim([2; 16]).key, at(100), at(7)));
    }
}
