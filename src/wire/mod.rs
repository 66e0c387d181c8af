//! Bytes to domain and back: pure, no I/O, no clock.

pub mod aggregates;
pub mod appnet;
pub mod command;
pub mod forward;
pub mod frame;
mod json;
pub mod layout;
pub mod merged;
pub mod outcome;
pub mod pacing;
pub mod params;
pub mod partial;
pub mod pixel;
pub mod points;
pub mod rejection;
pub mod retention;
pub mod rollup;
mod scan;
pub mod sink;
pub mod statsd;
pub mod stream;
pub mod stream_patch;
pub mod time;
pub mod writes;
