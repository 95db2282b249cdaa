//! The attacks on single rules, each with the number that the manual has for it.

mod authorize;
mod browser;
mod clients;
mod codes;
mod consent;
mod decision;
mod disclosure;
mod endpoints;
mod fuzz;
mod guard;
mod pages;
mod redirect_uri;
mod refresh;
mod revocation;
mod secrets;
mod tokens;
