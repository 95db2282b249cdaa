//! Stores that several processes use, some of which are killed.
//!
//! A process that is killed tells of each operation before it asks the store for it and after the store has
//! acknowledged it; the test, which lives on, compares that journal with what the store knows afterwards.
//! GRANTOR_KILL_ROUNDS says how often each victim is killed, GRANTOR_TEST_SEED repeats the choices of a run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod child;
mod history;
mod kill;
mod ledger;
mod load;
mod place;
#[path = "../support/postgres.rs"]
mod postgres;
mod racers;
mod steps;

/// One test with two parts: that of the process which the test runner starts, and that of the processes which
/// it starts itself.
fn in_processes(test: &'static str, parent: fn(&'static str), child: fn(&child::Task)) {
    match child::task() {
        Some(task) => child(&task),
        None => parent(test),
    }
}

#[test]
fn attack_44_sqlite_survives_kill_9() {
    in_processes("attack_44_sqlite_survives_kill_9", kill::sqlite, |task| load::run(task));
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
fn attack_44_postgres_survives_kill_9() {
    in_processes("attack_44_postgres_survives_kill_9", kill::postgres, |task| load::run(task));
}

#[test]
fn attack_12_two_processes_share_an_sqlite_file() {
    in_processes("attack_12_two_processes_share_an_sqlite_file", racers::sqlite, racers::run);
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
fn attack_12_two_processes_share_a_postgres_schema() {
    in_processes("attack_12_two_processes_share_a_postgres_schema", racers::postgres, racers::run);
}
