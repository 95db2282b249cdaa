//! The people and their passwords. A real app has this already.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use grantor::Entropy as _;
use grantor::host::{EntropyError, SystemEntropy};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};

/// What OWASP asks of PBKDF2 with SHA-256.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// Everybody who can log in. A password is kept as a salted, slow hash; a real app also limits how
/// often one can guess.
#[derive(Clone)]
pub(crate) struct People {
    by_name: Arc<HashMap<&'static str, Password>>,
    /// What a password is checked against where there is no such person.
    nobody: Password,
}

#[derive(Clone, Copy)]
struct Password {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl People {
    /// `alice` and `bob`, each with their own name as password.
    pub(crate) fn demo() -> Result<Self, EntropyError> {
        let by_name = [("alice", Password::new("alice")?), ("bob", Password::new("bob")?)];
        Ok(Self { by_name: Arc::new(by_name.into()), nobody: Password::of_nobody()? })
    }

    /// The user of that name and password. It takes as long for a name that nobody has, so that time
    /// does not tell who is registered here.
    pub(crate) async fn check(&self, name: &str, password: String) -> Option<String> {
        let (name, known) = match self.by_name.get_key_value(name) {
            Some((name, known)) => (Some(*name), *known),
            None => (None, self.nobody),
        };
        let matches = tokio::task::spawn_blocking(move || known.is(&password)).await.unwrap_or(false);
        name.filter(|_| matches).map(str::to_owned)
    }
}

impl Password {
    fn new(password: &str) -> Result<Self, EntropyError> {
        let (mut salt, mut hash) = ([0; 16], [0; 32]);
        SystemEntropy.fill(&mut salt)?;
        pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, &salt, password.as_bytes(), &mut hash);
        Ok(Self { salt, hash })
    }

    /// No known text has this hash.
    fn of_nobody() -> Result<Self, EntropyError> {
        let (mut salt, mut hash) = ([0; 16], [0; 32]);
        SystemEntropy.fill(&mut salt)?;
        SystemEntropy.fill(&mut hash)?;
        Ok(Self { salt, hash })
    }

    fn is(&self, password: &str) -> bool {
        pbkdf2::verify(PBKDF2_HMAC_SHA256, ROUNDS, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}
