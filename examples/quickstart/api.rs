//! The app's own API. The guard in front of it has checked the token; what is left is whose data it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use grantor::{Principal, Subject};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::App;

const MOST_PROJECTS: usize = 100;
const LONGEST_NAME: usize = 80;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Project {
    pub(crate) id: usize,
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct NewProject {
    name: String,
}

/// Everybody's projects, in memory.
#[derive(Clone, Default)]
pub(crate) struct Projects(Arc<Mutex<HashMap<String, Vec<Project>>>>);

impl Projects {
    pub(crate) fn demo() -> Self {
        let projects = Self::default();
        for (user, name) in [("alice", "Tree house"), ("alice", "Bee hives"), ("bob", "Night train to Lisbon")] {
            projects.add(user, name);
        }
        projects
    }

    pub(crate) fn of(&self, user: &Subject) -> Vec<Project> {
        self.lock().get(user.as_str()).cloned().unwrap_or_default()
    }

    fn of_everybody(&self) -> Vec<Project> {
        self.lock().values().flatten().cloned().collect()
    }

    /// The new project; `None` if there are too many.
    fn add(&self, user: &str, name: &str) -> Option<Project> {
        let mut by_user = self.lock();
        let projects = by_user.entry(user.to_owned()).or_default();
        if projects.len() >= MOST_PROJECTS {
            return None;
        }
        projects.push(Project { id: projects.len() + 1, name: name.to_owned() });
        projects.last().cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Project>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /api/projects`
pub(crate) async fn list(State(app): State<App>, principal: Principal) -> Response {
    match principal.subject() {
        Some(user) => Json(json!({ "projects": app.projects.of(user) })).into_response(),
        // A client that acts for itself is one of our own people's: no other gets such a token.
        None => Json(json!({ "projects": app.projects.of_everybody() })).into_response(),
    }
}

/// `POST /api/projects`
pub(crate) async fn create(State(app): State<App>, principal: Principal, Json(new): Json<NewProject>) -> Response {
    let Some(user) = principal.subject() else { return no_user() };
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "a name has 1 to 80 characters");
    }
    match app.projects.add(user.as_str(), name) {
        Some(project) => (StatusCode::CREATED, Json(project)).into_response(),
        None => problem(StatusCode::CONFLICT, "100 projects are enough"),
    }
}

/// A token that a client got for itself, on nobody's behalf, adds to nobody's projects.
fn no_user() -> Response {
    problem(StatusCode::FORBIDDEN, "a user's token is needed")
}

fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
