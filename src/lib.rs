//! The OAuth 2.1 authorization server that you mount inside your own web app.

pub mod adapters;
pub mod guard;
pub mod host;
pub mod manual;
#[cfg(feature = "pages")]
pub mod pages;
pub mod protocol;
pub mod server;
pub mod storage;
pub mod web;

#[cfg(feature = "axum")]
pub use adapters::axum;
#[cfg(feature = "tower")]
pub use adapters::tower;
pub use guard::{Guard, Principal, Refusal, ResourceGuard};
pub use host::{Clock, ConsentUi, Entropy, Host, HostError, ReturnTo, SignIn, User};
pub use protocol::grant::Subject;
pub use protocol::policy::Lifetimes;
pub use protocol::scope::ScopeSet;
pub use protocol::seal::Keys;
pub use protocol::secret::OrderedId;
pub use protocol::time::Timestamp;
pub use server::{Builder, ConnectedApp, Registration, Resource, Server};
pub use storage::{MemoryStorage, Storage, StorageError};
