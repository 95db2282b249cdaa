//! Either guard, as the middleware of a framework asks it.

use http::request::Parts;

use crate::guard::{Guard, OptionalGuard, Principal, Refusal};

#[derive(Debug, Clone)]
pub(super) enum Gate {
    Guard(Guard),
    Optional(OptionalGuard),
}

impl Gate {
    pub(super) async fn check(&self, request: &Parts) -> Result<Option<Principal>, Refusal> {
        match self {
            Self::Guard(guard) => guard.check(request).await.map(Some),
            Self::Optional(guard) => guard.check(request).await,
        }
    }
}

impl From<&Guard> for Gate {
    fn from(guard: &Guard) -> Self {
        Self::Guard(guard.clone())
    }
}

impl From<&OptionalGuard> for Gate {
    fn from(guard: &OptionalGuard) -> Self {
        Self::Optional(guard.clone())
    }
}
