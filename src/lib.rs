//! The OAuth 2.1 authorization server that you mount inside your own web app.
//!
//! Your app keeps its users, its login and its database. Grantor owns everything between "a client
//! knocks" and "a request carries a valid token":
//!
//! ```text
//!   a client             your app                                 a person
//!  ──────────      ─────────────────────────────────────────     ──────────
//!  register   ───▶  /oauth/register
//!  authorize  ───▶  /oauth/authorize  ──▶  your login (Host)  ◀──▶  signs in
//!                   the consent page  (ConsentUi)             ◀──▶  allows or denies
//!  code       ◀───  303 to the client
//!  exchange   ───▶  /oauth/token      ──▶  your store (Storage)
//!  request    ───▶  the guard  ──▶  your route: Principal
//!                   your account page: grants, revoke_grant   ◀──   takes it back
//! ```
//!
//! Start with [`Server::builder`]; the README has the thirty lines. Then:
//!
//! - [`Host`]: who is signed in, and where people sign in;
//! - [`Storage`]: where everything is kept: SQLite, PostgreSQL, memory or a database of yours; see
//!   [`manual::storage`];
//! - [`ConsentUi`]: the pages, if the built-in ones will not do;
//! - [`Server::resource`]: the guard of your routes;
//! - [`ResourceServer`]: the same guard in another process; see [`manual::resource_servers`];
//! - [`Audit`]: who takes the events of everything that changes or is refused; see [`manual::audit`];
//! - [`manual`]: prose, such as the attacks that were thought of and all about the consent page.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `pages` (default) | the built-in consent, denial and error pages |
//! | `axum` | `grantor::axum`: the router and the extractor; includes `tower` |
//! | `tower` | `grantor::tower`: the endpoints as a service, the guard as a layer |
//! | `actix` | `grantor::actix`: the routes, the guard as a middleware and the extractor |
//! | `poem` | `grantor::poem`: the routes, the guard as a middleware and the extractor |
//! | `rocket` | `grantor::rocket`: the routes, the guard around routes and the request guard |
//! | `salvo` | `grantor::salvo`: the router, the guard as a hoop and the extractor |
//! | `warp` | `grantor::warp`: the endpoints and the guard as filters |
//! | `oxide-auth`, `oxide-auth-async` | `grantor::oxide`, `grantor::oxide_async`: the way over from these crates |
//! | `sqlite` | `grantor::SqliteStorage`: a file, durable and without a server |
//! | `postgres` | `grantor::PostgresStorage`: one database for many instances of the app |
//! | `fetch` | `grantor::GuardedFetcher`: gets metadata documents and keys of clients, and nothing from your own network |
//! | `doctor` | `grantor::doctor`: looks at a deployment as each known client would; see [`manual::doctor`] |
//! | `remote` | `grantor::host::HttpTransport`: asks for the guard of a resource in another process; see [`manual::resource_servers`] |
//! | `metrics` | counters and durations through the `metrics` facade; see [`manual::audit`] |
//! | `testkit` | `grantor::storage::testkit`: the conformance kit for stores |
//!
//! Features only add; nothing is relaxed by one; [`manual::features`] says what each costs. Without any, the endpoints are one function,
//! [`Server::handle`], from `http::Request<Bytes>` to `http::Response<Bytes>`.

pub mod adapters;
#[cfg(feature = "doctor")]
pub mod doctor;
pub mod guard;
pub mod host;
pub mod manual;
#[cfg(feature = "pages")]
pub mod pages;
pub mod protocol;
pub mod server;
pub mod storage;
pub mod web;

#[cfg(feature = "actix")]
pub use adapters::actix;
#[cfg(feature = "axum")]
pub use adapters::axum;
#[cfg(feature = "oxide-auth")]
pub use adapters::oxide;
#[cfg(feature = "oxide-auth-async")]
pub use adapters::oxide_async;
#[cfg(feature = "poem")]
pub use adapters::poem;
#[cfg(feature = "rocket")]
pub use adapters::rocket;
#[cfg(feature = "salvo")]
pub use adapters::salvo;
#[cfg(feature = "tower")]
pub use adapters::tower;
#[cfg(feature = "warp")]
pub use adapters::warp;
pub use guard::{Guard, OptionalGuard, Principal, Refusal, ResourceGuard, ResourceServer};
#[cfg(feature = "fetch")]
pub use host::GuardedFetcher;
pub use host::{Audit, Clock, ConsentUi, Entropy, Event, Fetcher, Host, HostError, ReturnTo, SignIn, User};
pub use protocol::client::{ClientId, ConsentPolicy};
pub use protocol::client_change::ClientChange;
pub use protocol::grant::Subject;
pub use protocol::new_client::NewClient;
pub use protocol::policy::Lifetimes;
pub use protocol::resource_change::Resource;
pub use protocol::scope::ScopeSet;
pub use protocol::scope_change::Scope;
pub use protocol::scope_records::Retired;
pub use protocol::seal::Keys;
pub use protocol::secret::OrderedId;
pub use protocol::time::Timestamp;
pub use server::{Builder, ChangeClientError, ConnectedApp, MetadataDocuments, Registration, Server};
#[cfg(feature = "postgres")]
pub use storage::PostgresStorage;
#[cfg(feature = "sqlite")]
pub use storage::SqliteStorage;
pub use storage::{Cached, MemoryStorage, Storage, StorageError};
