//! The protocol between the edge and objects, and the queries that it carries. Pure.

pub mod command;
pub mod format;
pub mod limited;
pub mod live_join;
pub mod live_params;
pub mod live_part;
pub mod pacing;
pub mod params;
pub mod partial;
pub mod refusal;
pub mod removal;
pub mod series_totals;
pub mod writer;
pub mod writers;
pub mod writes;
