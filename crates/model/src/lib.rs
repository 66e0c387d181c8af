//! Defines datapoints, and how they become numbers over time.
//!
//! Pure: no I/O, no clock, no randomness, no JSON and no SQL.

pub mod aggregate;
pub mod aggregate_list;
pub mod batch_key;
pub mod budget;
pub mod cascade;
pub mod cell;
pub mod cell_codec;
pub mod class;
pub mod coarse;
pub mod cost;
pub mod delivery;
pub mod distinct;
#[cfg(test)]
mod finite_model;
pub mod gcra;
pub mod grid;
pub mod increments;
pub mod labels;
pub mod matcher;
pub mod network;
pub mod open;
pub mod pace;
#[cfg(test)]
mod pace_model;
pub mod pattern;
pub mod pieces;
pub mod point;
pub mod pseudonym;
pub mod quantiles;
pub mod query;
pub mod recent;
pub mod removal;
pub mod retention;
pub mod shards;
#[cfg(test)]
mod shards_model;
pub mod sketch_codec;
pub mod sketches;
pub mod spans;
pub mod sparse;
pub mod spread;
pub mod spreadsheet;
pub mod standing;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text_index;
pub mod tier;
pub mod time;
pub mod top;
pub mod total;
pub mod window;
