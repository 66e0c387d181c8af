//! The Graphite view of a stream: targets, times, functions and formats of graphite-web 1.1, over plain numbers.
//! Pure: the edge fetches what targets name. See docs/graphite.md.

mod aggregate;
pub mod catalogue;
pub mod describe;
pub mod error;
pub mod evaluate;
pub mod format;
mod function;
mod functions;
pub mod glob;
pub mod leaf;
pub mod naming;
#[cfg(test)]
mod one_step_tests;
pub mod plaintext;
pub mod request;
pub mod series;
pub mod steps;
pub mod stock;
pub mod tags;
pub mod target;
mod text;
pub mod time;
