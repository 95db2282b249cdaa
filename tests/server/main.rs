//! What a server answers, request by request: an app with grantor in it, its people and its clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod administration;
mod administrators_clients;
mod attacks;
mod audit;
mod client_assertions;
mod client_credentials;
mod consent_policy;
mod discovery_and_cors;
mod flow;
mod form_post;
mod host_hooks;
mod introspection;
mod known_clients;
mod login_wishes;
mod metadata_documents;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod postgres;
mod registration;
mod registration_management;
mod resources;
mod resources_at_run_time;
mod scopes_at_run_time;
mod scopes_in_force;
#[cfg(feature = "sqlite")]
#[path = "../scratch/mod.rs"]
mod scratch;
mod step_up;
#[path = "../support/mod.rs"]
mod support;
