//! What a datapoint is and how datapoints become numbers over time.
//!
//! Pure: no I/O, no clock, no randomness, no JSON, no SQL, and nothing of the crate's other rooms.

pub mod aggregate;
pub mod cell;
pub mod codec;
pub mod columns;
pub mod grid;
pub mod labels;
pub mod matcher;
pub mod open;
pub mod point;
pub mod query;
pub mod shards;
#[cfg(test)]
mod shards_model;
pub mod spread;
pub mod tier;
pub mod window;
