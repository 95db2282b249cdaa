//! Ports for programs that are told where to listen.

use std::hash::{BuildHasher as _, RandomState};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::ops::Range;

/// Below those that the system hands out, which an outgoing connection of anybody may take at any time.
const RANGE: Range<u16> = 10_000..20_000;

/// The first of `count` neighbouring ports on which nobody listens.
pub fn neighbouring(count: u16) -> u16 {
    let is_taken =
        |host, port| TcpListener::bind((host, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    let is_free = |port| !is_taken("127.0.0.1", port) && !is_taken("::1", port);
    let width = u64::from(RANGE.end - RANGE.start - count);
    std::iter::repeat_with(|| RandomState::new().hash_one(count) % width)
        .take(100)
        .map(|offset| RANGE.start + offset as u16)
        .find(|first| (*first..first + count).all(is_free))
        .expect("neighbouring free ports")
}
