//! Scopes that the app's own people add, change and retire while the server runs: as a store keeps them.

use serde::{Deserialize, Serialize};

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeRecord {
    /// What grants, tokens and clients have of it: never used for another scope, also not for one of the same name.
    /// The first scope of a name has that name as its id.
    pub id: String,
    /// The name on the wire.
    pub name: String,
    /// What it allows, in words that a user of the app understands. Empty in a store: as the code has it.
    pub description: String,
    /// Whether only clients of the app's own people may have it.
    pub reserved: bool,
    /// Whether the metadata has it.
    pub advertised: bool,
    /// Whether a user is asked before a client gets it.
    pub needs_consent: bool,
    /// The ids of the scopes that it has in it.
    pub implies: Vec<String>,
    /// What became of it if it is no more.
    pub retired: Option<Retired>,
    /// Whether the code of the app has it. What is stored of such a scope is what was changed of it since, and it
    /// goes when the code has it no more.
    #[serde(default)]
    pub of_code: bool,
}

/// What a retired scope is worth where it was granted before. Nobody gets it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retired {
    /// Nothing, at once, also in tokens that were issued.
    Dead,
    /// What it was, in access tokens that were issued, until they end.
    RunsOut,
}
