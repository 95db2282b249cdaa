//! Servers over stores whose surroundings fail: connections break, pools run dry, the database is away, the
//! disk is full. And what the stores keep tells no secret, whoever gets hold of it.

#![cfg(all(feature = "postgres", feature = "sqlite", feature = "testkit", feature = "pages"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod connections;
mod disk;
mod dump;
mod exhaustion;
#[path = "../support/postgres.rs"]
mod postgres;
mod proxy;
mod scene;
mod search;
#[path = "../support/mod.rs"]
mod support;
