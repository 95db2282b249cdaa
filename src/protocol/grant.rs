//! Grants and what hangs on them: codes and access tokens.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::client::ClientId;
use super::pkce::CodeChallenge;
use super::resource::{ResourceId, ResourceUri};
use super::scope::ScopeSet;
use super::secret::{OrderedId, SecretHash};
use super::time::Timestamp;

/// A user, by the stable name that the app gives them. Never shown to other users.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(Arc<str>);

impl Subject {
    /// A user by the app's own id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The app's own id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose access a grant is. A client is never a user, whatever its id (RFC 9700 §4.15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A user's, who agreed that the client uses it.
    User(Subject),
    /// The client's own.
    Client,
}

impl Holder {
    /// The user, if it is one's.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::User(subject) => Some(subject),
            Self::Client => None,
        }
    }
}

/// One installation's access: what a user agreed to, once, for a client.
///
/// Several grants of one user to one client live side by side. Every code and token belongs to
/// exactly one grant and is worth nothing once that is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its key.
    pub id: OrderedId,
    /// Whose access it is.
    pub holder: Holder,
    /// The client that got the access.
    pub client: ClientId,
    /// What was agreed to.
    pub scopes: ScopeSet,
    /// For which resources; at least one, the first is the one that a token is for by default.
    pub resources: Arc<[ResourceId]>,
    /// When the user agreed.
    pub created_at: Timestamp,
}

/// Access as one token gives it: a part of what was granted, at one resource.
#[derive(Debug, Clone)]
pub struct Access {
    /// The grant.
    pub grant: Arc<Grant>,
    /// The names of the scopes that the token has, as its client is told them.
    pub scopes: ScopeSet,
    /// The URL of the resource that it is for.
    pub resource: ResourceUri,
}

/// An authorization code as it is kept.
#[derive(Debug, Clone)]
pub struct CodeRecord {
    /// Its key.
    pub id: OrderedId,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// The grant that it belongs to.
    pub grant: OrderedId,
    /// The redirect URI of the request, as presented.
    pub redirect_uri: Arc<str>,
    /// The challenge of the request.
    pub challenge: CodeChallenge,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An access token as it is kept.
#[derive(Debug, Clone)]
pub struct AccessRecord {
    /// Its key.
    pub id: OrderedId,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// The grant that it belongs to.
    pub grant: OrderedId,
    /// What it allows: no more than its grant.
    pub scopes: ScopeSet,
    /// The one resource that it is for.
    pub resource: ResourceId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A refresh token as it is kept. It allows what its grant allows.
#[derive(Debug, Clone)]
pub struct RefreshRecord {
    /// Its key.
    pub id: OrderedId,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// The grant that it belongs to.
    pub grant: OrderedId,
    /// When it ends if it is not used before.
    pub expires_at: Timestamp,
}

/// What became of a refresh token that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The token that took its place.
    pub successor: OrderedId,
    /// The answer of its first use, which only its secret opens; `None` once the successor was used.
    pub answer: Option<Arc<[u8]>>,
    /// Until when that answer is given again.
    pub grace_until: Timestamp,
}

impl Rotation {
    /// Whether its answer is given no more, so that another use is a reuse.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.answer.is_none() || now >= self.grace_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_over_with_its_window_or_once_its_successor_was_used() {
        let at = Timestamp::from_millis;
        let successor = OrderedId::new(at(1), 1);
        let rotation = Rotation { successor, answer: Some([1].into()), grace_until: at(60) };
        assert_eq!([59, 60, 61].map(|now| rotation.is_over(at(now))), [false, true, true]);
        assert!(Rotation { answer: None, ..rotation }.is_over(at(59)));
    }
}
