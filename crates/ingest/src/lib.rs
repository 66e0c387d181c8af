//! Converts the bytes of every format that writers use to points and rejections, and those to the frames of the
//! log. Pure.

pub mod format;
pub mod frame;
pub mod otlp;
pub mod outcome;
pub mod pixel;
pub mod points;
pub mod rejection;
pub mod sink;
pub mod statsd;
