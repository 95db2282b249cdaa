//! What the app's own people add, change and retire while the server runs: as a store keeps it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::resource::ResourceId;
use super::scope::ScopeSet;
use super::scope_records::ScopeRecord;

/// All of it, with what became of what is gone: one state, of which each change makes the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyRecords {
    /// Raised by every change.
    pub revision: u32,
    /// In the order in which the consent page lists them.
    #[serde(alias = "records")]
    pub scopes: Vec<ScopeRecord>,
    /// In the order in which they were added; at most one of a URL counts, the one of the highest number.
    #[serde(default)]
    pub resources: Vec<ResourceRecord>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRecord {
    /// What grants, tokens and clients have of it, and with that its URL.
    pub id: ResourceId,
    /// What the consent page calls it; the app's name if there is none.
    pub name: Option<String>,
    /// The names of the scopes that mean something there; `None` for all that there are.
    pub scopes: Option<ScopeSet>,
    /// Where developers read about it.
    pub documentation: Option<String>,
    /// How long access tokens for it live at most.
    pub access_token: Option<Duration>,
    /// Whether the issuer's origin is another name of it.
    pub is_origin: bool,
    /// Whether the metadata of the server lists it. Its own are there in any case.
    pub advertised: bool,
    /// Whether it is no more. What is left then of one that is stored is that.
    pub retired: bool,
    /// Whether the code of the app has it.
    pub of_code: bool,
}
