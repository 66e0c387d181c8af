//! An object that lost its memory answers as before.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::clock::now_whole_s;
use crate::server::{Server, State};
use crate::stream::{Stream, assert_close};

#[test]
fn an_evicted_object_keeps_all_points_keys_and_labels() {
    let (stream, t) = (Stream::new(), now_whole_s());
    let write = || {
        let body = format!(r#"{{"n":1,"d":2,"p":7200,"t":{t},"v":{{"a":"b"}}}}"#);
        stream.call("POST", "/points").header("Idempotency-Key", "k").body(body).send().expect(202);
    };
    write();
    // A window that does not move while it is read twice.
    let read = || {
        let rollup = stream.rollup(&format!("from={}&to={}", t - 3_600, t + 60));
        let status = stream.read("/status").expect(200).json();
        (
            rollup["series"].clone(),
            stream.read("/labels").json(),
            status["accepted"].clone(),
            status["open_cells"].clone(),
        )
    };
    let before = read();
    Server::shared().evict(&stream.object());
    assert_eq!(read(), before);
    write();
    assert_eq!(stream.read("/status").json()["accepted"], 1, "the key is still known after the eviction");
}

#[test]
fn evicted_shards_keep_points_keys_and_the_shard_count() {
    let stream = Stream::new();
    let write = |key: u32| {
        let call = stream.call("POST", "/points").header("Idempotency-Key", key.to_string());
        call.body(r#"{"n":1}"#).send().expect(202);
    };
    (0..20).for_each(write);
    stream.owned("PATCH", "").body(r#"{"shards":4}"#).send().expect(200);
    (20..40).for_each(write);
    for shard in 0..4 {
        Server::shared().evict(&format!("{}/{shard}", stream.id));
    }
    (0..40).for_each(write);
    assert_close(stream.total("count"), 40.0, "each key once");
}

/// When workerd will next wake an object, in nanoseconds since 1970; unknown while it is waking one.
fn alarm(server: &Server) -> Option<i64> {
    let file = server.state().join("do/heartbeat-Stream/metadata.sqlite");
    let alarms = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("workerd made it");
    alarms.query_row("SELECT min(scheduled_time) FROM _cf_ALARM", [], |row| row.get(0)).ok()
}

/// The same, in nanoseconds from now.
pub(crate) fn alarm_in_ns(server: &Server) -> Option<i64> {
    alarm(server).map(|alarm_ns| alarm_ns - i64::try_from(now_whole_s()).expect("fits") * 1_000_000_000)
}

#[test]
fn a_quiet_stream_keeps_its_alarm_through_eviction() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    stream.post(r#"{"n":1}"#).expect(202);
    let first = alarm(&server).expect("one alarm is set");
    for _ in 0..3 {
        server.evict(&stream.object());
        stream.post(r#"{"n":1}"#).expect(202);
        assert_eq!(alarm(&server), Some(first), "an alarm that is put off never comes");
    }
}

#[test]
fn a_write_to_an_idle_stream_is_sealed_in_time() {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    stream.write(r#"{"n":1}"#);
    // The change makes the alarm due, which seals everything.
    stream.owned("PATCH", "").body("{}").send().expect(200);
    let deadline = Instant::now() + Duration::from_mins(5);
    while alarm_in_ns(&server).is_none_or(|next_ns| next_ns < HOUR_NS) {
        assert!(Instant::now() < deadline, "the alarm for expiring chunks is not set");
    }
    for is_evicted in [false, true] {
        if is_evicted {
            server.evict(&stream.object());
        }
        stream.write(r#"{"n":1}"#);
        let next_ns = alarm_in_ns(&server).expect("one alarm is set");
        assert!((0..HOUR_NS / 4).contains(&next_ns), "in {next_ns} ns");
    }
}

#[test]
fn an_evicted_object_refuses_a_wrong_key_and_is_deleted() {
    let stream = Stream::new();
    stream.post(r#"{"n":1}"#).expect(202);
    Server::shared().evict(&stream.object());
    stream.call("GET", "/rollup").bearer("rk_wrong").send().problem(401);
    Server::shared().evict(&stream.object());
    stream.owned("DELETE", "").send().expect(204);
    assert_eq!(stream.read("/rollup").problem(404), "not-found");
    assert_eq!(stream.post(r#"{"n":1}"#).problem(404), "not-found");
}
