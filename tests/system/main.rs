//! Whole-system tests: the built Worker on real workerd, over real HTTP. `make test` builds it first.
//!
//! Tests run in parallel on one server, each with a stream of its own; those that kill or configure a server
//! start their own. None sleeps.

mod crash;
mod documents;
mod eviction;
mod forged;
mod http;
mod server;
mod stream;
