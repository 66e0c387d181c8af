//! Persistence as SQL behind one seam: each function is one atomic step, and none waits.

pub mod answers;
mod cells;
mod chunk_cells;
pub mod chunk_merge;
pub mod chunk_read;
pub mod chunk_stage;
pub mod chunks;
pub mod frames;
pub mod log;
pub mod meta;
pub mod outbox;
pub mod pace;
pub mod removal;
pub mod schema;
pub mod series;
mod series_cells;
pub mod series_totals;
pub mod sql;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
