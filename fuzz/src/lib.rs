//! What the fuzz targets have in common.

#[path = "../../tests/properties/parsers.rs"]
pub mod parsers;
pub mod requests;
