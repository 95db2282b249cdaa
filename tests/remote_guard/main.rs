//! The guard of a resource server in another process than its authorization server: what passes, what does not, and
//! what happens when something fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod building;
mod caching;
mod deciding;
mod failing;
mod frameworks;
mod metadata;
mod over_sockets;
mod scene;
#[path = "../scratch/mod.rs"]
mod scratch;
#[path = "../support/mod.rs"]
mod support;
mod two_processes;
