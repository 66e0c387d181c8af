//! Whole-system tests: the built Worker on real workerd, over real HTTP. `make test` builds it first.
//!
//! Tests run in parallel on one server, each with its own stream; those that kill or configure a server
//! start their own. None sleeps.

mod accepting;
mod adnpy;
mod blocked;
mod budgets;
mod carbon;
mod channel;
mod clock;
mod crash;
mod datapoint;
#[path = "../programs/debian.rs"]
mod debian;
mod dev;
mod directory;
mod distinct;
mod documents;
mod errors;
mod eviction;
mod expressions;
mod face;
mod face_errors;
mod face_listing;
mod face_objects;
mod face_posted;
mod face_reading;
mod forged;
mod forms;
mod forwarding;
mod gathering;
mod graphite;
mod gzip;
mod hostile;
mod http;
mod idempotency;
mod live;
mod memory;
mod numbers;
mod objects;
mod openapi;
mod origins;
mod otlp;
mod owning;
mod pages;
mod peer;
mod ports;
#[path = "../programs/mod.rs"]
mod programs;
mod prometheus;
mod protobuf;
mod proxied;
mod quantiles;
mod reading;
mod removing;
mod residents;
mod retaining;
mod selecting;
mod server;
mod serving;
mod shaping;
mod shards;
mod spreading;
mod statsd;
mod status;
mod stream;
mod streamed;
mod uploads;
mod versions;
mod waiting;
mod windows;
mod write_keys;
mod writers;
mod writing;
