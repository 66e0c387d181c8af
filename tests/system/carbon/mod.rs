//! Pushing closed buckets to a carbon: a double of it, and the real one.

pub(crate) mod configuring;
mod double;
pub(crate) mod failing;
pub(crate) mod real;
pub(crate) mod sending;

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// A bucket of 10 s is sent 15 s after its end, and the machine may be slow and busy.
const SOON: Duration = Duration::from_mins(4);

/// A server that may push to this machine.
fn start(state: State) -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("HEARTBEAT_DEV", "1")];
    Server::start_with(state, &environment)
}

/// The server that most of these tests share.
fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| start(State::new()))
}

/// A stream called `visits` with this carbon configuration.
fn pushing(server: &Server, carbon: &Value) -> Stream {
    Stream::create(server, json!({ "name": "visits", "carbon": carbon }))
}

/// The status of pushing.
fn status(stream: &Stream) -> Value {
    stream.read("/status").expect(200).json()["carbon"].clone()
}

/// The status of pushing, once it is as wanted.
#[track_caller]
fn until(stream: &Stream, patience: Duration, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + patience;
    loop {
        let status = status(stream);
        if is_wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {status}");
        thread::park_timeout(Duration::from_millis(250));
    }
}

fn is_done(status: &Value) -> bool {
    status["pending_since"].is_null() && status["lines"] != 0
}

/// The message of the last error.
#[track_caller]
fn last_error(status: &Value) -> &str {
    status["last_error"]["message"].as_str().unwrap_or_else(|| panic!("status shows an error: {status}"))
}

#[test]
fn slow_carbon_tests_start_early() {
    crate::waiting::begin();
}
