//! The manual: what is easier to read in one place than item by item.

/// The attacks that this crate was built against, and the tests that prove the defences.
pub mod attacks {
    #![doc = include_str!("attacks.md")]
}

/// The consent page: what it shows and why, how to brand or replace it, and what a login page has to mind.
#[cfg(feature = "pages")]
pub mod consent {
    #![doc = include_str!("consent.md")]
}

/// What holds if you say nothing.
pub mod defaults {
    #![doc = include_str!("defaults.md")]
}

#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../README.md")]
mod readme {}
