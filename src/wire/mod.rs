//! Bytes to domain and back: pure, no I/O, no clock.

pub mod command;
pub mod frame;
pub mod outcome;
pub mod params;
pub mod partial;
pub mod pixel;
pub mod points;
pub mod rejection;
pub mod rollup;
mod scan;
pub mod stream;
pub mod time;
pub mod writes;
