//! A stream: its log, and the consumers that follow it. It knows no platform: SQL, the clock and randomness are
//! arguments.
//!
//! If a function returns an error that its documentation does not name, the SQL has failed and nothing has changed.

#![expect(clippy::missing_errors_doc, reason = "said once, above")]

pub mod admission;
pub mod answers;
#[cfg(test)]
mod carbon_model;
pub mod dictionary;
pub mod distinct;
#[cfg(test)]
mod earlier_versions;
mod engine;
#[cfg(test)]
mod engine_model;
pub mod entry;
#[cfg(test)]
mod forward_model;
pub mod log_index;
pub mod randomness;
pub mod reads;
pub mod removal;
#[cfg(test)]
mod sealed_size;
pub mod values;

pub use engine::*;
