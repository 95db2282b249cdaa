//! What came of a fetch.

use serde::Serialize;

/// What a metadata document said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocumentNews {
    /// It was never seen before.
    New,
    /// What it said before.
    Same,
    /// Something else than before of what people see or what is enforced.
    Changed,
}

impl DocumentNews {
    /// Its name in JSON and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::Changed => "changed",
        }
    }
}
