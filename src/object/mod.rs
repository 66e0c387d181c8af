//! The Durable Object `Stream`: a log, the rollups that follow it, and the events that drive them; and `Pacer`,
//! which paces the streams that write to an upstream with the same token.

mod alarm;
mod announce;
mod carbon;
mod creating;
mod forward;
mod line;
mod live;
mod pacer;
mod querying;
mod queue;
mod removing;
mod residents;
mod secret;
mod shard;
mod slot;
mod storage;
mod stream;
mod tcp;
mod top_writers;
mod turns;
mod upstream;
mod writes;
