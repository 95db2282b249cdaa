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

/// One test with two parts: that of the process which is started by the test runner, and that of the
/// processes which it starts itself.
macro_rules! in_processes {
    ($name:ident, $parent:path, $child:path $(, $ignored:meta)?) => {
        #[test]
        $(#[$ignored])?
        fn $name() {
            match child::task() {
                Some(task) => $child(&task),
                None => $parent(stringify!($name)),
            }
        }
    };
}

in_processes!(attack_44_sqlite_survives_kill_9, kill::sqlite, load::run);
#[cfg(feature = "postgres")]
in_processes!(
    attack_44_postgres_survives_kill_9,
    kill::postgres,
    load::run,
    ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"
);

in_processes!(attack_12_two_processes_share_an_sqlite_file, racers::sqlite, racers::run);
#[cfg(feature = "postgres")]
in_processes!(
    attack_12_two_processes_share_a_postgres_schema,
    racers::postgres,
    racers::run,
    ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"
);
