//! What the stores cost beside the bare engines that do the same writes: `cargo bench --bench stores`, or one
//! of the two alone: `cargo bench --bench stores -- postgres`.
//!
//! Every figure is a ratio within one run. The bare side has the same tables, indexes and checks, and its
//! statements are prepared; it has no network, no futures and no types.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation ends the run")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

mod bare_postgres;
mod bare_sqlite;
mod growth;
mod load;
mod postgres;
mod sqlite;

use std::fmt::Display;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
        let is_wanted = |name| wanted.as_deref().is_none_or(|wanted| wanted == name);
        if is_wanted("sqlite") {
            sqlite::run().await;
        }
        if is_wanted("postgres") {
            postgres::run().await;
        }
    });
}

/// A line of the report: what was measured, what it is held against, and whether the goal is met.
pub(crate) fn verdict(what: &str, ratio: f64, goal: f64, at_least: bool) {
    let met = if at_least { ratio >= goal } else { ratio <= goal };
    let (sign, word) = (if at_least { "≥" } else { "≤" }, if met { "met" } else { "MISSED" });
    println!("  {what:<68} {ratio:>6.2} ×   goal {sign} {goal} ×   {word}");
}

pub(crate) fn line(what: impl Display, rate: f64, unit: &str) {
    println!("  {what:<68} {rate:>10.0} {unit}");
}
