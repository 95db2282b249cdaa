//! Looks at a running deployment through its public URL as each known client would, and says in plain words what each of
//! them would do and what to change. See [the manual](crate::manual::doctor).
//!
//! ```no_run
//! # async fn f() -> Result<(), grantor::doctor::ExamineError> {
//! let report = grantor::doctor::examine("https://app.example/mcp").await?;
//! println!("{report}");
//! assert!(report.all_connect());
//! # Ok(())
//! # }
//! ```

mod ask;
mod clients;
mod examine;
mod finding;
mod judge;
mod observed;
mod place;
mod report;
mod seen;
mod transport;
mod verdict;

pub use clients::KnownClient;
pub use examine::{Examination, ExamineError, examine};
pub use finding::{Finding, Severity};
pub use report::Report;
pub use transport::{HttpTransport, Transport};
pub use verdict::{Outcome, Verdict};
