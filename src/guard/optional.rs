//! The guard of routes that take a session or a token.

use http::request::Parts;

use super::{Guard, Principal, Refusal, Turned};
use crate::protocol::error::BearerReason;

/// The guard of a route that takes the app's session *or* a token, made by [`Guard::optional`].
///
/// A request without a bearer token passes without a principal, and the route looks for a session. One
/// that has a token passes by that token or not at all: it never falls back to the session, so that
/// nobody acts as the user of a cookie where they meant the holder of a token.
///
/// The route itself defends its session against forged requests of other sites, as any other does.
#[derive(Debug, Clone)]
pub struct OptionalGuard(Guard);

impl Guard {
    /// The same for a route that takes the app's session as well: requests without a token pass.
    ///
    /// ```
    /// # fn app(oauth: grantor::Server) -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, routing::get};
    /// use grantor::Principal;
    ///
    /// async fn projects(principal: Option<Principal>) -> String {
    ///     match principal {
    ///         Some(principal) => format!("the projects of {:?}", principal.subject()),
    ///         None => "look for a session".to_owned(),
    ///     }
    /// }
    ///
    /// let guard = oauth.resource("https://app.example/api")?.require("projects:read")?;
    /// let app: Router = Router::new().route("/api/projects", get(projects).layer(guard.optional()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn optional(&self) -> OptionalGuard {
        OptionalGuard(self.clone())
    }
}

impl OptionalGuard {
    /// Who sent a request with a token, if it may pass; `None` if it has none.
    ///
    /// # Errors
    /// If it may not: the error is the answer to send.
    pub async fn check(&self, request: &Parts) -> Result<Option<Principal>, Refusal> {
        let guard = self.0.bound(request)?;
        match guard.judge(request).await {
            Ok(principal) => Ok(Some(principal)),
            Err(Turned::Away(BearerReason::Missing, _)) => Ok(None),
            Err(turned) => Err(guard.refuse(turned)),
        }
    }

    /// The answer to a request that turned out to have no session either: it tells clients where to get
    /// a token.
    #[must_use]
    pub fn unauthenticated(&self, request: &Parts) -> Refusal {
        self.0.bound(request).map_or_else(|refusal| refusal, |guard| guard.refuse(BearerReason::Missing.into()))
    }
}
