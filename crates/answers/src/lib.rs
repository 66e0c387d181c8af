//! Converts cells to responses: JSON, CSV, NDJSON and live messages. Pure.

pub mod csv;
pub mod live;
pub mod look;
pub mod merged;
pub mod parts;
pub mod rollup;
