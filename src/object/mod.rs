//! The Durable Object `Stream`: a log, the rollups that follow it, and the events that drive them.

mod dictionary;
mod engine;
#[cfg(test)]
mod engine_model;
mod queue;
mod recent;
mod storage;
mod stream;
mod totals;
