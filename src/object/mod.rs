//! The Durable Object `Stream`: a log, the rollups that follow it, and the events that drive them; and `Pacer`, which
//! streams that write to an upstream with the same token ask.

mod admission;
mod alarm;
mod announce;
mod answers;
mod carbon;
#[cfg(test)]
mod carbon_model;
mod dictionary;
mod distinct;
#[cfg(test)]
mod earlier_versions;
mod engine;
#[cfg(test)]
mod engine_model;
mod entry;
mod forward;
#[cfg(test)]
mod forward_model;
mod line;
mod live;
mod log_index;
mod owned;
mod pacer;
mod querying;
mod queue;
mod reads;
mod removal;
mod removing;
mod residents;
#[cfg(test)]
mod sealed_size;
mod secret;
mod series_totals;
mod shard;
mod slot;
mod storage;
mod stream;
mod tcp;
mod top_writers;
mod totals;
mod turns;
mod upstream;
mod values;
mod writes;
