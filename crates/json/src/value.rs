//! JSON as trees, for what is read whole, and the JSON of single strings and numbers.
//!
//! In one place, as each crate that calls `serde_json`'s generic functions has copies of them in the module: some 20
//! KB, gzipped, for trees alone.

use serde_json::Value;

/// The tree of a body.
///
/// # Errors
/// [`serde_json::Error`] where it is not JSON.
#[inline(never)]
pub fn parse(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(body)
}

/// A string with its quotes.
///
/// # Panics
/// Never: strings always serialise.
#[inline(never)]
#[must_use]
pub fn quoted(string: &str) -> String {
    serde_json::to_string(string).expect("a string always serialises")
}

/// A number in the shortest form that reads back the same; `null` where it is not finite.
///
/// # Panics
/// Never: numbers always serialise.
#[inline(never)]
#[must_use]
pub fn number(value: f64) -> String {
    serde_json::to_string(&value).expect("a number always serialises")
}
