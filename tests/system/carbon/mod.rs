//! Pushing closed buckets to a carbon: a double of it, and the real one.

mod configuring;
mod double;
mod failing;
mod real;
mod sending;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// A bucket of 10 s is sent 15 s after its end, and the machine may be busy.
const SOON: Duration = Duration::from_secs(80);

/// A server that may push to this machine.
fn start(state: State) -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("HEARTBEAT_DEV", "1")];
    Server::start_with(state, &environment)
}

/// The one that most of these tests share.
fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| start(State::new()))
}

/// A stream called `visits` that pushes as this says.
fn pushing(server: &Server, carbon: &Value) -> Stream {
    Stream::create(server, json!({ "name": "visits", "carbon": carbon }))
}

/// What status says of pushing.
fn status(stream: &Stream) -> Value {
    stream.read("/status").expect(200).json()["carbon"].clone()
}

/// What status says of pushing as soon as it is as wanted.
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

/// What the last error says.
#[track_caller]
fn last_error(status: &Value) -> &str {
    status["last_error"]["message"].as_str().unwrap_or_else(|| panic!("an error is told: {status}"))
}

/// Makes each scene a test. A bucket takes its time to close, so scenes mostly wait: all begin with the first that is run.
macro_rules! scenes {
    ($($room:ident::$scene:ident;)*) => {
        const SCENES: &[(&str, fn())] = &[$((stringify!($scene), $room::$scene)),*];
        $(
            #[test]
            fn $scene() {
                play(stringify!($scene));
            }
        )*
    };
}

scenes! {
    real::a_real_carbon_has_every_closed_bucket_once_though_it_was_stopped_and_started;
    sending::a_closed_bucket_arrives_once_with_names_tags_and_values_as_they_are_read;
    sending::a_late_point_sends_its_bucket_again_as_it_is_now;
    sending::what_was_not_sent_when_the_machine_died_is_sent_and_what_was_is_not_sent_again;
    sending::a_host_may_be_a_name_or_an_address_of_either_kind;
    sending::a_stream_that_also_forwards_does_both_though_the_carbon_hangs;
    failing::a_reset_connection_is_told_and_the_same_lines_come_again;
    failing::one_who_closes_before_the_end_has_not_taken_it;
    failing::one_who_does_not_close_is_left_after_20_s;
    failing::one_who_talks_is_no_carbon;
    failing::what_was_written_while_the_carbon_was_away_arrives_in_order_when_it_is_back;
    configuring::another_carbon_gets_what_comes_from_now_on;
}

/// Waits for the end of a scene.
fn play(name: &str) {
    static PLAYING: LazyLock<Mutex<BTreeMap<&str, JoinHandle<()>>>> = LazyLock::new(|| {
        let begin = |(name, scene): &(&'static str, fn())| (*name, thread::spawn(*scene));
        Mutex::new(SCENES.iter().map(begin).collect())
    });
    let playing = PLAYING.lock().unwrap_or_else(PoisonError::into_inner).remove(name).expect("each is played once");
    if let Err(panic) = playing.join() {
        resume_unwind(panic);
    }
}
