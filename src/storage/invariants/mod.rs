//! What is true in every sound store at every moment, and a check of it.
//!
//! [`check`] walks through a store and reports what should not be there: a token that outlives its grant
//! or allows more than it, a second family of refresh tokens, a token whose code was never redeemed. A
//! store that lost a race, or half of a write, shows it in this way.
//!
//! ```
//! use grantor::storage::{MemoryStorage, invariants};
//!
//! # async fn nightly() -> Result<(), grantor::storage::StorageError> {
//! let storage = MemoryStorage::new();
//! let report = invariants::check(&storage).await?;
//! assert!(report.is_clean(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! The rules are small functions over rows, in [`rules`]. They are about what a store guarantees at every
//! moment, whatever was purged and however clocks jump: a row may be gone at any time, ids may be any
//! number, and no two clocks agree, so nothing here compares a time with an id or with the present.

mod report;
pub mod rules;
#[cfg(test)]
mod tests;
mod walk;
mod window;

pub use report::{Report, Violation};
pub use rules::Rule;

use self::walk::Walk;
use super::{Storage, StorageError};

/// How many rows are read at a time.
const PAGE: u32 = 256;
/// How many grants are looked at in one walk through the tables of codes and refresh tokens. More take
/// another walk. What is kept of each takes less than 160 bytes.
const GRANTS: usize = 1 << 17;

/// Checks all that is stored, as far as one walk can see it.
///
/// It can run in production, beside everything else:
///
/// - It only reads, in pages of 256 rows.
/// - It keeps at most about 20 MB beside the page that it reads, however much is stored: for every further
///   131,072 grants with codes or refresh tokens it walks through those tables once more.
/// - Others may write meanwhile. It relies on facts that stay as they are once they are true (a code that
///   was redeemed, a token that was rotated, what took the place of what), and before it reports something
///   it reads the rows once more, in an order in which nothing that happens in between looks broken.
///   A read replica that lags behind is not good enough for that: give it the store itself.
/// - It takes a look-up besides for every refresh token whose predecessor is gone or was made by a clock
///   that was ahead.
///
/// # Errors
/// If the store cannot answer.
pub async fn check<S: Storage>(storage: &S) -> Result<Report, StorageError> {
    Walk::new(storage, PAGE, GRANTS).run().await
}
