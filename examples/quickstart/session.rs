//! Who is logged in, by a cookie. A real app has this already.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::host::{EntropyError, SystemClock, SystemEntropy};
use grantor::{Clock as _, Entropy as _, Timestamp};
use ring::digest::{SHA256, digest};

/// On https this would be `__Host-session`, and `Secure` would stand in the cookie.
const COOKIE_NAME: &str = "session";
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// The sessions, kept on the server. The cookie is 256 random bits, of which only the hash is kept.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<SessionId, Session>>>);

/// The hash of a session's cookie: a name for the session that is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId([u8; 32]);

#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) since: Timestamp,
}

impl Sessions {
    /// A new session, and the `Set-Cookie` that opens it.
    pub(crate) fn open(&self, user: String) -> Result<String, EntropyError> {
        let mut secret = [0; 32];
        SystemEntropy.fill(&mut secret)?;
        let cookie = URL_SAFE_NO_PAD.encode(secret);
        let now = SystemClock.now();
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.is_alive(now));
        sessions.insert(SessionId::of(&cookie), Session { user, since: now });
        Ok(format!("{COOKIE_NAME}={cookie}; Path=/; HttpOnly; SameSite=Lax"))
    }

    /// The session that a request belongs to.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<(SessionId, Session)> {
        let id = SessionId::in_cookies(headers)?;
        let session = self.lock().get(&id).cloned()?;
        session.is_alive(SystemClock.now()).then_some((id, session))
    }

    /// Ends the session of a request, and the `Set-Cookie` that clears its cookie.
    pub(crate) fn close(&self, headers: &HeaderMap) -> String {
        if let Some(id) = SessionId::in_cookies(headers) {
            self.lock().remove(&id);
        }
        format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_alive(&self, now: Timestamp) -> bool {
        now < self.since.after(LIFETIME)
    }
}

impl SessionId {
    fn of(cookie: &str) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, cookie.as_bytes()).as_ref());
        Self(id)
    }

    fn in_cookies(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split("; ")).filter_map(|cookie| cookie.split_once('='));
        pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| Self::of(value))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}
